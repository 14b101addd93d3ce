"""The channel `tickers`: every market's 24 hours, and once a second what changed in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec
from msgspec import Struct

from openoutcry.core.markets import MarketList, MarketRows, figures_of
from openoutcry.core.prices import Source
from openoutcry.core.tickers import MOST_SYMBOLS, Ticker, merged
from openoutcry.web.hub import wire
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Fanout
from openoutcry.web.hub.outbox import ArrayTopic

OLD_SECONDS = 15.0
"""Prices older than this are marked as stale: twice what they should be, nearly."""


class KnownTickers(Struct, frozen=True):
    """All tickers as they are kept, when they were true (µs), and where they came from."""

    tickers: list[Ticker]
    time: int
    source: Source


class TickersFeed:
    """Every ticker. Changes gather for a second and go out in one message.

    A client that reads slowly gets the latest of each symbol in one message when it catches up.
    """

    def __init__(
        self, channel: Channel, carried: Collection[str], clock: Callable[[], int]
    ) -> None:
        self.channel = channel
        self.topic = ArrayTopic(self.frame, MOST_SYMBOLS)
        self.loaded = False
        self._carried = frozenset(carried)
        self._clock = clock
        self._tickers: dict[str, Ticker] = {}
        self._changed: dict[str, Ticker] = {}
        self._source: Source = "none"
        self._time = 0
        self._rows = MarketRows()

    def apply(self, changed: Iterable[Ticker]) -> None:
        """Take in what the stream has told."""
        rows = {ticker.symbol: ticker for ticker in changed}
        self._tickers = merged(self._tickers, rows.values())
        self._changed |= rows
        self._source, self._time = "stream", self._clock()

    def load(self, known: KnownTickers | None) -> None:
        """Take in what is kept; what the stream has told since is newer."""
        self.loaded = True
        if known is None or known.time < self._time:
            if known is not None:
                more = [one for one in known.tickers if one.symbol not in self._tickers]
                self._tickers = merged(self._tickers, more)
            return
        before = self._tickers
        self._tickers = merged(before, known.tickers)
        self._changed |= {
            ticker.symbol: ticker
            for ticker in known.tickers
            if before and before.get(ticker.symbol) != ticker
        }
        self._source, self._time = known.source, known.time

    def snapshot(self, now: int) -> bytes:  # noqa: ARG002  (the same for every feed)
        """Return all markets in the shape of `GET /api/v1/markets`, without sparklines."""
        if not self._tickers:
            return b"null"
        rows = self._rows.of(self._tickers.values(), self._carried, {})
        age = max(0, self._clock() - self._time) / 1e6
        return msgspec.json.encode(MarketList(self._source, round(age, 1), age > OLD_SECONDS, rows))

    def tell(self, fanout: Fanout) -> None:
        """Publish what has changed. Call it about once a second."""
        changed, self._changed = self._changed, {}
        if not changed or not fanout.listened(self.topic):
            return
        items = [
            (symbol, msgspec.json.encode(figures_of(ticker))) for symbol, ticker in changed.items()
        ]
        fanout.publish_array(self.topic, self.frame([item for _, item in items]), items)

    def frame(self, items: list[bytes]) -> bytes:
        """Return a `tickers_update` of these figures."""
        data = b"[%b]" % b",".join(items)
        stamp = wire.timestamp(self._clock())
        return wire.text_frame(wire.update("tickers", self.channel.name, data, stamp))
