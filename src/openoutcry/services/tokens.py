"""Access tokens: short-lived JWTs, signed with HMAC-SHA256 by a secret of the installation."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final
from uuid import UUID

from msgspec import Struct

from openoutcry.errors import UnauthorizedError
from openoutcry.model import User

if TYPE_CHECKING:
    from joserfc.jwk import OctKey

LIFETIME: Final = 900
"""Seconds that an access token is good for."""

LONGEST: Final = 1024
"""Characters of a token that is worth looking at; ours have about 300."""

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "openoutcry"
_INVALID: Final = "The access token is not valid; sign in, or refresh."
_EXPIRED: Final = "The access token has expired; refresh it, or sign in again."


class Claims(Struct, frozen=True):
    """What a token says, once the signature is right; `expires` in Unix seconds."""

    user_id: int
    session: str
    expires: float


class AccessTokens:
    """Signs and reads access tokens; `secret` is asked for once, at the first of them."""

    def __init__(
        self, secret: Callable[[], Awaitable[bytes]], now: Callable[[], float] = time.time
    ) -> None:
        self._secret = secret
        self._now = now
        self._key: OctKey | None = None

    async def sign(self, user: User, session: str) -> str:
        """Return a token of this session. Raises StoreUnavailableError."""
        key = await self._loaded()
        from joserfc import jwt  # noqa: PLC0415

        issued = int(self._now())
        claims = {
            "iss": _ISSUER,
            "sub": str(user.id),
            "sid": session,
            "name": user.name,
            "role": user.role.value,
            "iat": issued,
            "exp": issued + LIFETIME,
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, key, algorithms=[_ALGORITHM])

    async def read(self, text: str) -> Claims:
        """Return what a token says. Raises UnauthorizedError unless it is ours and not expired.

        The role in it is for its reader; we ask the store.
        """
        if len(text) > LONGEST or text.count(".") != 2 or not text.isascii():
            raise UnauthorizedError(_INVALID)
        key = await self._loaded()
        from joserfc import jwt  # noqa: PLC0415
        from joserfc.errors import JoseError  # noqa: PLC0415

        try:
            claims = jwt.decode(text, key, algorithms=[_ALGORITHM]).claims
            known = claims["iss"] == _ISSUER
            found = Claims(int(claims["sub"]), str(UUID(claims["sid"])), float(claims["exp"]))
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UnauthorizedError(_INVALID) from None
        if not known:
            raise UnauthorizedError(_INVALID)
        if self._now() >= found.expires:
            raise UnauthorizedError(_EXPIRED)
        return found

    async def _loaded(self) -> OctKey:
        if self._key is None:
            # A tenth of a second of imports, which only those pay who sign in.
            self._key = await asyncio.to_thread(_import, await self._secret())
        return self._key


def _import(secret: bytes) -> OctKey:
    from joserfc import jwt  # noqa: F401, PLC0415 - in this thread, not on the event loop
    from joserfc.jwk import OctKey  # noqa: PLC0415

    # A key of its own, so that the secret may serve other ends too.
    return OctKey.import_key(hashlib.sha256(b"openoutcry access token\0" + secret).digest())
