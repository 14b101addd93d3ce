"""The feed role: trades from the venue into frames for the store and quotes for everybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np
import structlog
from msgspec import Struct
from numpy.typing import NDArray

from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, Table, empty, encode
from openoutcry.core.quotes import make_quote, to_message
from openoutcry.core.scales import fit, rescale, to_decimal
from openoutcry.errors import ScaleOverflowError
from openoutcry.model import Instrument
from openoutcry.services.feed_line import ConnectionGate, Line, Link
from openoutcry.services.outlet import Outlet
from openoutcry.venues.interface import Control, ControlKind, TradeColumns, VenueProtocol

log = structlog.get_logger(__name__)

TRADES_PER_FRAME: Final = 8192
HEARD_MARGIN_US: Final = 1_000_000
"""The streams of one connection may run this far apart in the venue's time."""

_HOLD_SECONDS: Final = 0.02
_OVERLAP_IDS: Final = 1_000_000


VenueLink = Link[VenueProtocol]


class FeedStats(Struct):
    """What the feed has heard since it started."""

    messages: int = 0
    trades: int = 0
    overlap: int = 0
    malformed: int = 0
    unknown: int = 0
    event_time: int = 0
    age_seconds: float = 0.0


class FeedOptions(Struct, frozen=True):
    """How the feed works: addresses, spread of quotes, longest time to gather, stream shards."""

    url: str
    spread: Decimal
    frame_seconds: float
    shards: int
    silence_seconds: float


class _Scaled(Struct, frozen=True):
    rows: Table
    price_scales: NDArray[np.int64]
    size_scales: NDArray[np.int64]


class Feed:
    """Turns what the lines hear into frames and quotes.

    Messages wait at most `frame_seconds`. Every trade heard is passed on, in the order heard; only
    what two overlapping connections both deliver is left out. Quotes never go back in id. When the
    way out is crowded the sockets are not read for a moment.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        make_protocol: Callable[[], VenueProtocol],
        outlet: Outlet,
        options: FeedOptions,
    ) -> None:
        self._instruments = list(instruments)
        self._index = {one.symbol: at for at, one in enumerate(instruments)}
        self._ids = np.array([one.id for one in instruments], np.uint32)
        self._price_scales = np.array([one.price_scale for one in instruments], np.int64)
        self._size_scales = np.array([one.size_scale for one in instruments], np.int64)
        self._newest = np.full(len(instruments), -1, np.int64)
        self._newest_time = np.zeros(len(instruments), np.int64)
        self._overlap: set[tuple[int, int]] = set()
        self._outlet = outlet
        self._options = options
        self._waiting: list[VenueLink] = []
        self._timer: asyncio.TimerHandle | None = None
        self._encoder = msgspec.json.Encoder()
        self.stats = FeedStats()
        self.last_times: dict[str, int] = {}
        limits = make_protocol().limits
        self.gate = ConnectionGate(limits)
        symbols = [one.symbol for one in instruments]
        step = limits.streams_per_connection
        self.lines = [
            Line(
                symbols[at : at + step],
                url=options.url,
                make_protocol=make_protocol,
                gate=self.gate,
                silence_seconds=options.silence_seconds,
                on_data=self._on_data,
                on_ping=self._on_ping,
            )
            for at in range(0, len(symbols), step)
        ]

    def figures(self) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
        """Return counters, gauges and each symbol's last venue time (µs), for the status board."""
        stats, out = self.stats, self._outlet.stats
        counters = {
            "messages": stats.messages,
            "trades": stats.trades,
            "trades_overlapping": stats.overlap,
            "messages_malformed": stats.malformed,
            "trades_refused": out.refused_trades,
            "frames": out.frames,
            "quotes": out.quotes,
            "connects": sum(line.stats.connects for line in self.lines),
            "losses": sum(line.stats.losses for line in self.lines),
            "rotations": sum(line.stats.rotations for line in self.lines),
        }
        gauges = {
            "connections": sum(line.stats.connected for line in self.lines),
            "age_seconds": stats.age_seconds,
            "buffered_bytes": out.buffered_bytes,
            "stream_bytes": out.stream_bytes,
            "stream_entries": out.stream_entries,
        }
        return dict(counters), dict(gauges), dict(self.last_times)

    def subscribed(self) -> bool:
        """Return whether the trades of every symbol are heard."""
        return all(line.links and line.links[0].subscribed.is_set() for line in self.lines)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, then pass on what has been heard."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outlet.run(stop))
            room = tasks.create_task(self._outlet.watch_room(stop))
            marks = tasks.create_task(self._mark_heard(stop))
            for line in self.lines:
                tasks.create_task(line.run(stop))
            await stop.wait()
            self._flush()
            room.cancel()
            marks.cancel()

    def _on_data(self, link: VenueLink) -> None:
        self._waiting.append(link)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._options.frame_seconds, self._flush)

    def _on_ping(self, link: VenueLink, payload: bytes) -> None:
        venue_time = link.protocol.ping_time(payload)
        if venue_time is not None:
            link.tick(venue_time)

    def _flush(self) -> None:
        """Decode what waits and pass it on."""
        self._timer = None
        links, self._waiting = self._waiting, []
        tables: list[_Scaled] = []
        for link in links:
            assert link.socket is not None  # noqa: S101 - it has delivered data
            for received, messages in link.socket.take():
                self.stats.messages += len(messages)
                tables += self._read(link, messages, received)
        if tables:
            self._pass_on(np.concatenate([self._at_final_scales(one) for one in tables]))
        if self._outlet.crowded:
            self._hold(held=True)
            asyncio.get_running_loop().call_later(_HOLD_SECONDS, self._let_go)

    def _read(self, link: VenueLink, messages: list[bytes], received: int) -> list[_Scaled]:
        """Return the trades in `messages`; what does not fit 64 bits harms nothing beside it."""
        try:
            trades, controls = link.protocol.receive(messages)
        except ScaleOverflowError as error:
            if len(messages) == 1:
                self._control(link, Control(ControlKind.MALFORMED, str(error)))
                return []
            # A coin with many decimals beside one counted in billions: no scale serves both.
            return [one for each in messages for one in self._read(link, [each], received)]
        for control in controls:
            self._control(link, control)
        return [] if trades is None else self._fitting(link, trades, received)

    def _fitting(self, link: VenueLink, trades: TradeColumns, received: int) -> list[_Scaled]:
        try:
            return list(self._table(link, trades, received))
        except ScaleOverflowError as error:
            if len(trades) == 1:
                detail = f"trade {trades.trade_id[0]} of {trades.symbol[0]}: {error}"
                self._control(link, Control(ControlKind.MALFORMED, detail))
                return []
            middle = len(trades) // 2
            halves = (trades.part(0, middle), trades.part(middle, len(trades)))
            return [one for half in halves for one in self._fitting(link, half, received)]

    def _let_go(self) -> None:
        """Read on when there is room again, else look again in a moment."""
        if self._outlet.crowded:
            asyncio.get_running_loop().call_later(_HOLD_SECONDS, self._let_go)
        else:
            self._hold(held=False)

    def _hold(self, *, held: bool) -> None:
        for line in self.lines:
            for link in line.links:
                if link.socket is not None:
                    link.socket.hold(held=held)

    def _control(self, link: VenueLink, control: Control) -> None:
        if control.kind is ControlKind.MALFORMED:
            self.stats.malformed += 1
            log.warning("a message of the venue makes no sense", detail=control.detail)
        link.control(control)

    def _table(self, link: VenueLink, trades: TradeColumns, received: int) -> Iterable[_Scaled]:
        """Yield the trades as rows whose `instrument` is still an index into our list."""
        link.tick(trades.event_time)
        index = np.array([self._index.get(symbol, -1) for symbol in trades.symbol], np.int64)
        known = index >= 0
        if not known.all():
            self.stats.unknown += int((~known).sum())
            index = index[known]
        if not len(index):
            return
        rows = np.empty(len(index), TRADE)
        price, size = trades.price[known], trades.size[known]
        rows["price"], self._price_scales = fit(
            price, trades.price_scale, index, self._price_scales
        )
        rows["size"], self._size_scales = fit(size, trades.size_scale, index, self._size_scales)
        rows["instrument"] = index
        rows["venue_time"] = trades.venue_time[known]
        rows["received_time"] = received
        rows["trade_id"] = trades.trade_id[known]
        rows["side"] = trades.side[known]
        self.stats.event_time = max(self.stats.event_time, trades.event_time)
        self.stats.age_seconds = (received - trades.event_time) / 1e6
        yield _Scaled(rows, self._price_scales, self._size_scales)

    def _at_final_scales(self, one: _Scaled) -> Table:
        """Return rows at today's scales: one may have grown since, in this very flush."""
        rows, index = one.rows, one.rows["instrument"]
        try:
            if one.price_scales is not self._price_scales:
                old, new = one.price_scales[index], self._price_scales[index]
                rows["price"] = rescale(rows["price"], old, new)
            if one.size_scales is not self._size_scales:
                old, new = one.size_scales[index], self._size_scales[index]
                rows["size"] = rescale(rows["size"], old, new)
        except ScaleOverflowError as error:
            self.stats.malformed += len(rows)
            log.warning("trades do not fit their instrument's new scale", reason=str(error))
            return rows[:0]
        return rows

    def _pass_on(self, rows: Table) -> None:
        rows = self._without_overlap(rows)
        if not len(rows):
            return
        self.stats.trades += len(rows)
        self._quote(rows)
        index = rows["instrument"].astype(np.int64)
        rows["instrument"] = self._ids[index]
        for shard, chosen in self._by_shard(rows):
            for at in range(0, len(chosen), TRADES_PER_FRAME):
                part = chosen[at : at + TRADES_PER_FRAME]
                frame = Frame(FrameKind.TRADES, _now(), self._scales_of(part), empty(MARK), part)
                self._outlet.put_frame(shard, encode(frame), len(part))

    def _without_overlap(self, rows: Table) -> Table:
        """Leave out what the other of two overlapping connections has delivered already."""
        if not any(line.overlapping for line in self.lines):
            if self._overlap:
                self._overlap.clear()
            return rows
        keep = np.ones(len(rows), bool)
        pairs = zip(rows["instrument"].tolist(), rows["trade_id"].tolist(), strict=True)
        for at, pair in enumerate(pairs):
            if pair in self._overlap:
                keep[at] = False
            elif len(self._overlap) < _OVERLAP_IDS:
                self._overlap.add(pair)
        self.stats.overlap += len(rows) - int(keep.sum())
        return rows[keep]

    def _quote(self, rows: Table) -> None:
        """Publish each symbol's newest price of these rows, unless an even newer one is out."""
        index, ids = rows["instrument"], rows["trade_id"]
        order = np.lexsort((ids, index))
        last = np.append(np.flatnonzero(np.diff(index[order])), len(order) - 1)
        for at in order[last].tolist():
            which = int(index[at])
            if ids[at] <= self._newest[which]:
                continue
            self._newest[which] = ids[at]
            self._newest_time[which] = rows["venue_time"][at]
            symbol = self._instruments[which].symbol
            price = to_decimal(int(rows["price"][at]), int(self._price_scales[which]))
            venue_time = int(rows["venue_time"][at])
            quote = make_quote(symbol, price, self._options.spread, venue_time)
            self._outlet.put_quote(symbol, self._encoder.encode(to_message(quote)))
            self.last_times[symbol] = venue_time

    def _by_shard(self, rows: Table) -> list[tuple[int, Table]]:
        shards = self._options.shards
        if shards == 1:
            return [(0, rows)]
        shard_of = rows["instrument"] % shards
        return [(int(shard), rows[shard_of == shard]) for shard in np.unique(shard_of)]

    def _scales_of(self, rows: Table) -> Table:
        present: NDArray[np.bool_] = np.isin(self._ids, rows["instrument"])
        scales = np.empty(int(present.sum()), SCALE)
        scales["instrument"] = self._ids[present]
        scales["price_scale"] = self._price_scales[present]
        scales["size_scale"] = self._size_scales[present]
        return np.sort(scales, order="instrument")

    async def _mark_heard(self, stop: asyncio.Event) -> None:
        """Once a second, tell the recorder how far nothing can have been missed."""
        while not stop.is_set():
            await asyncio.sleep(1.0)
            self._flush()
            for line in self.lines:
                heard = line.heard()
                if heard is not None and heard[1] - HEARD_MARGIN_US > heard[0]:
                    self._put_heard(line, heard[0], heard[1] - HEARD_MARGIN_US)

    def _put_heard(self, line: Line[VenueProtocol], since: int, until: int) -> None:
        index = np.array([self._index[symbol] for symbol in line.symbols], np.int64)
        marks = np.zeros(len(index), MARK)
        marks["instrument"] = self._ids[index]
        marks["low"], marks["high"] = since, until
        marks["trade_id"] = self._newest[index]
        marks["time"] = self._newest_time[index]
        shard_of = marks["instrument"] % self._options.shards
        for shard in np.unique(shard_of).tolist():
            frame = Frame(
                FrameKind.HEARD, _now(), empty(SCALE), marks[shard_of == shard], empty(TRADE)
            )
            self._outlet.put_frame(shard, encode(frame), 0)


def _now() -> int:
    return time.time_ns() // 1000
