"""The recorder against real engines: whatever happens, each trade once and every candle right."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import RedisError

import tape
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, decode, empty, encode
from openoutcry.core.intervals import BASES
from openoutcry.core.keys import DEAD_LETTERS, FRAME_FIELD, RECORDER_GROUP
from openoutcry.engines import Engines
from openoutcry.services import recorder as recorder_module
from openoutcry.services.recorder import Recorder
from tape import STREAM, T0, Print, frame_of, put, run_of, until

SCRIPT = Path(__file__).with_name("recorder_process.py")
TABLES = (
    ", ".join(f"candles_{base.name}" for base in BASES)
    + ", trades, watermarks, coverage, gaps, stream_positions"
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: nothing here depends on their length but the tests' own."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 20)
    monkeypatch.setattr(recorder_module, "_STANDBY_SECONDS", 0.05)
    monkeypatch.setattr(recorder_module, "_LOOK_ROUND_SECONDS", 0.2)


class CrashError(Exception):
    """The recorder dies here."""


class Faults:
    """Says when to die: at the n-th time that a point is reached."""

    def __init__(self, point: str = "", times: int = 0) -> None:
        self.point, self.left = point, times

    def reach(self, point: str) -> None:
        """Die, if it is time to."""
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                self.point = ""
                raise CrashError(point)


class FaultyConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that dies around what the store does with it."""

    faults = Faults()

    async def copy_to_table(self, table_name: str, **options: Any) -> Any:
        """Die before the trades are copied, or after they were."""
        if table_name == "trades":
            self.faults.reach("before COPY")
        return await super().copy_to_table(table_name, **options)

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        """Die with everything written and nothing committed."""
        done = await super().execute(query, *args, timeout=timeout)
        if "INSERT INTO stream_positions" in query:
            self.faults.reach("before commit")
        return done


class FaultyStream(TradeStream):
    """A stream that dies around acknowledging and claiming."""

    faults = Faults()

    async def done(self, ids: Any) -> None:
        """Die after the commit, before the acknowledgement, or after it."""
        self.faults.reach("before XACK")
        await super().done(ids)
        self.faults.reach("after XACK")

    async def claim(self) -> None:
        """Die before or after claiming."""
        self.faults.reach("before claim")
        await super().claim()
        self.faults.reach("after claim")


POINTS = (
    "before COPY", "before commit", "before XACK", "after XACK", "before claim", "after claim",
)  # fmt: skip


def make(
    valkey: Redis, url: str, consumer: str = "a", batch: int = 1000, faults: Faults | None = None
) -> Recorder:
    """Return a recorder of shard 0."""
    stream = FaultyStream(valkey, 0, consumer)
    stream.faults = faults or Faults()

    async def dial() -> asyncpg.Connection:
        connection = await asyncpg.connect(url, connection_class=FaultyConnection)
        connection.faults = stream.faults
        return connection

    return Recorder(0, dial, stream, lambda *_: None, batch)


@contextlib.asynccontextmanager
async def running(*recorders: Recorder) -> AsyncIterator[None]:
    """Run recorders in the background; their errors are ours."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.run(stop)) for one in recorders]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)


async def record_all(recorder: Recorder, valkey: Redis) -> None:
    """Run a recorder until nothing is left to do."""
    async with running(recorder):
        await until(lambda: tape.drained(valkey))


async def run_until_crash(recorder: Recorder, valkey: Redis) -> None:
    """Run a recorder until it dies or nothing is left to do."""
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    while not (task.done() or await tape.drained(valkey)):
        await asyncio.sleep(0.003)
    stop.set()
    with contextlib.suppress(CrashError):
        await asyncio.wait_for(task, 30)


async def add_instruments(connection: asyncpg.Connection, count: int = 2) -> None:
    """Add instruments 1..count."""
    for number in range(1, count + 1):
        await connection.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ('binance', $1, $2, 'USDT', 2, 5)",
            f"C{number}USDT",
            f"C{number}",
        )


@pytest.fixture
async def market(db: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to a database with the instruments 1 and 2."""
    await add_instruments(db)
    return db


async def gaps(connection: asyncpg.Connection) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return state and missing ids (inclusive) of every gap."""
    rows = await connection.fetch("SELECT state, missing FROM gaps ORDER BY id")
    return [(row[0], [(r.lower, r.upper - 1) for r in row[1]]) for row in rows]


async def letters(valkey: Redis) -> list[dict[str, bytes]]:
    """Return the dead letters."""
    found = await tape.entries(valkey, DEAD_LETTERS)
    return [{key.decode(): value for key, value in fields.items()} for _, fields in found]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Print], list[bytes]]:
    """Return trades, and frames that bring them all: shuffled, cut anyhow, some of them twice."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    trades: list[Print] = []
    for instrument in (1, 2):
        time = T0 + rng.randrange(-3, 3) * 500_000
        for trade_id in range(10, 10 + draw(st.integers(0, 18))):
            time += rng.choice([0, 0, 1_000, 400_000, 29_000_000, 3_000_000_000])
            if rng.random() < 0.9:
                price, size = rng.randrange(1, 10**7), rng.randrange(1, 10**9)
                side = rng.choice([1, -1])
                trades.append(Print(instrument, trade_id, time, price, size, side))
    brought = trades + rng.choices(trades, k=draw(st.integers(0, 10))) if trades else []
    if draw(st.booleans()):
        rng.shuffle(brought)
    frames: list[bytes] = []
    while brought:
        size = rng.randrange(1, 8)
        frames.append(frame_of(brought[:size]))
        brought = brought[size:]
    frames += rng.choices(frames, k=draw(st.integers(0, 3))) if frames else []
    return trades, frames


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    deliveries(),
    st.lists(st.tuples(st.sampled_from(POINTS), st.integers(1, 3)), max_size=3),
    st.sampled_from([1, 6, 1000]),
)
async def test_however_trades_arrive_the_tape_is_the_same(  # noqa: PLR0917 - fixtures and draws
    market: asyncpg.Connection,
    database_url: str,
    valkey: Redis,
    delivery: tuple[list[Print], list[bytes]],
    crashes: list[tuple[str, int]],
    batch: int,
) -> None:
    """Any order, repetition, cut into frames and batches, and any deaths: one tape, right candles."""
    trades, frames = delivery
    await market.execute(f"TRUNCATE {TABLES}")
    await valkey.flushall()
    await put(valkey, frame_of([]), *frames)
    for number, crash in enumerate(crashes):
        dying = make(valkey, database_url, f"dead-{number}", batch, Faults(*crash))
        await run_until_crash(dying, valkey)
    await record_all(make(valkey, database_url, "last", batch), valkey)
    await tape.assert_holds(market, trades)
    assert await letters(valkey) == []
    counted = await market.fetchval("SELECT trades FROM stream_positions")
    assert counted == len(trades)


@pytest.mark.parametrize("point", POINTS)
async def test_each_crash_point_is_survived(
    market: asyncpg.Connection, database_url: str, valkey: Redis, point: str
) -> None:
    """Dead at this very point, the next recorder finds what it needs; the crash does happen."""
    trades = run_of(1, 1, 60)
    await put(valkey, *(frame_of(trades[at : at + 5]) for at in range(0, 60, 5)))
    faults = Faults(point, 1)
    await run_until_crash(make(valkey, database_url, "dead", 20, faults), valkey)
    assert faults.point == ""
    await record_all(make(valkey, database_url, "next", 20), valkey)
    await tape.assert_holds(market, trades)


async def test_a_killed_process_leaves_no_trace(
    market: asyncpg.Connection, database_url: str, valkey_url: str, valkey: Redis
) -> None:
    """`kill -9` in the middle of its work, three times over; then another takes over."""
    trades = run_of(1, 1, 12_000)
    frames = [frame_of(trades[at : at + 3]) for at in range(0, 12_000, 3)]
    await put(valkey, *frames[:1000])
    fed = 1000
    for kill in range(3):
        argv = [sys.executable, str(SCRIPT), database_url, valkey_url, f"killed-{kill}"]
        with subprocess.Popen(argv) as process:
            before = await market.fetchval("SELECT count(*) FROM trades")
            await put(valkey, *frames[fed : fed + 1000])
            fed += 1000

            async def moved(count: int = before) -> bool:
                return bool(await market.fetchval("SELECT count(*) FROM trades") > count)

            await until(moved, pause=0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert fed == len(frames)
    await record_all(make(valkey, database_url, "next"), valkey)
    await tape.assert_holds(market, trades)
    names = [one["name"] for one in await valkey.xinfo_consumers(STREAM, RECORDER_GROUP)]
    assert names == [b"next"]


async def test_one_owns_and_the_other_stands_by(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Of two recorders one records; when it stops, the other takes over."""
    one, other = make(valkey, database_url, "one"), make(valkey, database_url, "other")
    async with running(other):
        async with running(one):

            async def somebody_owns() -> bool:
                return one.stats.owned + other.stats.owned > 0

            await until(somebody_owns)
            await put(valkey, frame_of(run_of(1, 1, 5)))
            await until(lambda: tape.drained(valkey))
            assert one.stats.owned + other.stats.owned == 1
        await put(valkey, frame_of(run_of(1, 6, 9)))
        await until(lambda: tape.drained(valkey))
        assert other.stats.owned == 1
    await tape.assert_holds(market, run_of(1, 1, 9))


async def test_an_owner_that_lost_its_shard_keeps_nothing_back(
    market: asyncpg.Connection,
    database_url: str,
    valkey: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entries that a former owner read before it noticed are recorded by the new one, not stuck."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 3000)
    one, other = make(valkey, database_url, "one"), make(valkey, database_url, "other")

    async def owned_by(which: Recorder) -> bool:
        return which.stats.owned == 1

    async with running(one):
        await put(valkey, frame_of(run_of(1, 1, 5)))
        await until(lambda: tape.drained(valkey))
        await asyncio.sleep(0.1)  # it waits for more by now
        async with running(other):
            await market.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND classid = 7381502"
            )
            await until(lambda: owned_by(other))
            for trade in run_of(1, 6, 40):
                await put(valkey, frame_of([trade]))
                await asyncio.sleep(0.002)
            await until(lambda: tape.drained(valkey))
    await tape.assert_holds(market, run_of(1, 1, 40))


async def test_entries_of_a_dead_consumer_are_reclaimed(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """What somebody read and never acknowledged is recorded by whoever owns the shard next."""
    dead = TradeStream(valkey, 0, "dead")
    await put(valkey, *(frame_of([trade]) for trade in run_of(1, 1, 30)))
    await dead.join()
    assert len(await dead.fresh(20, 10)) == 20
    await record_all(make(valkey, database_url), valkey)
    await tape.assert_holds(market, run_of(1, 1, 30))


def refused_by_postgres() -> bytes:
    """Return a good frame whose received time no timestamp can hold."""
    frame = decode(frame_of([Print(1, 900, T0)]))
    trades = frame.trades.copy()
    trades["received_time"] = -(2**62)
    return encode(Frame(frame.kind, 0, frame.scales, frame.marks, trades))


def unknown_instrument() -> bytes:
    """Return a frame of an instrument that nobody has registered."""
    return frame_of([Print(77, 1, T0)])


def absurd_scale() -> bytes:
    """Return a frame whose prices have 19 decimal places."""
    frame = decode(frame_of([Print(1, 901, T0)]))
    return encode(Frame(frame.kind, 0, np.array([(1, 19, 5)], SCALE), frame.marks, frame.trades))


def unscaled() -> bytes:
    """Return a frame of trades that lacks their scales."""
    frame = decode(frame_of([Print(1, 902, T0)]))
    return encode(Frame(frame.kind, 0, empty(SCALE), frame.marks, frame.trades))


def bad_klines() -> bytes:
    """Return a klines frame whose body is noise."""
    return encode(Frame(FrameKind.KLINES, 0, empty(SCALE), empty(MARK), empty(TRADE), b"\xc1"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: b"no frame", "shorter than its header"),
        (lambda: frame_of([Print(1, 5, T0)])[:-1] + b"?", "checksum"),
        (lambda: b"", "0 bytes"),
        (unknown_instrument, "no instrument 77"),
        (refused_by_postgres, "timestamp out of range"),
        (lambda: frame_of([Print(1, 903, 2**62)]), "1970-9999"),
        (absurd_scale, "above 18"),
        (unscaled, "no scales"),
        (bad_klines, "klines cannot be read"),
    ],
    ids=[
        "noise", "damaged", "empty", "unknown", "refused", "time", "scale", "unscaled", "klines",
    ],
)  # fmt: skip
async def test_a_bad_frame_is_buried_and_the_rest_recorded(
    market: asyncpg.Connection,
    database_url: str,
    valkey: Redis,
    bad: Callable[[], bytes],
    reason: str,
) -> None:
    """A frame that cannot be stored ends as a dead letter with its reason, alone, and is counted."""
    trades = run_of(1, 1, 40)
    frames = [frame_of(trades[at : at + 4]) for at in range(0, 40, 4)]
    ids = await put(valkey, *frames[:5], bad(), *frames[5:])
    recorder = make(valkey, database_url)
    await record_all(recorder, valkey)
    await tape.assert_holds(market, trades)
    buried = await letters(valkey)
    assert [(one["f"], one["entry"], one["stream"]) for one in buried] == [
        (bad(), ids[5], STREAM.encode())
    ]
    assert reason in buried[0]["reason"].decode()
    assert recorder.stats.dead_letters == 1


async def test_a_mark_of_a_new_instrument_is_no_dead_letter(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """An instrument registered while the recorder runs may first be heard of by a mark."""
    async with running(make(valkey, database_url)):
        await put(valkey, frame_of(run_of(1, 1, 2)))
        await until(lambda: tape.drained(valkey))
        await market.execute(
            "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
            " VALUES ('binance', 'NEWUSDT', 'NEW', 'USDT', 2, 5)"
        )
        await put(valkey, tape.heard(3, T0, T0 + 10, -1))
        await until(lambda: tape.drained(valkey))
    assert await letters(valkey) == []


async def test_late_trades_of_one_moment_are_all_kept(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Trades from before the first one, apart in id and equal in time, are islands of their own."""
    trades = [Print(1, n, T0) for n in (50, 10, 20, 30)]
    await put(valkey, *(frame_of([trade]) for trade in trades))
    await record_all(make(valkey, database_url, batch=1), valkey)
    await tape.assert_holds(market, trades)
    assert await letters(valkey) == []


async def test_a_stray_time_makes_only_its_own_day(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A trade of 1970 beside one of 2024 makes partitions for two days, not for all between."""
    trades = [Print(1, 1, 5), Print(1, 2, T0)]
    await put(valkey, frame_of(trades))
    await record_all(make(valkey, database_url), valkey)
    await tape.assert_holds(market, trades)
    assert (
        await market.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'trades'::regclass"
        )
        == 2
    )


async def put_stubbornly(valkey: Redis, frames: list[bytes], pause: float) -> None:
    """Append frames one by one, each until Valkey takes it."""
    for frame in frames:
        while True:
            try:
                await put(valkey, frame)
                break
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
        await asyncio.sleep(pause)


@pytest.mark.parametrize("how", ["restart", "kill"])
@pytest.mark.parametrize("which", ["postgres", "valkey"])
async def test_engines_may_go_away_under_load(
    alive: Engines, database_url: str, valkey_url: str, which: str, how: str
) -> None:
    """Stopped or killed and started again while trades flow: nothing lost, nothing twice."""
    connection = await asyncpg.connect(database_url)
    await add_instruments(connection)
    await connection.close()
    valkey = connect(valkey_url)
    trades = run_of(1, 1, 3_000)
    frames = [frame_of(trades[at : at + 5]) for at in range(0, 3_000, 5)]
    restart = {"postgres": alive.restart_postgres, "valkey": alive.restart_valkey}[which]
    kill = {"postgres": alive.kill_postgres, "valkey": alive.kill_valkey}[which]

    async def outage() -> None:
        await asyncio.sleep(0.3)
        if how == "kill":
            kill()
        await restart()

    async def quiet() -> bool:
        try:
            return await tape.drained(valkey)
        except (RedisError, OSError):
            return False

    recorder = make(valkey, database_url, batch=50)
    async with running(recorder):
        await asyncio.gather(put_stubbornly(valkey, frames, 0.001), outage())
        await until(quiet)
    connection = await asyncpg.connect(database_url)
    await tape.assert_holds(connection, trades)
    await connection.close()
    await valkey.aclose()


async def test_what_a_crashed_valkey_lost_is_found_out_and_filled(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Entries that vanish with the bus are a suspected gap at the next mark; a repair fills it."""
    trades = run_of(1, 1, 30)
    await put(valkey, frame_of(trades[:10]))
    await record_all(make(valkey, database_url), valkey)
    await valkey.flushall()  # 11..20 were on the stream and are gone, the group with them
    newest = trades[19].time
    await put(valkey, tape.heard(1, T0, newest + 1, 20))
    recorder = make(valkey, database_url)
    await record_all(recorder, valkey)
    assert await gaps(market) == [("suspected", [(11, 20)])]
    assert recorder.stats.open_gaps == 1
    await put(valkey, frame_of(trades[20:]), tape.verified(1, 11, 15, trades[10:15]))
    await record_all(recorder, valkey)
    assert await gaps(market) == [("suspected", [(16, 20)])]
    await put(valkey, tape.verified(1, 16, 20, trades[15:20]))
    await record_all(make(valkey, database_url), valkey)
    assert await gaps(market) == [("filled", [])]
    assert await market.fetchval("SELECT resolved_at IS NOT NULL FROM gaps")
    await tape.assert_holds(market, trades)


async def test_a_running_recorder_survives_an_emptied_valkey(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Stream and group vanish under a running recorder; the next trades show what is missing."""
    trades = run_of(1, 1, 30)
    async with running(make(valkey, database_url)):
        await put(valkey, frame_of(trades[:10]))
        await until(lambda: tape.drained(valkey))
        await valkey.flushall()
        await put(valkey, frame_of(trades[20:]))
        await until(lambda: tape.drained(valkey))
    assert await gaps(market) == [("suspected", [(11, 20)])]
    await tape.assert_holds(market, trades[:10] + trades[20:])


async def test_entries_older_than_the_committed_position_are_read_too(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A new Valkey whose clock is behind gives its entries older ids: none of them is skipped."""
    await put(valkey, frame_of(run_of(1, 1, 3)))
    await record_all(make(valkey, database_url), valkey)
    await valkey.flushall()
    for number, trade in enumerate(run_of(1, 3, 6), start=1):
        await valkey.xadd(STREAM, {FRAME_FIELD: frame_of([trade])}, id=f"{number}-0")
    await record_all(make(valkey, database_url), valkey)
    await tape.assert_holds(market, run_of(1, 1, 6))


async def test_ids_that_the_venue_never_had_end_as_absent(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A verified range without some ids closes its gap as absent; restarts remember it."""
    trades = [p for p in run_of(1, 1, 12) if p.trade_id not in (5, 6)]
    await put(valkey, frame_of([p for p in trades if p.trade_id != 7]))
    await record_all(make(valkey, database_url), valkey)
    assert await gaps(market) == [("suspected", [(5, 7)])]
    await put(valkey, tape.verified(1, 5, 7, [p for p in trades if p.trade_id == 7]))
    await record_all(make(valkey, database_url), valkey)
    assert await gaps(market) == [("absent", [])]
    assert await market.fetchval("SELECT absent::text FROM gaps") == "{[5,7)}"
    await put(valkey, frame_of(run_of(1, 6, 6)))  # it did have one of them after all
    await record_all(make(valkey, database_url), valkey)
    assert await market.fetchval("SELECT absent::text FROM gaps") == "{[5,6)}"
    await tape.assert_holds(market, trades + run_of(1, 6, 6))


async def test_the_stream_is_trimmed_behind_what_is_committed(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """What is stored leaves the stream, and the store knows how far it has come."""
    ids = await put(valkey, *(frame_of([trade]) for trade in run_of(1, 1, 1_500)))
    await record_all(make(valkey, database_url, batch=100), valkey)
    assert await valkey.xlen(STREAM) < 500
    row = await market.fetchrow("SELECT stream, entry_id, trades FROM stream_positions")
    assert tuple(row) == (STREAM, ids[-1].decode(), 1_500)


async def test_numbers_wider_than_64_bits_are_stored_exactly(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """Volumes beyond 64 bits, and quote volumes far beyond, are recorded to the last digit."""
    huge = 2**62 + 12_345_678_901
    trades = [Print(1, n, T0 + n, huge, huge - n, 1 - n % 2 * 2) for n in range(1, 8)]
    await put(valkey, frame_of(trades))
    recorder = make(valkey, database_url)
    await record_all(recorder, valkey)
    await tape.assert_holds(market, trades)
    assert recorder.stats.dead_letters == 0


async def test_scales_in_the_store_grow_with_the_trades(
    market: asyncpg.Connection, database_url: str, valkey: Redis
) -> None:
    """A frame at finer scales widens the instrument's; coarser frames after it change nothing."""
    fine = decode(frame_of([Print(1, 1, T0, 61_837_631_234, 20_000_001)]))
    finer = Frame(fine.kind, 0, np.array([(1, 6, 9)], SCALE), fine.marks, fine.trades)
    await put(valkey, encode(finer), frame_of([Print(1, 2, T0)]))
    await record_all(make(valkey, database_url), valkey)
    scales = await market.fetchrow("SELECT price_scale, size_scale FROM instruments WHERE id = 1")
    assert tuple(scales) == (6, 9)
    prices = await market.fetch("SELECT price::text, size::text FROM trades ORDER BY trade_id")
    assert [tuple(row) for row in prices] == [
        ("61837.631234", "0.020000001"),
        ("61837.630000", "0.020000000"),
    ]
    await tape.assert_candles_match(market)
