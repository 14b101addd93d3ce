"""Backfill: recent history for a symbol that is new here, so that its charts are full at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from redis.asyncio import Redis

from openoutcry.adapters.postgres.times import to_us
from openoutcry.adapters.valkey.trade_stream import add_frame
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.frames import Frame
from openoutcry.core.intervals import DAY, HOUR, INTERVALS, MINUTE
from openoutcry.core.klines import KLINE_BASES
from openoutcry.errors import VenueUnavailableError
from openoutcry.model import Instrument
from openoutcry.services.errands import Connection, go_again
from openoutcry.services.verified import klines_frame, verified_frame
from openoutcry.venues import binance_rest

log = structlog.get_logger(__name__)

_INTERVALS: Final = tuple(name for name in KLINE_BASES if name != "1s")
_CANDLES: Final = 1000
_LOOK_SECONDS: Final = 0.5
_TROUBLE_SECONDS: Final = 5.0

_NEW: Final = """
SELECT i.id, i.venue, i.symbol, i.base, i.quote, i.price_scale, i.size_scale,
       w.first_id, w.first_time
FROM instruments AS i JOIN watermarks AS w ON w.instrument_id = i.id
WHERE (SELECT count(DISTINCT base) FROM coverage AS c WHERE c.instrument_id = i.id AND base > 0) < $1
   OR date_trunc('minute', w.first_time + interval '1 microsecond') <> w.first_time
      + interval '1 microsecond'
"""
"""Instruments whose klines of some interval, or the beginning of whose first minute, are not there:
new ones, and those whose backfill was interrupted."""


class Backfill:
    """Once per instrument, after its first trade: klines up to that minute, then its first trades.

    So the candles before, of and after the minute of the first trade are whole. Everything goes
    through the trade stream; the recorder remains the only writer. What is interrupted half-way
    starts over, in another process too: sending it twice changes nothing.
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
        self._done: set[int] = set()

    async def run(self, stop: asyncio.Event, active: Callable[[], bool]) -> None:
        """Look for new instruments until `stop`, whenever `active` (this process owns a shard)."""
        await go_again(
            "backfill",
            self._once,
            self._connect,
            stop,
            active=active,
            every=_LOOK_SECONDS,
            after_trouble=_TROUBLE_SECONDS,
        )

    async def _once(self, connection: Connection) -> None:
        for row in await connection.fetch(_NEW, len(_INTERVALS)):
            if row["id"] in self._done:
                continue
            fields = dict(row)
            first_id, first_time = fields.pop("first_id"), to_us(fields.pop("first_time"))
            await self._history(Instrument(**fields), first_id, first_time)
            self._done.add(row["id"])

    async def _history(self, instrument: Instrument, first_id: int, first_time: int) -> None:
        for name in _INTERVALS:
            interval = INTERVALS[name]
            end = interval.floor(first_time)
            start = interval.back(end, _CANDLES)
            if name == "1m":
                # Today's hours and the day itself are summed from these, and the last 24 hours.
                start = min(start, end - DAY - HOUR)
            await self._klines(instrument, name, start, end)
        await self._minute(instrument, first_id, first_time - first_time % MINUTE)
        log.info("history fetched", symbol=instrument.symbol)

    async def _klines(self, instrument: Instrument, name: str, start: int, end: int) -> None:
        step = binance_rest.PAGE * INTERVALS[name].length
        for low in range(start, end, step):
            high = min(low + step, end)
            request = binance_rest.klines(instrument.symbol, name, low // 1000, high // 1000 - 1)
            body = await self._rest.get(request)
            klines = binance_rest.parse_klines(instrument.id, name, low, high, body)
            await self._put(instrument.id, klines_frame(klines))

    async def _minute(self, instrument: Instrument, first_id: int, start: int) -> None:
        """Fetch the trades between the start of the first minute and the first trade heard."""
        body = await self._rest.get(binance_rest.first_aggregate(instrument.symbol, start // 1000))
        found = binance_rest.parse_aggregate(body)
        if found is None:
            raise VenueUnavailableError(
                f"{instrument.symbol}: not even the trade heard is published"
            )
        low = min(found[0], first_id)
        since = start
        while low < first_id:
            body = await self._rest.get(binance_rest.historical_trades(instrument.symbol, low))
            trades = binance_rest.parse_trades(instrument.symbol, body)
            if trades is None or int(trades.trade_id[-1]) < low:
                raise VenueUnavailableError(f"{instrument.symbol}: {low} is not published yet")
            high = min(first_id - 1, int(trades.trade_id[-1]))
            await self._put(instrument.id, verified_frame(instrument, trades, low, high, since))
            low, since = high + 1, 0
        if since:
            await self._put(instrument.id, verified_frame(instrument, None, low, low, since))

    async def _put(self, instrument: int, frame: Frame) -> None:
        await add_frame(self._valkey, instrument % self._shards, frame)
