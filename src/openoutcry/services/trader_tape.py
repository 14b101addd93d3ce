"""The tape as the trader reads it: committed trades in the order of their ids, none left out.

What recorders announce comes within milliseconds. A jump in its ids is read from the store, and so is
everything that was not heard: nothing depends on a message having arrived.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct, field

from openoutcry.adapters.postgres.trade_reader import EVER, TradeReader
from openoutcry.core.frames import Frame, Table
from openoutcry.core.trading.events import Trades, trades_from_table, trades_of
from openoutcry.model import Instrument

PAGE: Final = 5000
"""Trades that are read from the store at once."""
MOST_HEARD: Final = 200_000
"""Trades of a symbol that wait at most; then they are let go, and read from the store later."""


class _Heard(Struct):
    """What was heard of a symbol since it was last asked for."""

    parts: list[tuple[int, int, Table]] = field(default_factory=list)
    trades: int = 0


class Tape:
    """Gathers what is heard, by symbol. Policy when full: let all of a symbol go; `left_out` counts."""

    def __init__(self) -> None:
        self._heard: dict[str, _Heard] = {}
        self.left_out = 0

    def hear(self, symbol: str, frame: Frame) -> None:
        """Take a frame of `trades:<SYMBOL>`: one instrument's committed trades."""
        if not len(frame.trades):
            return
        heard = self._heard.setdefault(symbol, _Heard())
        if heard.trades + len(frame.trades) > MOST_HEARD:
            self.left_out += heard.trades
            heard.parts.clear()
            heard.trades = 0
        scale = frame.scales[0]
        heard.parts.append((int(scale["price_scale"]), int(scale["size_scale"]), frame.trades))
        heard.trades += len(frame.trades)

    def take(self) -> dict[str, Trades]:
        """Return what was heard since the last time, ascending by id."""
        heard, self._heard = self._heard, {}
        return {symbol: _together(symbol, each.parts) for symbol, each in heard.items()}


def _together(symbol: str, parts: list[tuple[int, int, Table]]) -> Trades:
    """Return the rows of several frames as one; scales only ever grow, so the widest holds all."""
    price_scale = max(price for price, _, _ in parts)
    size_scale = max(size for _, size, _ in parts)
    wide = []
    for price, size, rows in parts:
        if (price, size) != (price_scale, size_scale):
            rows = rows.copy()  # noqa: PLW2901  (a frame's rows are read-only)
            rows["price"] *= 10 ** (price_scale - price)
            rows["size"] *= 10 ** (size_scale - size)
        wide.append(rows)
    rows = np.concatenate(wide) if len(wide) > 1 else wide[0]
    ids = rows["trade_id"]
    if len(ids) > 1 and not bool((ids[1:] > ids[:-1]).all()):
        _, first = np.unique(ids, return_index=True)
        rows = rows[first]
    return trades_from_table(symbol, rows, price_scale, size_scale)


def follows(trades: Trades, cursor: int) -> bool:
    """Return whether nothing can be missing between the trade `cursor` and the last of these.

    A hole within may be a message that was not heard; the store knows.
    """
    if not len(trades):
        return True
    first, last = int(trades.ids[0]), int(trades.ids[-1])
    return first <= cursor + 1 and last - first + 1 == len(trades)


async def read_on(reader: TradeReader, instrument: Instrument, cursor: int) -> Trades | None:
    """Return the next stored trades after the id `cursor`, at most a page; None if there are none.

    Raises StoreUnavailableError.
    """
    start = await reader.locate(instrument.id, cursor + 1)
    if start is None:
        return None
    found = await reader.forward(instrument.id, start, EVER, cursor + 1, PAGE)
    if not found:
        return None
    rows = [(one.id, one.price, one.size, one.time) for one in found]
    return trades_of(instrument.symbol, rows)
