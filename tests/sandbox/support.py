"""What several sandbox tests use: a tape, a clock, a plain fold, a running exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import aiohttp
import msgspec

from openoutcry.sandbox.listing import make_symbol
from openoutcry.sandbox.server import Addresses, SandboxOptions, serve
from openoutcry.sandbox.tape import RateChange, Skip, Tape

LISTED = 1_790_000_000
RATES = [RateChange(LISTED, 0.5), RateChange(LISTED + 4000, 40.0)]
LENGTH = 8000


def make_tape(name: str = "BTCUSDT", seed: int = 7, skips: tuple[Skip, ...] = ()) -> Tape:
    """Return a tape that trades slowly for 4000 s and faster from then on."""
    return Tape(make_symbol(name, seed), seed, LISTED, RATES, skips)


def plain_fold(trades: Any, length: int) -> list[tuple[int, ...]]:
    """Return candle rows by the simplest means."""
    rows: list[tuple[int, ...]] = []
    for bucket, group in groupby(trades.tolist(), key=lambda row: row[1] - row[1] % length):
        part = list(group)
        prices = [row[2] for row in part]
        rows.append(
            (
                *(bucket, prices[0], max(prices), min(prices), prices[-1]),
                sum(row[3] for row in part),
                sum(row[2] * row[3] for row in part),
                len(part),
                sum(row[3] for row in part if row[5]),
                sum(row[2] * row[3] for row in part if row[5]),
                *(part[0][0], part[-1][0]),
            )
        )
    return rows


class Clock:
    """A clock that stands still until it is moved; µs."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return the time."""
        return self.now


class Sandbox:
    """A running exchange and an HTTP client for it."""

    def __init__(self, addresses: Addresses, http: aiohttp.ClientSession) -> None:
        self.rest = addresses.rest_url
        self.ws = addresses.ws_url
        self.http = http

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a call that must succeed."""
        async with self.http.get(self.rest + path, params=params) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def fault(self, **fault: Any) -> None:
        """Put a fault in force."""
        async with self.http.post(self.rest + "/sandbox/faults", json=fault) as response:
            assert response.status == 200, await response.text()

    @asynccontextmanager
    async def connect(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket that answers no pings by itself."""
        async with self.http.ws_connect(self.ws + path, autoping=False) as socket:
            yield socket


async def messages(socket: aiohttp.ClientWebSocketResponse, number: int) -> list[Any]:
    """Return the next messages' JSON, pings left out. Raises TimeoutError after ten seconds."""
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < number:
            message = await socket.receive()
            if message.type == aiohttp.WSMsgType.PING:
                continue
            assert message.type == aiohttp.WSMsgType.TEXT, message
            found.append(msgspec.json.decode(message.data))
    return found


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Sandbox]:
    """Run an exchange on free ports."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    clock = options.pop("clock", None)
    chosen = SandboxOptions(**{"port": 0, "ws_port": 0, "rate": 60.0, **options})
    task = asyncio.create_task(serve(chosen, stop, ready.set_result, clock))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            task.result()
        async with aiohttp.ClientSession() as http:
            yield Sandbox(ready.result(), http)
    finally:
        stop.set()
        await task
