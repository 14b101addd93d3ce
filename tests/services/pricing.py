"""What tests of the prices share: instances on one Valkey, an upstream in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import msgspec
from redis.asyncio import Redis

from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.adapters.valkey.pubsub import listen
from openoutcry.adapters.valkey.weight import SteadyBudget, WeightBudget
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.breaker import BreakerRules
from openoutcry.core.keys import PRICES, TICKERS
from openoutcry.core.tickers import Ticker
from openoutcry.services.price_asker import PriceRules, RestUpstream
from openoutcry.services.prices import Prices

Answer = Callable[[], Awaitable[list[Ticker]]]


def ticker(symbol: str = "BTCUSDT", price: str = "68234.50", **changes: Any) -> Ticker:
    """Return a ticker."""
    made = Ticker(symbol, price, "66673.30", "69000", "66000.1", "12.5", "850000.00", 1)
    return msgspec.structs.replace(made, **changes)


def rules(**changes: Any) -> PriceRules:
    """Return rules compressed in time."""
    quick = {"fresh": 0.4, "grace": 0.2, "timeout": 10.0, "backoff": 0.05, "stream": 0.5}
    pause = changes.pop("pause", 0.5)
    failures = changes.pop("failures", 3)
    return PriceRules(**(quick | changes), breaker=BreakerRules(failures, pause))


class Script:
    """An upstream that answers what the test has put there, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.price = 100
        self.seconds = 0.0
        self.error: Exception | None = None

    async def tickers(self) -> list[Ticker]:
        """Return one ticker whose price grows, or raise."""
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.price += 1
        return [ticker(price=str(self.price))]


@asynccontextmanager
async def instance(
    valkey_url: str,
    upstream: Any,
    how: PriceRules | None = None,
    *,
    running: bool = True,
    wanted: tuple[str, ...] = ("BTCUSDT",),
) -> AsyncIterator[Prices]:
    """Run prices as an API process does, with a connection of their own."""
    valkey = connect(valkey_url, retries=0)
    prices = Prices(upstream, PriceBoard(valkey), how or rules(), wanted)
    hear = partial(listen, valkey_url, (TICKERS, PRICES))
    task = asyncio.create_task(prices.run(hear)) if running else None
    try:
        yield prices
        assert task is None or not task.done(), task
    finally:
        if task is not None:
            await end(task)
        await valkey.aclose()


@asynccontextmanager
async def over_rest(
    valkey_url: str, base_url: str, how: PriceRules | None = None, share: float = 1.0
) -> AsyncIterator[Prices]:
    """Run prices that ask a venue's REST interface within the shared budget."""
    how = how or rules()
    valkey: Redis = connect(valkey_url, retries=0)
    async with aiohttp.ClientSession() as session:
        budget = SteadyBudget(WeightBudget(valkey, "binance", 6000, share))
        rest = VenueRest(session, base_url, budget, how.timeout)
        async with instance(valkey_url, RestUpstream(rest), how) as prices:
            yield prices
    await valkey.aclose()
