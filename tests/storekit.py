"""What tests of the store as a market share: a recorder, and a market of what it recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
from redis.asyncio import Redis

import tape
from openoutcry.adapters.postgres.block_reader import BlockReader
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.intervals import Interval
from openoutcry.services.books import BookReader
from openoutcry.services.candle_pages import DirectBlocks, PageReader
from openoutcry.services.market_time import MarketTime
from openoutcry.services.ready_pages import ReadyPages
from openoutcry.services.recorder import Announce, Recorder
from openoutcry.services.store_market import StoreMarket
from openoutcry.venues.binance_server_data import Bar
from openoutcry.venues.binance_server_data import Print as Trade
from tape import Print

PRICE, SIZE = Decimal("0.01"), Decimal("0.00001")


class Clock(MarketTime):
    """A market's time that stands where it is put; µs."""

    def __init__(self, at: int) -> None:
        super().__init__(replay=False)
        self.at = at

    def now(self) -> int:
        """Return the time."""
        return self.at


async def register(url: str, *symbols: str) -> None:
    """Give symbols the ids 1, 2, 3…."""
    connection = await asyncpg.connect(url)
    for symbol in symbols:
        await connection.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ('binance', $1, $2, 'USDT', 2, 5)",
            symbol,
            symbol.removesuffix("USDT"),
        )
    await connection.close()


@asynccontextmanager
async def recording(
    valkey: Redis, url: str, announce: Announce = lambda *_: None, consumer: str = "a"
) -> AsyncIterator[None]:
    """Run a recorder of shard 0."""

    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    stop = asyncio.Event()
    recorder = Recorder(0, dial, TradeStream(valkey, 0, consumer), announce, 20_000)
    task = asyncio.create_task(recorder.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def record(valkey: Redis, url: str, *frames: bytes) -> None:
    """Store frames through a recorder."""
    async with recording(valkey, url):
        await tape.put(valkey, *frames)
        await tape.until(lambda: tape.drained(valkey))


def market_of(pool: asyncpg.Pool, valkey: Redis, clock: MarketTime) -> StoreMarket:
    """Return the store as a market, nothing of it kept in memory."""
    pages = PageReader(DirectBlocks(BlockReader(pool), ttl=0), ReadyPages(1 << 20))
    return StoreMarket(pool, InstrumentReader(pool, 0), pages, BookReader(valkey), clock)


def trade_of(one: Print) -> Trade:
    """Return a trade of a test's tape as the market answers it."""
    return Trade(one.trade_id, one.price * PRICE, one.size * SIZE, one.time, one.side > 0)


def bar_of(trades: Sequence[Trade], start: int, end: int, before: Decimal | None) -> Bar | None:
    """Return the bar of trades (all of one stretch), the obvious way."""
    if not trades and before is None:
        return None
    prices = [one.price for one in trades] or [before or Decimal(0)]
    bought = [one for one in trades if one.bought]

    def total(some: Sequence[Trade], *, quote: bool) -> Decimal:
        return sum((one.size * (one.price if quote else 1) for one in some), Decimal(0))

    return Bar(
        start,
        end,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        total(trades, quote=False),
        total(trades, quote=True),
        len(trades),
        total(bought, quote=False),
        total(bought, quote=True),
        trades[0].id if trades else -1,
        trades[-1].id if trades else -1,
        before,
    )


def bars_of(trades: Sequence[Trade], interval: Interval, until: int) -> Iterator[Bar]:
    """Yield the bars of every bucket from the first trade on, flat ones too, the obvious way."""
    bucket = interval.floor(trades[0].time)
    close: Any = None
    while bucket <= until:
        end = interval.next(bucket)
        bar = bar_of([one for one in trades if bucket <= one.time < end], bucket, end, close)
        if bar is not None:
            close = bar.close
            yield bar
        bucket = end


def encoded(message: Any) -> bytes:
    """Return a message as it travels."""
    return msgspec.json.encode(message)
