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
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.price_board import PriceBoard, PriceNews
from openoutcry.core.breaker import State
from openoutcry.core.keys import PRICES, TICKERS
from openoutcry.core.prices import Snapshot, Source
from openoutcry.core.tickers import Ticker, merged
from openoutcry.errors import OutcryError, StoreUnavailableError, VenueUnavailableError
from openoutcry.services.price_asker import Asker, PriceRules, Upstream

log = structlog.get_logger(__name__)

LEASE_SECONDS: Final = 2.0
"""How long a process that leads may be silent before another takes over."""
POLL_SECONDS: Final = 0.2
"""How often who follows looks whether the leader is gone."""
FIRST_SECONDS: Final = 1.5
"""How long a stream that was alive a moment ago is waited for at the start."""
WHOLE_SECONDS: Final = 10.0
"""How often symbols that the stream has not told yet are looked for in its merged whole."""


Listen = Callable[[Callable[[str, bytes], None], Callable[[], Awaitable[None]]], Awaitable[None]]
"""Calls its first argument with each message of a bus, its second after each connect."""


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


class PriceStats(Struct):
    """What this process has done with prices since it started."""

    hits: int = 0
    waits: int = 0
    stale: int = 0
    refreshes: int = 0
    followed: int = 0
    stream_messages: int = 0
    switches: int = 0
    last_error: str = ""
    last_error_time: float = 0.0


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
        self.stats = PriceStats()
        self.served = 0
        """Readers that the present snapshot has served."""
        self.asker = Asker(upstream, board, rules, wanted, clock, self._note_failure)
        self._board = board
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._last_resort: Snapshot | None = None
        self._cleared = float("-inf")
        self._source: Source = "none"
        self._heard = float("-inf")
        self._failing = False
        self._quiet_until = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._loaded = asyncio.Event()
        self._loaded.set()

    # --- for readers ------------------------------------------------------------------------------

    def ready(self, fresh: float | None = None, grace: float | None = None) -> View | None:
        """Return what a reader gets at once, starting a refresh if one is due; None: it must wait."""
        snapshot, now = self._snapshot, self._clock()
        if snapshot is None:
            return None
        rules = self.rules
        limit = rules.fresh if fresh is None else fresh
        age = max(0.0, now - snapshot.time)
        if age < limit or now - self._heard < rules.stream:
            stale = False
        else:
            self._begin(limit)
            stale = self._failing
            if not stale and age >= limit + (rules.grace if grace is None else grace):
                return None
        self.stats.hits += 1
        self.served += 1
        self.stats.stale += stale
        return View(snapshot, age, stale)

    async def view(self, fresh: float | None = None, grace: float | None = None) -> View:
        """Return the snapshot, waiting for a fresh one if it must be, at most the timeout.

        Raises PricesUnavailableError if there has never been any.
        """
        found = self.ready(fresh, grace)
        if found is not None:
            return found
        self.stats.waits += 1
        try:
            async with asyncio.timeout(self.rules.timeout):
                while found is None and self._begin(self.rules.fresh if fresh is None else fresh):
                    await self._news.wait()
                    found = self.ready(fresh, grace)
                    if found is None and self._failing:
                        break
        except TimeoutError:
            self._failing = True  # nobody else has to wait that long
        return found or self._last_good()

    def _last_good(self) -> View:
        snapshot = self._snapshot or self._last_resort
        if snapshot is None:
            reason = f" ({self.stats.last_error})" if self.stats.last_error else ""
            raise PricesUnavailableError(
                f"Prices have not been heard from the exchange yet{reason}; try again in a moment."
            )
        self.stats.stale += 1
        self.served += 1
        return View(snapshot, max(0.0, self._clock() - snapshot.time), stale=True)

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
            "prices_symbols": len(self._snapshot.tickers) if self._snapshot else 0,
            "prices_stream": float(self.source == "stream"),
            "prices_breaker_closed": float(breaker.state is State.CLOSED),
        }
        if self.age is not None:
            gauges["prices_age_seconds"] = self.age
        return counters, gauges

    @property
    def snapshot(self) -> Snapshot | None:
        """The present snapshot, for those who only look."""
        return self._snapshot

    @property
    def source(self) -> Source:
        """Where prices come from just now."""
        if self._source == "stream" and not self._streaming(self._clock()):
            return "rest"
        return self._source

    @property
    def age(self) -> float | None:
        """Seconds since the present snapshot was true; None without one."""
        return None if self._snapshot is None else max(0.0, self._clock() - self._snapshot.time)

    @property
    def refreshing(self) -> bool:
        """Whether this process asks the venue, or waits for one that does."""
        return self._refreshing is not None

    @property
    def stream_age(self) -> float | None:
        """Seconds since the stream's last message; None if there was none."""
        return None if self._heard == float("-inf") else self._clock() - self._heard

    async def clear(self) -> None:
        """Forget the snapshot, here and everywhere: the next reader waits for a new one.

        The old one stays as a last resort: it is served, as stale, if no new one can be had.
        """
        now = self._clock()
        try:
            await self._board.clear(now)
        except StoreUnavailableError as error:
            log.warning("other processes keep their prices", reason=str(error))
        self._forget(now)

    # --- the role's side --------------------------------------------------------------------------

    async def run(
        self,
        listen: Callable[
            [Callable[[str, bytes], None], Callable[[], Awaitable[None]]], Awaitable[None]
        ],
    ) -> None:
        """Keep what others share, warm up, and follow the stream, until cancelled.

        `listen` hears the channels `tickers` and `prices`.
        """
        self._loaded.clear()
        loading = asyncio.create_task(self._warm())
        completing = asyncio.create_task(self._complete())
        try:
            await listen(self.on_message, self._load)
        finally:
            tasks = {loading, completing, *self._tasks}
            if self._refreshing is not None:
                tasks.add(self._refreshing)
            await end(*tasks)

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of the bus."""
        try:
            if channel == TICKERS:
                self._on_stream(_decode_tickers(data))
            elif channel == PRICES:
                self._on_news(_decode_news(data))
        except msgspec.MsgspecError as error:
            log.warning("a message about prices makes no sense", channel=channel, reason=str(error))

    def _on_stream(self, changed: list[Ticker]) -> None:
        now = self._clock()
        woken = not self._streaming(now)
        self._heard = now
        self.stats.stream_messages += 1
        base = self._snapshot.tickers if self._snapshot else {}
        self._adopt(Snapshot(merged(base, changed), now, "stream"))
        if woken:
            self._start(self._fill_in())

    def _on_news(self, news: PriceNews) -> None:
        if news.what == "cleared":
            self._forget(news.until)
        elif self._streaming(self._clock()):
            return
        elif news.what == "snapshot":
            self._start(self._take_shared())
        else:
            self._note_failure(news.error, news.until)

    async def _warm(self) -> None:
        await self._load()
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
            if stream is not None and stream[1] < WHOLE_SECONDS + self.rules.stream:
                await self._within(FIRST_SECONDS, self._stream_is_heard)
        self._loaded.set()
        self._begin(self.rules.fresh)

    async def _stream_is_heard(self) -> None:
        while not self._streaming(self._clock()):
            await self._news.wait()

    async def _load(self) -> None:
        """Take over what others have: the newer of the shared snapshot and the stream's whole."""
        await self._take_shared()
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
            if stream is not None:
                time = self._clock() - stream[1]
                if self._snapshot is None or time > self._snapshot.time:
                    base = self._snapshot.tickers if self._snapshot else {}
                    self._adopt(Snapshot(merged(base, stream[0]), time, "stream"))

    async def _take_shared(self) -> None:
        with suppress(StoreUnavailableError):
            shared = await self._board.read()
            # What was read before a clear and comes after it must not bring the old prices back.
            known = self._cleared if self._snapshot is None else self._snapshot.time
            if shared is not None and shared.time > known:
                tickers = {ticker.symbol: ticker for ticker in shared.tickers}
                self._adopt(Snapshot(tickers, shared.time, "rest"))

    async def _complete(self) -> None:
        """While the stream lives, now and then look for symbols that it has not told us yet."""
        while True:
            await asyncio.sleep(WHOLE_SECONDS)
            if self._streaming(self._clock()):
                await self._fill_in()

    async def _fill_in(self) -> None:
        with suppress(StoreUnavailableError):
            stream = await self._board.read_stream()
            if stream is None or self._snapshot is None:
                return
            known = self._snapshot.tickers
            missing = [ticker for ticker in stream[0] if ticker.symbol not in known]
            if missing:
                self._adopt(Snapshot(merged(known, missing), self._snapshot.time, "stream"))

    # --- the snapshot -----------------------------------------------------------------------------

    def _streaming(self, now: float) -> bool:
        return now - self._heard < self.rules.stream

    def _adopt(self, snapshot: Snapshot) -> None:
        source: Source = "stream" if self._streaming(self._clock()) else "rest"
        if source != self._source:
            log.info("prices have another source", source=source, before=self._source)
            self.stats.switches += self._source != "none"
            self._source = source
        self._snapshot, self._last_resort = snapshot, None
        self.served = 0
        self._failing = False
        self._tell()

    def _forget(self, until: float) -> None:
        """Forget what was true at `until` or before; nothing as old is taken over again."""
        self._cleared = max(self._cleared, until)
        if self._snapshot is None or self._snapshot.time > until:
            return
        self._last_resort = self._snapshot
        self._snapshot = None
        self.served = 0
        self._failing = False

    def _note_failure(self, reason: str, until: float) -> None:
        self._failing = True
        self._quiet_until = max(self._quiet_until, until)
        self.stats.last_error, self.stats.last_error_time = reason, self._clock()
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # --- refreshing -------------------------------------------------------------------------------

    def _begin(self, fresh: float) -> bool:
        """Start a refresh unless one runs or none may; return whether there is one to wait for."""
        if self._refreshing is not None:
            return True
        now = self._clock()
        if self._streaming(now) or now < self._quiet_until:
            return False
        self._refreshing = asyncio.create_task(self._refresh(fresh))
        return True

    async def _refresh(self, fresh: float) -> None:
        self.stats.refreshes += 1
        try:
            await self._within(FIRST_SECONDS + 1, self._loaded.wait)
            await self._take_shared()
            while not self._done(fresh):
                try:
                    token = await self._board.lead(LEASE_SECONDS)
                except StoreUnavailableError:
                    await self._fetch()
                    return
                if token is not None:
                    await self._lead(token, fresh)
                    return
                self.stats.followed += 1
                failed = self.stats.last_error_time
                await self._within(POLL_SECONDS, self._news.wait)
                if self.stats.last_error_time != failed:
                    return
        except Exception as error:
            log.exception("prices cannot be refreshed")
            self._note_failure(repr(error), self._clock() + self.rules.backoff)
        finally:
            self._refreshing = None
            self._tell()

    def _done(self, fresh: float) -> bool:
        now = self._clock()
        if self._streaming(now):
            return True
        return self._snapshot is not None and now - self._snapshot.time < fresh

    async def _fetch(self) -> None:
        found = await self.asker.ask(lambda: not self._streaming(self._clock()))
        if found is not None:
            self._adopt(found)

    async def _lead(self, token: str, fresh: float) -> None:
        renewing = asyncio.create_task(self._renew(token))
        try:
            # Another may have finished between our look and our turn.
            await self._take_shared()
            if not self._done(fresh):
                await self._fetch()
        finally:
            renewing.cancel()
            with suppress(StoreUnavailableError):
                await self._board.release(token)

    async def _renew(self, token: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            with suppress(StoreUnavailableError):
                if not await self._board.renew(token, LEASE_SECONDS):
                    return

    # --- small things -----------------------------------------------------------------------------

    async def _within(self, seconds: float, waiting: Callable[[], Awaitable[object]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await waiting()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_decode_tickers = msgspec.json.Decoder(list[Ticker]).decode
_decode_news = msgspec.json.Decoder(PriceNews).decode
