"""How much a client of the hub's own paths may say."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from hubkit import StartHub
from openoutcry.web.hub.protocol import MAX_SUBSCRIPTIONS
from openoutcry.web.hub.server import APP_PATH
from openoutcry.web.hub.talks import Allowance, Measured, Pace

pytest_plugins = ["hubkit"]


async def end_of(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """Read to the end and return the close code."""
    while (await socket.receive(timeout=20)).type is aiohttp.WSMsgType.TEXT:
        pass
    return socket.close_code


async def test_who_says_too_much_is_closed(start_hub: StartHub) -> None:
    """What is within the allowance is answered, the next message closes with 1008; nobody else."""
    hub = await start_hub(allowance=Allowance(at_once=5, a_second=1))
    async with hub.talk() as other, aiohttp.ClientSession() as session:
        flood = await hub.connect(session)
        for _ in range(60):
            await flood.send_str('{"type":"ping"}')
        assert await end_of(flood) == 1008
        # Five messages, and one more for each second that sending may take.
        assert 5 <= hub.meter.commands < 60
        await other.ask("ping")
        assert (await other.next())["type"] == "pong"
    assert hub.meter.closed[1008] == 1


@pytest.mark.parametrize("path", ["/", APP_PATH])
async def test_pings_count_on_every_path(start_hub: StartHub, path: str) -> None:
    """A client that sends nothing but WebSocket pings has to be answered too."""
    hub = await start_hub(allowance=Allowance(at_once=5, a_second=1))
    async with aiohttp.ClientSession() as session:
        flood = await hub.connect(session, path)
        for _ in range(60):
            await flood.ping()
        assert await end_of(flood) == 1008


async def test_what_was_used_comes_back(start_hub: StartHub) -> None:
    """Who spends the allowance and then waits may go on."""
    hub = await start_hub(allowance=Allowance(at_once=3, a_second=10))
    async with hub.talk() as talk:
        for _ in range(3):
            for _ in range(3):
                await talk.ask("ping")
                assert (await talk.next())["type"] == "pong"
            await asyncio.sleep(0.5)


def test_a_reconnect_fits_into_the_allowance() -> None:
    """All subscriptions at once, refused until the token is known and then asked for again."""
    talk = Measured(Pace(25, 10, 4096), Allowance())
    for _ in range(2 * MAX_SUBSCRIPTIONS + 10):
        assert talk.admits()
    further = 0
    while talk.admits():
        further += 1
        assert further < 10_000, "there is no limit"
