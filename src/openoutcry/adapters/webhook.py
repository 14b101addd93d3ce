"""Post JSON to a webhook, signed, and say whether it was taken, or whether to try again."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from openoutcry.errors import OutcryError

SIGNATURE: Final = "X-Outcry-Signature"
DELIVERY: Final = "X-Outcry-Delivery"
"""Names a message: the same however often it is sent."""

_PATIENCE: Final = 10.0
_LONGEST_WAIT: Final = 3600.0
_AGAIN: Final = frozenset({408, 425, 429})


class WebhookError(OutcryError):
    """A message was not taken; `wait` is for how many seconds the other side wants peace, if it said.

    `retry` is False where it would not be taken the next time either. The text never tells the URL
    beyond its host: secrets stand in paths.
    """

    def __init__(self, message: str, *, retry: bool = True, wait: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.wait = wait


class Webhook:
    """One address that takes messages; `secret` signs them, empty: they are not signed."""

    def __init__(self, session: aiohttp.ClientSession, url: str, secret: str = "") -> None:
        self._session = session
        self._url = url
        self._secret = secret
        self.host = urlsplit(url).hostname or ""

    async def post(self, body: bytes, delivery: str) -> None:
        """Return when the other side has taken `body`. Raises WebhookError."""
        headers = {"Content-Type": "application/json", DELIVERY: delivery}
        if self._secret:
            headers[SIGNATURE] = signature(self._secret, int(time.time()), body)
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers=headers,
                # An address that moves is for its owner to correct: what is sent there may be secret.
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_PATIENCE),
            ) as answer:
                status, wait = answer.status, _wait(answer.headers.get("Retry-After", ""))
        except TimeoutError:
            raise WebhookError(f"{self.host} did not answer within {_PATIENCE:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise WebhookError(f"{self.host}: {type(error).__name__}") from None
        if not 200 <= status < 300:
            retry = status >= 500 or status in _AGAIN
            raise WebhookError(f"{self.host} answered {status}", retry=retry, wait=wait)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the header's value: the time (s), and HMAC-SHA256 over `<time>.<body>` as hex."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"


def _wait(text: str) -> float | None:
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else None
