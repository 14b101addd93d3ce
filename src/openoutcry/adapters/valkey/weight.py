"""The request weight budget that all processes share, kept in Valkey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.core.keys import weight_block_key, weight_key, weight_limit_key
from openoutcry.errors import RateLimitedError

log = structlog.get_logger(__name__)

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


_PATIENCE: Final = 1.0


class WeightFigures(Struct, frozen=True):
    """The budget just now: used this minute, what we may use of it, seconds of a venue's block."""

    used: int
    limit: int
    blocked_seconds: float


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

    async def read(self) -> WeightFigures:
        """Return the figures of this minute."""
        used: Any = await self._valkey.get(self._key())
        allowed: Any = await self._valkey.get(weight_limit_key(self._venue))
        blocked: Any = await self._valkey.pttl(weight_block_key(self._venue))
        limit = int(float(allowed or self._limit) * self._share)
        return WeightFigures(int(used or 0), limit, max(0, int(blocked)) / 1000)

    @property
    def most(self) -> int:
        """What may be spent in a minute until the venue has said what it allows."""
        return int(self._limit * self._share)

    def _key(self) -> str:
        return weight_key(self._venue, int(time.time() // 60))


class SteadyBudget:
    """A shared budget that goes on in this process's own memory while Valkey is away.

    For what has to be answered without Valkey too. A venue's block is remembered in both places.
    """

    def __init__(self, shared: WeightBudget) -> None:
        self._shared = shared
        self._minute = 0
        self._spent = 0
        self._blocked_until = 0.0

    async def spend(self, weight: int) -> None:
        """Take `weight`; raises RateLimitedError with the seconds until there is more."""
        left = self._blocked_until - time.monotonic()
        if left > 0:
            raise RateLimitedError(f"the venue wants to be left alone for {left:.0f} s", left)
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._spent = minute, 0
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._shared.spend(weight)
        except (RedisError, OSError, TimeoutError):
            if self._spent + weight > self._shared.most:
                wait = 60 - time.time() % 60
                raise RateLimitedError("this minute's request weight is spent", wait) from None
        self._spent += weight

    async def allowed(self, limit: int) -> None:
        """Note what the venue says it allows in a minute."""
        await self._quietly(self._shared.allowed(limit))

    async def observed(self, used: int) -> None:
        """Note what the venue says has been used in this minute."""
        self._spent = max(self._spent, used)
        await self._quietly(self._shared.observed(used))

    async def forbidden(self, seconds: float) -> None:
        """Spend nothing for so many seconds."""
        self._blocked_until = time.monotonic() + seconds
        await self._quietly(self._shared.forbidden(seconds))

    async def read(self) -> WeightFigures:
        """Return the figures of this minute, our own alone while Valkey is away."""
        left = max(0.0, self._blocked_until - time.monotonic())
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._shared.read()
        except (RedisError, OSError, TimeoutError):
            return WeightFigures(self._spent, self._shared.most, left)

    async def _quietly(self, telling: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await telling
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("the shared budget is not told", reason=str(error))
