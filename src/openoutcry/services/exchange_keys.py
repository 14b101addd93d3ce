"""Keys of exchanges: sealed when they come, opened only by who trades with them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from openoutcry.adapters.postgres import exchange_keys
from openoutcry.adapters.postgres.exchange_keys import ExchangeKey
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.core import sealing
from openoutcry.core.account_rules import check_label
from openoutcry.core.trading.events import LIVE_EXCHANGES
from openoutcry.errors import BadRequestError, NotFoundError
from openoutcry.model import User

_log = structlog.get_logger(__name__)

_KEY: Final = re.compile(r"[\x21-\x7e]{4,512}")
_SECRET: Final = re.compile(r"[\x20-\x7e\r\n]{4,4096}")
_HINT: Final = 4
_SHORTEST_HINTED: Final = 16


class Opened(Struct, frozen=True):
    """A key and its secret, in the open: keep it where it is used, and nowhere else."""

    key: str
    secret: str

    def __repr__(self) -> str:
        """Tell nothing: tracebacks and logs print values."""
        return "Opened(***)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Tell nothing here either."""
        return []


class ExchangeKeys:
    """A user's keys; `secret` is the installation's, asked for when it is needed."""

    def __init__(self, pool: Pool, secret: Callable[[], Awaitable[bytes]]) -> None:
        self._pool = pool
        self._secret = secret

    async def add(
        self, user: User, exchange: str, label: str, key: str, secret: str
    ) -> ExchangeKey:
        """Seal a key and store it. Raises BadRequestError, ConflictError; neither tells the key."""
        name = check_label(label)
        if exchange not in LIVE_EXCHANGES:
            raise BadRequestError(f"exchange is one of {', '.join(LIVE_EXCHANGES)}.")
        if not _KEY.fullmatch(key):
            raise BadRequestError("api_key is 4 to 512 characters without blanks.")
        if not _SECRET.fullmatch(secret):
            raise BadRequestError("secret is 4 to 4096 characters of ASCII.")
        plain = msgspec.json.encode(Opened(key, secret))
        nonce = secrets.token_bytes(sealing.NONCE_BYTES)
        sealed = sealing.seal(await self._secret(), _owner(user.id, exchange, name), plain, nonce)
        hint = key[-_HINT:] if len(key) >= _SHORTEST_HINTED else ""
        added = await exchange_keys.add_key(
            self._pool, user.id, exchange=exchange, name=name, hint=hint, sealed=sealed
        )
        _log.info("key of an exchange added", user=user.name, exchange=exchange)
        return added

    async def list(self, user: User) -> list[ExchangeKey]:
        """Return what may be told of a user's keys."""
        return await exchange_keys.list_keys(self._pool, user.id)

    async def remove(self, user: User, key_id: int) -> None:
        """Remove a key. Raises NotFoundError; ConflictError while bots or orders need it."""
        if not await exchange_keys.remove_key(self._pool, user.id, key_id):
            raise NotFoundError("There is no such key; GET /api/v1/exchange-keys lists yours.")
        _log.info("key of an exchange removed", user=user.name, number=key_id)

    async def mark(self, user_id: int, exchange: str) -> bytes | None:
        """Return what tells a user's key from the ones before it, None without one.

        It is the sealed key: no two are alike, for each has a nonce of its own.
        """
        found = await exchange_keys.sealed_key(self._pool, user_id, exchange)
        return None if found is None else found.sealed

    async def open(self, user_id: int, exchange: str) -> Opened | None:
        """Return a user's key in the open, None without one. Raises SealError."""
        found = await exchange_keys.sealed_key(self._pool, user_id, exchange)
        if found is None:
            return None
        owner = _owner(user_id, exchange, found.name)
        plain = sealing.unseal(await self._secret(), owner, found.sealed)
        return msgspec.json.decode(plain, type=Opened)


def _owner(user_id: int, exchange: str, name: str) -> str:
    return f"{user_id}\0{exchange}\0{name}"
