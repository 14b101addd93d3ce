"""Hear what recorders announce, so that nothing outdated stays in memory."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.pool import Pool, fetch
from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.valkey.trade_stream import order_of
from openoutcry.core.candle_messages import Committed
from openoutcry.core.coverage import Coverage
from openoutcry.core.keys import COMMITS, candles_channel
from openoutcry.errors import StoreUnavailableError
from openoutcry.services.block_cache import BlockCache
from openoutcry.services.market_time import MarketTime

log = structlog.get_logger(__name__)

_POSITIONS: Final = "SELECT stream, entry_id FROM stream_positions"
_LOOK_SECONDS: Final = 0.4
_PATIENCE: Final = 0.5
_STEP: Final = 0.02
_CANDLES: Final = candles_channel("")


class Bus(Protocol):
    """A publish/subscribe bus that survives its server's restarts."""

    @property
    def connected(self) -> bool:
        """Whether the bus can be heard just now."""

    def want(self, channel: str) -> None:
        """Start listening to a channel."""

    async def heard(self, channel: str) -> None:
        """Return when everything that is published from now on will be heard."""

    async def caught_up(self) -> None:
        """Return when everything that was published before has been taken. Raises RedisError."""


class _News(Struct):
    """The part of `BaseCandles` that tells what is void."""

    symbol: str
    coverage: Coverage
    since: int | None = None


class CommitNews:
    """Tells the cache and the market's clock what is announced; the sink of a bus."""

    def __init__(self, bus: Bus, pool: Pool, cache: BlockCache, clock: MarketTime) -> None:
        self._bus = bus
        self._pool = pool
        self._cache = cache
        self._clock = clock
        self._reached: dict[str, tuple[int, int]] = {}
        self._wanted: set[str] = set()
        self._listening: set[str] = set()
        self._news = msgspec.json.Decoder(_News)
        self._committed = msgspec.json.Decoder(Committed)
        bus.want(COMMITS)

    def on_message(self, channel: str, data: bytes) -> None:
        """Take an announcement."""
        if channel == COMMITS:
            self._on_commit(self._committed.decode(data))
        elif channel.startswith(_CANDLES):
            news = self._news.decode(data)
            self._cache.changed(news.symbol, news.since, news.coverage)
            self._clock.hear(news.coverage.last(0))

    async def on_connected(self) -> None:
        """Announcements may have been missed."""
        self._forget()

    def _forget(self) -> None:
        self._cache.clear(deaf=True)
        self._listening.clear()
        self._reached.clear()

    def _on_commit(self, news: Committed) -> None:
        reached = self._reached.get(news.stream)
        entry = order_of(news.entry.encode())
        if reached is not None and (not news.after or order_of(news.after.encode()) > reached):
            self._cache.clear(deaf=False)
        self._reached[news.stream] = max(entry, reached or entry)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen for what the cache wants, and confirm what it holds, until `stop`."""
        while not stop.is_set():
            try:
                await self._look()
            except StoreUnavailableError as error:
                log.debug("commits cannot be compared", reason=str(error))
            await sleep(_LOOK_SECONDS, stop)

    async def _look(self) -> None:
        if not self._bus.connected:
            self._forget()
            return
        for symbol in sorted(self._cache.wanted - self._listening):
            if symbol not in self._wanted:
                self._bus.want(candles_channel(symbol))
                self._wanted.add(symbol)
            self._listening.add(symbol)
            try:
                await asyncio.wait_for(self._bus.heard(candles_channel(symbol)), _PATIENCE)
            except TimeoutError:
                self._listening.discard(symbol)
                return
            self._cache.hear(symbol)
        began = time.monotonic()
        rows = await fetch(self._pool, _POSITIONS)
        positions = {stream: order_of(entry.encode()) for stream, entry in rows}
        while not self._told(positions):
            if time.monotonic() - began > _PATIENCE:
                # Committed, and nobody said what: read everything anew, from here on.
                self._cache.clear(deaf=False)
                self._reached |= positions
                break
            await asyncio.sleep(_STEP)
        try:
            # On a cluster the announcement of a commit may overtake that of its candles.
            await asyncio.wait_for(self._bus.caught_up(), _PATIENCE)
        except (TimeoutError, RedisError):
            return
        if self._bus.connected:
            self._cache.confirm(began)

    def _told(self, positions: dict[str, tuple[int, int]]) -> bool:
        return all(
            stream in self._reached and self._reached[stream] >= at
            for stream, at in positions.items()
        )
