"""Side streams from a venue of the test, and from the sandbox exchange, into a real Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.weight import WeightBudget
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.keys import (
    LAST_BOOKS,
    TICKERS,
    TICKERS_SECONDS,
    TICKERS_SNAPSHOT,
    book_channel,
)
from openoutcry.core.tickers import BookTop, Ticker
from openoutcry.engines import Engines
from openoutcry.errors import VenueUnavailableError
from openoutcry.services import side_streams as module
from openoutcry.services.feed_line import ConnectionGate
from openoutcry.services.side_streams import BookSeed, Seed, SideStreams, every_book, every_ticker
from openoutcry.venues.binance import LIMITS
from openoutcry.venues.binance_side import side_streams
from sandbox.support import running
from tape import until
from venue_server import Venue, venue_server

SYMBOLS = ["BTCUSDT", "ETHUSDT"]


def mini(symbol: str, price: str) -> dict[str, Any]:
    """Return an element of `!miniTicker@arr`."""
    return {
        "e": "24hrMiniTicker", "E": 1723161255343, "s": symbol, "c": price, "o": "1.5",
        "h": "70000", "l": "1.1", "v": "12.5", "q": "850000.00",
    }  # fmt: skip


def book(symbol: str, update: int, bid: str) -> bytes:
    """Return a `@bookTicker` message."""
    return json.dumps({"u": update, "s": symbol, "b": bid, "B": "1", "a": "9", "A": "2"}).encode()


class Ear:
    """Hears channels and keeps what they say."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def of(self, channel: str) -> list[Any]:
        """Return the messages of a channel."""
        return [data for name, data in self.heard if name == channel]

    @asynccontextmanager
    async def listening(self, valkey: Redis, *channels: str) -> AsyncIterator[None]:
        """Listen while the block runs."""
        async with valkey.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(*channels)

            async def hear() -> None:
                async for message in pubsub.listen():
                    self.heard.append((message["channel"].decode(), json.loads(message["data"])))

            task = asyncio.create_task(hear())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def carrying(
    url: str,
    valkey: Redis,
    seed: Seed | None = None,
    streams: Sequence[str] = (),
    book_seed: BookSeed | None = None,
) -> AsyncIterator[SideStreams]:
    """Run side streams and wait until they are subscribed."""
    names = streams or side_streams(SYMBOLS, tickers=True, books=True)
    side = SideStreams(
        names,
        valkey,
        url=url,
        gate=ConnectionGate(LIMITS),
        silence_seconds=30,
        seed=seed,
        book_seed=book_seed,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(side.run(stop, lambda: True))

    async def subscribed() -> bool:
        return all(line.links and line.links[0].subscribed.is_set() for line in side.lines)

    try:
        await until(subscribed)
        yield side
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """A venue to connect to."""
    async with venue_server() as serving:
        yield serving


async def whole(valkey: Redis) -> dict[str, Any]:
    """Return the merged whole by symbol."""
    found: Any = await valkey.get(TICKERS_SNAPSHOT)
    rows = json.loads(found) if found else []
    return {row["symbol"]: row for row in rows}


async def test_tickers_go_out_as_they_come_and_the_whole_is_kept(
    venue: Venue, valkey: Redis
) -> None:
    """A message for each of the venue's, changed symbols only; the key has all, and expires."""
    ear = Ear()
    async with ear.listening(valkey, TICKERS), carrying(venue.url, valkey) as side:
        venue.tell(json.dumps([mini("BTCUSDT", "68234.50"), mini("ETHUSDT", "3500")]).encode())

        async def heard(number: int) -> bool:
            return len(ear.of(TICKERS)) >= number

        await until(lambda: heard(1))
        venue.tell(json.dumps([mini("BTCUSDT", "68235")]).encode())
        await until(lambda: heard(2))
        assert [[row["symbol"] for row in one] for one in ear.of(TICKERS)] == [SYMBOLS, ["BTCUSDT"]]
        assert ear.of(TICKERS)[1][0]["price"] == "68235"
        assert set(await whole(valkey)) == set(SYMBOLS)
        assert 0 < await valkey.ttl(TICKERS_SNAPSHOT) <= TICKERS_SECONDS
        counters, gauges = side.figures()
        assert (counters["side_tickers"], counters["side_published"]) == (3, 2)
        assert (gauges["side_connections"], gauges["side_symbols"]) == (1, 2)


async def test_books_are_conflated_and_the_last_is_kept(venue: Venue, valkey: Redis) -> None:
    """Of a burst only the newest of each symbol goes out, and stays in the hash."""
    ear = Ear()
    channels = [book_channel(symbol) for symbol in SYMBOLS]
    async with ear.listening(valkey, *channels), carrying(venue.url, valkey) as side:
        venue.tell(*(book("BTCUSDT", n, f"{n}.5") for n in range(1, 200)), book("ETHUSDT", 3, "7"))

        async def newest() -> bool:
            return bool(ear.of(channels[1])) and ear.of(channels[0])[-1:] != []

        await until(newest)
        last = ear.of(channels[0])[-1]
        assert {key: last[key] for key in last if key != "time"} == {
            "symbol": "BTCUSDT", "update": 199, "bid": "199.5", "bidSize": "1",
            "ask": "9", "askSize": "2",
        }  # fmt: skip
        assert len(ear.of(channels[0])) < 20
        assert msgspec.json.decode(await valkey.hget(LAST_BOOKS, "BTCUSDT") or b"") == last
        assert side.stats.messages == 201


async def test_the_whole_begins_with_every_ticker(
    venue: Venue, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the stream has not told comes from one question for each connection, tried again."""
    monkeypatch.setattr(module, "WHOLE_SECONDS", 0.2)
    asked = 0

    async def seed() -> list[Ticker]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise VenueUnavailableError("not yet")
        return [
            Ticker(symbol, "1", "1", "1", "1", "1", "1", 1) for symbol in ("BTCUSDT", "ADAUSDT")
        ]

    async with carrying(venue.url, valkey, seed):
        venue.tell(json.dumps([mini("BTCUSDT", "68234.50")]).encode())

        async def complete() -> bool:
            return set(await whole(valkey)) == {"BTCUSDT", "ADAUSDT"}

        await until(complete)
        assert (await whole(valkey))["BTCUSDT"]["price"] == "68234.50"
        assert asked == 2
        venue.peers[0].close()

        async def again() -> bool:
            if venue.open:
                venue.tell(json.dumps([mini("BTCUSDT", "2")]).encode())
            return asked == 3

        await until(again)


async def test_books_begin_with_what_rest_says(
    venue: Venue, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet symbol has its best prices at once; one that the stream has told keeps the stream's."""
    monkeypatch.setattr(module, "WHOLE_SECONDS", 0.2)
    asked = 0

    async def seed() -> list[BookTop]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise VenueUnavailableError("not yet")
        while len(await valkey.hgetall(LAST_BOOKS)) < 1:
            await asyncio.sleep(0.02)
        return [BookTop(symbol, 0, "1", "2", "3", "4", 5) for symbol in ("BTCUSDT", "ETHUSDT")]

    async with carrying(venue.url, valkey, book_seed=seed):

        async def both() -> bool:
            if asked >= 2:
                venue.tell(book("BTCUSDT", 7, "8"))
            return len(await valkey.hgetall(LAST_BOOKS)) == 2

        await until(both)
        stored: dict[Any, Any] = await valkey.hgetall(LAST_BOOKS)
        kept = {key.decode(): json.loads(value) for key, value in stored.items()}
        assert (kept["BTCUSDT"]["update"], kept["BTCUSDT"]["bid"]) == (7, "8")
        assert (kept["ETHUSDT"]["update"], kept["ETHUSDT"]["ask"]) == (0, "3")


async def test_an_outage_of_valkey_costs_old_tickers_only(
    venue: Venue, valkey: Redis, alive: Engines
) -> None:
    """While Valkey is away the newest of each symbol waits; what it replaced is counted."""
    ear = Ear()
    async with carrying(venue.url, valkey) as side:
        assert alive.valkey is not None
        alive.kill_valkey()
        for number in range(1, 5):
            venue.tell(json.dumps([mini("BTCUSDT", str(number))]).encode())
            await asyncio.sleep(0.15)
        await alive.valkey.start()
        async with ear.listening(valkey, TICKERS):

            async def newest() -> bool:
                venue.tell(json.dumps([mini("ETHUSDT", "5")]).encode())
                found = (await whole(valkey)).get("BTCUSDT")
                return found is not None and found["price"] == "4"

            await until(newest)
        assert side.stats.conflated >= 1
        assert side.lines[0].stats.losses == 0


async def test_side_streams_wait_for_the_trades(venue: Venue, valkey: Redis) -> None:
    """No side connection opens before the trades are subscribed."""
    side = SideStreams(
        ["!miniTicker@arr"], valkey, url=venue.url, gate=ConnectionGate(LIMITS), silence_seconds=30
    )
    stop, ready = asyncio.Event(), False
    task = asyncio.create_task(side.run(stop, lambda: ready))
    await asyncio.sleep(0.3)
    assert venue.peers == []
    ready = True

    async def connected() -> bool:
        return bool(venue.open)

    await until(connected)
    stop.set()
    await asyncio.wait_for(task, 30)


async def test_the_sandbox_tells_tickers_and_books(valkey: Redis) -> None:
    """A made-up market's tickers and books arrive, and REST completes the whole."""
    async with running(symbols=SYMBOLS, rate=100.0) as exchange:
        budget = WeightBudget(valkey, "binance", 6000, 1.0)
        rest = VenueRest(exchange.http, exchange.rest, budget)

        async def seed() -> list[Ticker]:
            return await every_ticker(rest)

        async def book_seed() -> list[BookTop]:
            return await every_book(rest, SYMBOLS)

        async with carrying(exchange.ws, valkey, seed, book_seed=book_seed):

            async def all_there() -> bool:
                books: dict[Any, Any] = await valkey.hgetall(LAST_BOOKS)
                return len(books) == 2 and set(await whole(valkey)) == set(SYMBOLS)

            await until(all_there)

            async def asked() -> bool:
                calls = (await exchange.get("/sandbox/stats"))["rest_calls"]
                return bool(calls == {"/api/v3/ticker/24hr": 1, "/api/v3/ticker/bookTicker": 1})

            await until(asked)


async def test_a_replay_has_books_and_tickers(valkey: Redis, test_data: Path) -> None:
    """Books come as recorded; tickers, which this recording lacks, are made of its trades."""
    recording = test_data / "ws/binance_spot_btcusdt_20240808.jsonl.gz"
    async with running(replay=recording, speed="10") as exchange:
        streams = side_streams(["BTCUSDT"], tickers=True, books=True)
        async with carrying(exchange.ws, valkey, streams=streams) as side:

            async def some() -> bool:
                return bool(await valkey.hexists(LAST_BOOKS, "BTCUSDT"))

            await until(some)

            async def told() -> bool:
                return set(await whole(valkey)) == {"BTCUSDT"}

            await until(told)
            assert side.stats.malformed == 0
