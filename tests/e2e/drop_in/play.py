"""The recording played into the whole system while every client listens, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
from msgspec import Struct

from e2e.recorded import Recorded
from e2e.system import System, eventually

from .listeners import Heard, Place, listening

FIRST = 1000
STEP = 2500
TRADES = (
    *("python-binance.raw", "python-binance.trade"),
    *("connector.trade", "bare/ws", "bare/stream"),
)
"""The clients that listen to every trade, and tell each as soon as they have it."""


async def perform(system: System, recorded: Recorded, places: list[Place]) -> list[Heard]:
    """Start the roles, play the whole recording, and return what was heard at each place."""
    play = Play(system, recorded)
    system.start("sandbox")

    async def held() -> bool:
        await play.until(0)
        return True

    await eventually("the sandbox holds the replay", held)
    system.start("feed", "recorder", "hub", "api")

    async def connected() -> bool:
        stats = await asyncio.to_thread(system.sandbox, "GET", "/sandbox/stats")
        return {"btcusdt@trade", "ethusdt@trade", "btcusdt@bookTicker"} <= set(stats["streams"])

    await eventually("the feed listens, also to best prices", connected)
    await play.until(FIRST)

    async def listed() -> bool:
        return len((await play.api("exchangeInfo"))["symbols"]) == 2

    await eventually("the API lists both markets", listed)
    async with AsyncExitStack() as stack:
        heard = [await stack.enter_async_context(listening(place)) for place in places]
        await play.through(heard)
        await play.settle(heard)
    return heard


class Play(Struct):
    """The system while the recording is played into it."""

    system: System
    recorded: Recorded

    async def until(self, position: int) -> None:
        """Let the sandbox play no further than this."""
        await asyncio.to_thread(self.system.sandbox, "POST", "/sandbox/replay", {"until": position})

    async def api(self, path: str) -> Any:
        """Ask our API."""
        return await asyncio.to_thread(self.system.get, f"/api/v3/{path}")

    async def through(self, heard: list[Heard]) -> None:
        """Play to the end; nobody is left behind by more than a step."""
        for position in range(FIRST, self.recorded.length + STEP, STEP):
            await self.until(position)
            last = self.recorded.btc.last_id(position)

            async def all_heard(last: int = last) -> bool:
                for one in heard:
                    one.check()
                return all(one.last.get(call) == last for one in heard for call in TRADES)

            if position > FIRST:
                try:
                    await eventually("all have heard", all_heard, 60)
                except AssertionError:
                    behind = [(one.place.name, one.last) for one in heard]
                    raise AssertionError(f"some have not heard {last}: {behind}") from None

    async def settle(self, heard: list[Heard]) -> None:
        """Wait until everything that the recording says has arrived everywhere."""
        recorded = self.recorded
        connection = await asyncpg.connect(self.system.database_url)
        count = sum(len(market.trades) for market in recorded.markets.values())

        async def stored() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM trades") == count)

        await eventually("every recorded trade is stored", stored, 90)
        await connection.close()

        async def best_prices() -> bool:
            found = await self.api("ticker/bookTicker?symbol=BTCUSDT")
            return bool(found["bidPrice"] == recorded.btc.books[-1]["b"]) and bool(
                found["askQty"] == recorded.btc.books[-1]["A"]
            )

        await eventually("the last best prices are known", best_prices, 60)
        last = {
            "ccxt.watch_ticker": float(recorded.btc.mini()["v"]),
            "python-binance.kline_1m": recorded.btc.trades[-1]["t"],
            "python-binance.bookTicker": recorded.btc.books[-1]["u"],
            "connector.kline": recorded.btc.trades[-1]["t"],
        }
        read: dict[str, Callable[[Any], Any]] = {
            "ccxt.watch_ticker": lambda one: one["baseVolume"],
            "python-binance.kline_1m": lambda one: one["k"]["L"],
            "python-binance.bookTicker": lambda one: one["u"],
            "connector.kline": lambda one: one.k.L,
        }

        def missing() -> list[str]:
            return [
                f"{one.place.name} {call}: {[read[call](each) for each in one.said[call][-1:]]}"
                for one in heard
                for call, wanted in last.items()
                if not one.said[call] or read[call](one.said[call][-1]) != wanted
            ]

        async def told() -> bool:
            for one in heard:
                one.check()
            return not missing()

        try:
            await eventually("all streams have come to their end", told, 60)
        except AssertionError:
            raise AssertionError(f"not {last}, but {missing()}") from None
        await asyncio.sleep(2.5)  # the slowest stream speaks every other second
