"""The platform's volume hour by hour, beside what it was a day before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Final

from msgspec import Struct

from openoutcry.tokens import DAY, WEI, VolumeBucket

HOUR: Final = 3_600_000_000


class TrendHour(Struct, frozen=True, rename="camel"):
    """What was traded in an hour, in ETH; `change` in percent of the same hour the day before.

    `time` in ms. `change` is null where that hour had no trades.
    """

    time: int
    volume: str
    trades: int
    buys: int
    buy_volume: str
    change: float | None


class Trend(Struct, frozen=True, rename="camel"):
    """Hours ascending, the last of them not over yet, and sums of whole hours beside the day before.

    `last_day` and `day_before` are the 24 whole hours up to the one that is going on, and the 24 before
    them; `change` is null where there were no trades then.
    """

    hours: list[TrendHour]
    last_day: str
    day_before: str
    change: float | None
    busiest: int | None


def trend(buckets: Sequence[VolumeBucket], now: int, hours: int) -> Trend:
    """Return the last `hours` hours at `now` (µs).

    `buckets` are hours with trades, ascending, from two days before the first on.
    """
    known = {each.bucket: each for each in buckets}
    going_on = now - now % HOUR
    shown = [_hour(at, known) for at in range(going_on - (hours - 1) * HOUR, going_on + HOUR, HOUR)]
    last = _sum(known, going_on - DAY, going_on)
    before = _sum(known, going_on - 2 * DAY, going_on - DAY)
    # Of equals the first.
    top = max(shown, key=lambda each: Decimal(each.volume))
    return Trend(
        hours=shown,
        last_day=ether(last),
        day_before=ether(before),
        change=change(before, last),
        busiest=top.time if top.trades else None,
    )


def ether(wei: int) -> str:
    """Return wei in ETH, exact, without zeros at the end."""
    whole, rest = divmod(wei, WEI)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".") if rest else str(whole)


def change(before: int, now: int) -> float | None:
    """Return by how many percent it changed, two decimals; None from nothing."""
    if not before:
        return None
    with localcontext() as context:
        context.prec = 60
        return float(round(Decimal(100) * (now - before) / before, 2))


def _hour(at: int, known: dict[int, VolumeBucket]) -> TrendHour:
    found = known.get(at) or VolumeBucket(at, 0, 0, 0, 0)
    earlier = known.get(at - DAY)
    return TrendHour(
        time=at // 1000,
        volume=ether(found.volume),
        trades=found.trades,
        buys=found.buys,
        buy_volume=ether(found.buy_volume),
        change=change(earlier.volume, found.volume) if earlier else None,
    )


def _sum(known: dict[int, VolumeBucket], start: int, end: int) -> int:
    return sum(known[at].volume for at in range(start, end, HOUR) if at in known)
