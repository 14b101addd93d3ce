"""Go to the venue again and again, with a database connection at hand, whatever comes between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import asyncpg
import structlog
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.tasks import sleep
from openoutcry.errors import OutcryError, RateLimitedError

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[Any]"

_SHORTEST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0


async def go_again(
    name: str,
    errand: Callable[[Connection], Awaitable[object]],
    connect: Callable[[], Awaitable[Connection]],
    stop: asyncio.Event,
    *,
    active: Callable[[], bool],
    every: float,
    after_trouble: float,
) -> None:
    """Run `errand` every so many seconds while `active`, until `stop`.

    An outage of PostgreSQL or Valkey ends one round, trouble at the venue too; a venue that asks for
    patience gets it, up to a minute at a time. `name` is for the log.
    """
    connection: Connection | None = None
    while not stop.is_set():
        pause = every
        try:
            if active():
                if connection is None or connection.is_closed():
                    connection = await connect()
                await errand(connection)
        except RateLimitedError as error:
            pause = min(_LONGEST_WAIT, max(_SHORTEST_WAIT, error.retry_after))
            log.info("waiting for weight", errand=name, reason=str(error), seconds=round(pause))
        except (*OUTAGES, RedisError) as error:
            if connection is not None:
                connection.terminate()
            log.warning("interrupted", errand=name, reason=f"{type(error).__name__}: {error}")
        except OutcryError as error:
            pause = after_trouble
            log.warning("the venue does not help", errand=name, reason=str(error))
        await sleep(pause, stop)
    if connection is not None:
        await connection.close(timeout=2)
