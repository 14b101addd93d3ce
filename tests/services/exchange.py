"""The sandbox exchange with a recorder beside it: what tests of repair and backfill start from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from msgspec import Struct
from redis.asyncio import Redis

import tape
from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.adapters.valkey.weight import WeightBudget
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.intervals import INTERVALS
from openoutcry.model import Candle
from openoutcry.sandbox import server
from openoutcry.services.recorder import Recorder
from openoutcry.venues.binance_rest import Request
from tape import Print

SYMBOL = "BTCUSDT"


class Clock:
    """A clock that stands still until it is moved; µs."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Rest(VenueRest):
    """The venue's REST interface, which writes down what it is asked, and may misbehave."""

    def __init__(self, session: aiohttp.ClientSession, url: str, budget: WeightBudget) -> None:
        super().__init__(session, url, budget)
        self.asked: list[Request] = []
        self.meddle: Callable[[int, Request], bytes | None] = lambda _number, _request: None

    async def get(self, request: Request) -> bytes:
        self.asked.append(request)
        body = self.meddle(len(self.asked), request)
        return await super().get(request) if body is None else body


class Exchange(Struct, frozen=True):
    """A running sandbox, what listens to it, and the store."""

    url: str
    http: aiohttp.ClientSession
    rest: Rest
    budget: WeightBudget
    clock: Clock
    valkey: Redis
    database_url: str

    async def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a call."""
        async with self.http.get(self.url + path, params=params) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def used_weight(self) -> int:
        """Return the request weight that the exchange has counted in this minute of its clock."""
        async with self.http.get(self.url + "/api/v3/ping") as answer:
            return int(answer.headers["X-MBX-USED-WEIGHT-1M"])

    async def fault(self, **fault: Any) -> None:
        """Put a fault in force."""
        async with self.http.post(self.url + "/sandbox/faults", json=fault) as answer:
            assert answer.status == 200, await answer.text()

    async def behave(self) -> None:
        """End all faults."""
        async with self.http.delete(self.url + "/sandbox/faults") as answer:
            assert answer.status == 200

    async def trades(self, low: int, high: int) -> list[Print]:
        """Return the exchange's trades low..high that have happened by now."""
        found: list[Print] = []
        while low <= high:
            page = await self.get("/api/v3/historicalTrades", symbol=SYMBOL, fromId=low, limit=1000)
            found += [_print(row) for row in page if row["id"] <= high]
            if len(page) < 1000:
                break
            low = page[-1]["id"] + 1
        return found

    async def newest(self) -> int:
        """Return the newest trade's id."""
        page = await self.get("/api/v3/trades", symbol=SYMBOL, limit=1)
        return int(page[0]["id"])

    async def hear(self, prints: Sequence[Print]) -> None:
        """Bring trades as the feed does, and wait until they are stored."""
        await tape.put(self.valkey, tape.frame_of(prints))
        await self.recorded()

    async def recorded(self) -> None:
        """Wait until the recorder has stored all that is on the stream."""
        await tape.until(lambda: tape.drained(self.valkey))

    async def connect(self) -> asyncpg.Connection:
        """Open a connection to the store."""
        return await asyncpg.connect(self.database_url)

    async def candles(self, interval: str, start: int, end: int) -> list[Candle]:
        """Return the stored candles that begin in start..end, with what is known of them."""
        pool = await open_pool(self.database_url, application_name="test")
        try:
            reader = CandleReader(pool)
            return await reader.candles(1, INTERVALS[interval], start, end, 5000)
        finally:
            await pool.close()

    async def klines(self, interval: str, start: int, end: int) -> list[Candle]:
        """Return the exchange's own candles that begin in start..end, without those of no trades."""
        found: list[Candle] = []
        while start <= end:
            rows = await self.get(
                "/api/v3/klines", symbol=SYMBOL, interval=interval, limit=1000,
                startTime=start // 1000, endTime=end // 1000,
            )  # fmt: skip
            found += [_candle(row) for row in rows if row[8]]
            if len(rows) < 1000:
                break
            start = rows[-1][0] * 1000 + 1000
        return found


@asynccontextmanager
async def exchange(
    valkey: Redis, database_url: str, now: int, rate: float = 4.0, state: Path | None = None
) -> AsyncIterator[Exchange]:
    """Run a sandbox whose clock stands at `now`, a recorder, and register BTCUSDT as instrument 1."""
    clock = Clock(now)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    options = server.SandboxOptions(
        port=0, ws_port=0, symbols=[SYMBOL], rate=rate, state_file=state
    )
    serving = asyncio.create_task(server.serve(options, stop, ready.set_result, clock))
    await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    url = ready.result().rest_url

    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    connection = await dial()
    await connection.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', $1, 'BTC', 'USDT', 2, 5)",
        SYMBOL,
    )
    await connection.close()
    recorder = Recorder(0, dial, TradeStream(valkey, 0, "a"), lambda *_: None, 20_000)
    recording = asyncio.create_task(recorder.run(stop))
    try:
        async with aiohttp.ClientSession() as http:
            budget = WeightBudget(valkey, "binance", 6000, 1.0)
            rest = Rest(http, url, budget)
            yield Exchange(url, http, rest, budget, clock, valkey, database_url)
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(serving, recording), 30)


@asynccontextmanager
async def working(work: Any) -> AsyncIterator[None]:
    """Run a repair or a backfill in the background; its errors are ours."""
    stop = asyncio.Event()
    task = asyncio.create_task(work.run(stop, lambda: True))
    try:
        yield
        assert not task.done(), task
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


def _print(row: dict[str, Any]) -> Print:
    price, size = (int(Decimal(row[k]).scaleb(n)) for k, n in (("price", 2), ("qty", 5)))
    return Print(1, row["id"], row["time"] * 1000, price, size, -1 if row["isBuyerMaker"] else 1)


def _candle(row: list[Any]) -> Candle:
    open_, high, low, close, volume, quote, bought, bought_quote = (
        Decimal(row[at]) for at in (1, 2, 3, 4, 5, 7, 9, 10)
    )
    return Candle(
        bucket=row[0] * 1000,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        quote_volume=quote,
        trades=row[8],
        taker_buy_volume=bought,
        taker_buy_quote_volume=bought_quote,
        complete=True,
    )
