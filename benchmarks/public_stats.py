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
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

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


class Server(NamedTuple):
    """An API process that runs: its address, itself, and the Valkey behind it."""

    url: str
    process: psutil.Process
    valkey: Redis


def wrk(title: str, server: Server, seconds: int, addresses: int) -> float:
    """Print and return the requests a second that wrk reaches with 64 connections."""
    url, process, valkey = server
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT.replace("ADDRESSES", str(addresses)))
        script.flush()
        before, before_valkey = cpu(process), valkey_cpu(valkey)
        done = subprocess.run(
            ["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", "-s", script.name, url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    spent, spent_valkey = cpu(process) - before, valkey_cpu(valkey) - before_valkey
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
    with running(shared, valkey) as server:
        rate = wrk("many addresses", server, seconds, asked.addresses)
        wrk("one address over its limit", server, seconds, 1)
    with running({**shared, "OUTCRY_PUBLIC_REQUESTS": "100000000"}, valkey) as server:
        wrk("one address, a limit never reached", server, seconds, 1)
        port = int(server.url.split(":")[2].partition("/")[0])
        half = readers([port], 64, 128 / rate, seconds, PATH)
        show("at half the first load", half)
    if asked.apis > 1:
        together(asked.apis, seconds, shared, valkey)


@contextmanager
def running(shared: dict[str, str], valkey: Redis) -> Iterator[Server]:
    """Run one API process."""
    port = free_port()
    with role("api", {**shared, "OUTCRY_PORT": str(port)}) as process:
        url = f"http://127.0.0.1:{port}{PATH}"
        wait_for(url)
        yield Server(url, process, valkey)


def together(number: int, seconds: int, shared: dict[str, str], valkey: Redis) -> None:
    """Let one address hammer at several processes, and count what they let through."""
    valkey.flushdb()
    client = "X-Forwarded-For: 192.0.2.1"
    with ExitStack() as stack:
        servers = [stack.enter_context(running(shared, valkey)) for _ in range(number)]
        began = time.monotonic()
        hammers = [
            subprocess.Popen(
                ["wrk", "-t1", "-c32", f"-d{seconds}s", "-H", client, server.url],
                stdout=subprocess.PIPE,
                text=True,
            )
            for server in servers
        ]
        texts = [hammer.communicate()[0] for hammer in hammers]
        took = time.monotonic() - began
    answered = sum(number_in(text, r"(\d+) requests in") for text in texts)
    allowed = answered - sum(number_in(text, r"Non-2xx or 3xx responses: (\d+)") for text in texts)
    print(f"{number} API processes, one address: {allowed} of {answered:,} allowed in {took:.1f} s")


def number_in(text: str, pattern: str) -> int:
    """Return the number that wrk tells, 0 if it does not."""
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def main() -> None:
    """Measure as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--addresses", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--apis", type=int, default=1, help="API processes that share the limit")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
