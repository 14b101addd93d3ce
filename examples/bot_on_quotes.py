"""A toy bot that reads quotes from Valkey and trades on paper: it buys at the ask, sells at the bid.

    python examples/bot_on_quotes.py BTCUSDT --valkey redis://localhost

Quotes are pub/sub messages: what is sent while nobody listens is gone. That is right for prices, of
which only the latest counts; whoever needs every trade reads the store (see signed_volume.sql).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections import deque
from decimal import Decimal

from redis.asyncio import Redis

MEMORY = 50


class Bot:
    """Buys when the price is a little below its recent mean, sells when it is back. One unit."""

    def __init__(self, dip: Decimal) -> None:
        self._dip = dip
        self._prices: deque[Decimal] = deque(maxlen=MEMORY)
        self.bought: Decimal | None = None
        self.profit = Decimal(0)

    def on_quote(self, price: Decimal, bid: Decimal, ask: Decimal) -> str:
        """Take a quote in and return what was done, empty for nothing."""
        self._prices.append(price)
        mean = sum(self._prices, Decimal(0)) / len(self._prices)
        if self.bought is None and price < mean * (1 - self._dip):
            self.bought = ask
            return f"buy at {ask}"
        if self.bought is not None and price >= mean:
            self.profit += bid - self.bought
            self.bought = None
            return f"sell at {bid}, profit so far {self.profit}"
        return ""


async def run(valkey: Redis, symbol: str, dip: Decimal, count: int) -> None:
    """Trade on `count` quotes (0: for ever)."""
    bot = Bot(dip)
    seen = 0
    async with valkey.pubsub() as pubsub:
        await pubsub.subscribe(f"market:{symbol}")
        async for message in pubsub.listen():
            if message["type"] != "message":
                continue
            quote = json.loads(message["data"])
            price, bid, ask = (Decimal(quote[k]) for k in ("originalPrice", "bidPrice", "askPrice"))
            done = bot.on_quote(price, bid, ask)
            print(f"{symbol} {price}  bid {bid}  ask {ask}  {done}", flush=True)
            seen += 1
            if seen == count:
                return


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTCUSDT")
    valkey = os.environ.get("OUTCRY_VALKEY_URL", "redis://localhost")
    parser.add_argument("--valkey", default=valkey, help="redis:// or unix:// URL")
    parser.add_argument(
        "--dip", type=Decimal, default=Decimal("0.0005"), help="how far below the mean"
    )
    parser.add_argument("--count", type=int, default=0, help="stop after so many quotes")
    options = parser.parse_args()
    async with Redis.from_url(options.valkey) as client:
        await run(client, options.symbol, options.dip, options.count)


if __name__ == "__main__":
    asyncio.run(main())
