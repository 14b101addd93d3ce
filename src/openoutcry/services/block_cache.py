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
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct, field

from openoutcry.adapters.postgres.block_reader import Block, BlockReader, Kind, Run, block_end
from openoutcry.core.coverage import Coverage, changed_since
from openoutcry.core.intervals import INTERVALS, Interval
from openoutcry.model import Instrument

UNCONFIRMED_SECONDS: Final = 1.0

_Key = tuple[str, Kind, str, int]
"""Symbol, kind, interval's name, start of the block."""


_Flight = asyncio.Task[dict[_Key, Block]]
"""Somebody reads these blocks just now."""


class _Symbol(Struct):
    """What is kept of one symbol. `heard`: its announcements come in; `changes` counts them."""

    heard: bool = False
    coverage: Coverage | None = None
    kept: dict[_Key, int] = field(default_factory=dict)  # ends of blocks
    none_from: dict[str, int] = field(default_factory=dict)  # by interval: no candle from there on
    changes: int = 0
    flights: dict[_Key, _Flight] = field(default_factory=dict)


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
        self, instrument: Instrument, interval: Interval, kind: Kind, run: Run
    ) -> list[Block]:
        """Return blocks next to one another."""
        name = instrument.symbol
        known = self._symbols.get(name)
        if known is None:
            known = self._symbols[name] = _Symbol()
            self.wanted.add(name)
        if not self._may_keep(known):
            self.misses += run.count
            coverage = await self._reader.coverage(instrument.id)
            return await self._reader.read(instrument.id, interval, kind, run, coverage)
        starts = [run.start]
        while len(starts) < run.count:
            starts.append(block_end(interval, starts[-1]))
        keys = [(name, kind, interval.name, start) for start in starts]
        found = [self._found(known, key) for key in keys]
        for low, high in _missing(found):
            work = self._read(instrument.id, interval, keys[low:high])
            flight = asyncio.create_task(work)
            known.flights |= dict.fromkeys(keys[low:high], flight)
            found[low:high] = [flight] * (high - low)
        return [
            # One caller that goes away must not take the answer from the others.
            one if isinstance(one, Block) else (await asyncio.shield(one))[key]
            for key, one in zip(keys, found, strict=True)
            if one is not None
        ]

    def _found(self, known: _Symbol, key: _Key) -> _Flight | Block | None:
        """Return the block, or who is reading it."""
        block = self._blocks.get(key)
        if block is None:
            return known.flights.get(key)
        self._blocks.move_to_end(key)
        self.hits += 1
        return block

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

    async def _read(
        self, instrument: int, interval: Interval, keys: list[_Key]
    ) -> dict[_Key, Block]:
        known = self._symbols[keys[0][0]]
        mine = asyncio.current_task()
        self.misses += len(keys)
        try:
            coverage = known.coverage
            if coverage is None:
                # Read before the candles: what it calls known was committed before them.
                coverage = await self._reader.coverage(instrument)
                if known.coverage is None and known.flights.get(keys[0]) is mine:
                    known.coverage = coverage
            run = Run(keys[0][3], len(keys))
            read = await self._reader.read(instrument, interval, keys[0][1], run, coverage)
            blocks = dict(zip(keys, read, strict=True))
            for key, block in blocks.items():
                if known.flights.get(key) is mine and _still_true(block, known.coverage):
                    self._keep(known, key, block)
            return blocks
        finally:
            for key in keys:
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


def _missing(found: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield the bounds of each run of None."""
    low: int | None = None
    for at, one in enumerate([*found, ...]):
        if one is None and low is None:
            low = at
        elif one is not None and low is not None:
            yield low, at
            low = None


def _still_true(block: Block, coverage: Coverage | None) -> bool:
    """Return whether what was known of the block's time is what is known of it now."""
    if coverage is None:
        return False
    since = changed_since(block.coverage, coverage)
    return since is None or since >= block.end


def _end(key: _Key) -> int:
    return block_end(INTERVALS[key[2]], key[3])
