"""What accounts are worth, stored once in a minute of the market's time."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import asyncpg

from openoutcry.adapters.postgres.analytics_reader import add_equity_points
from openoutcry.core.intervals import MINUTE
from openoutcry.core.trading.equity import sample
from openoutcry.services.trader_work import Work


class EquitySampler:
    """Samples the accounts at work; `currency` is the one that sums are in."""

    def __init__(self, work: Work, currency: str) -> None:
        self._work = work
        self._currency = currency
        self._sampled = 0

    async def sample(
        self, connection: asyncpg.Connection[Any], last: Mapping[str, tuple[int, Decimal]]
    ) -> None:
        """Store a point for each account if a minute is over; `last` has each symbol's last trade."""
        newest = max((at for at, _ in last.values()), default=0)
        minute = newest - newest % MINUTE
        if minute <= self._sampled:
            return
        self._sampled = minute
        prices: Mapping[str, Decimal] = {symbol: price for symbol, (_, price) in last.items()}
        for user, one in self._work.accounts.items():
            points = sample(one.account, self._work.context.markets, prices, self._currency, minute)
            await add_equity_points(connection, user, points)
