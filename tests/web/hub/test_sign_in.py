"""Who may connect to the hub as whom, and for how long."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from hubkit import Hub
from openoutcry.adapters.postgres.api_keys import revoke_key
from openoutcry.adapters.postgres.sessions import end_sessions
from openoutcry.adapters.postgres.users import set_disabled
from openoutcry.web.hub import guard
from privatekit import Floor, close_code

pytest_plugins = ["hubkit", "privatekit"]
NOBODY = "ok_nobody"


@pytest.mark.parametrize("way", ["authorization", "key", "x-api-key", "subprotocol", "message"])
async def test_ways_to_sign_in(floor: Floor, way: str) -> None:
    """A token or a key, by header, by subprotocol or in a message: the hub says who one is."""
    hub, ada = await floor.hub(), await floor.user("ada")
    shown = await (floor.key(ada) if "key" in way else floor.token(ada))
    kwargs: dict[str, Any] = {}
    if way in ("authorization", "key"):
        kwargs["headers"] = {"Authorization": f"Bearer {shown}"}
    elif way == "x-api-key":
        kwargs["headers"] = {"X-API-Key": shown}
    elif way == "subprotocol":
        kwargs["protocols"] = ("openoutcry", f"bearer.{shown}")
    async with hub.talk(**kwargs) as talk:
        if way == "message":
            await talk.ask("auth", token=shown, id=1)
        told = await talk.next()
        assert told["type"] == "authenticated"
        who = {"user_id": ada.id, "name": "ada", "role": "user"}
        assert told["data"] == who | {"expires_at": told["data"]["expires_at"]}
        assert (told["data"]["expires_at"] is None) is ("key" in way)
        assert talk.socket.protocol == ("openoutcry" if way == "subprotocol" else None)
        assert await talk.subscribe("user") == []


async def test_what_comes_first_waits(floor: Floor) -> None:
    """What a client sends along with its token is answered as from a user, in order."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with hub.talk() as talk:
        await talk.ask("auth", token=await floor.token(ada))
        await talk.ask("subscribe", "user", id=1)
        await talk.ask("ping", id=2)
        types = [(await talk.next())["type"] for _ in range(3)]
        assert sorted(types) == ["authenticated", "pong", "subscribed"]
        assert types[0] == "authenticated"


async def test_strangers(floor: Floor) -> None:
    """Without a sign-in there are public channels only; a bad token closes with 3500."""
    hub = await floor.hub()
    async with hub.talk() as talk:
        assert await talk.subscribe("price:BTCUSDT") is None
        await talk.ask("subscribe", "user", id="u")
        refused = await talk.next()
        assert (refused["code"], refused["id"]) == ("unauthorized", "u")
        await talk.ask("auth", token=NOBODY, id=3)
        refused = await talk.until("error")
        assert (refused["code"], refused["id"]) == ("unauthorized", 3)
        assert await close_code(talk) == 3500
    async with hub.talk(headers={"Authorization": "Bearer a.b.c"}) as talk:
        assert await close_code(talk) == 3500
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await hub.connect(session, headers={"X-API-Key": "a", "Authorization": "Bearer b"})
        assert error.value.status == 400


async def test_expiry_and_renewal(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that expires closes with 3005, unless another was shown in time."""
    hub, ada = await floor.hub(ping_seconds=0.4), await floor.user("ada")
    session = await floor.session(ada)
    monkeypatch.setattr("openoutcry.services.tokens.LIFETIME", 3)
    short = await floor.tokens.sign(ada, session)
    monkeypatch.undo()
    until = time.time() + 3
    headers = {"Authorization": f"Bearer {short}"}
    async with hub.talk(headers=headers) as one, hub.talk(headers=headers) as other:
        await other.until("authenticated")
        await other.ask("auth", token=await floor.tokens.sign(ada, session), id=7)
        assert (await other.until("authenticated"))["id"] == 7
        assert await close_code(one) == 3005
        assert time.time() > until - 1.5
        await other.ask("ping")
        assert (await other.next())["type"] == "pong"


async def test_another_users_token(floor: Floor) -> None:
    """A connection stays its user's: somebody else's token is refused and changes nothing."""
    hub, ada, bob = await floor.hub(), await floor.user("ada"), await floor.user("bob")
    await floor.commit(bob, "bob's")
    async with hub.talk() as talk:
        await talk.ask("auth", token=await floor.token(ada))
        assert (await talk.next())["data"]["name"] == "ada"
        await talk.ask("auth", token=await floor.token(bob), id=5)
        refused = await talk.next()
        assert (refused["code"], refused["id"]) == ("other_user", 5)
        assert await talk.subscribe("user") == []


@pytest.mark.parametrize("how", ["signed out", "disabled", "revoked"])
async def test_whoever_is_out_is_closed(
    floor: Floor, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ended session, a disabled user and a revoked key are closed with 3500; others stay."""
    monkeypatch.setattr(guard, "CHECK_SECONDS", 0.3)
    hub = await floor.hub(ping_seconds=0.4)
    ada, bob = await floor.user("ada"), await floor.user("bob")
    shown = await (floor.key(ada) if how == "revoked" else floor.token(ada))
    async with (
        hub.talk(headers={"X-API-Key": shown}) as out,
        hub.talk(headers={"X-API-Key": await floor.token(bob)}) as stays,
    ):
        for talk in (out, stays):
            await talk.until("authenticated")
        if how == "signed out":
            await end_sessions(floor.pool, ada.id)
        elif how == "disabled":
            await set_disabled(floor.pool, "ada", disabled=True)
        else:
            await revoke_key(floor.pool, shown.split("_")[1], ada.id)
        assert await close_code(out) == 3500
        await asyncio.sleep(0.5)
        await stays.ask("ping")
        assert (await stays.next())["type"] == "pong"


async def test_accounts_away(hub: Hub) -> None:
    """A hub that cannot ask who it is says so: 3004 on connect, an error to a message."""
    async with hub.talk(headers={"X-API-Key": "ok_x"}) as talk:
        assert await close_code(talk) == 3004
    async with hub.talk() as talk:
        await talk.ask("auth", token=NOBODY)
        assert (await talk.next())["code"] == "unavailable"
        assert await talk.subscribe("price:BTCUSDT") is None


async def test_market_data_for_users_only(floor: Floor) -> None:
    """With `public_market_data` off every channel and every path needs a sign-in."""
    hub, ada = await floor.hub(public_market_data=False), await floor.user("ada")
    token = await floor.token(ada)
    async with hub.talk() as talk:
        await talk.ask("subscribe", "price:BTCUSDT")
        assert (await talk.next())["code"] == "unauthorized"
        await talk.ask("auth", token=token)
        await talk.next()
        assert await talk.subscribe("price:BTCUSDT") is None
    for path in ("/", "/ws"):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await hub.connect(session, path)
            assert error.value.status == 401
            bad = await hub.connect(session, path, headers={"X-API-Key": "ok_bad"})
            assert (await bad.receive(timeout=30)).data == 3500
            good = await hub.connect(session, path, headers={"X-API-Key": token})
            if path == "/":
                assert "connection" in await good.receive_str(timeout=30)
            else:
                await good.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert '"id":1' in await good.receive_str(timeout=30)


async def test_waiting_is_bounded(floor: Floor) -> None:
    """Who sends without end while it is found out who they are is closed with 3501."""
    hub = await floor.hub(max_subscriptions=8)
    gate = asyncio.Event()

    async def never(credential: str) -> Any:
        await gate.wait()
        raise AssertionError(credential)

    hub.server.guard.identify = never  # type: ignore[method-assign]
    async with hub.talk() as talk:
        await talk.ask("auth", token=NOBODY)
        for _ in range(9):
            await talk.ask("ping")
        assert await close_code(talk) == 3501
