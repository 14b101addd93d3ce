"""Pages of public origins: they may hear the public counter, and nothing else."""

from __future__ import annotations

import aiohttp
import pytest

from hubkit import StartHub

pytest_plugins = ["hubkit"]

SHOP = {"Origin": "https://shop.example"}


async def test_a_guest_hears_the_counter_only(start_hub: StartHub) -> None:
    """Snapshot and changes of `stats:trades`; every other channel and signing in are refused."""
    hub = await start_hub(public_origins=("https://shop.example/",))
    hub.bus.stats = b'{"trades_7d":5}'
    async with hub.talk(headers=SHOP) as talk:
        assert await talk.subscribe("stats:trades") == {"trades_7d": 5}
        hub.bus.say("stats:trades", b'{"trades_7d":6}')
        assert (await talk.next())["data"] == {"trades_7d": 6}
        for channel in ("price:BTCUSDT", "tickers", "trade:BTCUSDT", "user"):
            await talk.ask("subscribe", channel)
            refused = await talk.next()
            assert (refused["type"], refused["code"]) == ("error", "forbidden")
        await talk.ask("auth", token="x")  # noqa: S106 - of nobody
        assert (await talk.next())["code"] == "forbidden"
        await talk.ask("ping")
        assert (await talk.next())["type"] == "pong"


async def test_a_guests_token_is_not_looked_at(start_hub: StartHub) -> None:
    """A foreign page cannot act for whoever looks at it."""
    hub = await start_hub(public_origins=("*",))
    protocols = ("openoutcry", "bearer.anything")
    async with hub.talk(headers=SHOP, protocols=protocols) as talk:
        await talk.ask("subscribe", "user")
        assert (await talk.next())["code"] == "forbidden"


@pytest.mark.parametrize("path", ["/", "/ws/btcusdt@trade", "/stream"])
async def test_other_paths_stay_shut(start_hub: StartHub, path: str) -> None:
    """The list of public origins opens one path."""
    hub = await start_hub(public_origins=("https://shop.example",))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await hub.connect(session, path, headers=SHOP)
    assert refused.value.status == 403


async def test_an_origin_on_no_list_is_refused(start_hub: StartHub) -> None:
    """Nothing is open by itself."""
    hub = await start_hub(public_origins=("https://other.example",))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await hub.connect(session, headers=SHOP)
    assert refused.value.status == 403


async def test_an_allowed_origin_is_no_guest(start_hub: StartHub) -> None:
    """Who may read everything is not held back by being listed twice."""
    hub = await start_hub(public_origins=("*",), allowed_origins=("https://shop.example",))
    async with hub.talk(headers=SHOP) as talk:
        assert await talk.subscribe("price:BTCUSDT") is None


async def test_the_counter_needs_no_sign_in(start_hub: StartHub) -> None:
    """It is public where market data is not."""
    hub = await start_hub(public_market_data=False)
    async with hub.talk() as talk:
        assert await talk.subscribe("stats:trades") is None
        await talk.ask("subscribe", "price:BTCUSDT")
        assert (await talk.next())["code"] == "unauthorized"
