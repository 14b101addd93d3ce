"""Prices while the exchange is down: every answer, its age, the calls made, and how soon it is fresh.

    python benchmarks/outage.py                # five minutes without upstream
    python benchmarks/outage.py --seconds 60

The feed is left out, so prices come over REST. The sandbox exchange answers 503 for that long; a
reader asks twenty times a second; calls are counted at the exchange.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from typing import Any
from urllib.request import Request, urlopen

from msgspec import Struct

from openoutcry.adapters.postgres.migrate import upgrade
from prices import TICKERS, fetch, free_port, role, wait_for
from scratch import scratch_engines

PACE = 0.05
PERIOD = 10.0
"""How long prices count as fresh."""


class Seen(Struct):
    """What the reader saw: seconds of each answer, errors, ages that were not true, its last age."""

    seconds: list[float]
    errors: int = 0
    untrue: int = 0
    age: int = 0


def ask(url: str, seen: Seen) -> None:
    """Ask once and take note."""
    began = time.perf_counter()
    try:
        with urlopen(url, timeout=20) as answer:  # noqa: S310 - our own address
            rows = json.load(answer)
            seen.age = int(answer.headers["age"])
            stale = answer.headers["x-prices-stale"] == "true"
    except (OSError, ValueError) as error:
        seen.errors += 1
        print("error:", error)
        return
    seen.seconds.append(time.perf_counter() - began)
    seen.untrue += stale != bool(rows[0].get("stale"))


def measure(api: str, exchange: str, seconds: float) -> None:
    """Print what happens when upstream goes for so long, and comes back."""

    def calls() -> int:
        made: dict[str, Any] = fetch(f"{exchange}/sandbox/stats")["rest_calls"]
        return int(made.get(TICKERS, 0))

    url, seen = f"{api}/api/prices/aggregated", Seen([])
    ask(url, seen)
    time.sleep(1)
    ask(url, seen)
    before, start, first_age = calls(), time.monotonic(), seen.age
    fault = {"kind": "rest_status", "status": 503, "seconds": seconds, "path": TICKERS}
    body = json.dumps(fault).encode()
    post = Request(f"{exchange}/sandbox/faults", body, {"Content-Type": "application/json"})  # noqa: S310
    urlopen(post, timeout=10).close()  # noqa: S310 - our own address
    while (gone := time.monotonic() - start) < seconds:
        ask(url, seen)
        # Whole seconds, rounded down at both ends, and a fetch that was under way when it began.
        seen.untrue += gone > PERIOD and not -1 <= seen.age - first_age - gone <= PERIOD + 2
        time.sleep(PACE)
    made, back = calls() - before, time.monotonic()
    print(f"answers {len(seen.seconds):,}   errors {seen.errors}   untrue ages {seen.untrue}")
    late = statistics.quantiles(seen.seconds, n=100)[98] * 1000
    print(f"p99 {late:.1f} ms   slowest {max(seen.seconds) * 1000:.0f} ms   age {seen.age} s")
    print(f"calls upstream {made}")
    while seen.age > PERIOD:
        ask(url, seen)
        time.sleep(PACE)
    print(f"fresh {time.monotonic() - back:.1f} s after upstream came back")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    rest, ws, api = free_port(), free_port(), free_port()
    async with scratch_engines() as running:
        await upgrade(running.database_url)
        environment = {
            "OUTCRY_DATABASE_URL": running.database_url,
            "OUTCRY_VALKEY_URL": running.valkey_url,
            "OUTCRY_SYMBOLS": "BTCUSDT,ETHUSDT",
            "OUTCRY_SANDBOX_PORT": str(rest),
            "OUTCRY_SANDBOX_WS_PORT": str(ws),
            "OUTCRY_BINANCE_REST_URL": f"http://127.0.0.1:{rest}",
            "OUTCRY_PORT": str(api),
        }
        with role("sandbox", environment), role("api", environment):
            wait_for(f"http://127.0.0.1:{rest}/api/v3/ping")
            wait_for(f"http://127.0.0.1:{api}/api/prices/aggregated")
            await asyncio.to_thread(
                measure, f"http://127.0.0.1:{api}", f"http://127.0.0.1:{rest}", options.seconds
            )


if __name__ == "__main__":
    asyncio.run(main())
