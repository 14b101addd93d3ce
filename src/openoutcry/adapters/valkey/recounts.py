"""Asking whoever owns the outbox to count the platform's trades anew, and hearing how far it is."""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.valkey.status_board import unavailable
from openoutcry.core.keys import TRADE_RECOUNTS, trade_recount_key

_KEPT_SECONDS: Final = 600


class Recount(Struct, frozen=True):
    """How far a count is, in days; when it is over, how many days' counts were not right."""

    done: int
    days: int
    corrected: int | None = None


class Recounts:
    """A queue of wishes, each with a token. Every method raises StoreUnavailableError."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def ask(self) -> str:
        """Wish for a recount; return the token to follow it by."""
        token = secrets.token_hex(8)
        with unavailable():
            await self._valkey.rpush(TRADE_RECOUNTS, token)
            await self._valkey.expire(TRADE_RECOUNTS, _KEPT_SECONDS)
        return token

    async def wishes(self) -> list[str]:
        """Take all wishes off the queue: one recount answers them all."""
        with unavailable():
            found: Any = await self._valkey.lpop(TRADE_RECOUNTS, 100)
        return [token.decode() for token in found or ()]

    async def tell(self, tokens: list[str], recount: Recount) -> None:
        """Say how far it is."""
        with unavailable():
            for token in tokens:
                await self._valkey.set(
                    trade_recount_key(token), msgspec.json.encode(recount), ex=_KEPT_SECONDS
                )

    async def follow(self, token: str) -> Recount | None:
        """Return how far it is; None: nobody has begun."""
        with unavailable():
            found: Any = await self._valkey.get(trade_recount_key(token))
        return None if found is None else msgspec.json.decode(found, type=Recount)
