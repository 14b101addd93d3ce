"""Recorders die, engines go away, the bus forgets: each trade is there once all the same."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import RedisError

import tape
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.intervals import BASES
from openoutcry.core.keys import FRAME_FIELD, RECORDER_GROUP
from openoutcry.engines import Engines
from openoutcry.services import recorder as recorder_module
from openoutcry.services.recorder import Recorder
from recorderkit import (
    POINTS,
    CrashError,
    Faults,
    add_instruments,
    gaps,
    impatient,
    letters,
    make,
    market,
    record_all,
    running,
)
from tape import STREAM, T0, Print, frame_of, put, run_of, until

__all__ = ["impatient", "market"]

SCRIPT = Path(__file__).with_name("recorder_process.py")
TABLES = (
    ", ".join(f"candles_{base.name}" for base in BASES)
    + ", trades, watermarks, coverage, gaps, stream_positions"
)


async def run_until_crash(recorder: Recorder, valkey: Redis) -> None:
    """Run a recorder until it dies or nothing is left to do."""
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    while not (task.done() or await tape.drained(valkey)):
        await asyncio.sleep(0.003)
    stop.set()
    with contextlib.suppress(CrashError):
        await asyncio.wait_for(task, 30)


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
