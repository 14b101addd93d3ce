"""Connections to PostgreSQL: one way to open a pool, one error when it cannot be reached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openoutcry.errors import StoreUnavailableError

Pool: TypeAlias = asyncpg.Pool
Connection: TypeAlias = PoolConnectionProxy | asyncpg.Connection

T = TypeVar("T")

# PostgreSQL counts time from 2000-01-01, the vocabulary from 1970-01-01.
_EPOCH_US: Final = 946_684_800_000_000

# Compiling a plan of a few milliseconds takes longer than running it, and so does starting workers for
# it: a rolling window of one symbol took 14 ms with them and 3 without.
_SERVER_SETTINGS: Final = {"TimeZone": "UTC", "jit": "off", "max_parallel_workers_per_gather": "0"}

_UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    # The schema is not there yet, or not all of it: the role `migrate` is at work.
    asyncpg.UndefinedTableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)


async def open_pool(
    database_url: str,
    *,
    application_name: str,
    min_size: int = 0,
    max_size: int = 8,
    connect_timeout: float = 5.0,
    command_timeout: float | None = 10.0,
    server_settings: dict[str, str] | None = None,
    stateless: bool = False,
) -> Pool:
    """Return a pool of connections whose `timestamptz` values are integers, µs since 1970.

    With `min_size` 0 nothing is connected yet, so that a role can start before its database does.
    `command_timeout` is in seconds, None for no limit. `stateless` promises that no borrower leaves
    locks, listeners or settings behind, which saves a round trip each time. Raises
    StoreUnavailableError.
    """
    with unavailable():
        pool: Pool = await asyncpg.create_pool(
            database_url,
            min_size=min_size,
            max_size=max_size,
            timeout=connect_timeout,
            command_timeout=command_timeout,
            max_cached_statement_lifetime=0,
            init=_prepare,
            reset=_leave if stateless else None,
            server_settings={
                **_SERVER_SETTINGS,
                "application_name": application_name,
                **(server_settings or {}),
            },
        )
    return pool


@asynccontextmanager
async def connection(pool: Pool, timeout: float = 5.0) -> AsyncIterator[Connection]:
    """Lend a connection; every failure to reach the server becomes a StoreUnavailableError.

    Waits at most `timeout` seconds for a free one.
    """
    with unavailable():
        async with pool.acquire(timeout=timeout) as lent:
            yield lent


class Reads(ABC):
    """Something that lends connections for reading only, and knows of which server (see `reads`)."""

    @abstractmethod
    async def run(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what `read` returns; it may be called again with another connection.

        It sees everything that was committed before this call. Raises StoreUnavailableError.
        """


Source: TypeAlias = Pool | Reads


async def run(source: Source, read: Callable[[Connection], Awaitable[T]]) -> T:
    """Return what `read` returns with a connection of `source`. Raises StoreUnavailableError."""
    if isinstance(source, Reads):
        return await source.run(read)
    async with connection(source) as lent:
        return await read(lent)


async def fetch(source: Source, sql: str, *args: Any) -> list[asyncpg.Record]:
    """Return all rows of a query. Raises StoreUnavailableError."""

    async def read(lent: Connection) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await lent.fetch(sql, *args)
        return rows

    return await run(source, read)


async def fetch_value(pool: Pool, sql: str, *args: Any) -> Any:
    """Return the first column of the first row, or None. Raises StoreUnavailableError."""
    async with connection(pool) as lent:
        return await lent.fetchval(sql, *args)


@contextmanager
def unavailable() -> Iterator[None]:
    """Turn what asyncpg raises when the server is gone, full or stopping into our one error."""
    try:
        yield
    except asyncpg.DataError:
        raise
    except _UNAVAILABLE as error:
        raise StoreUnavailableError(f"PostgreSQL is not available: {_reason(error)}") from error
    except asyncpg.InterfaceError as error:
        # The same class stands for a connection that closed under us and for our own misuse.
        if "clos" not in str(error):
            raise
        raise StoreUnavailableError(f"PostgreSQL is not available: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else "no answer in time"


async def dial(
    database_url: str, *, application_name: str, command_timeout: float = 10.0
) -> asyncpg.Connection:
    """Return a connection of its own, for one who holds a lock on it; times as in `open_pool`.

    Raises StoreUnavailableError.
    """
    settings = {**_SERVER_SETTINGS, "application_name": application_name}
    with unavailable():
        dialled = await asyncpg.connect(
            database_url,
            timeout=5.0,
            command_timeout=command_timeout,
            server_settings=settings,
        )
        await _prepare(dialled)
    return dialled


async def _leave(_: asyncpg.Connection) -> None:
    return


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=lambda us: (us - _EPOCH_US,),
        decoder=lambda parts: parts[0] + _EPOCH_US,
        format="tuple",
    )
