"""One upstream call for everyone: the shared snapshot of all tickers, kept fresh by whoever is first.

While the feed's stream of tickers lives, prices are its own and the venue is asked nothing. Without it
a reader who finds the snapshot too old starts a refresh: one in this process, and one of all processes
(a lock with a token and a lease, renewed while the question is out; a process that dies holding it is
replaced within LEASE_SECONDS). Everybody else waits for its outcome, at most the timeout, and then gets
the last good snapshot, marked stale. Without Valkey each process asks for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import structlog
from msgspec import Struct

from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.core.breaker import State
from openoutcry.core.prices import Snapshot, Source
from openoutcry.core.tickers import Ticker
from openoutcry.errors import OutcryError, StoreUnavailableError, VenueUnavailableError
from openoutcry.services.price_asker import Asker, PriceRules, Upstream
from openoutcry.services.price_news import Listen, NewsDesk
from openoutcry.services.price_refresh import Refresher
from openoutcry.services.price_shelf import PriceStats, Shelf

log = structlog.get_logger(__name__)


class PricesUnavailableError(OutcryError):
    """There has never been a snapshot, and none can be had just now."""

    retry = True


class View(Struct, frozen=True):
    """What a reader gets: the snapshot, its age (s), and whether it is older than it should be."""

    snapshot: Snapshot
    age: float
    stale: bool


class Silent:
    """An upstream that is not there."""

    @property
    def asked(self) -> int:
        """Never."""
        return 0

    async def tickers(self) -> list[Ticker]:
        """Raise VenueUnavailableError."""
        raise VenueUnavailableError("no exchange is configured here")


class Prices:
    """The one snapshot of this process. `wanted` are the symbols whose nonsense spoils an answer."""

    def __init__(
        self,
        upstream: Upstream,
        board: PriceBoard,
        rules: PriceRules,
        wanted: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rules = rules
        self._board = board
        self._clock = clock
        self._shelf = Shelf(rules, clock)
        self.asker = Asker(upstream, board, rules, wanted, clock, self._shelf.note_failure)
        self._refresher = Refresher(self._shelf, board, self.asker)
        self._desk = NewsDesk(self._shelf, board, self._refresher)

    # --- for readers ------------------------------------------------------------------------------

    def ready(self, fresh: float | None = None, grace: float | None = None) -> View | None:
        """Return what a reader gets at once, starting a refresh if one is due; None: it must wait."""
        shelf, now = self._shelf, self._clock()
        snapshot = shelf.snapshot
        if snapshot is None:
            return None
        rules = self.rules
        limit = rules.fresh if fresh is None else fresh
        age = max(0.0, now - snapshot.time)
        if age < limit or now - shelf.heard < rules.stream:
            stale = False
        else:
            self._refresher.begin(limit)
            stale = shelf.failing
            if not stale and age >= limit + (rules.grace if grace is None else grace):
                return None
        shelf.stats.hits += 1
        shelf.served += 1
        shelf.stats.stale += stale
        return View(snapshot, age, stale)

    async def view(self, fresh: float | None = None, grace: float | None = None) -> View:
        """Return the snapshot, waiting for a fresh one if it must be, at most the timeout.

        Raises PricesUnavailableError if there has never been any.
        """
        found = self.ready(fresh, grace)
        if found is not None:
            return found
        shelf, limit = self._shelf, self.rules.fresh if fresh is None else fresh
        shelf.stats.waits += 1
        try:
            async with asyncio.timeout(self.rules.timeout):
                while found is None and self._refresher.begin(limit):
                    await shelf.news.wait()
                    found = self.ready(fresh, grace)
                    if found is None and shelf.failing:
                        break
        except TimeoutError:
            shelf.failing = True  # nobody else has to wait that long
        return found or self._last_good()

    def _last_good(self) -> View:
        shelf = self._shelf
        snapshot = shelf.snapshot or shelf.last_resort
        if snapshot is None:
            reason = f" ({shelf.stats.last_error})" if shelf.stats.last_error else ""
            raise PricesUnavailableError(
                f"Prices have not been heard from the exchange yet{reason}; try again in a moment."
            )
        shelf.stats.stale += 1
        shelf.served += 1
        return View(snapshot, max(0.0, self._clock() - snapshot.time), stale=True)

    async def clear(self) -> None:
        """Forget the snapshot, here and everywhere: the next reader waits for a new one.

        The old one stays as a last resort: it is served, as stale, if no new one can be had.
        """
        now = self._clock()
        try:
            await self._board.clear(now)
        except StoreUnavailableError as error:
            log.warning("other processes keep their prices", reason=str(error))
        self._shelf.forget(now)

    # --- the role's side --------------------------------------------------------------------------

    async def run(self, listen: Listen) -> None:
        """Keep what others share, warm up, and follow the stream, until cancelled.

        `listen` hears the channels `tickers` and `prices`.
        """
        await self._desk.run(listen)

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of the bus."""
        self._desk.on_message(channel, data)

    # --- for those who only look ------------------------------------------------------------------

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return counters and gauges for the status board."""
        stats, breaker = self.stats, self.asker.known_breaker
        counters: dict[str, float] = {
            "prices_served": stats.hits,
            "prices_waited": stats.waits,
            "prices_stale": stats.stale,
            "prices_upstream_calls": self.asker.calls,
            "prices_upstream_errors": self.asker.errors,
            "prices_stream_messages": stats.stream_messages,
            "prices_switches": stats.switches,
        }
        gauges: dict[str, float] = {
            "prices_symbols": len(self.snapshot.tickers) if self.snapshot else 0,
            "prices_stream": float(self.source == "stream"),
            "prices_breaker_closed": float(breaker.state is State.CLOSED),
        }
        if self.age is not None:
            gauges["prices_age_seconds"] = self.age
        return counters, gauges

    @property
    def stats(self) -> PriceStats:
        """What this process has done with prices."""
        return self._shelf.stats

    @property
    def served(self) -> int:
        """Readers that the present snapshot has served."""
        return self._shelf.served

    @property
    def snapshot(self) -> Snapshot | None:
        """The present snapshot."""
        return self._shelf.snapshot

    @property
    def source(self) -> Source:
        """Where prices come from just now."""
        return self._shelf.source

    @property
    def age(self) -> float | None:
        """Seconds since the present snapshot was true; None without one."""
        return None if self.snapshot is None else max(0.0, self._clock() - self.snapshot.time)

    @property
    def refreshing(self) -> bool:
        """Whether this process asks the venue, or waits for one that does."""
        return self._refresher.task is not None

    @property
    def stream_age(self) -> float | None:
        """Seconds since the stream's last message; None if there was none."""
        heard = self._shelf.heard
        return None if heard == float("-inf") else self._clock() - heard
