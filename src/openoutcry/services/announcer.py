"""Tell everybody what was committed: trades at once, candles as the rows now stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
import msgspec
import numpy as np
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.base_rows import BucketKey, read_rows
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.tasks import sleep
from openoutcry.core.batch import Recorded
from openoutcry.core.candle_messages import BaseCandles, Committed
from openoutcry.core.coverage import Coverage
from openoutcry.core.frames import MARK, Frame, FrameKind, empty, encode
from openoutcry.core.intervals import BASES
from openoutcry.core.keys import COMMITS, candles_channel, trades_channel
from openoutcry.model import Instrument

log = structlog.get_logger(__name__)

_MOST_BUCKETS: Final = 64
_MOST_TRADE_MESSAGES: Final = 4096
_REST_SHARE: Final = 4
_AGAIN_SECONDS: Final = 0.5


class Announcer:
    """Publishes after commits, in a task of its own: the recorder never waits for it.

    Trades go out at once, as frames; they wait in a queue of 4096, and when it is full, or Valkey
    away, the oldest go, counted. Candle rows are read back from the store, so a live candle is the
    stored row. Under load they are conflated: one instrument's dirty buckets (at most 64 of each
    length, the newest) go out together, and reading takes at most a fifth of the time.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection[Any]]], valkey: Redis
    ) -> None:
        self._connect = connect
        self._valkey = valkey
        self._encoder = msgspec.json.Encoder()
        self._trades: list[tuple[str, bytes]] = []
        self._dirty: dict[int, dict[str, set[int]]] = {}
        self._since: dict[int, int] = {}
        self._commits: dict[str, Committed] = {}
        self._coverage: dict[int, Coverage] = {}
        self._instruments: dict[int, Instrument] = {}
        self._trades_wait = asyncio.Event()
        self._candles_wait = asyncio.Event()
        self.published = 0
        self.dropped = 0

    def __call__(self, recorded: Recorded, instruments: dict[int, Instrument]) -> None:
        """Take note of a commit; returns at once."""
        self._instruments = instruments
        for change in recorded.changes:
            self._coverage[change.instrument] = change.coverage
            self._dirty.setdefault(change.instrument, {})
        for name, rows in recorded.deltas:
            for instrument, bucket in zip(
                rows.instrument.tolist(), rows.bucket.tolist(), strict=True
            ):
                self._dirty.setdefault(instrument, {}).setdefault(name, set()).add(bucket)
        for klines in recorded.klines:
            self._note_klines(klines.instrument, [candle.bucket for candle in klines.candles])
            self._note_since(klines.instrument, klines.start)
        if recorded.committed is not None:
            self._note_commit(recorded.committed)
        if len(recorded.trades):
            self._note_trades(recorded)
            self._trades_wait.set()
        self._candles_wait.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`; what cannot be read or sent just now is tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_trades(stop))
            tasks.create_task(self._run_candles(stop))

    async def _run_trades(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not await _woken(self._trades_wait):
                continue
            try:
                await self._publish_trades()
            except (OSError, RedisError) as error:
                log.warning("trades are not announced", reason=f"{type(error).__name__}: {error}")
                await sleep(_AGAIN_SECONDS, stop)

    async def _run_candles(self, stop: asyncio.Event) -> None:
        connection: asyncpg.Connection[Any] | None = None
        while not stop.is_set():
            if not await _woken(self._candles_wait):
                continue
            started = time.perf_counter()
            try:
                if connection is None or connection.is_closed():
                    connection = await self._connect()
                await self._publish_candles(connection)
            except (*OUTAGES, RedisError) as error:
                if connection is not None:
                    connection.terminate()
                log.warning(
                    "candles wait to be announced", reason=f"{type(error).__name__}: {error}"
                )
                self._candles_wait.set()
                await sleep(_AGAIN_SECONDS, stop)
                continue
            await sleep(_REST_SHARE * (time.perf_counter() - started), stop)
        if connection is not None:
            await connection.close(timeout=2)

    def _note_klines(self, instrument: int, buckets: list[int]) -> None:
        for base in BASES:
            dirty = self._dirty.setdefault(instrument, {}).setdefault(base.name, set())
            dirty.update(base.floor(bucket) for bucket in buckets[-_MOST_BUCKETS:])

    def _note_since(self, instrument: int, earliest: int) -> None:
        self._since[instrument] = min(self._since.get(instrument, earliest), earliest)

    def _note_commit(self, one: Committed) -> None:
        """Add a commit to those that wait; what waits is told as one step."""
        waiting = self._commits.get(one.stream)
        whole = waiting is None or waiting.entry == one.after
        after = one.after if waiting is None else waiting.after
        self._commits[one.stream] = Committed(one.stream, after if whole else "", one.entry)

    def _note_trades(self, recorded: Recorded) -> None:
        trades = recorded.trades
        instruments = trades["instrument"]
        starts = np.flatnonzero(np.diff(instruments, prepend=instruments[0] + np.uint32(1)))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(trades)], strict=True):
            instrument = int(instruments[start])
            scales = recorded.scales[recorded.scales["instrument"] == instrument]
            frame = Frame(FrameKind.TRADES, 0, scales, empty(MARK), trades[start:end])
            symbol = self._instruments[instrument].symbol
            self._trades.append((trades_channel(symbol), encode(frame)))
            self._note_since(instrument, int(trades["venue_time"][start:end].min()))
        excess = len(self._trades) - _MOST_TRADE_MESSAGES
        if excess > 0:
            del self._trades[:excess]
            self.dropped += excess

    async def _publish_trades(self) -> None:
        messages, self._trades = self._trades, []
        if messages:
            pipeline = self._valkey.pipeline(transaction=False)
            for channel, data in messages:
                pipeline.publish(channel, data)
            try:
                await pipeline.execute()
            except BaseException:
                self.dropped += len(messages)
                raise
            self.published += len(messages)

    async def _publish_candles(self, connection: asyncpg.Connection[Any]) -> None:
        dirty, self._dirty = self._dirty, {}
        since, self._since = self._since, {}
        commits, self._commits = self._commits, {}
        # As it is now: what is committed while the rows are read covers times whose rows come later.
        coverage = {instrument: self._coverage.get(instrument, Coverage()) for instrument in dirty}
        keys = [
            BucketKey(name, instrument, bucket)
            for instrument, bases in dirty.items()
            for name, buckets in bases.items()
            for bucket in sorted(buckets)[-_MOST_BUCKETS:]
        ]
        try:
            rows = await read_rows(connection, keys)
            pipeline = self._valkey.pipeline(transaction=False)
            for instrument in dirty:
                symbol = self._instruments[instrument].symbol
                message = BaseCandles(
                    symbol=symbol,
                    rows=rows.get(instrument, {}),
                    coverage=coverage[instrument],
                    since=since.get(instrument),
                )
                pipeline.publish(candles_channel(symbol), self._encoder.encode(message))
            await pipeline.execute()
            # Behind them, on a cluster too, where a pipeline has no order over its nodes.
            for committed in commits.values():
                pipeline.publish(COMMITS, self._encoder.encode(committed))
            await pipeline.execute()
        except BaseException:
            self._put_back(dirty, since, commits)
            raise
        self.published += len(dirty)

    def _put_back(
        self,
        dirty: dict[int, dict[str, set[int]]],
        since: dict[int, int],
        commits: dict[str, Committed],
    ) -> None:
        newer, self._commits = self._commits, commits
        for committed in newer.values():
            self._note_commit(committed)
        for instrument, earliest in since.items():
            self._note_since(instrument, earliest)
        for instrument, bases in dirty.items():
            for name, buckets in bases.items():
                self._dirty.setdefault(instrument, {}).setdefault(name, set()).update(buckets)


async def _woken(event: asyncio.Event) -> bool:
    """Return whether `event` was set within half a second, and clear it."""
    try:
        await asyncio.wait_for(event.wait(), 0.5)
    except TimeoutError:
        return False
    event.clear()
    return True
