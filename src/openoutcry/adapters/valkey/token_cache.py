"""What was worked out about tokens, shared by all processes: expiring keys, many in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import get_all, servers
from openoutcry.core.keys import token_cache_key

_SCANNED: Final = 1_000


class Entry(Struct, frozen=True, array_like=True):
    """Something about a token that was true at `version` of it; forgotten at `until` (s since 1970)."""

    version: str
    until: float
    data: bytes


class SharedEntries:
    """Entries by their keys. Raises redis-py's errors: what to do then is the caller's to say."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def read(self, keys: Sequence[str]) -> list[Entry | None]:
        """Return what there is for each key; what cannot be read counts as nothing."""
        return [_entry(found) for found in await get_all(self._valkey, keys)]

    async def write(self, entries: Mapping[str, Entry], seconds: int) -> None:
        """Keep entries for so long."""
        pipeline: Any = self._valkey.pipeline(transaction=False)
        for key, entry in entries.items():
            pipeline.set(key, msgspec.msgpack.encode(entry), ex=seconds)
        if entries:
            await pipeline.execute()

    async def clear(self) -> int:
        """Forget everything; return how much it was."""
        gone = 0
        for server in await servers(self._valkey):
            every = server.scan_iter(token_cache_key("*", "*"), count=_SCANNED)
            found: list[bytes] = [key async for key in every]
            for first in range(0, len(found), _SCANNED):
                pipeline: Any = server.pipeline(transaction=False)
                for key in found[first : first + _SCANNED]:
                    pipeline.unlink(key)
                gone += sum(await pipeline.execute())
        return gone


def _entry(found: bytes | None) -> Entry | None:
    if found is None:
        return None
    try:
        return _decode(found)
    except msgspec.MsgspecError:
        return None


_decode = msgspec.msgpack.Decoder(Entry).decode
