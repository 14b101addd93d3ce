"""Time 1000 candles of every interval: the query alone, and over HTTP from an API process.

    python benchmarks/candles.py                      # candles as of 100 M trades
    python benchmarks/candles.py --scale              # the same beside a tenth of them
    python benchmarks/candles.py --real --directory /var/tmp/outcry-100m   # 100 M trades as rows

Without --database-url it starts engines of its own in a temporary directory (or --directory). What it
fills stays in a database of its own, and is used again when it is found there (13 GB for 100 M trades).
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
from msgspec import Struct

from candle_market import DAY, END, HISTORY_DAYS, fill, iso
from openoutcry import engines
from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.migrate import upgrade
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.core.intervals import BASES, INTERVALS, Interval

LIMIT = 1000
WARM_UP = 10
BLOCK = 10
"""Requests of one interval in a row: intervals take turns, so that a noisy minute hits them all."""


class Market(Struct, frozen=True):
    """A database that holds one market: the newest `share` of the history."""

    url: str
    share: float
    trades: int
    real: bool


class Times(Struct):
    """Seconds of each request of one interval, and how many candles the last one had."""

    query: list[float]
    web: list[float]
    candles: int = 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database-url", default="", help="server that may be given databases")
    parser.add_argument("--valkey-url", default="", help="Valkey to use")
    parser.add_argument("--directory", type=Path, help="where own engines keep their data")
    parser.add_argument("--trades", type=int, default=100_000_000, help="trades in the candles")
    parser.add_argument("--real", action="store_true", help="make the trades as rows as well")
    parser.add_argument("--requests", type=int, default=300, help="requests per interval")
    parser.add_argument("--scale", action="store_true", help="measure a tenth of it as well")
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
        for share in (0.1, 1.0) if asked.scale else (1.0,):
            trades = int(asked.trades * share)
            market = await prepared(own.database_url, share, trades, real=asked.real)
            with api_process(market.url, own.valkey_url) as (port, api):
                await measure(market, port, api, asked.requests)
    finally:
        await own.stop()


async def prepared(server: str, share: float, trades: int, *, real: bool) -> Market:
    """Return the market with `trades` trades, made now unless an earlier run has."""
    name = f"candles_{trades}_{'rows' if real else 'as_if'}"
    address, _, options = server.partition("?")
    url = f"{address.rpartition('/')[0]}/{name}" + (options and f"?{options}")
    contents = " ".join(base.name for base in BASES)
    connection = await asyncpg.connect(server)
    found = await connection.fetchval(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", name
    )
    if found != contents:
        await connection.execute(f"DROP DATABASE IF EXISTS {name}")
        await connection.execute(f"CREATE DATABASE {name}")
        await upgrade(url)
        began = time.monotonic()
        await fill(url, share, trades, real=real)
        await connection.execute(f"COMMENT ON DATABASE {name} IS '{contents}'")
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    await connection.close()
    return Market(url, share, trades, real)


async def measure(market: Market, port: int, api: psutil.Process, requests: int) -> None:
    """Print one line per interval."""
    pool = await open_pool(
        market.url, application_name="bench", command_timeout=None, stateless=True
    )
    stored = await pool.fetchval("SELECT pg_database_size(current_database())")
    instrument = await pool.fetchval("SELECT id FROM instruments")
    kind = "trades as rows" if market.real else "trades in the candles, none as rows"
    print(f"\n{market.trades:,} {kind}, {stored / 2**30:.1f} GiB; {LIMIT} candles a request")
    reader, rng = CandleReader(pool), random.Random(7)
    times = {interval.name: Times([], []) for interval in INTERVALS.values()}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    load, spent, answered = os.getloadavg()[0], 0.0, 0
    for block in range(-(WARM_UP // BLOCK), requests // BLOCK):
        for interval in INTERVALS.values():
            ranges = [pick(rng, interval, market.share) for _ in range(BLOCK)]
            query = []
            for start, end in ranges:
                began = time.perf_counter()
                await reader.page(instrument, interval, start, end, LIMIT)
                query.append(time.perf_counter() - began)
            before = sum(api.cpu_times()[:2])
            web, candles = await asyncio.to_thread(over_http, connection, interval, ranges)
            if block >= 0:
                spent += sum(api.cpu_times()[:2]) - before
                answered += len(web)
                known = times[interval.name]
                known.query += query
                known.web += web
                known.candles = candles
    connection.close()
    await pool.close()
    print(f"load average {load:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; ms")
    report(times)
    print(f"API process: {spent / answered * 1000:.2f} ms of CPU a request")


def report(times: dict[str, Times]) -> None:
    """Print medians and 99th percentiles by interval, and the worst of them."""
    print(f"{'interval':>8} {'candles':>8} | query p50    p99 | HTTP  p50    p99")
    for name, known in times.items():
        figures = " | ".join(
            f"{percentile(seconds, 50):9.2f} {percentile(seconds, 99):6.2f}"
            for seconds in (known.query, known.web)
        )
        print(f"{name:>8} {known.candles:>8} | {figures}")
    for percent in (50, 99):
        name = max(times, key=lambda name: percentile(times[name].web, percent))
        print(f"slowest p{percent} over HTTP: {name} {percentile(times[name].web, percent):.2f} ms")


def pick(rng: random.Random, interval: Interval, share: float) -> tuple[int, int]:
    """Return a range of 1000 buckets anywhere in the history, or all of it if that is shorter."""
    oldest = END - int(HISTORY_DAYS[interval.base] * share) * DAY
    span = (LIMIT - 1) * interval.length
    start = interval.floor(rng.randrange(oldest, max(oldest + 1, END - span)))
    return start, min(start + span, END - 1)


def over_http(
    connection: http.client.HTTPConnection, interval: Interval, ranges: list[tuple[int, int]]
) -> tuple[list[float], int]:
    """Return the seconds of each request, one after the other, and the last answer's candles."""
    seconds, body = [], b""
    for start, end in ranges:
        query = f"asset=BTC&duration={interval.name}&startTime={iso(start)}&endTime={iso(end)}"
        began = time.perf_counter()
        connection.request("GET", f"/candles?{query}")
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - began)
        assert answer.status == 200
    return seconds, body.count(b'"time"')


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    ordered = sorted(seconds)
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
