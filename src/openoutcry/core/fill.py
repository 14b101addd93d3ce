"""Flat candles for buckets in which nobody traded; never for buckets of which nothing is known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.core.rollup import is_complete
from openoutcry.model import Candle

_ZERO: Final = Decimal(0)

Quiet = tuple[int, int]
"""A bucket without trades (µs) and the index of the last traded one before it; -1: before them all."""


class LastClose(Struct, frozen=True):
    """The close of the last candle before a range; `bucket` is that candle's start (µs)."""

    bucket: int
    close: Decimal


def fill_previous(
    candles: Iterable[Candle],
    interval: Interval,
    *,
    start: int,
    end: int,
    limit: int,
    before: LastClose | None,
    coverage: Coverage,
) -> list[Candle]:
    """Return the candles of the buckets `start`..`end` (inclusive), flat ones where nobody traded.

    At most `limit`, oldest first; `candles` are the first of the range, `limit` of them if there
    are as many, with `complete` set; `start` is a bucket's start. A flat candle stands at the last
    close only where everything from that close on is known: a trade in a hole may have moved the
    price, so after a hole the next real candle comes first.
    """
    real = {candle.bucket: candle for candle in candles}
    traded = sorted(real)
    close: Decimal | None = None
    if before is not None and coverage.covers(
        before.bucket, start, INTERVALS[interval.base].length
    ):
        close = before.close
    filled: list[Candle] = []
    bucket = start
    while bucket <= end and len(filled) < limit:
        candle = real.get(bucket)
        if candle is not None:
            filled.append(candle)
            close = candle.close if candle.complete else None
        elif close is not None and is_complete(interval, bucket, coverage):
            filled.append(_flat(bucket, close))
        else:
            close = None
            following = bisect_right(traded, bucket)
            if following == len(traded):
                break
            bucket = traded[following]
            continue
        bucket = interval.next(bucket)
    return filled


def _flat(bucket: int, close: Decimal) -> Candle:
    return Candle(
        bucket=bucket,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=_ZERO,
        quote_volume=_ZERO,
        trades=0,
        taker_buy_volume=_ZERO,
        taker_buy_quote_volume=_ZERO,
        complete=True,
    )


def quiet_buckets(
    traded: Sequence[int],
    interval: Interval,
    *,
    start: int,
    end: int,
    before: int | None,
    coverage: Coverage,
) -> list[Quiet]:
    """Return the buckets from `start` to before `end` of which it is known that nobody traded.

    `traded` are the buckets with trades in that range, ascending; `before` is the last one earlier
    than `start`. A quiet bucket is known whole, as is everything since the end of the last traded
    one: in a hole the price may have moved. `start` and `end` are bounds of buckets.
    """
    base = INTERVALS[interval.base].length
    found: list[Quiet] = []
    bucket = start
    for at, following in enumerate([*traded, end]):
        if bucket < following:
            since = before if at == 0 else traded[at - 1]
            known = bucket if since is None else coverage.reach(interval.next(since) - 1, base)
            while bucket < following and interval.next(bucket) <= known:
                found.append((bucket, at - 1))
                bucket = interval.next(bucket)
        bucket = interval.next(following) if following < end else end
    return found
