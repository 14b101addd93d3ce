"""A process that asks for permits of one address as fast as it can, and prints when it got each."""

from __future__ import annotations

import asyncio
import sys
import time

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.shared_logs import SharedLogs
from openoutcry.core.sliding_log import Rule


async def main(url: str, most: int, window: int, seconds: float) -> None:
    """Ask from several tasks until the time is over."""
    valkey = connect(url)
    shared = SharedLogs(valkey, Rule(most, window))
    granted: list[int] = []
    ends = time.monotonic() + seconds

    async def ask(number: int) -> None:
        while time.monotonic() < ends:
            now, answers = await shared.take_at([("192.0.2.1", number)])
            granted.extend([now] * answers["192.0.2.1"].granted)

    await asyncio.gather(*(ask(number) for number in (1, 1, 2, 7)))
    await valkey.aclose()
    sys.stdout.write("\n".join(map(str, granted)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
