"""Roll stored base candles up into longer intervals."""

from __future__ import annotations

from collections.abc import Iterable

from openoutcry.core.coverage import Coverage
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.model import Candle


def merge(bucket: int, rows: Iterable[Candle]) -> Candle:
    """Return one candle of everything in `rows`, which are ascending, not empty, and of one bucket."""
    ordered = list(rows)
    return Candle(
        bucket=bucket,
        open=ordered[0].open,
        high=max(row.high for row in ordered),
        low=min(row.low for row in ordered),
        close=ordered[-1].close,
        volume=sum((row.volume for row in ordered[1:]), ordered[0].volume),
        quote_volume=sum((row.quote_volume for row in ordered[1:]), ordered[0].quote_volume),
        trades=sum(row.trades for row in ordered),
        taker_buy_volume=sum(
            (row.taker_buy_volume for row in ordered[1:]), ordered[0].taker_buy_volume
        ),
        taker_buy_quote_volume=sum(
            (row.taker_buy_quote_volume for row in ordered[1:]), ordered[0].taker_buy_quote_volume
        ),
        first_id=ordered[0].first_id,
        last_id=ordered[-1].last_id,
    )


def is_complete(interval: Interval, bucket: int, coverage: Coverage) -> bool:
    """Return whether the candle of `interval` that starts at `bucket` is over and lacks nothing."""
    return coverage.covers(bucket, interval.next(bucket), INTERVALS[interval.base].length)
