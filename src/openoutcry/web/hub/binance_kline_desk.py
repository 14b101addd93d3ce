"""`@kline_<interval>` from the hub's own candles."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from openoutcry.core.intervals import INTERVALS
from openoutcry.errors import StoreUnavailableError
from openoutcry.venues.binance_server import Stream
from openoutcry.venues.binance_stream_events import MOST_CLOSED, BarState, KlineLine, write_kline
from openoutcry.web.hub.binance_desk import Floor, idle
from openoutcry.web.hub.binance_klines import KlineSource
from openoutcry.web.hub.binance_topics import Publication
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.feeds import CandleFeed

log = structlog.get_logger(__name__)


class _Kline:
    """One open kline stream, and the hub's candles that it is made of."""

    def __init__(self, publication: Publication, feed: CandleFeed) -> None:
        interval = INTERVALS[publication.stream.interval]
        self.publication = publication
        self.feed = feed
        self.line = KlineLine(interval)
        self.source = KlineSource(interval)
        self.watcher = self.source.take
        self.asking: asyncio.Task[None] | None = None


class KlineDesk:
    """Tells candles, once a second."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._klines: dict[str, _Kline] = {}

    def add(self, publication: Publication) -> None:
        """Begin to tell a stream."""
        feed = self._floor.market.acquire(_channel(publication.stream))
        assert isinstance(feed, CandleFeed)  # noqa: S101  (what a candle channel has)
        kline = self._klines[publication.stream.name] = _Kline(publication, feed)
        feed.watchers[kline.watcher] = None
        kline.asking = self._floor.start(self._open(kline))

    def remove(self, publication: Publication) -> None:
        """Tell it no more."""
        kline = self._klines.pop(publication.stream.name)
        del kline.feed.watchers[kline.watcher]
        if kline.asking is not None:
            kline.asking.cancel()
        self._floor.market.release(_channel(publication.stream))

    def connected(self) -> None:
        """Read again what may have been missed; the newest two the hub itself reads."""
        now = self._floor.market.venue_now()
        for kline in self._klines.values():
            interval, start = kline.line.interval, kline.line.open
            current = interval.floor(now)
            if start is not None and start < current:
                kline.source.distrust(max(start, interval.back(current, MOST_CLOSED)), current)

    def second(self, beat: int) -> None:
        """Tell what is due."""
        now = self._floor.market.venue_now()
        for kline in self._klines.values():
            if kline.feed.loaded:
                self._tell(kline, now, beat)
            if idle(kline.asking) and (kline.source.doubt or not kline.feed.loaded):
                work = self._mend if kline.feed.loaded else self._open
                kline.asking = self._floor.start(work(kline))

    def _tell(self, kline: _Kline, now: int, beat: int) -> None:
        interval, publication = kline.line.interval, kline.publication
        if kline.line.open is not None and now - kline.line.open > MOST_CLOSED * interval.length:
            kline.line = KlineLine(interval)
        states = kline.source.states(kline.line.open, kline.feed.view.coverage, now)
        event_time = self._floor.now()
        for state in kline.line.due(states, beat):
            write = partial(_kline, publication.stream, state, event_time)
            publication.latest(write, state[0].start)

    async def _open(self, kline: _Kline) -> None:
        try:
            await self._floor.market.opened(kline.feed)
        except StoreUnavailableError:
            return  # tried again in a second
        kline.source.take(kline.feed.view.recent(self._floor.market.venue_now()))

    async def _mend(self, kline: _Kline) -> None:
        doubt, interval = kline.source.doubt, kline.line.interval
        if doubt is None:
            return
        try:
            rows, coverage = await self._floor.store.recent(
                kline.publication.stream.symbol, interval.base, doubt.start, doubt.end
            )
        except StoreUnavailableError as error:
            log.warning("hub.no_candles", stream=kline.publication.stream.name, error=str(error))
            return  # tried again in a second
        kline.source.mend(rows, coverage, self._floor.market.venue_now())


def _kline(stream: Stream, state: BarState, now: int, micro: bool) -> bytes:
    return write_kline(stream, state, now, micro=micro)


def _channel(stream: Stream) -> Channel:
    return Channel("candle", stream.symbol, stream.interval)
