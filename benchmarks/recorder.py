"""The recorder alone: frames already on the stream, until the last is durable with all its candles."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import asyncpg
import numpy as np
import uvloop
from numpy.typing import NDArray

from openoutcry.adapters.postgres import instruments, migrate
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_stream import TradeStream, add_frame
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, empty
from openoutcry.core.intervals import BASES
from openoutcry.model import Instrument
from openoutcry.services.announcer import Announcer
from openoutcry.services.recorder import Recorder
from scratch import scratch_engines

SYMBOLS = 50


def make_frames(count: int, per_frame: int) -> list[Frame]:
    """Return a busy market of 50 symbols, 100,000 trades a second in the venue's time."""
    draw = np.random.default_rng(7)
    scales = np.array([(one, 2, 5) for one in range(1, SYMBOLS + 1)], SCALE)
    begun: NDArray[np.int64] = np.full(SYMBOLS + 1, 1000, np.int64)
    now = time.time_ns() // 1000
    frames = []
    for at in range(0, count, per_frame):
        size = min(per_frame, count - at)
        rows = np.zeros(size, TRADE)
        which = draw.integers(1, SYMBOLS + 1, size)
        order = np.argsort(which, kind="stable")
        counts = np.bincount(which, minlength=SYMBOLS + 1)
        starts = np.cumsum(counts) - counts
        ids = np.arange(size) - np.repeat(starts, counts) + np.repeat(begun, counts)
        rows["trade_id"][order] = ids
        begun += counts
        rows["instrument"] = which
        rows["venue_time"] = now + (at + np.arange(size)) * 10
        rows["received_time"] = rows["venue_time"] + 500
        rows["price"] = draw.integers(6_000_000, 6_100_000, size)
        rows["size"] = draw.integers(1, 1_000_000, size)
        rows["side"] = draw.choice([-1, 1], size)
        frames.append(Frame(FrameKind.TRADES, now, scales, empty(MARK), rows))
    return frames


async def run_once(frames: list[Frame], count: int) -> float:
    """Return trades/s."""
    async with scratch_engines() as running:
        await migrate.upgrade(running.database_url)

        async def dial() -> asyncpg.Connection:
            return await asyncpg.connect(running.database_url)

        connection = await dial()
        names = [f"COIN{at}USDT" for at in range(SYMBOLS)]
        await instruments.register(
            connection, [Instrument(0, "binance", name, name[:-4], "USDT", 2, 5) for name in names]
        )
        valkey = connect(running.valkey_url)
        for frame in frames:
            await add_frame(valkey, 0, frame)
        announcer = Announcer(dial, valkey)
        stream = TradeStream(connect(running.valkey_url, retries=0), 0, "benchmark")
        recorder = Recorder(0, dial, stream, announcer, 20_000)
        stop = asyncio.Event()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run(stop))
            tasks.create_task(announcer.run(stop))
            while recorder.stats.trades < count:
                await asyncio.sleep(0.005)
            took = time.perf_counter() - began
            stop.set()
        for base in BASES:
            assert (
                await connection.fetchval(f"SELECT sum(trades) FROM candles_{base.name}") == count
            )
        assert await connection.fetchval("SELECT count(*) FROM trades") == count
        await connection.close()
        await valkey.aclose()
        return count / took


async def main() -> None:
    """Print each run and the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3_000_000)
    parser.add_argument("--per-frame", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    frames = make_frames(options.count, options.per_frame)
    rates = []
    for at in range(options.runs):
        rates.append(await run_once(frames, options.count))
        print(f"run {at + 1}: {rates[-1]:>11,.0f} trades/s", flush=True)
    print(f"median {statistics.median(rates):>11,.0f} trades/s, {options.per_frame} a frame")


if __name__ == "__main__":
    uvloop.run(main())
