"""Prices for everybody: requests a second of one API process, and many readers at one upstream call.

    python benchmarks/prices.py                          # wrk, then 1,000 readers for a minute
    python benchmarks/prices.py --readers 10000 --pace 5
    python benchmarks/prices.py --readers 1000 --apis 3  # three API processes share the call

It starts engines, the sandbox exchange and the API processes; upstream calls are counted at the
exchange. `--path` measures another path (with `--readers 0`: only wrk). Without wrk on PATH
that part is left out. The processor time of a request travels better than requests a second on a machine
that others use too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from openoutcry.adapters.postgres.migrate import upgrade
from scratch import scratch_engines

HERE = Path(__file__).parent
TICKERS = "/api/v3/ticker/24hr"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def role(name: str, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """Run a role as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "openoutcry", "run", name],
        env={**os.environ, **environment, "OUTCRY_LOG_LEVEL": "error"},
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def fetch(url: str) -> Any:
    """Return the JSON at `url`."""
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own addresses
        return json.load(answer)


def wait_for(url: str) -> None:
    """Return when `url` answers."""
    for _ in range(600):
        try:
            fetch(url)
        except (OSError, ValueError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer")


def wrk(url: str, seconds: int, server: psutil.Process) -> float:
    """Print and return the requests a second that wrk reaches with 64 connections."""
    before = server.cpu_times()
    done = subprocess.run(
        ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    late = re.search(r"99%\s+(\S+)", done.stdout)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if rate is None or late is None:
        raise SystemExit(done.stdout + done.stderr)
    after = server.cpu_times()
    spent = after.user + after.system - before.user - before.system
    each = spent / (float(rate[1]) * seconds) * 1e6
    print(f"wrk, 64 connections      {float(rate[1]):10,.0f} requests/s   p99 {late[1]}"
          f"   refused {bad[1] if bad else 0}   {each:.1f} µs of processor time each"
          f" ({1e6 / each:,.0f} a core-second)", flush=True)  # fmt: skip
    return float(rate[1])


def readers(ports: list[int], number: int, pace: float, seconds: float, path: str) -> Any:
    """Return what so many readers in a second process saw; upstream calls are the caller's."""
    command = [
        *(sys.executable, str(HERE / "price_readers.py"), "--path", path),
        *("--ports", ",".join(map(str, ports)), "--readers", str(number)),
        *("--pace", str(pace), "--seconds", str(seconds)),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def show(title: str, seen: Any) -> None:
    """Print one line of what readers saw."""
    errors = sum(seen["errors"].values())
    print(f"{title:24} {seen['per_second']:10,.0f} requests/s   p50 {seen['p50_ms']:.1f} ms"
          f"   p99 {seen['p99_ms']:.1f} ms   max {seen['max_ms']:.0f} ms   errors {errors}"
          f"   stale {seen['stale']}   snapshots {seen['snapshots']}", flush=True)  # fmt: skip
    for reason, count in seen["errors"].items():
        print(f"    {count} x {reason}")


async def measure(asked: argparse.Namespace) -> None:
    """Start everything, measure, print."""
    ports = [free_port() for _ in range(asked.apis)]
    rest, ws = free_port(), free_port()
    async with scratch_engines() as engines:
        await upgrade(engines.database_url)
        shared = {
            "OUTCRY_DATABASE_URL": engines.database_url,
            "OUTCRY_VALKEY_URL": engines.valkey_url,
            "OUTCRY_BINANCE_REST_URL": f"http://127.0.0.1:{rest}",
            "OUTCRY_SANDBOX_PORT": str(rest),
            "OUTCRY_SANDBOX_WS_PORT": str(ws),
            "OUTCRY_SYMBOLS": "BTCUSDT,ETHUSDT,BNBUSDT,SOLUSDT,XRPUSDT,ADAUSDT,DOGEUSDT,AVAXUSDT",
        }
        with ExitStack() as stack:
            stack.enter_context(role("sandbox", shared))
            await asyncio.to_thread(wait_for, f"http://127.0.0.1:{rest}{TICKERS}")
            servers = [
                stack.enter_context(role("api", {**shared, "OUTCRY_PORT": str(port)}))
                for port in ports
            ]
            for port in ports:
                await asyncio.to_thread(wait_for, f"http://127.0.0.1:{port}{asked.path}")
            await asyncio.to_thread(work, asked, ports, rest, servers[0])


def work(asked: argparse.Namespace, ports: list[int], rest: int, server: psutil.Process) -> None:
    """Measure what runs."""
    if asked.wrk_seconds and shutil.which("wrk"):
        rate = wrk(f"http://127.0.0.1:{ports[0]}{asked.path}", asked.wrk_seconds, server)
        half = readers(ports[:1], 64, 128 / rate, asked.wrk_seconds, asked.path)
        show("at half that load", half)
    if not asked.readers:
        return
    before = fetch(f"http://127.0.0.1:{rest}/sandbox/stats")["rest_calls"].get(TICKERS, 0)
    seen = readers(ports, asked.readers, asked.pace, asked.seconds, asked.path)
    calls = fetch(f"http://127.0.0.1:{rest}/sandbox/stats")["rest_calls"][TICKERS] - before
    show(f"{asked.readers:,} readers", seen)
    print(f"one request each {asked.pace:g} s for {asked.seconds:g} s, {len(ports)} API process(es):"
          f" {calls} upstream calls, connecting included")  # fmt: skip


def main() -> None:
    """Measure as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--apis", type=int, default=1, help="API processes")
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument(
        "--pace", type=float, default=2.0, help="seconds between a reader's requests"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--wrk-seconds", type=int, default=5, help="0 leaves wrk out")
    parser.add_argument("--path", default="/api/prices/aggregated")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
