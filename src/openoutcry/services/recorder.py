"""The recorder role: read frames, work out what is new, commit, announce, acknowledge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import asyncpg
import structlog
from msgspec import Struct, structs
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.shard_store import ShardStore
from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.valkey.trade_stream import Entry, TradeStream, order_of
from openoutcry.core.backoff import Backoff
from openoutcry.core.batch import Recorded, record
from openoutcry.core.candle_messages import Committed
from openoutcry.core.frames import Frame, FrameKind, decode
from openoutcry.core.klines import decode_klines
from openoutcry.core.ledger import Ledger
from openoutcry.errors import FrameError, OutcryError, ScaleOverflowError
from openoutcry.model import Instrument
from openoutcry.services.announcer import Announcer

log = structlog.get_logger(__name__)

_WAIT_MS: Final = 200  # a stop waits for as long
_LAST_WAIT_MS: Final = 1
_STANDBY_SECONDS: Final = 1.0
_CAREFUL_ENTRIES: Final = 64
_MOST_ENTRIES: Final = 512
_LOOK_ROUND_SECONDS: Final = 2.0

# What cannot be helped by trying again: the frame itself is wrong.
_POISON: Final = (
    FrameError,
    ScaleOverflowError,
    ArithmeticError,
    LookupError,
    ValueError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
)
# What passes: an engine that is restarting, a shard that somebody else took over.
_PASSING: Final = (*OUTAGES, RedisError, OutcryError)


class Announce(Protocol):
    """Tells the world what was committed; must not block and must not fail."""

    def __call__(self, recorded: Recorded, instruments: dict[int, Instrument]) -> None:
        """Take note of a commit."""


class RecorderStats(Struct):
    """What a recorder has done since it started."""

    trades: int = 0
    repeated: int = 0
    frames: int = 0
    batches: int = 0
    dead_letters: int = 0
    commit_seconds: float = 0.0
    lag_seconds: float = 0.0
    open_gaps: int = 0
    owned: int = 0


class _Prepared(Struct):
    entries: list[Entry]
    recorded: Recorded
    made_time: int


class Recorder:
    """Records one shard for as long as it owns it, and stands by for as long as it does not.

    Guarantee: an entry is acknowledged only after everything in it is durable, and what is read
    twice is stored once. While one batch commits, the next one is read and worked out.
    """

    def __init__(
        self,
        shard: int,
        connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
        stream: TradeStream,
        announce: Announce,
        batch_trades: int,
    ) -> None:
        self._shard = shard
        self._connect = connect
        self._stream = stream
        self._announce = announce
        self._batch_trades = batch_trades
        self._ledgers: dict[int, Ledger] = {}
        self._instruments: dict[int, Instrument] = {}
        self._careful = 0
        self._committed = ""
        self._trades_per_entry = 1.0
        self.stats = RecorderStats()

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop`, and then what is on the stream at that moment.

        Outages of PostgreSQL and Valkey are waited out.
        """
        backoff = Backoff(first=0.1, most=5.0)
        while not stop.is_set():
            try:
                store = await self._own()
                if store is None:
                    await sleep(_STANDBY_SECONDS, stop)
                    continue
                try:
                    await self._record_owned(store, stop, backoff)
                finally:
                    self.stats.owned = 0
                    await store.close()
            except _PASSING as error:
                delay = backoff.next()
                log.warning(
                    "recorder interrupted, trying again",
                    shard=self._shard,
                    reason=f"{type(error).__name__}: {error}",
                    in_seconds=round(delay, 2),
                )
                await sleep(delay, stop)

    async def _own(self) -> ShardStore | None:
        connection = await self._connect()
        store = await ShardStore.own(connection, self._shard)
        if store is None:
            await connection.close()
        return store

    async def _record_owned(self, store: ShardStore, stop: asyncio.Event, backoff: Backoff) -> None:
        self._ledgers = await store.ledgers()
        self._instruments = await store.instruments()
        self._committed = ""  # others may have committed since
        self._count_gaps()
        await self._stream.join()
        await self._stream.claim()
        self.stats.owned = 1
        log.info("recorder owns the shard", shard=self._shard, instruments=len(self._ledgers))
        await self._finish_unfinished(store)
        backoff.reset()
        committing: asyncio.Task[None] | None = None
        look_round = time.monotonic() + _LOOK_ROUND_SECONDS
        last: bytes | None = None
        try:
            while True:
                store.still_owned()
                if time.monotonic() > look_round:
                    if committing is not None:
                        done, committing = committing, None
                        await done
                    await self._take_left_over(store)
                    look_round = time.monotonic() + _LOOK_ROUND_SECONDS
                last = await self._last(stop, last)
                wait_ms = _WAIT_MS if last is None else _LAST_WAIT_MS
                entries = await self._stream.fresh(self._entries_wanted(), wait_ms)
                if last is not None and not entries:
                    return
                prepared = await self._prepare(entries, store) if entries else None
                if committing is not None:
                    done, committing = committing, None
                    await done
                if prepared is not None:
                    committing = asyncio.create_task(self._commit(store, prepared))
                    if self._careful:
                        done, committing = committing, None
                        await done
                if last is not None and order_of(entries[-1].id) >= order_of(last):
                    return
        finally:
            if committing is not None:
                await committing

    async def _last(self, stop: asyncio.Event, last: bytes | None) -> bytes | None:
        """Return the entry after which to end: the newest there is when `stop` is first seen."""
        return await self._stream.newest() if stop.is_set() and last is None else last

    async def _take_left_over(self, store: ShardStore) -> None:
        """Record what was read but never got this far, while nothing of ours is under way.

        A former owner may have read it, not knowing yet that it had lost the shard.
        """
        if await self._stream.left_over():
            await self._stream.claim()
            await self._finish_unfinished(store)

    async def _finish_unfinished(self, store: ShardStore) -> None:
        """Record what this or a dead consumer had read but not acknowledged."""
        after = b"0"
        while True:
            entries = await self._stream.unfinished(after, self._entries_wanted())
            if not entries:
                return
            after = entries[-1].id
            prepared = await self._prepare(entries, store)
            if prepared is not None:
                await self._commit(store, prepared)

    def _entries_wanted(self) -> int:
        if self._careful:
            return 1
        return min(_MOST_ENTRIES, max(1, int(self._batch_trades / self._trades_per_entry)))

    async def _prepare(self, entries: list[Entry], store: ShardStore) -> _Prepared | None:
        """Decode and work out a batch; what cannot be decoded goes to the dead letters."""
        good: list[Entry] = []
        frames: list[Frame] = []
        for entry in entries:
            try:
                frames.append(decode(entry.data))
                good.append(entry)
            except FrameError as error:
                await self._bury(entry, str(error))
        if not frames:
            return None
        try:
            await self._know_instruments(frames, store)
            recorded = record(frames, self._ledger)
        except _POISON as error:
            await self._isolate(good, error)
            return None
        self._trades_per_entry += 0.2 * (recorded.seen / len(good) - self._trades_per_entry)
        self._trades_per_entry = max(1.0, self._trades_per_entry)
        return _Prepared(good, recorded, frames[-1].made_time)

    async def _commit(self, store: ShardStore, prepared: _Prepared) -> None:
        entries, recorded = prepared.entries, prepared.recorded
        started, entry = time.perf_counter(), entries[-1].id.decode()
        try:
            await store.commit(recorded, self._stream.name, entry)
        except _POISON as error:
            await self._isolate(entries, error)
            return
        committed = Committed(self._stream.name, self._committed, entry)
        self._committed = entry
        self._announce(structs.replace(recorded, committed=committed), self._instruments)
        await self._stream.done([entry.id for entry in entries])
        stats = self.stats
        stats.trades += len(recorded.trades)
        stats.repeated += recorded.repeated
        stats.frames += len(entries)
        stats.batches += 1
        stats.commit_seconds += time.perf_counter() - started
        stats.lag_seconds = max(0.0, time.time() - prepared.made_time / 1e6)
        if any(change.gaps for change in recorded.changes):
            self._count_gaps()
        self._careful = max(0, self._careful - len(entries))

    async def _isolate(self, entries: list[Entry], error: Exception) -> None:
        """A batch cannot be stored: bury it if it is one entry, else go through it one by one.

        Always raises: the ledgers have taken in what was not written and must be read again.
        """
        if len(entries) == 1:
            await self._bury(entries[0], f"{type(error).__name__}: {error}")
        self._careful = max(_CAREFUL_ENTRIES, 2 * len(entries))
        raise _BatchRefusedError(
            f"a batch of {len(entries)} frames was refused: {error}"
        ) from error

    async def _bury(self, entry: Entry, reason: str) -> None:
        await self._stream.bury(entry, reason)
        self.stats.dead_letters += 1
        log.error("frame put on the dead-letter stream", entry=entry.id.decode(), reason=reason)

    async def _know_instruments(self, frames: list[Frame], store: ShardStore) -> None:
        known = self._instruments
        if any(int(i) not in known for frame in frames for i in _instruments_of(frame)):
            self._instruments = await store.instruments()

    def _ledger(self, instrument: int) -> Ledger:
        ledger = self._ledgers.get(instrument)
        if ledger is None:
            if instrument not in self._instruments:
                raise FrameError(f"there is no instrument {instrument}")
            ledger = self._ledgers[instrument] = Ledger(instrument)
        return ledger

    def _count_gaps(self) -> None:
        self.stats.open_gaps = sum(len(ledger.open_gaps()) for ledger in self._ledgers.values())


def figures(
    recorders: Sequence[Recorder], announcer: Announcer
) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """Return counters and gauges of all shards of a process, for the status board."""
    stats = [recorder.stats for recorder in recorders]
    counters = {
        "trades": sum(s.trades for s in stats),
        "trades_repeated": sum(s.repeated for s in stats),
        "frames": sum(s.frames for s in stats),
        "batches": sum(s.batches for s in stats),
        "dead_letters": sum(s.dead_letters for s in stats),
        "commit_seconds": sum(s.commit_seconds for s in stats),
        "messages_announced": announcer.published,
        "messages_not_announced": announcer.dropped,
    }
    gauges = {
        "shards_owned": sum(s.owned for s in stats),
        "lag_seconds": max((s.lag_seconds for s in stats), default=0.0),
        "gaps_open": sum(s.open_gaps for s in stats),
    }
    return dict(counters), dict(gauges), {}


class _BatchRefusedError(OutcryError):
    """A batch was refused; its entries are read again, one at a time."""

    retry = True


def _instruments_of(frame: Frame) -> list[int]:
    named: list[int] = frame.scales["instrument"].tolist() + frame.marks["instrument"].tolist()
    if frame.kind is FrameKind.KLINES:
        named += [one.instrument for one in decode_klines(frame.body)]
    return named
