"""The public counter of trades: which days count, and what their counts add up to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

KEPT_DAYS: Final = 35
"""Days for which a day's count is kept after its end."""

MONTH: Final = 30
WEEK: Final = 7

_DAY: Final = timedelta(days=1)


class TradeStats(Struct, frozen=True):
    """The trades of the last 7 and 30 days, today being the first of them.

    `last_updated` (ISO 8601 UTC, ms) is when these figures changed last: with the last trade that was
    counted, or at midnight, when a day went out of both. So they are the same text in every process.
    """

    trades_7d: int
    trades_30d: int
    last_updated: str


def day_of(time: int) -> date:
    """Return the UTC day of a time in µs since 1970."""
    return datetime.fromtimestamp(time // 1_000_000, UTC).date()


def last_days(today: date, count: int) -> list[date]:
    """Return so many days, today first."""
    return [today - n * _DAY for n in range(count)]


def expiry(day: date) -> int:
    """Return the end of a day plus KEPT_DAYS, in seconds since 1970: when its count may go."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int((midnight + (1 + KEPT_DAYS) * _DAY).timestamp())


def add_up(counts: Mapping[date, int], today: date, changed: int) -> TradeStats:
    """Return the figures; a day that is not in `counts` had no trade. `changed` is in ms since 1970."""
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC)
    moment = max(midnight, datetime.fromtimestamp(changed // 1000, UTC) + _ms(changed % 1000))
    return TradeStats(
        sum(counts.get(day, 0) for day in last_days(today, WEEK)),
        sum(counts.get(day, 0) for day in last_days(today, MONTH)),
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _ms(count: int) -> timedelta:
    return timedelta(milliseconds=count)
