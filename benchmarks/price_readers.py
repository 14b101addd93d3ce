"""Many keep-alive readers of one path from one process, each at its own pace; prints JSON.

    python benchmarks/price_readers.py --ports 8000,8002 --readers 10000 --pace 5 --seconds 60

Every reader is a socket that sends a request, waits for the answer and goes on `pace` seconds after its
last request. Latency is from a request's last byte to its answer's last, in this process's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import resource
import time
from collections import Counter
from typing import Any

import uvloop

PATIENCE = 10.0
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
TAG = re.compile(rb"\r\netag: (\S+)\r\n", re.IGNORECASE)


class Tally:
    """What all readers have seen."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.errors: Counter[str] = Counter()
        self.tags: Counter[bytes] = Counter()
        self.stale = 0


class Reader(asyncio.Protocol):
    """One keep-alive client."""

    def __init__(self, request: bytes, pace: float, tally: Tally) -> None:
        self._request, self._pace, self._tally = request, pace, tally
        self._data = b""
        self._asked = 0.0
        self._transport: Any = None
        self.done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        first = random.random() * self._pace
        asyncio.get_running_loop().call_later(first, self._ask)

    def _ask(self) -> None:
        if self.done:
            return
        asyncio.get_running_loop().call_later(self._pace, self._ask)
        now = time.perf_counter()
        if not self._asked:
            self._asked = now
            self._transport.write(self._request)
        elif now - self._asked > PATIENCE:
            self._tally.errors[f"no answer within {PATIENCE:g} s"] += 1
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[: end + 2]
        length = LENGTH.search(head)
        if length is None or len(self._data) < end + 4 + int(length[1]):
            return
        self._tally.times.append(time.perf_counter() - self._asked)
        self._asked, self._data = 0.0, b""
        if not head.startswith(b"HTTP/1.1 200"):
            self._tally.errors[head[:20].decode()] += 1
        elif tag := TAG.search(head):
            self._tally.tags[tag[1]] += 1
        self._tally.stale += b"x-prices-stale" in head

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done:
            self.done = True
            self._tally.errors[f"connection lost: {exc}"] += 1


async def read(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the readers and return what they saw."""
    tally, loop = Tally(), asyncio.get_running_loop()
    ports = [int(port) for port in asked.ports.split(",")]
    request = f"GET {asked.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    readers: list[Reader] = []
    for number in range(asked.readers):
        port = ports[number % len(ports)]
        _, reader = await loop.create_connection(
            lambda: Reader(request, asked.pace, tally), "127.0.0.1", port
        )
        readers.append(reader)
    began = time.time()
    before = len(tally.times)
    print(json.dumps({"connected": len(readers)}), flush=True)
    await asyncio.sleep(asked.seconds)
    took = time.time() - began
    for reader in readers:
        reader.done = True
    times = sorted(tally.times[before:])
    return {
        "requests": len(times),
        "per_second": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "max_ms": times[-1] * 1000,
        "errors": dict(tally.errors),
        "snapshots": len(tally.tags),
        "stale": tally.stale,
    }


def main() -> None:
    """Read as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ports", required=True)
    parser.add_argument("--path", default="/api/prices/aggregated")
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--pace", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(uvloop.run(read(parser.parse_args()))))


if __name__ == "__main__":
    main()
