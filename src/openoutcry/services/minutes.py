"""Fold a file of aggregate trades into whole minutes."""

from __future__ import annotations

import numpy as np
from msgspec import structs

from openoutcry.core.candles import CandleColumns, as_rows, fold
from openoutcry.core.frames import TRADE
from openoutcry.core.intervals import INTERVALS, MINUTE
from openoutcry.core.scales import plain, to_decimal
from openoutcry.errors import BadRequestError
from openoutcry.model import Candle, Instrument
from openoutcry.venues.binance_files import AggregateColumns, parse_aggregates


class MinuteFolder:
    """Takes lines of one file and gives each minute once the next one has begun.

    An aggregate hides its trades but not their number, price and volume: the minutes are exact. The
    first and the last minute of a file are whole only with `whole_days`; a jump in the ids spoils the
    minutes on both its sides and what lies between. How the file is cut into lines to `take` makes no
    difference, as long as the minutes come in order.
    """

    def __init__(self, instrument: Instrument, *, whole_days: bool) -> None:
        self._symbol = instrument.symbol
        self._whole_days = whole_days
        self._lines: list[str] = []
        self._next_id: int | None = None
        self._spoiled: set[int] = set()
        self._last: Candle | None = None
        self._until = -1

    def take(self, lines: list[str]) -> list[Candle]:
        """Return the minutes that `lines` complete, ascending, flat ones between them included.

        Raises BadRequestError for lines that cannot be read or belong to a minute already given.
        """
        lines = self._lines + lines
        if not lines:
            return []
        aggregates = parse_aggregates(self._symbol, lines)
        minutes = aggregates.trades.venue_time // MINUTE * MINUTE
        if minutes[0] <= self._until or np.any(np.diff(minutes) < 0):
            raise BadRequestError("The file is not in the order of time.")
        done = int(np.searchsorted(minutes, minutes[-1]))
        self._lines = [lines[at] for at in aggregates.line[done:].tolist()]
        return self._fold(aggregates, done)

    def end(self) -> list[Candle]:
        """Return the last minute, if the file holds all of it."""
        lines, self._lines = self._lines, []
        if not lines or not self._whole_days:
            return []
        return self._fold(parse_aggregates(self._symbol, lines), len(lines))

    def _fold(self, aggregates: AggregateColumns, count: int) -> list[Candle]:
        if not count:
            return []
        trades = aggregates.trades
        rows = np.zeros(count, TRADE)
        rows["venue_time"] = trades.venue_time[:count]
        rows["trade_id"] = trades.trade_id[:count]
        rows["price"], rows["size"] = trades.price[:count], trades.size[:count]
        rows["side"] = trades.side[:count]
        # The one after them too: a jump just behind a minute spoils it before it is given.
        seen = slice(count + 1)
        self._spoil(trades.trade_id[seen], aggregates.last_id[seen], trades.venue_time[seen])
        self._next_id = int(aggregates.last_id[count - 1]) + 1
        hidden = aggregates.last_id[:count] - rows["trade_id"] + 1
        columns = fold(structs.replace(as_rows(rows), trades=hidden), INTERVALS["1m"])
        found = [
            self._candle(columns, at, trades.price_scale, trades.size_scale)
            for at in range(len(columns))
        ]
        return self._whole(found)

    def _spoil(self, first: np.ndarray, last: np.ndarray, times: np.ndarray) -> None:
        """Note the minutes around jumps in the ids."""
        before = first[0] if self._next_id is None else self._next_id
        expected = np.concatenate(([before], last[:-1] + 1))
        for at in np.flatnonzero(first != expected).tolist():
            self._spoiled.add(int(times[at]) // MINUTE * MINUTE)
            self._spoiled.add(int(times[max(0, at - 1)]) // MINUTE * MINUTE)

    def _whole(self, found: list[Candle]) -> list[Candle]:
        """Leave out what is not whole; carry the price through minutes without trades."""
        whole: list[Candle] = []
        for candle in found:
            first, self._until = self._until < 0, candle.bucket
            broken = candle.bucket in self._spoiled or (first and not self._whole_days)
            if not broken:
                if self._last is not None:
                    whole += _flat(self._last, candle.bucket)
                whole.append(candle)
            self._last = None if broken else candle
        return whole

    def _candle(self, columns: CandleColumns, at: int, price_scale: int, size_scale: int) -> Candle:
        def number(name: str, scale: int) -> object:
            return plain(to_decimal(int(getattr(columns, name)[at]), scale))

        prices = {name: number(name, price_scale) for name in ("open", "high", "low", "close")}
        sizes = {name: number(name, size_scale) for name in ("volume", "taker_buy_volume")}
        quotes = {
            name: number(name, price_scale + size_scale)
            for name in ("quote_volume", "taker_buy_quote_volume")
        }
        return Candle(
            bucket=int(columns.bucket[at]),
            trades=int(columns.trades[at]),
            **prices,  # type: ignore[arg-type]
            **sizes,  # type: ignore[arg-type]
            **quotes,  # type: ignore[arg-type]
        )


def _flat(last: Candle, until: int) -> list[Candle]:
    """Return a candle without trades for each minute between `last` and `until`."""
    zero = last.volume - last.volume
    return [
        structs.replace(
            last,
            bucket=bucket,
            open=last.close,
            high=last.close,
            low=last.close,
            volume=zero,
            quote_volume=zero,
            trades=0,
            taker_buy_volume=zero,
            taker_buy_quote_volume=zero,
        )
        for bucket in range(last.bucket + MINUTE, until, MINUTE)
    ]
