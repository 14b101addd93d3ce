"""The question to the venue: retried, within the budget, as the shared breaker allows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol

import structlog
from msgspec import Struct

from openoutcry.adapters.valkey.price_board import PriceBoard, PriceNews, SharedPrices
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core import breaker as breaking
from openoutcry.core.breaker import Breaker, BreakerRules, State
from openoutcry.core.prices import Snapshot, believable
from openoutcry.core.tickers import Ticker
from openoutcry.errors import ProtocolError, RateLimitedError, StoreUnavailableError, VenueError
from openoutcry.venues import binance_rest

log = structlog.get_logger(__name__)


class PriceRules(Struct, frozen=True, kw_only=True):
    """How prices are kept; seconds.

    A snapshot is fresh for `fresh`, and for `grace` more it is served while its successor is fetched.
    A question may take `timeout`, and is repeated `retries` times after `backoff`, twice that, …. The
    stream counts as alive for `stream` after its last message.
    """

    fresh: float = 10.0
    grace: float = 5.0
    timeout: float = 5.0
    retries: int = 2
    backoff: float = 1.0
    stream: float = 5.0
    breaker: BreakerRules = BreakerRules(failures=3, pause=10.0)


class Upstream(Protocol):
    """Where prices come from when the stream is away."""

    @property
    def asked(self) -> int:
        """How many questions have gone out."""

    async def tickers(self) -> list[Ticker]:
        """Return every ticker as the venue told it. Raises VenueError, ProtocolError."""


class RestUpstream:
    """A venue's REST interface."""

    def __init__(self, rest: VenueRest) -> None:
        self._rest = rest

    @property
    def asked(self) -> int:
        """How many questions have gone out."""
        return self._rest.requests

    async def tickers(self) -> list[Ticker]:
        """Return every ticker as the venue told it. Raises VenueError, ProtocolError."""
        return binance_rest.parse_tickers(await self._rest.get(binance_rest.every_ticker()))


class Asker:
    """Asks the venue for every ticker. Only who leads all processes may, or who is alone.

    `on_failure` is told why, and until when (s) nobody should ask again. `wanted` are the symbols
    whose nonsense spoils an answer.
    """

    def __init__(  # noqa: PLR0917 - collaborators, all needed
        self,
        upstream: Upstream,
        board: PriceBoard,
        rules: PriceRules,
        wanted: Collection[str],
        clock: Callable[[], float],
        on_failure: Callable[[str, float], None],
    ) -> None:
        self.calls = 0
        self.errors = 0
        self.last_error = ""
        self._upstream = upstream
        self._board = board
        self._rules = rules
        self._wanted = tuple(wanted)
        self._clock = clock
        self._on_failure = on_failure
        self._breaker = breaking.CLOSED
        self._times: deque[float] = deque(maxlen=10_000)

    async def ask(self, needed: Callable[[], bool]) -> Snapshot | None:
        """Return a new snapshot, shared with everybody, or None; tries while it is `needed`."""
        rules = self._rules
        for attempt in range(1 + rules.retries):
            breaker, let = breaking.admit(await self.breaker(), rules.breaker, self._clock())
            if not let:
                self._on_failure(self.last_error or "the venue is left alone", breaker.until)
                return None
            await self._save(breaker)
            try:
                tickers = await self._ask()
            except RateLimitedError as error:
                # Everybody learns it from the budget, and asking that again costs the venue nothing.
                await self._fail(error, min(error.retry_after, rules.fresh))
                return None
            except (VenueError, ProtocolError, TimeoutError) as error:
                breaker = breaking.failed(breaker, rules.breaker, self._clock())
                await self._save(breaker)
                wait = rules.backoff * 2.0**attempt
                await self._fail(error, max(wait, breaker.until - self._clock()))
                if attempt == rules.retries or breaker.state is not State.CLOSED:
                    return None
                await asyncio.sleep(wait)
                if not needed():
                    return None
            else:
                await self._save(breaking.succeeded(breaker))
                return await self._share(tickers)
        return None

    async def breaker(self) -> Breaker:
        """Return the breaker that all processes share; our own without Valkey."""
        with suppress(StoreUnavailableError):
            self._breaker = await self._board.breaker()
        return self._breaker

    @property
    def known_breaker(self) -> Breaker:
        """The breaker as it was last seen."""
        return self._breaker

    async def calls_last_minute(self) -> int:
        """Return how often the venue was asked, by all processes; by this one without Valkey."""
        now = self._clock()
        try:
            return await self._board.calls(now)
        except StoreUnavailableError:
            return sum(time > now - 60 for time in self._times)

    async def _ask(self) -> dict[str, Ticker]:
        before = self._upstream.asked
        try:
            async with asyncio.timeout(self._rules.timeout):
                return believable(await self._upstream.tickers(), self._wanted)
        finally:
            for _ in range(self._upstream.asked - before):
                self.calls += 1
                self._times.append(self._clock())
                with suppress(StoreUnavailableError):
                    await self._board.note_call(self._clock())

    async def _share(self, tickers: dict[str, Ticker]) -> Snapshot:
        now = self._clock()
        with suppress(StoreUnavailableError):
            await self._board.publish(SharedPrices(now, list(tickers.values())))
        return Snapshot(tickers, now, "rest")

    async def _fail(self, error: Exception, quiet: float) -> None:
        self.errors += 1
        self.last_error = str(error) or f"no answer within {self._rules.timeout:g} s"
        log.warning("the venue does not tell prices", reason=self.last_error, quiet=round(quiet, 1))
        until = self._clock() + quiet
        self._on_failure(self.last_error, until)
        with suppress(StoreUnavailableError):
            await self._board.tell(PriceNews("failed", self.last_error, until))

    async def _save(self, breaker: Breaker) -> None:
        if breaker.state is not self._breaker.state:
            log.info("breaker of the prices", state=breaker.state, failures=breaker.failures)
        changed, self._breaker = breaker != self._breaker, breaker
        if changed:
            with suppress(StoreUnavailableError):
                await self._board.set_breaker(breaker)
