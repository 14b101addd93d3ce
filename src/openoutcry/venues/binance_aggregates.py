"""Trades gathered into Binance's aggregates: what one taker traded at one price in one moment."""

from __future__ import annotations

from collections.abc import Iterable

Row = tuple[int, int, int, int, int, bool]
"""A trade as a tuple: id, time (µs), price (scaled), size (scaled), aggregate, bought."""

AggregateRow = tuple[int, int, int, int, int, int, bool]
"""An aggregate as a tuple: id, time (µs), price, size, first id, last id, bought."""


def gather(rows: Iterable[Row]) -> list[AggregateRow]:
    """Return the aggregates of trades that know theirs, in order; each must be there as a whole."""
    found: list[AggregateRow] = []
    for number, time, price, size, aggregate, bought in rows:
        if found and found[-1][0] == aggregate:
            head = found[-1]
            found[-1] = (*head[:3], head[3] + size, head[4], number, bought)
        else:
            found.append((aggregate, time, price, size, number, number, bought))
    return found


class Aggregator:
    """Makes aggregates of trades that do not know theirs: neighbours of one time, price and taker.

    An aggregate's id is its first trade's. The newest one is kept back until a trade of another
    comes, or `flush`: more of it may be on its way.
    """

    def __init__(self) -> None:
        self._open: AggregateRow | None = None

    def take(self, rows: Iterable[Row]) -> list[AggregateRow]:
        """Add trades, ascending by id; return the aggregates that are over."""
        over: list[AggregateRow] = []
        held = self._open
        for number, time, price, size, _, bought in rows:
            if held is not None and _goes_on(held, number, time, price, bought):
                held = (*held[:3], held[3] + size, held[4], number, bought)
                continue
            if held is not None:
                over.append(held)
            held = (number, time, price, size, number, number, bought)
        self._open = held
        return over

    def flush(self) -> list[AggregateRow]:
        """Return the newest aggregate, as far as it is known, and begin anew."""
        held, self._open = self._open, None
        return [] if held is None else [held]


def _goes_on(held: AggregateRow, number: int, time: int, price: int, bought: bool) -> bool:
    return (number, time, price, bought) == (held[5] + 1, held[1], held[2], held[6])
