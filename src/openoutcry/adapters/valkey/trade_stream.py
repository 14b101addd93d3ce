"""One shard's stream of frames, as the feed appends to it and the recorder reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from openoutcry.core.frames import Frame, encode
from openoutcry.core.keys import DEAD_LETTERS, FRAME_FIELD, RECORDER_GROUP, trades_stream
from openoutcry.errors import StoreUnavailableError

DEAD_LETTERS_KEPT: Final = 10_000


class Entry(Struct, frozen=True):
    """A frame on the stream, still encoded."""

    id: bytes
    data: bytes


class TradeStream:
    """Reads a shard's stream through the recorders' consumer group.

    Guarantee: an entry that was not acknowledged is seen again, by this consumer or by the shard's
    next owner; so commit first, then `done`.
    """

    def __init__(self, valkey: Redis, shard: int, consumer: str) -> None:
        self._valkey = valkey
        self._consumer = consumer
        self.name = trades_stream(shard)

    async def join(self) -> None:
        """Make the consumer group if need be, starting with the oldest entry there is.

        What was committed already is read again and found stored. To start after the committed
        position would skip what a Valkey that lost its data, and whose clock is behind, has now.
        """
        try:
            await self._valkey.xgroup_create(self.name, RECORDER_GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def claim(self) -> None:
        """Take over what other consumers read but never acknowledged.

        Only the shard's owner calls this, so whoever read those entries is dead or has lost the
        shard: no idle time needs to pass.
        """
        start: Any = b"0-0"
        while True:
            start, _, _ = await self._valkey.xautoclaim(
                self.name, RECORDER_GROUP, self._consumer, 0, start, count=1000, justid=False
            )
            if start == b"0-0":
                break
        for consumer in await self._valkey.xinfo_consumers(self.name, RECORDER_GROUP):
            if consumer["name"].decode() != self._consumer and not consumer["pending"]:
                await self._valkey.xgroup_delconsumer(self.name, RECORDER_GROUP, consumer["name"])

    async def unfinished(self, after: bytes, count: int) -> list[Entry]:
        """Return entries this consumer has read and not acknowledged, later than `after`."""
        return await self._read(after, count, None)

    async def fresh(self, count: int, wait_ms: int) -> list[Entry]:
        """Return entries nobody has read, waiting up to `wait_ms` for the first."""
        return await self._read(b">", count, wait_ms)

    async def done(self, ids: Sequence[bytes]) -> None:
        """Acknowledge entries, and let the stream forget what lies before the last of them.

        Nothing is forgotten that anybody has read and not acknowledged: it may still be claimed.
        """
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.xack(self.name, RECORDER_GROUP, *ids)
        pipeline.xpending(self.name, RECORDER_GROUP)
        _, pending = await pipeline.execute()
        oldest = pending["min"] or ids[-1]
        await self._valkey.xtrim(self.name, minid=oldest, approximate=True)

    async def newest(self) -> bytes:
        """Return the id of the entry that was added last; 0-0 if there never was one."""
        try:
            stream: Any = await self._valkey.xinfo_stream(self.name)
        except ResponseError:
            return b"0-0"
        entry: bytes = stream["last-generated-id"]
        return entry

    async def left_over(self) -> bool:
        """Return whether anybody, we included, has read entries that are not acknowledged.

        Ours too: an answer that was lost with its connection has been read as far as Valkey knows.
        """
        pending = await self._valkey.xpending(self.name, RECORDER_GROUP)
        return bool(pending["pending"])

    async def bury(self, entry: Entry, reason: str) -> None:
        """Put an entry on the dead-letter stream with its reason, then acknowledge it."""
        letter: dict[Any, Any] = {
            FRAME_FIELD: entry.data,
            "reason": reason,
            "stream": self.name,
            "entry": entry.id,
        }
        await self._valkey.xadd(DEAD_LETTERS, letter, maxlen=DEAD_LETTERS_KEPT, approximate=True)
        await self._valkey.xack(self.name, RECORDER_GROUP, entry.id)

    async def _read(self, after: bytes, count: int, wait_ms: int | None) -> list[Entry]:
        answer: Any = await self._valkey.xreadgroup(
            RECORDER_GROUP, self._consumer, {self.name: after}, count=count, block=wait_ms
        )
        return [entry for _, entries in _pairs(answer) for entry in _entries(entries)]


def _pairs(answer: Any) -> Iterable[tuple[Any, Any]]:
    return answer.items() if isinstance(answer, dict) else answer or ()


def _entries(entries: Any) -> Iterable[Entry]:
    for entry_id, fields in entries:
        yield Entry(entry_id, (fields or {}).get(FRAME_FIELD, b""))


def order_of(entry: bytes) -> tuple[int, int]:
    """Return what ids of entries are ordered by."""
    time, _, number = entry.partition(b"-")
    return int(time), int(number)


async def backlog(valkey: Redis, shard: int) -> int:
    """Return how many entries of a shard's stream are not acknowledged yet."""
    if not await valkey.exists(trades_stream(shard)):
        return 0
    for group in await valkey.xinfo_groups(trades_stream(shard)):
        if group["name"] == RECORDER_GROUP.encode():
            return int(group["pending"]) + int(group["lag"] or 0)
    return int(await valkey.xlen(trades_stream(shard)))


async def add_frame(valkey: Redis, shard: int, frame: Frame) -> bytes:
    """Append a frame to a shard's stream; return its entry's id."""
    entry: Any = await valkey.xadd(trades_stream(shard), {FRAME_FIELD: encode(frame)})
    return bytes(entry)


async def is_done(valkey: Redis, shard: int, entry: bytes) -> bool:
    """Return whether everything up to `entry` is acknowledged, whatever came after it.

    Raises StoreUnavailableError if the stream has lost it: Valkey came back without its data.
    """
    name = trades_stream(shard)
    try:
        stream: Any = await valkey.xinfo_stream(name)
        groups: Any = await valkey.xinfo_groups(name)
    except ResponseError:  # there is no such stream
        stream, groups = {"last-generated-id": b"0-0"}, []
    if order_of(stream["last-generated-id"]) < order_of(entry):
        raise StoreUnavailableError(
            "Valkey has lost what was on its way to the store; do it once more."
        )
    for group in groups:
        if group["name"] == RECORDER_GROUP.encode():
            # Delivered first, pending second: an entry between the two is pending by then.
            if order_of(group["last-delivered-id"]) < order_of(entry):
                return False
            pending: Any = await valkey.xpending(name, RECORDER_GROUP)
            return pending["min"] is None or order_of(pending["min"]) > order_of(entry)
    return False
