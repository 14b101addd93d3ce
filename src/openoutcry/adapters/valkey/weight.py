"""The request weight budget that all processes share, kept in Valkey."""

from __future__ import annotations

import time
from typing import Any, Final

from redis.asyncio import Redis

from openoutcry.core.keys import weight_block_key, weight_key, weight_limit_key
from openoutcry.errors import RateLimitedError

_SPEND: Final = """
local blocked = redis.call('PTTL', KEYS[2])
if blocked > 0 then return -blocked end
local limit = tonumber(redis.call('GET', KEYS[3]) or ARGV[2]) * tonumber(ARGV[3])
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + tonumber(ARGV[1]) > limit then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], 120)
return used + tonumber(ARGV[1])
"""

_OBSERVED: Final = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) > used then redis.call('SET', KEYS[1], ARGV[1], 'EX', 120) end
return 1
"""


class WeightBudget:
    """Spends at most `share` of the weight that `venue` allows a minute, whichever process asks.

    What the venue allows is `limit` until it has said so itself. Minutes are the wall clock's, as the
    venue counts them.
    """

    def __init__(self, valkey: Redis, venue: str, limit: int, share: float) -> None:
        self._valkey = valkey
        self._venue = venue
        self._limit = limit
        self._share = share

    async def spend(self, weight: int) -> None:
        """Take `weight`; raises RateLimitedError with the seconds until there is more."""
        keys = (self._key(), weight_block_key(self._venue), weight_limit_key(self._venue))
        arguments = (str(weight), str(self._limit), str(self._share))
        answer: Any = await self._valkey.eval(_SPEND, len(keys), *keys, *arguments)
        left = int(answer)
        if left < 0:
            wait = -left / 1000
            raise RateLimitedError(f"{self._venue} wants to be left alone for {wait:.0f} s", wait)
        if left == 0:
            wait = 60 - time.time() % 60
            raise RateLimitedError(
                f"our share of this minute's request weight at {self._venue} is spent", wait
            )

    async def allowed(self, limit: int) -> None:
        """Note what the venue says it allows in a minute, for all processes."""
        await self._valkey.set(weight_limit_key(self._venue), str(limit))

    async def observed(self, used: int) -> None:
        """Note what the venue says has been used in this minute, by us and everybody else here."""
        await self._valkey.eval(_OBSERVED, 1, self._key(), str(used))

    async def forbidden(self, seconds: float) -> None:
        """Spend nothing for so many seconds: the venue said 429 or 418."""
        milliseconds = max(1, int(seconds * 1000))
        await self._valkey.set(weight_block_key(self._venue), b"1", px=milliseconds)

    def _key(self) -> str:
        return weight_key(self._venue, int(time.time() // 60))
