"""Turn columns of ticks and steps into the values that a Binance server answers with."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from msgspec import Struct, structs

from openoutcry.core.intervals import Interval
from openoutcry.sandbox.candles import Rows, bucket_starts, groups, wide_sums
from openoutcry.sandbox.tape import Trades
from openoutcry.venues.binance_server_data import Aggregate, Bar, Listing, Print


class _Grid(Struct, frozen=True):
    """How to turn whole numbers into prices, sizes and amounts of quote."""

    tick: Decimal
    step: Decimal

    def price(self, ticks: int) -> Decimal:
        return ticks * self.tick

    def size(self, steps: int) -> Decimal:
        return steps * self.step

    def amount(self, product: int) -> Decimal:
        return product * (self.tick * self.step)


def _grid(listing: Listing) -> _Grid:
    return _Grid(listing.tick, listing.step)


def prints(trades: Trades, listing: Listing) -> list[Print]:
    """Return trades as values."""
    grid = _grid(listing)
    return [
        Print(number, grid.price(price), grid.size(size), time, bought)
        for number, time, price, size, _, bought in trades.tolist()
    ]


def aggregates(trades: Trades, listing: Listing) -> list[Aggregate]:
    """Return the aggregates that trades form; each must be there as a whole."""
    if not len(trades):
        return []
    grid = _grid(listing)
    starts = groups(trades["aggregate"])
    ends = np.append(starts[1:], len(trades)) - 1
    sizes = np.add.reduceat(trades["size"], starts)
    heads, tails = trades[starts].tolist(), trades["id"][ends].tolist()
    return [
        Aggregate(number, grid.price(price), grid.size(whole), first, last, time, bought)
        for (first, time, price, _, number, bought), whole, last in zip(
            heads, sizes.tolist(), tails, strict=True
        )
    ]


def roll_up(
    rows: Rows,
    listing: Listing,
    interval: Interval,
    span: tuple[int, int],
    before: int | None,
) -> list[Bar]:
    """Return the bars of every bucket in `span` (both ends); empty ones repeat the price before.

    `rows` ascend. Leading empty buckets with nothing before (`before` in ticks) are left out.
    """
    grid = _grid(listing)
    buckets = bucket_starts(rows["bucket"], interval)
    made = {bar.start: bar for bar in _merge(rows, groups(buckets), buckets, interval, grid)}
    price = None if before is None else grid.price(before)
    result = []
    bucket, last = span
    while bucket <= last:
        bar = made.get(bucket)
        if bar is None and price is not None:
            bar = _flat(bucket, interval.next(bucket), price)
        if bar is not None:
            price = bar.close
            result.append(bar)
        bucket = interval.next(bucket)
    return result


def one_bar(rows: Rows, listing: Listing, start: int, end: int, before: int | None) -> Bar | None:
    """Return the one bar of all rows, from `start` to before `end` (µs)."""
    grid = _grid(listing)
    price = None if before is None else grid.price(before)
    if not len(rows):
        return None if price is None else _flat(start, end, price, price)
    everything = np.zeros(1, dtype=np.int64)
    return structs.replace(_bars(rows, everything, [(start, end)], grid)[0], before=price)


def _merge(
    rows: Rows, starts: np.ndarray, buckets: np.ndarray, interval: Interval, grid: _Grid
) -> list[Bar]:
    if not len(rows):
        return []
    times = [(start, interval.next(start)) for start in buckets[starts].tolist()]
    return _bars(rows, starts, times, grid)


def _bars(rows: Rows, starts: np.ndarray, times: list[tuple[int, int]], grid: _Grid) -> list[Bar]:
    ends = np.append(starts[1:], len(rows)) - 1
    highs = np.maximum.reduceat(rows["high"], starts).tolist()
    lows = np.minimum.reduceat(rows["low"], starts).tolist()
    sums = {name: wide_sums(rows[name], starts) for name in _SUMS}
    heads, tails = rows[starts], rows[ends]
    return [
        Bar(
            start=times[at][0],
            end=times[at][1],
            open=grid.price(int(heads["open"][at])),
            high=grid.price(highs[at]),
            low=grid.price(lows[at]),
            close=grid.price(int(tails["close"][at])),
            volume=grid.size(sums["volume"][at]),
            quote_volume=grid.amount(sums["quote"][at]),
            trades=sums["trades"][at],
            bought_volume=grid.size(sums["bought"][at]),
            bought_quote_volume=grid.amount(sums["bought_quote"][at]),
            first_id=int(heads["first"][at]),
            last_id=int(tails["last"][at]),
        )
        for at in range(len(starts))
    ]


def _flat(start: int, end: int, price: Decimal, before: Decimal | None = None) -> Bar:
    zero = Decimal(0)
    prices = (price, price, price, price)
    return Bar(start, end, *prices, zero, zero, 0, zero, zero, -1, -1, before)


_SUMS = ("volume", "quote", "trades", "bought", "bought_quote")
