"""What commands share: settings with engines behind them, and drivers' errors in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from openoutcry import engines
from openoutcry.config import Settings
from openoutcry.errors import ConfigError, StoreUnavailableError

T = TypeVar("T")


def data_dir(settings: Settings) -> Path:
    """Return the data directory that these settings mean."""
    return Path(settings.data_dir) if settings.data_dir else engines.default_data_dir()


@asynccontextmanager
async def reached(settings: Settings, *, launch: bool = False) -> AsyncIterator[Settings]:
    """Yield the settings with both URLs set: as given, or of the `outcry up` that runs here.

    With `launch`, embedded engines that do not run are started for as long as this takes. Raises
    StoreUnavailableError if there are none.
    """
    if settings.database_url and settings.valkey_url:
        yield settings
        return
    running = engines.attach(data_dir(settings))
    if running is None and not launch:
        raise StoreUnavailableError(
            f"Nothing runs on {data_dir(settings)}. Start it with `outcry up`, or set "
            "OUTCRY_DATABASE_URL and OUTCRY_VALKEY_URL."
        )
    async with running or await engines.start(
        data_dir(settings), database_url=settings.database_url, valkey_url=settings.valkey_url
    ) as found:
        yield structs.replace(
            settings,
            database_url=settings.database_url or found.database_url,
            valkey_url=settings.valkey_url or found.valkey_url,
        )


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end; a store that cannot be reached is StoreUnavailableError."""
    with told():
        return asyncio.run(work)


@contextmanager
def told() -> Iterator[None]:
    """Turn what drivers raise when a store is away into StoreUnavailableError.

    What a cluster's node says to who takes it for a server on its own becomes ConfigError.
    """
    try:
        yield
    except _wrong_topology() as error:
        from openoutcry.adapters.valkey.topology import CLUSTER_HINT

        raise ConfigError(CLUSTER_HINT) from error
    except _outages() as error:
        from openoutcry import logs

        text = logs.mask(str(error)) or type(error).__name__
        raise StoreUnavailableError(f"A store cannot be used just now: {text}") from error


# Asked for only once something was raised: what needs no Valkey does not import its driver.


def _wrong_topology() -> tuple[type[Exception], ...]:
    from redis.exceptions import ClusterCrossSlotError, MovedError

    return MovedError, ClusterCrossSlotError


def _outages() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError

    from openoutcry.adapters.postgres.outages import OUTAGES

    return *OUTAGES, RedisError
