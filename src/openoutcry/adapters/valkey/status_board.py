"""The board in Valkey on which every running process keeps its status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as ValkeyTimeoutError

from openoutcry.adapters.valkey.client import get_all, servers
from openoutcry.core.keys import status_key, trades_stream
from openoutcry.errors import StoreUnavailableError
from openoutcry.model import RoleStatus

LIFETIME: Final = 5
"""Seconds after which a process that says nothing more is gone from the board."""

_UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    ValkeyConnectionError,
    ValkeyTimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
)
_PATTERN: Final = status_key("*", "*")


class StreamFigures(Struct, frozen=True):
    """A trade stream: entries in it, and the id of the newest one ever added."""

    stream: str
    entries: int
    newest_id: str


async def write_status(valkey: Redis, status: RoleStatus) -> None:
    """Put a status on the board for LIFETIME seconds. Raises StoreUnavailableError."""
    key = status_key(status.role, status.instance)
    with unavailable():
        await valkey.set(key, msgspec.json.encode(status), ex=LIFETIME)


async def remove_status(valkey: Redis, role: str, instance: str) -> None:
    """Take a process off the board. Raises StoreUnavailableError."""
    with unavailable():
        await valkey.delete(status_key(role, instance))


async def read_statuses(valkey: Redis) -> list[RoleStatus]:
    """Return what is on the board, by role and instance; what cannot be read is left out.

    Raises StoreUnavailableError.
    """
    with unavailable():
        keys = [
            key
            for server in await servers(valkey)
            async for key in server.scan_iter(match=_PATTERN, count=1000)
        ]
        values = await get_all(valkey, keys)
    found: list[RoleStatus] = []
    for value in values:
        try:
            found.append(msgspec.json.decode(value or b"", type=RoleStatus))
        except msgspec.DecodeError:
            continue
    return sorted(found, key=lambda status: (status.role, status.instance))


async def read_streams(valkey: Redis, shards: int) -> list[StreamFigures]:
    """Return the trade streams that exist. Raises StoreUnavailableError."""
    found: list[StreamFigures] = []
    with unavailable():
        for shard in range(shards):
            name = trades_stream(shard)
            if not await valkey.exists(name):
                continue
            info = await valkey.xinfo_stream(name)
            found.append(StreamFigures(name, info["length"], _text(info["last-generated-id"])))
    return found


async def ping(valkey: Redis) -> None:
    """Return when Valkey answers. Raises StoreUnavailableError."""
    with unavailable():
        await valkey.ping()


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn what redis-py raises when the server cannot serve into our one error."""
    try:
        yield
    except _UNAVAILABLE as error:
        raise StoreUnavailableError(f"Valkey is not available: {error}") from error


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
