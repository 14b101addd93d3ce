"""The feed's way out to Valkey: a bounded buffer that outlives a short outage."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.core.backoff import Backoff
from openoutcry.core.keys import FRAME_FIELD, LAST_QUOTES, market_channel, trades_stream

log = structlog.get_logger(__name__)

BUFFER_BYTES: Final = 64 * 1024 * 1024
_WARN_SHARE: Final = 0.8
_PIPELINE_BYTES: Final = 4 * 1024 * 1024
_CROWDED_BYTES: Final = BUFFER_BYTES // 4


class OutletStats(Struct):
    """What went out, and what did not."""

    frames: int = 0
    quotes: int = 0
    refused_trades: int = 0
    buffered_bytes: int = 0
    stream_bytes: int = 0
    stream_entries: int = 0


class _Waiting(Struct, frozen=True):
    shard: int
    data: bytes
    trades: int


class Outlet:
    """Appends frames to the trade streams and publishes quotes, in the order they were put.

    Policies: frames wait in 64 MiB while Valkey is away; when that or the stream itself is full, new
    frames are refused and counted (the gap ledger sees the jump and repair fetches it). While Valkey
    takes frames, only slower than they come, `crowded` asks the feed to read less. Quotes are
    conflated to the latest per symbol.
    """

    def __init__(self, valkey: Redis, shards: int, stream_max_bytes: int) -> None:
        self._valkey = valkey
        self._shards = shards
        self._stream_max = stream_max_bytes
        self._frames: deque[_Waiting] = deque()
        self._quotes: dict[str, bytes] = {}
        self._unsaved: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._full: set[int] = set()
        self._away = False
        self.stats = OutletStats()

    @property
    def crowded(self) -> bool:
        """Whether a quarter of the buffer is taken though Valkey is there."""
        return not self._away and self.stats.buffered_bytes > _CROWDED_BYTES

    def put_frame(self, shard: int, data: bytes, trades: int) -> None:
        """Queue a frame; refuses it when there is no room."""
        if shard in self._full or self.stats.buffered_bytes + len(data) > BUFFER_BYTES:
            self.stats.refused_trades += trades
            return
        self._frames.append(_Waiting(shard, data, trades))
        self.stats.buffered_bytes += len(data)
        self._wake.set()

    def put_quote(self, symbol: str, data: bytes) -> None:
        """Queue a symbol's latest quote."""
        self._quotes[symbol] = data
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`, then send what is left if Valkey takes it."""
        backoff = Backoff(first=0.05, most=2.0)
        while not (stop.is_set() and not self._frames):
            if not self._frames and not self._quotes:
                await self._wait(0.25)
            self._wake.clear()
            try:
                await self._send()
                self._away = False
                backoff.reset()
            except (RedisError, OSError) as error:
                self._away = True
                delay = backoff.next()
                log.warning("Valkey is away, frames wait", reason=str(error), **self._waiting())
                if stop.is_set():
                    return
                await asyncio.sleep(delay)

    async def watch_room(self, stop: asyncio.Event) -> None:
        """Once a second, measure the streams; near the cap say so, at the cap refuse frames."""
        while not stop.is_set():
            try:
                await self._measure()
                if self._unsaved:
                    quotes, self._unsaved = self._unsaved, {}
                    mapping: dict[Any, Any] = {**quotes}
                    await self._valkey.hset(LAST_QUOTES, mapping=mapping)
            except (RedisError, OSError) as error:
                log.debug("streams cannot be measured", reason=str(error))
            await asyncio.sleep(1.0)

    async def _send(self) -> None:
        batch = self._next_batch()
        quotes, self._quotes = self._quotes, {}
        if not batch and not quotes:
            return
        pipeline = self._valkey.pipeline(transaction=False)
        for frame in batch:
            pipeline.xadd(trades_stream(frame.shard), {FRAME_FIELD: frame.data})
        for symbol, data in quotes.items():
            pipeline.publish(market_channel(symbol), data)
        try:
            await pipeline.execute()
        except BaseException:
            self._quotes = quotes | self._quotes
            raise
        for frame in batch:
            self._frames.popleft()
            self.stats.buffered_bytes -= len(frame.data)
        self.stats.frames += len(batch)
        self.stats.quotes += len(quotes)
        self._unsaved |= quotes

    def _next_batch(self) -> list[_Waiting]:
        """Return the frames that go next: at most 4 MiB, at least one."""
        batch: list[_Waiting] = []
        size = 0
        for frame in self._frames:
            size += len(frame.data)
            if batch and size > _PIPELINE_BYTES:
                break
            batch.append(frame)
        return batch

    async def _measure(self) -> None:
        used = entries = 0
        for shard in range(self._shards):
            name = trades_stream(shard)
            size: Any = await self._valkey.memory_usage(name, samples=8)
            length: int = await self._valkey.xlen(name)
            used, entries = used + int(size or 0), entries + length
            self._judge(shard, int(size or 0), length)
        self.stats.stream_bytes, self.stats.stream_entries = used, entries

    def _judge(self, shard: int, size: int, length: int) -> None:
        share = size / self._stream_max
        if share >= 1:
            if shard not in self._full:
                log.error(
                    "stream is full, trades are refused until the recorder catches up",
                    stream=trades_stream(shard),
                    entries=length,
                    bytes=size,
                )
            self._full.add(shard)
        else:
            self._full.discard(shard)
            if share >= _WARN_SHARE:
                log.warning(
                    "stream is nearly full: is a recorder running?",
                    stream=trades_stream(shard),
                    entries=length,
                    percent=round(share * 100),
                )

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return

    def _waiting(self) -> dict[str, int]:
        return {"frames": len(self._frames), "bytes": self.stats.buffered_bytes}
