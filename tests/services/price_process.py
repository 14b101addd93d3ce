"""A process that keeps prices until it is killed: `price_process.py VALKEY_URL EXCHANGE_URL`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from pricing import over_rest, rules


async def main() -> None:
    """Read prices for ever; the venue may take a minute."""
    async with over_rest(sys.argv[1], sys.argv[2], rules(timeout=60.0)) as prices:
        while True:
            await prices.view()
            await asyncio.sleep(0.05)


asyncio.run(main())
