"""The newest trades of one symbol: committed trades in, those that are new out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from openoutcry.web.hub.wire import TapeTrade

SIZE: Final = 50


class Tape:
    """The newest trades by id. What is told has ascending ids: a repaired old trade is not told."""

    def __init__(self, size: int = SIZE) -> None:
        self.loaded = False
        self._size = size
        self._trades: dict[int, TapeTrade] = {}
        self._last = -1

    def load(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        """Merge a snapshot; return what nobody was told yet (nothing, the first time)."""
        before, first = self._last, not self.loaded
        self.loaded = True
        self._take(trades)
        return [] if first else [t for t in self.recent() if t.trade_id > before]

    def apply(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        """Merge new trades; return those to tell, ascending. Nothing before the first `load`."""
        before = self._last
        new = self._take(trades)
        return [trade for trade in new if trade.trade_id > before] if self.loaded else []

    def recent(self) -> list[TapeTrade]:
        """Return the newest trades, the newest last."""
        return sorted(self._trades.values(), key=_id)

    def _take(self, trades: Iterable[TapeTrade]) -> list[TapeTrade]:
        new = {trade.trade_id: trade for trade in trades if trade.trade_id not in self._trades}
        self._trades |= new
        for trade_id in sorted(self._trades)[: -self._size]:
            del self._trades[trade_id]
        self._last = max(self._last, *self._trades, -1)
        return sorted(new.values(), key=_id)


def _id(trade: TapeTrade) -> int:
    return trade.trade_id
