"""A venue's REST interface, within its weight budget."""

from __future__ import annotations

from typing import Final, Protocol

import aiohttp

from openoutcry.errors import RateLimitedError, VenueError, VenueUnavailableError
from openoutcry.venues.binance_rest import Request

TIMEOUT_SECONDS: Final = 10.0
_FALLBACK_WAIT_SECONDS: Final = 60.0
_MAX_ANSWER: Final = 64 * 1024 * 1024


class Budget(Protocol):
    """The request weight that all processes together may spend."""

    async def spend(self, weight: int) -> None:
        """Take `weight`; raises RateLimitedError when there is not that much left."""

    async def observed(self, used: int) -> None:
        """Note what the venue says has been used in this minute."""

    async def allowed(self, limit: int) -> None:
        """Note what the venue says it allows in a minute."""

    async def forbidden(self, seconds: float) -> None:
        """Note that the venue wants to be left alone for so long."""


class VenueRest:
    """GETs against one venue. Obeys 429, 418 and `Retry-After`, for all processes together.

    An answer may take `timeout` seconds altogether. `requests` counts those that went out.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        budget: Budget,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self._session = session
        self._base = base_url.rstrip("/")
        self._budget = budget
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self.requests = 0

    async def allowed(self, limit: int) -> None:
        """Pass on to the budget what the venue says it allows in a minute."""
        await self._budget.allowed(limit)

    async def get(self, request: Request) -> bytes:
        """Return the body of a 200 answer.

        Raises RateLimitedError (with the seconds to wait), VenueUnavailableError (try again later) or
        VenueError (the venue refuses this very request).
        """
        await self._budget.spend(request.weight)
        self.requests += 1
        try:
            async with self._session.get(
                self._base + request.path,
                params=request.query,
                timeout=self._timeout,
            ) as answer:
                body = await answer.content.read(_MAX_ANSWER)
                while not answer.content.at_eof() and len(body) < _MAX_ANSWER:
                    body += await answer.content.read(_MAX_ANSWER - len(body))
                await self._note_headers(answer)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise VenueUnavailableError(
                f"{self._base}{request.path}: {type(error).__name__}: {error}"
            ) from None
        if answer.status == 200:
            return body
        text = f"{request.path} answered {answer.status}: {body[:200].decode(errors='replace')}"
        if answer.status in (418, 429):
            wait = _retry_after(answer)
            await self._budget.forbidden(wait)
            raise RateLimitedError(text, wait)
        if answer.status >= 500:
            raise VenueUnavailableError(text)
        raise VenueError(text)

    async def _note_headers(self, answer: aiohttp.ClientResponse) -> None:
        used = answer.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdigit():
            await self._budget.observed(int(used))


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else _FALLBACK_WAIT_SECONDS
