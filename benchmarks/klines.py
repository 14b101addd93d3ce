"""Requests a second of `GET /api/v3/klines` with 500 rows, from one API process, by wrk.

    python benchmarks/klines.py                 # a market that stands still, and one that trades
    python benchmarks/klines.py --seconds 20 --trades 1000

Every answer is checked to be a page of 500 rows before and after; the load comes from wrk
(https://github.com/wg/wrk), which has to be installed. While trades come in, a recorder stores them
and announces each commit, so that the newest candles are read anew again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
from redis.asyncio import Redis

from candle_market import CANDLES, INSTRUMENT, KNOWN
from openoutcry.adapters.postgres.migrate import upgrade
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_stream import add_frame
from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, empty
from openoutcry.core.intervals import BASES, DAY, MINUTE, SECOND
from scratch import scratch_engines

ROWS = 500
FILLED = {"1s": 3600 * SECOND, "30s": DAY, "1m": 3 * DAY, "5m": 9 * DAY}
"""How far back each length goes; others go 600 candles back."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=int, default=10, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=32, help="connections of wrk")
    parser.add_argument("--trades", type=int, default=200, help="trades a second that come in")
    parser.add_argument("--gzip", action="store_true", help="accept packed answers, as clients do")
    return parser.parse_args()


async def main() -> None:
    """Fill, measure, print."""
    asked = arguments()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed.")
    async with scratch_engines() as engines:
        await upgrade(engines.database_url)
        instrument, newest = await fill(engines.database_url)
        environment = {
            "OUTCRY_DATABASE_URL": engines.database_url,
            "OUTCRY_VALKEY_URL": engines.valkey_url,
            "OUTCRY_CLIENT_WEIGHT": str(10**9),
            "OUTCRY_BACKFILL": "false",
            "OUTCRY_BINANCE_REST_URL": "http://127.0.0.1:9",
        }
        with role("api", environment) as (port, api), role("recorder", environment):
            valkey = connect(engines.valkey_url)
            page = f"http://127.0.0.1:{port}/api/v3/klines?symbol=BTCUSDT&limit={ROWS}&interval="
            print(f"load average before: {os.getloadavg()[0]:.1f}; {asked.connections} connections")
            for live in (False, True):
                stop = asyncio.Event()
                trading = asyncio.create_task(
                    trade(valkey, instrument, newest, asked.trades if live else 0, stop)
                )
                await asyncio.sleep(3)
                print(f"{asked.trades} trades a second come in:" if live else "nobody trades:")
                for interval in ("1m", "15m", "1h"):
                    check(page + interval)
                    await measure(page + interval, asked, api)
                    check(page + interval)
                stop.set()
                newest = await trading
            await valkey.aclose()


async def fill(url: str) -> tuple[int, int]:
    """Make candles up to now; return the instrument and the newest trade's id."""
    now = time.time_ns() // 1000
    pool = await open_pool(url, application_name="benchmark")
    instrument: int = await pool.fetchval(INSTRUMENT)
    await pool.execute("SELECT outcry_make_room('candles_1s', $1, $2)", now - DAY, now + DAY)
    for base in BASES:
        end = base.floor(now)
        start = end - FILLED.get(base.name, 600 * base.length) // base.length * base.length
        sql = CANDLES.format(base=base.name, seconds=base.length // SECOND)
        await pool.execute(sql, instrument, start, end, 5.0)
    newest = 10**9
    await pool.execute(KNOWN, instrument, now - 3000 * DAY, newest, now)
    await pool.execute("ANALYZE")
    await pool.close()
    return instrument, newest


async def trade(valkey: Redis, instrument: int, newest: int, rate: int, stop: asyncio.Event) -> int:
    """Bring trades as a feed does until `stop`; return the newest id."""
    draw = np.random.default_rng(7)
    heard = time.time_ns() // 1000
    while not stop.is_set():
        now = time.time_ns() // 1000
        count = min(1000, int(rate * (now - heard) / SECOND)) if rate else 0
        if count:
            rows = np.zeros(count, TRADE)
            rows["instrument"], rows["trade_id"] = instrument, newest + 1 + np.arange(count)
            rows["venue_time"] = heard + np.arange(count) * (now - heard) // count
            rows["received_time"] = now
            rows["price"] = 6_000_000 + draw.integers(0, 2000, count)
            rows["size"] = draw.integers(1, 200_000, count)
            rows["side"] = draw.choice([-1, 1], count)
            scales = np.array([(instrument, 2, 5)], SCALE)
            await add_frame(valkey, 0, Frame(FrameKind.TRADES, now, scales, empty(MARK), rows))
            newest, heard = newest + count, now
        await asyncio.sleep(0.02 if rate else 0.5)
    return newest


async def measure(url: str, asked: argparse.Namespace, api: psutil.Process) -> None:
    """Print one line: requests a second, latencies, and the API's share of a core."""
    command = [
        *("wrk", "-t1", f"-c{asked.connections}", f"-d{asked.seconds}s", "--latency"),
        *(["-H", "Accept-Encoding: gzip"] if asked.gzip else []),
        url,
    ]
    spent, began = sum(api.cpu_times()[:2]), time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    text = (await process.communicate())[0].decode()
    share = (sum(api.cpu_times()[:2]) - spent) / (time.monotonic() - began)
    errors = re.search(r"(Non-2xx.*|Socket errors.*)", text)
    found = {
        name: re.search(rf"\n\s*{name}\s+(\S+)", text) for name in ("50%", "99%", "Requests/sec:")
    }
    p50, p99, rate = (match[1] if match else "?" for match in found.values())
    interval = url.rpartition("=")[2]
    print(
        f"{interval:>5}: {float(rate):9,.0f} requests/s, p50 {p50}, p99 {p99},"
        f" API at {share:.0%} of a core{'; ' + errors[1] if errors else ''}",
        flush=True,
    )


def check(url: str) -> None:
    """Fail unless the page is whole and in order."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - our own server
        rows = json.load(answer)
    starts = [row[0] for row in rows]
    assert len(rows) == ROWS, len(rows)
    assert starts == sorted(set(starts))
    assert time.time() * 1000 - starts[-1] < 2 * (starts[-1] - starts[-2]) + MINUTE / 1000


@contextmanager
def role(name: str, settings: dict[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    """Run a role; yield its port and its process once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        **settings,
        "OUTCRY_PORT": str(port),
        "OUTCRY_LOG_LEVEL": "error",
    }
    process = subprocess.Popen([sys.executable, "-m", "openoutcry", "run", name], env=environment)
    try:
        deadline = time.monotonic() + 30
        while name == "api" and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v3/ping"):
                    break
            except OSError:
                time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


if __name__ == "__main__":
    asyncio.run(main())
