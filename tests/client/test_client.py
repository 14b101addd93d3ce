"""The Python client against the real hub: it comes back by itself and has missed nothing."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from accounts import PASSWORD
from openoutcry.adapters.postgres.sessions import end_sessions
from openoutcry.client import (
    ApiKey,
    Client,
    HubClosedError,
    Message,
    SignIn,
    SignInError,
    stream,
)
from privatekit import Floor

pytest_plugins = ["hubkit", "privatekit"]
QUICK = (0.1, 0.5)


class Tokens:
    """Credentials in the test's hands."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked: list[bool] = []

    async def token(self, *, fresh: bool) -> str:
        """Return the next token when a fresh one is wanted."""
        self.asked.append(fresh)
        if fresh:
            self.tokens.pop(0)
        return self.tokens[0]


class Follower:
    """Takes a client's messages as a program would, and keeps what it knows."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.known: list[Any] = []
        self.offset = -1
        self.types: list[str] = []
        self.recovered: list[bool | None] = []
        self.lost: list[int] = []

    async def take(self) -> Message:
        """Take the next message into account and return it."""
        message = await anext(self.client)
        self.types.append(message.type)
        if message.type == "disconnected":
            self.lost.append(message.data["code"])
        if message.channel == "user" and message.offset is not None:
            if message.type == "subscribed":
                self.recovered.append(message.recovered)
                if message.is_snapshot:
                    self.known = list(message.data)
            else:
                assert message.offset == self.offset + 1
                self.known.append(message.data)
            self.offset = message.offset
        return message

    async def until(self, type_: str, seconds: float = 45) -> Message:
        """Take messages up to one of a type."""
        async with asyncio.timeout(seconds):
            while (message := await self.take()).type != type_:
                pass
        return message

    async def reach(self, offset: int, seconds: float = 30) -> None:
        """Take messages until an offset is reached."""
        async with asyncio.timeout(seconds):
            while self.offset < offset:
                await self.take()
        assert self.offset == offset


@asynccontextmanager
async def following(port: int, credentials: Any, *channels: str) -> AsyncIterator[Follower]:
    """Open a client."""
    client = Client(f"ws://127.0.0.1:{port}", credentials, backoff=QUICK)
    async with client:
        client.subscribe(*channels)
        yield Follower(client)


async def role(name: str, database_url: str, valkey_url: str, **settings: Any) -> Process:
    """Start a role as a process of its own."""
    environment = {key: text for key, text in os.environ.items() if "OUTCRY" not in key}
    environment |= {"OUTCRY_DATABASE_URL": database_url, "OUTCRY_VALKEY_URL": valkey_url}
    environment |= {f"OUTCRY_{key.upper()}": str(value) for key, value in settings.items()}
    command = (sys.executable, "-m", "openoutcry", "run", name)
    return await asyncio.create_subprocess_exec(*command, env=environment)


async def listens(port: int) -> None:
    """Wait until somebody listens on a port."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def test_a_hub_killed_in_the_middle(
    floor: Floor, database_url: str, valkey_url: str, free_port: int
) -> None:
    """`kill -9` of the hub, again and again while messages flow: nothing missed, nothing twice."""
    ada = await floor.user("ada")
    key = await floor.key(ada)
    stop = asyncio.Event()
    written = 0

    async def work() -> None:
        nonlocal written
        while not stop.is_set():
            await floor.commit(ada, *range(random.randint(1, 3)), kind="bot_deleted")
            await asyncio.sleep(random.uniform(0, 0.03))
        sql = "SELECT position FROM trading_accounts WHERE user_id = $1"
        written = await floor.pool.fetchval(sql, ada.id)

    working = asyncio.create_task(work())
    hub = await role("hub", database_url, valkey_url, ws_port=free_port)
    try:
        async with following(free_port, ApiKey(key), "user") as one:
            for _ in range(3):
                await one.until("subscribed", 30)
                await one.reach(one.offset + random.randint(10, 60))
                hub.kill()
                await hub.wait()
                hub = await role("hub", database_url, valkey_url, ws_port=free_port)
            await one.until("subscribed", 30)
            stop.set()
            await working
            await one.reach(written)
            # The messages since the first snapshot came one after the other (see `Follower.take`).
            assert one.recovered == [False, True, True, True]
            assert len(one.lost) >= 3
    finally:
        stop.set()
        hub.kill()
        await hub.wait()


async def test_a_hub_that_says_goodbye(floor: Floor, free_port: int) -> None:
    """A hub that shuts down closes with 3001; its successor is found and asked from the offset."""
    hub, ada = await floor.hub(), await floor.user("ada")
    await floor.commit(ada, 1)
    async with following(free_port, ApiKey(await floor.key(ada)), "user", "price:BTCUSDT") as one:
        await one.reach(1)
        await floor.published()
        ending = asyncio.create_task(hub.end())
        assert (await one.until("disconnected")).data["code"] == 3001
        await ending
        await floor.commit(ada, 2)
        await floor.hub(port=free_port)
        await one.reach(2)
        assert one.known == [1, 2]
        assert one.recovered == [False, True]
        assert one.client.is_connected


async def test_a_history_that_is_gone(floor: Floor, free_port: int) -> None:
    """What cannot be recovered comes as a snapshot that replaces all."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with following(free_port, ApiKey(await floor.key(ada)), "user") as one:
        await one.until("subscribed")
        ending = asyncio.create_task(hub.end())
        await one.until("disconnected")
        await ending
        await floor.commit(ada, 1, 2)
        await floor.published()
        await floor.valkey.flushall()
        await floor.hub(port=free_port)
        await one.reach(2)
        assert one.known == [1, 2]
        assert one.recovered == [False, False]


async def test_renewal(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is renewed before it expires, on the same connection."""
    hub, ada = await floor.hub(ping_seconds=0.4), await floor.user("ada")
    session = await floor.session(ada)
    monkeypatch.setattr("openoutcry.services.tokens.LIFETIME", 3)
    short = await floor.tokens.sign(ada, session)
    monkeypatch.undo()
    tokens = Tokens(short, await floor.tokens.sign(ada, session))
    async with following(hub.port, tokens, "user") as one:
        first = await one.until("authenticated")
        second = await one.until("authenticated")
        assert second.data["expires_at"] > first.data["expires_at"]
        assert tokens.asked == [False, True]
        await asyncio.sleep(3)
        assert not one.lost


async def test_expiry(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that expired all the same is replaced on the next connection."""
    monkeypatch.setattr(stream, "EARLY_SECONDS", -60.0)
    hub, ada = await floor.hub(ping_seconds=0.4), await floor.user("ada")
    session = await floor.session(ada)
    monkeypatch.setattr("openoutcry.services.tokens.LIFETIME", 2)
    short = await floor.tokens.sign(ada, session)
    monkeypatch.setattr("openoutcry.services.tokens.LIFETIME", 900)
    async with following(hub.port, Tokens(short, await floor.token(ada)), "user") as one:
        await one.until("disconnected")
        await one.until("subscribed")
        assert one.lost == [3005]
        await floor.commit(ada, 1)
        await one.reach(1)


async def test_for_good(floor: Floor) -> None:
    """Who is refused is told so by an exception, after one more token has been tried."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with following(hub.port, Tokens("ok_a", "ok_b", "ok_c")) as one:
        with pytest.raises(HubClosedError) as error:
            await one.until("never")
        assert error.value.code == 3500
        assert one.lost == [3500]
    async with following(hub.port, ApiKey("ok_revoked")) as one:
        with pytest.raises(SignInError):
            await one.until("never")
    session = await floor.session(ada)
    good = await floor.tokens.sign(ada, session)
    async with following(hub.port, Tokens(good, await floor.token(ada)), "user") as one:
        await one.until("authenticated")


async def test_nobody_there(free_port: int) -> None:
    """Without a hub it tries again with growing pauses, and can be closed meanwhile."""
    async with following(free_port, None, "price:BTCUSDT") as one:
        waits = [(await one.until("disconnected")).data["retry_in"] for _ in range(4)]
        assert 0.06 <= waits[0] <= 0.1
        assert 0.3 <= waits[3] <= 0.5
    with pytest.raises(StopAsyncIteration):
        await anext(one.client)


async def test_a_slow_program(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that takes its time holds the socket back and gets everything in the end."""
    monkeypatch.setattr(stream, "MOST_WAITING", 20)
    hub, ada = await floor.hub(outbox_bytes=64 * 1024), await floor.user("ada")
    async with following(hub.port, ApiKey(await floor.key(ada)), "user") as one:
        await one.until("subscribed")
        for _ in range(10):
            await floor.commit(ada, *["x" * 2000] * 100)
        await asyncio.sleep(1.0)
        assert len(one.client._messages) < 300
        await one.reach(1000)


async def test_signing_in(
    floor: Floor, database_url: str, valkey_url: str, free_ports: Callable[[int], list[int]]
) -> None:
    """With name and password it signs in at the API, and again when its session was ended."""
    port, ws_port = free_ports(2)
    ada = await floor.user("ada")
    hub = await floor.hub(port=ws_port, ping_seconds=0.4)
    api = await role("api", database_url, valkey_url, port=port)
    try:
        await listens(port)
        who = SignIn(f"http://127.0.0.1:{port}", "ada", PASSWORD)
        async with following(hub.port, who, "user") as one:
            await one.until("subscribed")
            assert await end_sessions(floor.pool, ada.id) == 1
            assert (await one.until("disconnected")).data["code"] == 3500
            await floor.commit(ada, 1)
            await one.reach(1)
        wrong = SignIn(f"http://127.0.0.1:{port}", "ada", "not the password")
        async with following(hub.port, wrong, "user") as one:
            with pytest.raises(SignInError, match="401"):
                await one.until("subscribed")
    finally:
        api.kill()
        await api.wait()
