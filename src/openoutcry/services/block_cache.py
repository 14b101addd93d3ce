"""Blocks of candles kept in memory for as long as nobody has changed them, and not longer.

Every commit is announced, with the time from which on candles may have changed. That voids the blocks
that reach past it; older ones stay. Three things keep a block from being served when it is not true:

- It is only kept while the announcements of its symbol are heard.
- A block that was being read when its time was announced as changed is handed out, but not kept.
- Commits that nobody announced (a recorder was killed just then) are found by comparing the store's
  stream positions with the announced ones, twice a second. Blocks that have not been confirmed so for
  a second are not served.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Final

from msgspec import Struct, field

from openoutcry.adapters.postgres.block_reader import Block, BlockReader, Kind, block_end
from openoutcry.core.coverage import Coverage, changed_since
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.model import Instrument

UNCONFIRMED_SECONDS: Final = 1.0

_Key = tuple[str, Kind, str, int]
"""Symbol, kind, interval's name, start of the block."""


class _Symbol(Struct):
    """What is kept of one symbol. `heard`: its announcements come in; `changes` counts them."""

    heard: bool = False
    coverage: Coverage | None = None
    kept: dict[_Key, int] = field(default_factory=dict)  # ends of blocks
    none_from: dict[str, int] = field(default_factory=dict)  # by interval: no candle from there on
    changes: int = 0
    flights: dict[_Key, asyncio.Task[Block]] = field(default_factory=dict)


class BlockCache:
    """Blocks in memory, at most `most_bytes` of them; those not used for longest go first.

    Callers that want the same block at the same time share one question. Every method that reads
    may raise StoreUnavailableError.
    """

    def __init__(self, reader: BlockReader, most_bytes: int) -> None:
        self.hits = 0
        self.misses = 0
        self.bytes = 0
        self.wanted: set[str] = set()
        self._reader = reader
        self._most = most_bytes
        self._blocks: OrderedDict[_Key, Block] = OrderedDict()
        self._symbols: dict[str, _Symbol] = {}
        self._confirmed = float("-inf")

    async def get(
        self, instrument: Instrument, interval: Interval, kind: Kind, start: int
    ) -> Block:
        """Return the block that starts at `start`."""
        name = instrument.symbol
        key = (name, kind, interval.name, start)
        known = self._symbols.get(name)
        if known is None:
            known = self._symbols[name] = _Symbol()
            self.wanted.add(name)
        if not self._may_keep(known):
            self.misses += 1
            coverage = await self._reader.coverage(instrument.id)
            return await self._reader.read(instrument.id, interval, kind, start, coverage)
        block = self._blocks.get(key)
        if block is not None:
            self._blocks.move_to_end(key)
            self.hits += 1
            return block
        flight = known.flights.get(key)
        if flight is None:
            self.misses += 1
            work = self._read(instrument.id, interval, key)
            flight = known.flights[key] = asyncio.create_task(work)
        # One caller that goes away must not take the answer from the others.
        return await asyncio.shield(flight)

    async def before(self, instrument: Instrument, interval: Interval, bucket: int) -> int | None:
        """Return the start of the last stored candle that starts before `bucket`."""
        return await self._reader.before(instrument.id, interval, bucket)

    async def after(self, instrument: Instrument, interval: Interval, bucket: int) -> int | None:
        """Return the start of the first stored candle that starts at `bucket` or later.

        That there is none is kept: every page up to the present asks for it.
        """
        known = self._symbols.get(instrument.symbol)
        may_keep = known is not None and self._may_keep(known)
        if known is not None and may_keep and bucket >= known.none_from.get(interval.name, 2**63):
            return None
        changes = known.changes if known is not None else 0
        found = await self._reader.after(instrument.id, interval, bucket)
        if found is None and known is not None and may_keep and known.changes == changes:
            known.none_from[interval.name] = bucket
        return found

    def _may_keep(self, known: _Symbol) -> bool:
        return known.heard and time.monotonic() - self._confirmed <= UNCONFIRMED_SECONDS

    async def _read(self, instrument: int, interval: Interval, key: _Key) -> Block:
        known = self._symbols[key[0]]
        mine = asyncio.current_task()
        try:
            if known.coverage is None:
                # Read before the candles: what it calls known was committed before them.
                coverage = await self._reader.coverage(instrument)
                if known.flights.get(key) is mine and known.coverage is None:
                    known.coverage = coverage
            else:
                coverage = known.coverage
            block = await self._reader.read(instrument, interval, key[1], key[3], coverage)
            if known.flights.get(key) is mine and _still_true(block, known.coverage):
                self._keep(known, key, block)
            return block
        finally:
            if known.flights.get(key) is mine:
                del known.flights[key]

    def _keep(self, known: _Symbol, key: _Key, block: Block) -> None:
        self._blocks[key] = block
        known.kept[key] = block.end
        self.bytes += block.size
        while self.bytes > self._most:
            oldest, gone = self._blocks.popitem(last=False)
            self._symbols[oldest[0]].kept.pop(oldest, None)
            self.bytes -= gone.size

    def changed(self, symbol: str, since: int | None, coverage: Coverage) -> None:
        """Void what reaches past `since`, or past the time from which on more (or less) is known."""
        known = self._symbols.get(symbol)
        if known is None:
            return
        if since is not None:
            known.changes += 1
            known.none_from.clear()
        old, known.coverage = known.coverage, coverage
        times = [since, changed_since(old, coverage) if old is not None else 0]
        earliest = min((at for at in times if at is not None), default=None)
        if earliest is not None:
            self._void(known, earliest)

    def _void(self, known: _Symbol, since: int) -> None:
        for key in [key for key, end in known.kept.items() if end > since]:
            del known.kept[key]
            self.bytes -= self._blocks.pop(key).size
        for key in [key for key in known.flights if _end(key) > since]:
            del known.flights[key]

    def hear(self, symbol: str) -> None:
        """Note that every change of `symbol` from now on will be announced."""
        known = self._symbols.setdefault(symbol, _Symbol())
        known.heard, known.coverage = True, None

    def clear(self, *, deaf: bool) -> None:
        """Void everything; `deaf`: announcements may be missed until `hear` is called again."""
        for known in self._symbols.values():
            known.kept.clear()
            known.flights.clear()
            known.none_from.clear()
            known.changes += 1
            known.coverage = None
            known.heard = known.heard and not deaf
        self._blocks.clear()
        self.bytes = 0

    def confirm(self, at: float) -> None:
        """Note that everything committed until `at` (monotonic s) had been announced."""
        self._confirmed = at


def _still_true(block: Block, coverage: Coverage | None) -> bool:
    """Return whether what was known of the block's time is what is known of it now."""
    if coverage is None:
        return False
    since = changed_since(block.coverage, coverage)
    return since is None or since >= block.end


def _end(key: _Key) -> int:
    return block_end(INTERVALS[key[2]], key[3])
