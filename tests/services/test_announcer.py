"""What is announced is what was committed, whatever is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

import tape
from openoutcry.adapters.postgres.base_rows import read_rows, to_candle
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.batch import Recorded
from openoutcry.core.candle_messages import BaseCandles
from openoutcry.core.candles import fold_all
from openoutcry.core.frames import SCALE, TRADE, decode, empty, encode
from openoutcry.core.intervals import BASES, MINUTE, SECOND
from openoutcry.core.klines import Klines
from openoutcry.engines import Engines
from openoutcry.model import Candle, Instrument
from openoutcry.services import announcer as announcer_module
from openoutcry.services import recorder as recorder_module
from openoutcry.services.announcer import Announcer
from openoutcry.services.recorder import Recorder
from openoutcry.services.verified import klines_frame
from tape import Print, frame_of, run_of, until

NAMES = ("C1USDT", "C2USDT")
INSTRUMENTS = {n: Instrument(n, "binance", f"C{n}USDT", f"C{n}", "USDT", 2, 5) for n in (1, 2)}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: nothing here depends on their length but the tests' own."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 10)
    monkeypatch.setattr(announcer_module, "_AGAIN_SECONDS", 0.05)


@pytest.fixture
async def market(db: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to a database with the instruments 1 and 2."""
    for one in INSTRUMENTS.values():
        await db.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ($1, $2, $3, $4, 2, 5)",
            *(one.venue, one.symbol, one.base, one.quote),
        )
    return db


class Ear:
    """Hears everything that is announced."""

    def __init__(self) -> None:
        self.candles: list[BaseCandles] = []
        self.trades: list[tuple[int, int]] = []

    def take(self, channel: str, data: bytes) -> None:
        if channel.startswith("candles:"):
            self.candles.append(msgspec.json.decode(data, type=BaseCandles))
            assert channel == f"candles:{self.candles[-1].symbol}"
        else:
            rows = decode(data).trades
            assert {f"trades:C{n}USDT" for n in rows["instrument"].tolist()} == {channel}
            pairs = zip(rows["instrument"].tolist(), rows["trade_id"].tolist(), strict=True)
            self.trades += pairs

    def rows(self) -> dict[tuple[str, str, int], Candle]:
        """Return the last told row of every symbol, base and bucket."""
        return {
            (message.symbol, base, candle.bucket): candle
            for message in self.candles
            for base, candles in message.rows.items()
            for candle in candles
        }


@asynccontextmanager
async def listening(valkey: Redis) -> AsyncIterator[Ear]:
    """Listen to both symbols' channels."""
    ear = Ear()
    channels = [f"{kind}:{name}" for kind in ("candles", "trades") for name in NAMES]
    async with valkey.pubsub() as pubsub:
        await pubsub.subscribe(*channels)

        async def listen() -> None:
            while True:
                try:
                    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
                    continue
                if message is not None:
                    ear.take(message["channel"].decode(), message["data"])

        task = asyncio.create_task(listen())
        try:
            yield ear
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def announcing(announcer: Announcer) -> AsyncIterator[None]:
    """Run an announcer."""
    stop = asyncio.Event()
    task = asyncio.create_task(announcer.run(stop))
    try:
        yield
        assert not task.done(), task
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


@asynccontextmanager
async def recording(valkey: Redis, url: str, announcer: Announcer) -> AsyncIterator[None]:
    """Run a recorder that tells the announcer."""
    stop = asyncio.Event()
    recorder = Recorder(0, dialling(url), TradeStream(valkey, 0, "a"), announcer, 1000)
    task = asyncio.create_task(recorder.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


def dialling(url: str) -> Callable[[], Awaitable[asyncpg.Connection]]:
    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(url)

    return dial


async def stored_rows(db: asyncpg.Connection) -> dict[tuple[str, str, int], Candle]:
    """Return every stored candle by symbol, base and bucket."""
    found = {}
    for base in BASES:
        for row in await db.fetch(f"SELECT * FROM candles_{base.name}"):
            candle = to_candle(row)
            found[f"C{row['instrument_id']}USDT", base.name, candle.bucket] = candle
    return found


def agrees(ear: Ear, db: asyncpg.Connection) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return ear.rows() == await stored_rows(db) != {}

    return look


async def test_what_is_told_is_what_is_stored(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """In the end the last told row of each bucket is the stored one, and each trade was told once."""
    announcer = Announcer(dialling(database_url), valkey)
    trades = run_of(1, 1, 300) + run_of(2, 1, 200, step=200_000)
    async with listening(valkey) as ear, announcing(announcer):
        async with recording(valkey, database_url, announcer):
            for at in range(0, 500, 20):
                await tape.put(valkey, frame_of(trades[at : at + 20]))
                await asyncio.sleep(0.005)
            await until(lambda: tape.drained(valkey))
        await until(agrees(ear, market))
    assert sorted(ear.trades) == [(p.instrument, p.trade_id) for p in trades]
    assert announcer.dropped == 0
    assert announcer.published >= 4


async def test_coverage_goes_with_the_rows(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """What is known of a symbol comes with its candles: gaps, spans, and marks without any trade."""
    announcer = Announcer(dialling(database_url), valkey)
    trades = run_of(1, 1, 20, step=10 * SECOND)
    async with listening(valkey) as ear, announcing(announcer):
        async with recording(valkey, database_url, announcer):
            await tape.put(valkey, frame_of(trades[:8] + trades[12:]))

            async def told() -> bool:
                return bool(ear.candles)

            await until(told)
            coverage = ear.candles[-1].coverage
            assert coverage.gaps == ((trades[7].time, trades[12].time),)
            bucket = trades[8].time - trades[8].time % MINUTE
            assert not coverage.covers(bucket, bucket + MINUTE, MINUTE)
            end = trades[-1].time
            await tape.put(valkey, tape.verified(1, 9, 12, trades[8:12]))
            await tape.put(valkey, tape.heard(1, trades[0].time, end + 5 * MINUTE, 20))

            async def whole() -> bool:
                last = ear.candles[-1].coverage
                return not last.gaps and last.last(SECOND) == end + 5 * MINUTE

            await until(whole)
            assert ear.candles[-1].coverage.covers(end, end + 5 * MINUTE, SECOND)
        await until(agrees(ear, market))


async def test_no_coverage_runs_ahead_of_its_rows(
    market: asyncpg.Connection,
    database_url: str,
    valkey: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A commit while rows are read back is told of later: its seconds must not be taken for empty."""
    trades = run_of(1, 1, 20, step=SECOND)
    announcer = Announcer(dialling(database_url), valkey)
    reading, further = asyncio.Event(), asyncio.Event()

    async def slowly(*asked: Any) -> Any:
        rows = await read_rows(*asked)
        reading.set()
        await further.wait()
        return rows

    monkeypatch.setattr(announcer_module, "read_rows", slowly)
    async with listening(valkey) as ear, announcing(announcer):
        async with recording(valkey, database_url, announcer):
            await tape.put(valkey, frame_of(trades[:10]))
            await reading.wait()
            await tape.put(valkey, frame_of(trades[10:]))

            async def heard() -> bool:
                return len(ear.trades) == len(trades)

            await until(heard)
        further.set()

        async def told() -> bool:
            return len(ear.candles) >= 2

        await until(told)
        first = ear.candles[0]
        known = {candle.bucket for candle in first.rows["1s"]}
        for trade in trades:
            second = trade.time - trade.time % SECOND
            assert second in known or not first.coverage.covers(second, second + SECOND, SECOND)
        await until(agrees(ear, market))


async def test_klines_are_told_with_the_longer_candles_they_change(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """The exchange's own candles are told like trades, and so are the sums of them."""
    announcer = Announcer(dialling(database_url), valkey)
    minutes = [tape.T0 // MINUTE * MINUTE + n * MINUTE for n in range(-9, 0)]
    candles = [kline(minute, trades=7) for minute in minutes]
    klines = Klines(1, "1m", minutes[0], minutes[-1] + MINUTE, candles)
    async with listening(valkey) as ear, announcing(announcer):
        async with recording(valkey, database_url, announcer):
            await tape.put(valkey, frame_of(run_of(1, 1, 3)))
            await tape.put(valkey, encode(klines_frame(klines)))
            await until(lambda: tape.drained(valkey))
        await until(agrees(ear, market))
    sums = [row.trades for (_, base, _), row in ear.rows().items() if base == "1h"]
    assert sum(sums) == 9 * 7 + 3


def kline(bucket: int, trades: int) -> Candle:
    one = Decimal(1)
    return Candle(bucket, one, one, one, one, one, one, trades, one, one)


def commit(buckets: range) -> Recorded:
    """Return what a commit of one trade a second would be, as far as candles go."""
    trades = [Print(1, n + 1, tape.T0 + n * SECOND) for n in buckets]
    table = decode(frame_of(trades)).trades
    return Recorded(
        trades=empty(TRADE), scales=empty(SCALE), deltas=list(fold_all(table).items()), changes=[]
    )


async def test_load_is_conflated_and_the_newest_win(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Hundred commits before anybody gets round to telling are one message of the 64 newest."""
    quiet = Announcer(dialling(database_url), valkey)
    trades = [Print(1, n + 1, tape.T0 + n * SECOND) for n in range(100)]
    async with recording(valkey, database_url, quiet):
        await tape.put(valkey, frame_of(trades))
        await until(lambda: tape.drained(valkey))
    announcer = Announcer(dialling(database_url), valkey)
    for n in range(100):
        announcer(commit(range(n, n + 1)), INSTRUMENTS)
    async with listening(valkey) as ear, announcing(announcer):

        async def told() -> bool:
            return bool(ear.candles)

        await until(told)
        await asyncio.sleep(0.1)
    (message,) = ear.candles
    newest = [tape.T0 // SECOND * SECOND + n * SECOND for n in range(36, 100)]
    assert [candle.bucket for candle in message.rows["1s"]] == newest
    stored = await stored_rows(market)
    assert all(stored[key] == row for key, row in ear.rows().items())
    assert {base for _, base, _ in ear.rows()} == {base.name for base in BASES}
    assert announcer.published == 1


async def test_trade_messages_are_bounded_and_counted(
    database_url: str, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the bound the oldest go, and it is known how many."""
    monkeypatch.setattr(announcer_module, "_MOST_TRADE_MESSAGES", 10)
    announcer = Announcer(dialling(database_url), valkey)
    for n in range(1, 26):
        announcer(trades_only([Print(1, n, tape.T0 + n)]), INSTRUMENTS)
    assert announcer.dropped == 15
    async with listening(valkey) as ear, announcing(announcer):

        async def told() -> bool:
            return len(ear.trades) >= 10

        await until(told)
        await asyncio.sleep(0.05)
    assert ear.trades == [(1, n) for n in range(16, 26)]


def trades_only(trades: list[Print]) -> Recorded:
    frame = decode(frame_of(trades))
    return Recorded(trades=frame.trades, scales=frame.scales, deltas=[], changes=[])


class Broken(Redis):
    """A client whose pipelines fail for as long as it is told so."""

    broken = True

    def pipeline(self, *args: Any, **options: Any) -> Any:
        made: Any = super().pipeline(*args, **options)
        if self.broken:
            made.execute = self._fail
        return made

    async def _fail(self) -> None:
        raise RedisError("away")


async def test_trades_that_valkey_does_not_take_are_counted(
    database_url: str, valkey_url: str, valkey: Redis
) -> None:
    """What cannot be sent is counted as dropped; what comes after the outage is told."""
    client = Broken(connection_pool=connect(valkey_url).connection_pool)
    announcer = Announcer(dialling(database_url), client)
    async with listening(valkey) as ear, announcing(announcer):
        for n in range(1, 9):
            announcer(trades_only([Print(1, n, tape.T0 + n)]), INSTRUMENTS)

        async def counted() -> bool:
            return announcer.dropped == 8

        await until(counted)
        client.broken = False
        for n in range(9, 12):
            announcer(trades_only([Print(1, n, tape.T0 + n)]), INSTRUMENTS)

        async def told() -> bool:
            return len(ear.trades) >= 3

        await until(told)
    assert ear.trades == [(1, n) for n in range(9, 12)]
    assert (announcer.dropped, announcer.published) == (8, 3)
    await client.aclose()


async def test_candles_wait_for_valkey(
    market: asyncpg.Connection, database_url: str, valkey_url: str, valkey: Redis
) -> None:
    """Rows that could not be sent are sent when Valkey is back, without another commit."""
    client = Broken(connection_pool=connect(valkey_url).connection_pool)
    client.broken = False
    quiet = Announcer(dialling(database_url), valkey)
    async with recording(valkey, database_url, quiet):
        await tape.put(valkey, frame_of(run_of(1, 1, 5, step=SECOND)))
        await until(lambda: tape.drained(valkey))
    client.broken = True
    announcer = Announcer(dialling(database_url), client)
    async with listening(valkey) as ear, announcing(announcer):
        announcer(commit(range(1, 4)), INSTRUMENTS)
        await asyncio.sleep(0.1)
        announcer(commit(range(4, 6)), INSTRUMENTS)
        await asyncio.sleep(0.1)
        assert ear.candles == []
        client.broken = False
        await until(agrees(ear, market))
    await client.aclose()


async def test_nothing_stays_untold_when_the_database_goes(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A database that refuses, or ends the connection, delays announcements and loses none."""
    refusing = 3

    async def dial() -> asyncpg.Connection:
        nonlocal refusing
        if refusing:
            refusing -= 1
            raise ConnectionRefusedError("away")
        return await asyncpg.connect(
            database_url, server_settings={"application_name": "announcer"}
        )

    announcer = Announcer(dial, valkey)
    async with (
        listening(valkey) as ear,
        announcing(announcer),
        recording(valkey, database_url, announcer),
    ):
        await tape.put(valkey, frame_of(run_of(1, 1, 50)))
        await until(agrees(ear, market))
        assert not refusing
        ended = await market.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name = 'announcer'"
        )
        assert ended == 1
        await tape.put(valkey, frame_of(run_of(1, 51, 60) + run_of(2, 1, 30)))
        await until(agrees(ear, market))


@pytest.mark.parametrize("which", ["valkey", "postgres"])
async def test_an_engine_may_be_killed_and_come_back(
    alive: Engines, database_url: str, valkey_url: str, which: str
) -> None:
    """Commits and kills in turn: in the end everything that is stored has been told."""
    connection = await asyncpg.connect(database_url)
    for one in INSTRUMENTS.values():
        await connection.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ('binance', $1, $2, 'USDT', 2, 5)",
            *(one.symbol, one.base),
        )
    await connection.close()
    valkey = connect(valkey_url)
    trades = run_of(1, 1, 60, step=90_000)
    announcer = Announcer(dialling(database_url), connect(valkey_url))
    async with listening(valkey) as ear, announcing(announcer):
        async with recording(valkey, database_url, announcer):
            await tape.put(valkey, frame_of(trades[:30]))
            await until(lambda: tape.drained(valkey))
        announcer(commit(range(1)), INSTRUMENTS)  # dirty just as the engine goes
        kill = alive.kill_valkey if which == "valkey" else alive.kill_postgres
        restart = alive.restart_valkey if which == "valkey" else alive.restart_postgres
        kill()
        announcer(commit(range(1, 3)), INSTRUMENTS)
        await asyncio.sleep(0.1)
        await restart()

        async def listening_again() -> bool:
            heard_by = await valkey.pubsub_numsub("candles:C1USDT")
            return bool(heard_by[0][1] == 1)

        await until(listening_again)
        ear.candles.clear()
        async with recording(valkey, database_url, announcer):
            await tape.put(valkey, frame_of(trades[30:]))

            async def told() -> bool:
                try:
                    now = await asyncpg.connect(database_url)
                    stored = await stored_rows(now)
                    await now.close()
                except (OSError, asyncpg.PostgresError):
                    return False
                whole = ("C1USDT", "1d", trades[-1].time // (86400 * SECOND) * 86400 * SECOND)
                return ear.rows().get(whole) == stored[whole] and stored[whole].trades >= 20

            await until(told)
    await valkey.aclose()
