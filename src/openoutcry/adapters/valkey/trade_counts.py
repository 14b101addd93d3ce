"""The public counter's daily counts, kept in Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.valkey.client import get_all
from openoutcry.core.keys import (
    STATS_TRADES,
    STATS_TRADES_LAST,
    TRADE_COUNTS_CHANGED,
    trade_count_key,
)
from openoutcry.core.trade_stats import KEPT_DAYS, MONTH, TradeStats, add_up, expiry, last_days
from openoutcry.errors import StoreUnavailableError

_PATIENCE: Final = 2.0

# ARGV: how many, and the end of the day plus KEPT_DAYS (s). A day that goes on is kept from now.
# A day whose time is over is not begun anew.
_HEAD: Final = f"""
local now = tonumber(redis.call('TIME')[1])
local at = math.min(now + {KEPT_DAYS * 86_400}, tonumber(ARGV[2]))
if at <= now then return 0 end
"""
_ADD: Final = f"""
{_HEAD}
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIREAT', KEYS[1], at)
return count
"""
_PUT: Final = f"""
{_HEAD}
local before = tonumber(redis.call('GET', KEYS[1]) or '0')
if ARGV[1] == '0' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[1], 'EXAT', at)
end
return before ~= tonumber(ARGV[1]) and 1 or 0
"""
_CHANGED: Final = """
local clock = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
return 1
"""


class Counted(Struct, frozen=True):
    """The daily counts, Valkey's present day, and when one of them changed last (ms since 1970).

    Without `changed` nothing has ever been counted, or Valkey has lost its memory.
    """

    counts: dict[date, int]
    today: date
    changed: int | None

    @property
    def stats(self) -> TradeStats:
        """What the counts add up to."""
        return add_up(self.counts, self.today, self.changed or 0)


class TradeCounts:
    """Daily counts. Every method raises StoreUnavailableError, within two seconds."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def add(self, fills: Mapping[date, int]) -> None:
        """Add to the counts of days: each day and its expiry in one script.

        The expiry is 35 days from now, for a day that is over 35 days from its end.
        """
        pipeline = self._valkey.pipeline(transaction=False)
        for day, count in fills.items():
            pipeline.eval(_ADD, 1, trade_count_key(day), str(count), str(expiry(day)))
        pipeline.eval(_CHANGED, 1, TRADE_COUNTS_CHANGED)
        async with _prompt():
            await pipeline.execute()

    async def put(self, counts: Mapping[date, int]) -> list[date]:
        """Replace the counts of days, with the same expiry; return the days that were different.

        Nobody may add meanwhile: this is for who holds the publisher's lock.
        """
        pipeline = self._valkey.pipeline(transaction=False)
        for day, count in counts.items():
            pipeline.eval(_PUT, 1, trade_count_key(day), str(count), str(expiry(day)))
        async with _prompt():
            answers = await pipeline.execute()
            changed = [day for day, other in zip(counts, answers, strict=True) if other]
            if changed or not await self._valkey.exists(TRADE_COUNTS_CHANGED):
                await self._valkey.eval(_CHANGED, 1, TRADE_COUNTS_CHANGED)
        return changed

    async def read(self, days: int = MONTH) -> Counted:
        """Return the counts of so many days, today first."""
        async with _prompt():
            seconds: Any = (await self._valkey.time())[0]
            today = datetime.fromtimestamp(int(seconds), UTC).date()
            wanted = last_days(today, days)
            keys = [trade_count_key(day) for day in wanted]
            *found, changed = await get_all(self._valkey, [*keys, TRADE_COUNTS_CHANGED])
        counts = {day: int(count) for day, count in zip(wanted, found, strict=True) if count}
        return Counted(counts, today, None if changed is None else int(changed))

    async def publish(self, stats: TradeStats) -> None:
        """Tell the figures on `stats:trades`, and keep them for who begins to listen."""
        text = msgspec.json.encode(stats)
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.set(STATS_TRADES_LAST, text)
        pipeline.publish(STATS_TRADES, text)
        async with _prompt():
            await pipeline.execute()


@asynccontextmanager
async def _prompt() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailableError(f"Valkey is not available: {error!r}") from None
