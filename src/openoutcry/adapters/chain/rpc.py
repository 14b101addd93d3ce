"""JSON-RPC over HTTP: calls and batches, with a bound on time and size, retried where that can help."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, Protocol

import aiohttp
from msgspec import Struct

from openoutcry.core.backoff import Backoff
from openoutcry.core.chain import jsonrpc
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.errors import (
    ChainError,
    NodeBusyError,
    NodeDeniedError,
    NodeNonsenseError,
    NodeUnavailableError,
    TooMuchAskedError,
)

BATCH: Final = 100
"""Calls in one request at most: providers refuse more."""

_DENIED: Final = (401, 402, 403, 404, 405)
_LONGEST_WAIT: Final = 10.0
_PIECE: Final = 64 * 1024


class Caller(Protocol):
    """Who can be asked about a chain."""

    @property
    def shown(self) -> str:
        """Its address without what may be secret."""

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results in the order of `calls`. Raises the first call's ChainError."""

    async def close(self) -> None:
        """Give up its connections."""


class RpcLimits(Struct, frozen=True, kw_only=True):
    """Bounds of one question: seconds, tries after the first, and bytes."""

    timeout: float = 20.0
    retries: int = 2
    backoff: float = 0.25
    answer_bytes: int = 64 * 1024 * 1024


class HttpRpc:
    """A node behind an http(s) URL.

    Whether a failed question is asked again is read from its error (`retry`). `requests` counts what
    went out. No error, log or attribute but the URL itself holds the URL's path, query or user.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, limits: RpcLimits | None = None
    ) -> None:
        self.shown = jsonrpc.shown(url)
        self.requests = 0
        self._session = session
        self._url = url
        self._limits = limits or RpcLimits()
        self._ids = count(1)

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results in the order of `calls`, in batches of at most BATCH.

        Raises NodeUnavailableError, NodeBusyError, NodeNonsenseError, NodeDeniedError, and
        NodeRefusedError or TooMuchAskedError for the first call that the node refuses.
        """
        found: list[Any] = []
        for start in range(0, len(calls), BATCH):
            found += await self._stubbornly(calls[start : start + BATCH])
        return found

    async def close(self) -> None:
        """Nothing to do: the session belongs to who has made it."""

    async def _stubbornly(self, calls: Sequence[Call]) -> list[Any]:
        backoff = Backoff(self._limits.backoff, _LONGEST_WAIT)
        for left in reversed(range(1 + self._limits.retries)):
            try:
                return await self._once(calls)
            except ChainError as error:
                if not error.retry or not left:
                    raise
                wait = backoff.next()
                if isinstance(error, NodeBusyError):
                    wait = max(wait, min(error.retry_after, _LONGEST_WAIT))
                await asyncio.sleep(wait)
        raise AssertionError  # the last try has returned or raised

    async def _once(self, calls: Sequence[Call]) -> list[Any]:
        first = next(self._ids)
        for _ in calls[1:]:
            next(self._ids)
        self.requests += 1
        try:
            async with self._session.post(
                self._url,
                data=jsonrpc.encode(calls, first),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=self._limits.timeout),
                allow_redirects=False,
            ) as answer:
                body = await self._read(answer)
                return self._judge(answer, body, calls, first)
        except TimeoutError:
            raise NodeUnavailableError(
                f"{self.shown}: no answer within {self._limits.timeout:g} s"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NodeUnavailableError(f"{self.shown}: {self._why(error)}") from None

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in answer.content.iter_chunked(_PIECE):
            body += piece
            if len(body) > self._limits.answer_bytes:
                raise TooMuchAskedError(
                    f"{self.shown}: an answer of more than {self._limits.answer_bytes} bytes", 0
                )
        return bytes(body)

    def _judge(
        self, answer: aiohttp.ClientResponse, body: bytes, calls: Sequence[Call], first: int
    ) -> list[Any]:
        status = answer.status
        text = f"{self.shown} answered {status}: {self._clean(body)}"
        if status == 429:
            raise NodeBusyError(text, _retry_after(answer))
        if status == 413:
            raise TooMuchAskedError(text, status)
        if status in _DENIED:
            raise NodeDeniedError(text)
        try:
            return jsonrpc.decode(body, calls, first)
        except NodeNonsenseError as error:
            if status != 200:  # a proxy's page, most likely
                raise NodeUnavailableError(text) from None
            raise NodeNonsenseError(
                f"{self.shown}: {jsonrpc.redacted(str(error), self._url)}"
            ) from None

    def _clean(self, body: bytes) -> str:
        return jsonrpc.redacted(body[:200].decode(errors="replace"), self._url)

    def _why(self, error: Exception) -> str:
        """Return what went wrong; aiohttp's own texts may hold the whole URL."""
        detail = error.strerror if isinstance(error, OSError) and error.strerror else ""
        return f"{type(error).__name__} {detail}".strip()


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 1.0
