"""The one snapshot of prices that a process has: what it is, where it comes from, who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog
from msgspec import Struct

from openoutcry.core.prices import Snapshot, Source
from openoutcry.core.tickers import Ticker, merged
from openoutcry.services.price_asker import PriceRules

log = structlog.get_logger(__name__)


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


class Shelf:
    """The snapshot, and what is known of how fresh it is. `clock` returns s since 1970."""

    def __init__(self, rules: PriceRules, clock: Callable[[], float]) -> None:
        self.rules = rules
        self.clock = clock
        self.stats = PriceStats()
        self.snapshot: Snapshot | None = None
        self.last_resort: Snapshot | None = None
        """What was there before it was cleared."""
        self.served = 0
        """Readers that the present snapshot has served."""
        self.cleared = float("-inf")
        """Until when everything was told to be forgotten."""
        self.heard = float("-inf")
        """When the stream last said something."""
        self.failing = False
        self.quiet_until = 0.0
        """Until when the venue is not to be asked."""
        self.news = asyncio.Event()
        """Set, and replaced, at each change."""
        self._source: Source = "none"

    @property
    def streaming(self) -> bool:
        """Whether the stream lives just now."""
        return self.clock() - self.heard < self.rules.stream

    @property
    def source(self) -> Source:
        """Where prices come from just now."""
        if self._source == "stream" and not self.streaming:
            return "rest"
        return self._source

    def adopt(self, snapshot: Snapshot) -> None:
        """Put a snapshot in the place of the present one."""
        source: Source = "stream" if self.streaming else "rest"
        if source != self._source:
            log.info("prices have another source", source=source, before=self._source)
            self.stats.switches += self._source != "none"
            self._source = source
        self.snapshot, self.last_resort = snapshot, None
        self.served = 0
        self.failing = False
        self.tell()

    def merge(self, changed: Iterable[Ticker], time: float) -> None:
        """Adopt the present snapshot with these tickers of the stream in it, as of `time` (s)."""
        base = self.snapshot.tickers if self.snapshot else {}
        self.adopt(Snapshot(merged(base, changed), time, "stream"))

    def forget(self, until: float) -> None:
        """Forget what was true at `until` or before; nothing as old is taken over again."""
        self.cleared = max(self.cleared, until)
        if self.snapshot is None or self.snapshot.time > until:
            return
        self.last_resort = self.snapshot
        self.snapshot = None
        self.served = 0
        self.failing = False

    def note_failure(self, reason: str, until: float) -> None:
        """Note that the venue tells nothing, and is to be left alone until a time (s)."""
        self.failing = True
        self.quiet_until = max(self.quiet_until, until)
        self.stats.last_error, self.stats.last_error_time = reason, self.clock()
        self.tell()

    def tell(self) -> None:
        """Wake whoever waits for news."""
        news, self.news = self.news, asyncio.Event()
        news.set()
