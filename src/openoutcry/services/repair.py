"""Repair: fetch what the gap ledger suspects, by id, within the venue's weight budget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.postgres.open_gaps import Hole, OpenGap, holes, open_gaps
from openoutcry.adapters.valkey.trade_stream import add_frame
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.frames import Frame
from openoutcry.core.intervals import SECOND
from openoutcry.errors import (
    ProtocolError,
    RateLimitedError,
    VenueError,
    VenueUnavailableError,
)
from openoutcry.services.errands import Connection, go_again
from openoutcry.services.verified import head_frame, verified_frame
from openoutcry.venues import binance_rest

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 1.0
_PUBLISHED_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 5.0
_TROUBLE_SECONDS: Final = 3.0


class RepairStats(Struct):
    """What repair has fetched since it started."""

    fetched: int = 0
    requests: int = 0
    held_back: int = 0


class Repair:
    """Looks at the ledger once a second and fetches what is missing.

    What it fetches goes onto the trade stream like everything else, with a statement of the ids it
    is whole for: the recorder remains the only writer, and repairing twice changes nothing.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        valkey: Redis,
        rest: VenueRest,
        shards: int,
    ) -> None:
        self._connect = connect
        self._valkey = valkey
        self._rest = rest
        self._shards = shards
        self._asked: dict[int, float] = {}
        self._heads: dict[int, float] = {}
        self.stats = RepairStats()

    async def run(self, stop: asyncio.Event, active: Callable[[], bool]) -> None:
        """Repair until `stop`, whenever `active` (this process owns a shard)."""
        await go_again(
            "repair",
            self._round,
            self._connect,
            stop,
            active=active,
            every=_LOOK_SECONDS,
            after_trouble=_TROUBLE_SECONDS,
        )

    async def _round(self, connection: Connection) -> None:
        try:
            await self.once(connection)
        except RateLimitedError:
            self.stats.held_back += 1
            raise

    async def once(self, connection: Connection, symbol: str | None = None) -> int:
        """Ask for everything that is missing just now; return how many trades were fetched."""
        before = self.stats.fetched
        for hole in await holes(connection, symbol):
            with _others_go_on(hole.instrument.symbol):
                await self._check_head(hole)
        now = time.monotonic()
        for gap in await open_gaps(connection, _GRACE_SECONDS, symbol):
            if now - self._asked.get(gap.key, -_AGAIN_SECONDS) >= _AGAIN_SECONDS:
                with _others_go_on(gap.instrument.symbol):
                    await self._fill(gap)
                self._asked[gap.key] = time.monotonic()
        if len(self._asked) > 10_000:
            self._asked.clear()
        return self.stats.fetched - before

    async def _check_head(self, hole: Hole) -> None:
        """Ask for the newest id: it shows whether anything happened while the feed was deaf.

        Not at once: what happened just before the feed could hear again may not be published yet.
        """
        instrument = hole.instrument
        if time.time_ns() // 1000 - hole.since < _PUBLISHED_SECONDS * SECOND:
            return
        if time.monotonic() - self._heads.get(instrument.id, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return
        self._heads[instrument.id] = time.monotonic()
        self.stats.requests += 1
        body = await self._rest.get(binance_rest.newest_aggregate(instrument.symbol))
        found = binance_rest.parse_aggregate(body)
        _, newest, newest_time = found or (-1, -1, 0)
        await self._put(instrument.id, head_frame(instrument, newest, newest_time, hole.since))

    async def _fill(self, gap: OpenGap) -> None:
        for low, high in gap.missing:
            start = low
            while start <= high:
                reached = await self._fetch(gap, start, high)
                if reached is None:
                    return
                start = reached + 1

    async def _fetch(self, gap: OpenGap, low: int, high: int) -> int | None:
        """Fetch one page of low..high; return the id it is whole up to, None if it says nothing.

        A page is proof only up to its own last id: beyond that the venue may not have got round to
        publishing what its socket has already told.
        """
        instrument = gap.instrument
        self.stats.requests += 1
        body = await self._rest.get(binance_rest.historical_trades(instrument.symbol, low))
        trades = binance_rest.parse_trades(instrument.symbol, body)
        if trades is None or int(trades.trade_id[-1]) < low:
            return None
        reached = min(high, int(trades.trade_id[-1]))
        frame = verified_frame(instrument, trades, low, reached)
        self.stats.fetched += len(frame.trades)
        await self._put(instrument.id, frame)
        log.info(
            "gap fetched",
            symbol=instrument.symbol,
            ids=f"{low}-{reached}",
            trades=len(frame.trades),
        )
        return reached

    async def _put(self, instrument: int, frame: Frame) -> None:
        await add_frame(self._valkey, instrument % self._shards, frame)


@contextmanager
def _others_go_on(symbol: str) -> Iterator[None]:
    """What the venue refuses for one symbol, for good, must not keep the others' gaps open."""
    try:
        yield
    except VenueUnavailableError:
        raise
    except (VenueError, ProtocolError) as error:
        log.warning("the venue does not help with a repair", symbol=symbol, reason=str(error))
