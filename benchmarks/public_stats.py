"""The public counter: requests a second of one API process, with the limit of requests on.

    python benchmarks/public_stats.py                       # many addresses, then one over its limit
    python benchmarks/public_stats.py --addresses 100000
    python benchmarks/public_stats.py --apis 2              # also: two processes share the limit

wrk names another client in `X-Forwarded-For` with each request, as a trusted proxy does; every one of
them is counted in Valkey, each answer carries the limit's headers. Three runs: a client for each
request (all let through), then one address that may make millions of requests, then one address that
is over its limit (all but 120 are refused). Processor times are told beside the rates, Valkey's own as
well: they travel better than requests a second on a machine that others use too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
from redis import Redis

from openoutcry.adapters.postgres.migrate import upgrade
from prices import free_port, readers, role, show, wait_for
from scratch import scratch_engines

PATH = "/api/public/stats/trades"
# wrk's own language. Every request is made beforehand, so that wrk has no more to do than without.
SCRIPT = """
local made, at = {}, 0
init = function()
    for i = 0, ADDRESSES - 1 do
        local address = string.format('10.%d.%d.%d', math.floor(i / 65536) % 256,
            math.floor(i / 256) % 256, i % 256)
        made[i + 1] = wrk.format('GET', nil, {['X-Forwarded-For'] = address})
    end
end
request = function()
    at = at % ADDRESSES + 1
    return made[at]
end
"""


def cpu(process: psutil.Process) -> float:
    """Return the processor seconds that a process has spent."""
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def valkey_cpu(valkey: Redis) -> float:
    """Return the processor seconds that Valkey has spent."""
    told: Any = valkey.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def wrk(
    title: str, url: str, seconds: int, server: psutil.Process, valkey: Redis, addresses: int
) -> float:
    """Print and return the requests a second that wrk reaches with 64 connections."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.replace("ADDRESSES", str(addresses)))
        script.flush()
        before, before_valkey = cpu(server), valkey_cpu(valkey)
        done = subprocess.run(
            ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", script.name, url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    spent, spent_valkey = cpu(server) - before, valkey_cpu(valkey) - before_valkey
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    late = re.search(r"99%\s+(\S+)", done.stdout)
    count = re.search(r"(\d+) requests in", done.stdout)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if rate is None or late is None or count is None:
        raise SystemExit(done.stdout + done.stderr)
    number, refused = int(count[1]), int(bad[1]) if bad else 0
    print(f"{title:34} {float(rate[1]):9,.0f} requests/s   p99 {late[1]}   allowed"
          f" {number - refused:,} of {number:,}   each {spent / number * 1e6:.1f} µs of the API's"
          f" core, {spent_valkey / number * 1e6:.1f} of Valkey's", flush=True)  # fmt: skip
    return float(rate[1])


async def measure(asked: argparse.Namespace) -> None:
    """Start everything, measure, print."""
    async with scratch_engines() as engines:
        await upgrade(engines.database_url)
        shared = {
            "OUTCRY_DATABASE_URL": engines.database_url,
            "OUTCRY_VALKEY_URL": engines.valkey_url,
            "OUTCRY_FEED_TICKERS": "false",
            "OUTCRY_BINANCE_REST_URL": "http://127.0.0.1:9",
            "OUTCRY_TRUSTED_PROXIES": "127.0.0.1",
        }
        await asyncio.to_thread(work, asked, shared)


def work(asked: argparse.Namespace, shared: dict[str, str]) -> None:
    """Measure one process, and how exact several are together."""
    valkey: Redis = Redis.from_url(shared["OUTCRY_VALKEY_URL"])
    seconds = asked.seconds
    with ExitStack() as stack:
        port = free_port()
        server = stack.enter_context(role("api", {**shared, "OUTCRY_PORT": str(port)}))
        url = f"http://127.0.0.1:{port}{PATH}"
        wait_for(url)
        rate = wrk("many addresses", url, seconds, server, valkey, asked.addresses)
        wrk("one address over its limit", url, seconds, server, valkey, 1)
    with ExitStack() as stack:
        port = free_port()
        free = {**shared, "OUTCRY_PORT": str(port), "OUTCRY_PUBLIC_REQUESTS": "100000000"}
        server = stack.enter_context(role("api", free))
        url = f"http://127.0.0.1:{port}{PATH}"
        wait_for(url)
        wrk("one address, a limit never reached", url, seconds, server, valkey, 1)
        half = readers([port], 64, 128 / rate, seconds, PATH)
        show("at half the first load", half)
    if asked.apis > 1:
        together(asked.apis, seconds, shared, valkey)


def together(number: int, seconds: int, shared: dict[str, str], valkey: Redis) -> None:
    """Let one address hammer at several processes, and count what they let through."""
    valkey.flushdb()
    with ExitStack() as stack:
        ports = [free_port() for _ in range(number)]
        for port in ports:
            stack.enter_context(role("api", {**shared, "OUTCRY_PORT": str(port)}))
        for port in ports:
            wait_for(f"http://127.0.0.1:{port}{PATH}")
        began = time.monotonic()
        hammers = [
            subprocess.Popen(
                [
                    "wrk",
                    "-t1",
                    "-c32",
                    f"-d{seconds}s",
                    "-H",
                    "X-Forwarded-For: 192.0.2.1",
                    f"http://127.0.0.1:{port}{PATH}",
                ],
                stdout=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            for port in ports
        ]
        texts = [hammer.communicate()[0] for hammer in hammers]
        allowed = 0
        for text in texts:
            count = re.search(r"(\d+) requests in", text)
            bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
            allowed += int(count[1] if count else 0) - int(bad[1] if bad else 0)
        asked = Request(
            f"http://127.0.0.1:{ports[0]}{PATH}", headers={"X-Forwarded-For": "192.0.2.1"}
        )  # noqa: E501, S310
        try:
            with urlopen(asked, timeout=5) as answer:  # noqa: S310 - our own address
                last = answer.status
        except HTTPError as error:
            last = error.code
    print(f"{number} API processes, one address: {allowed} allowed in"
          f" {time.monotonic() - began:.1f} s; then {last}")  # fmt: skip


def main() -> None:
    """Measure as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--addresses", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--apis", type=int, default=1, help="API processes that share the limit")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
