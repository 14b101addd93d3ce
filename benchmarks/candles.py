"""Time 1000 candles of every interval: the query alone, and over HTTP from an API process.

    python benchmarks/candles.py                      # candles as of 100 M trades
    python benchmarks/candles.py --scale              # the same with a tenth and all of them
    python benchmarks/candles.py --trades 100000000        # really make the trades (slow, 10 GB)

Without --database-url it starts engines of its own in a temporary directory (or --directory).
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil

from candle_market import DAY, END, HISTORY_DAYS, INSTRUMENT, fill, iso
from openoutcry import engines
from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.migrate import upgrade
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.core.intervals import INTERVALS, Interval

LIMIT = 1000
PEER = (
    "Peer: TimescaleDB's continuous aggregates over the same rows are not measured here: the extension"
    " is not\namong the embedded engine's. Point --database-url at a server that has it to compare."
)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database-url", default="", help="empty scratch database to use")
    parser.add_argument("--valkey-url", default="", help="Valkey to use")
    parser.add_argument("--directory", type=Path, help="where own engines keep their data")
    parser.add_argument("--as-if", type=int, default=100_000_000, help="trades in the candles")
    parser.add_argument("--trades", type=int, default=0, help="trades to make as rows as well")
    parser.add_argument("--requests", type=int, default=300, help="requests per interval")
    parser.add_argument("--scale", action="store_true", help="measure a tenth, then all of it")
    return parser.parse_args()


async def main() -> None:
    """Fill, measure, print."""
    asked = arguments()
    own = await engines.start(
        asked.directory,
        database_url=asked.database_url,
        valkey_url=asked.valkey_url,
        temporary=asked.directory is None,
    )
    try:
        await upgrade(own.database_url)
        pool = await open_pool(
            own.database_url, application_name="bench", command_timeout=None, stateless=True
        )
        instrument = await pool.fetchval(INSTRUMENT)
        for share in (0.1, 1.0) if asked.scale else (1.0,):
            began = time.monotonic()
            total, real = int(asked.as_if * share), int(asked.trades * share)
            await fill(pool, instrument, share, real or total, real=real)
            stored = await pool.fetchval("SELECT pg_database_size(current_database())")
            print(
                f"\n{real or total:,} trades ({'stored' if real else 'in the candles'}),"
                f" {stored / 2**30:.1f} GiB, filled in {time.monotonic() - began:.0f} s"
            )
            with api_process(own.database_url, own.valkey_url) as (port, api):
                await measure(pool, instrument, port, api, requests=asked.requests, share=share)
        print("\n" + PEER)
        await pool.close()
    finally:
        await own.stop()


async def measure(
    pool: asyncpg.Pool,
    instrument: int,
    port: int,
    api: psutil.Process,
    *,
    requests: int,
    share: float,
) -> None:
    """Print one line per interval."""
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    reader = CandleReader(pool)
    print(
        f"{'interval':>8} {'candles':>8} | {'query p50':>10} {'p99':>7} | {'HTTP p50':>9} {'p99':>7}"
        " | API CPU"
    )
    for interval in INTERVALS.values():
        rng = random.Random(7)
        ranges = [pick(rng, interval, share) for _ in range(requests + 10)]
        query: list[float] = []
        for start, end in ranges:
            began = time.perf_counter()
            page = await reader.page(instrument, interval, start, end, LIMIT)
            query.append(time.perf_counter() - began)
        spent = sum(api.cpu_times()[:2])
        web = await asyncio.to_thread(over_http, port, interval, ranges)
        cpu = (sum(api.cpu_times()[:2]) - spent) / len(ranges) * 1000
        count = page.body.count('"time"')
        times = " | ".join(
            f"{percentile(t, 50):9.2f} {percentile(t, 99):7.2f}" for t in (query, web)
        )
        print(f"{interval.name:>8} {count:>8} | {times} | {cpu:7.2f}  ms", flush=True)


def pick(rng: random.Random, interval: Interval, share: float) -> tuple[int, int]:
    """Return a range of 1000 buckets anywhere in the history, or all of it if that is shorter."""
    oldest = END - int(HISTORY_DAYS[interval.base] * share) * DAY
    span = (LIMIT - 1) * interval.length
    start = interval.floor(rng.randrange(oldest, max(oldest + 1, END - span)))
    return start, min(start + span, END - 1)


def over_http(port: int, interval: Interval, ranges: list[tuple[int, int]]) -> list[float]:
    """Return the seconds of each request, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    seconds = []
    for start, end in ranges:
        query = f"asset=BTC&duration={interval.name}&startTime={iso(start)}&endTime={iso(end)}"
        began = time.perf_counter()
        connection.request("GET", f"/candles?{query}")
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - began)
        assert answer.status == 200
    connection.close()
    return seconds


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds; the first ten, which warm up, are left out."""
    ordered = sorted(seconds[10:])
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


@contextmanager
def api_process(database_url: str, valkey_url: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run `outcry run api`; yield its port and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "OUTCRY_DATABASE_URL": database_url,
        "OUTCRY_VALKEY_URL": valkey_url,
        "OUTCRY_PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, "-m", "openoutcry", "run", "api"], env=environment)
    try:
        wait_until(lambda: answers(port))
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    """Return whether somebody serves there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until `true` returns so."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("The API process does not answer.")
        time.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
