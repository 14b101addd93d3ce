"""What all processes share of the prices: the snapshot, who may ask the venue, and how that went.

Every method raises StoreUnavailableError within about a second when Valkey is not there: a reader of
prices must never hang on it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.core.breaker import CLOSED, Breaker
from openoutcry.core.keys import (
    PRICES,
    PRICES_BREAKER,
    PRICES_CALLS,
    PRICES_LOCK,
    PRICES_SNAPSHOT,
    TICKERS_SECONDS,
    TICKERS_SNAPSHOT,
)
from openoutcry.core.tickers import Ticker
from openoutcry.errors import StoreUnavailableError

_PATIENCE: Final = 1.0
_KEEP_SECONDS: Final = 7 * 86_400
_BREAKER_SECONDS: Final = 3600

_RENEW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class SharedPrices(Struct, frozen=True):
    """The shared snapshot: every ticker, and when it came (s since 1970)."""

    time: float
    tickers: list[Ticker]


class PriceNews(Struct, frozen=True):
    """A message of the channel `prices`: what happened to the shared snapshot.

    After a failure nobody asks before `until` (s since 1970), and `error` says why. What came after
    `until` is not meant by a clear: the news of it may be late, not least to who gave the order.
    """

    what: Literal["snapshot", "failed", "cleared"]
    error: str = ""
    until: float = 0.0


class PriceBoard:
    """The shared state in Valkey."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def read(self) -> SharedPrices | None:
        """Return the shared snapshot, if there is one that can be read."""
        async with _prompt():
            data: Any = await self._valkey.get(PRICES_SNAPSHOT)
        try:
            return msgspec.json.decode(data, type=SharedPrices) if data else None
        except msgspec.MsgspecError:
            return None

    async def read_stream(self) -> tuple[list[Ticker], float] | None:
        """Return what the stream of tickers has told altogether, and its age in seconds."""
        async with _prompt():
            data: Any = await self._valkey.get(TICKERS_SNAPSHOT)
            left: Any = await self._valkey.pttl(TICKERS_SNAPSHOT)
        if not data or left < 0:
            return None
        try:
            return msgspec.json.decode(data, type=list[Ticker]), TICKERS_SECONDS - left / 1000
        except msgspec.MsgspecError:
            return None

    async def publish(self, prices: SharedPrices) -> None:
        """Share a new snapshot and tell everybody."""
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.set(PRICES_SNAPSHOT, msgspec.json.encode(prices), ex=_KEEP_SECONDS)
        pipeline.publish(PRICES, msgspec.json.encode(PriceNews("snapshot")))
        async with _prompt():
            await pipeline.execute()

    async def tell(self, news: PriceNews) -> None:
        """Tell everybody what happened."""
        async with _prompt():
            await self._valkey.publish(PRICES, msgspec.json.encode(news))

    async def clear(self, now: float) -> None:
        """Forget the shared snapshot and tell everybody to forget what they had at `now` (s)."""
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.delete(PRICES_SNAPSHOT)
        pipeline.publish(PRICES, msgspec.json.encode(PriceNews("cleared", until=now)))
        async with _prompt():
            await pipeline.execute()

    async def lead(self, lease: float) -> str | None:
        """Return a token if nobody else asks the venue just now; it is ours for `lease` seconds."""
        token = secrets.token_hex(8)
        async with _prompt():
            got: Any = await self._valkey.set(PRICES_LOCK, token, nx=True, px=int(lease * 1000))
        return token if got else None

    async def renew(self, token: str, lease: float) -> bool:
        """Hold on for another `lease` seconds; False if the lease was over and is another's."""
        async with _prompt():
            answer: Any = await self._valkey.eval(
                _RENEW, 1, PRICES_LOCK, token, str(int(lease * 1000))
            )
        return bool(answer)

    async def release(self, token: str) -> None:
        """Let others ask, unless they do already: only the token's owner can."""
        async with _prompt():
            await self._valkey.eval(_RELEASE, 1, PRICES_LOCK, token)

    async def breaker(self) -> Breaker:
        """Return the shared breaker."""
        async with _prompt():
            data: Any = await self._valkey.get(PRICES_BREAKER)
        try:
            return msgspec.json.decode(data, type=Breaker) if data else CLOSED
        except msgspec.MsgspecError:
            return CLOSED

    async def set_breaker(self, breaker: Breaker) -> None:
        """Share the breaker; only who leads may."""
        async with _prompt():
            if breaker == CLOSED:
                await self._valkey.delete(PRICES_BREAKER)
            else:
                data = msgspec.json.encode(breaker)
                await self._valkey.set(PRICES_BREAKER, data, ex=_BREAKER_SECONDS)

    async def note_call(self, now: float) -> None:
        """Count a question to the venue at `now` (s)."""
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.zadd(PRICES_CALLS, {f"{now:.6f}-{secrets.token_hex(4)}": now})
        pipeline.zremrangebyscore(PRICES_CALLS, "-inf", now - 60)
        pipeline.expire(PRICES_CALLS, 120)
        async with _prompt():
            await pipeline.execute()

    async def calls(self, now: float) -> int:
        """Return how often the venue was asked in the minute before `now` (s), by all processes."""
        async with _prompt():
            found: Any = await self._valkey.zcount(PRICES_CALLS, f"({now - 60}", "+inf")
        return int(found)


@asynccontextmanager
async def _prompt() -> AsyncIterator[None]:
    """Give a command a second, and turn every way in which Valkey can be out into our one error."""
    try:
        async with asyncio.timeout(_PATIENCE):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailableError(f"Valkey is not available: {error!r}") from None
