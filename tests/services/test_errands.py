"""Errands at the venue go on through whatever interrupts them."""

from __future__ import annotations

import asyncio
from functools import partial

import asyncpg
import pytest

from openoutcry.errors import OutcryError, RateLimitedError, VenueUnavailableError
from openoutcry.services.errands import Connection, go_again


@pytest.mark.parametrize(
    "trouble",
    [VenueUnavailableError("away"), ConnectionResetError("gone"), asyncpg.InterfaceError("closed")],
)
async def test_trouble_ends_one_round_only(database_url: str, trouble: Exception) -> None:
    """The next round comes, on a connection that works."""
    stop = asyncio.Event()
    rounds: list[int] = []

    async def errand(connection: Connection) -> None:
        rounds.append(await connection.fetchval("SELECT 1"))
        if len(rounds) == 1:
            raise trouble
        stop.set()

    await asyncio.wait_for(
        go_again(
            "test", errand, partial(asyncpg.connect, database_url), stop,
            active=lambda: True, every=0.01, after_trouble=0.01,
        ),
        30,
    )  # fmt: skip
    assert rounds == [1, 1]


async def test_patience_is_kept_and_ends_with_stop(database_url: str) -> None:
    """A venue that wants to be left alone is, and stopping does not wait for the end of that."""
    stop = asyncio.Event()
    rounds: list[OutcryError] = []

    async def errand(_: Connection) -> None:
        rounds.append(RateLimitedError("too much", 3600.0))
        asyncio.get_running_loop().call_later(0.3, stop.set)
        raise rounds[-1]

    await asyncio.wait_for(
        go_again(
            "test", errand, partial(asyncpg.connect, database_url), stop,
            active=lambda: True, every=0.01, after_trouble=0.01,
        ),
        30,
    )  # fmt: skip
    assert len(rounds) == 1


async def test_nothing_is_done_while_inactive() -> None:
    """A process that owns no shard does not even connect."""
    stop = asyncio.Event()

    async def connect() -> Connection:
        raise AssertionError("connected")

    async def errand(_: Connection) -> None:
        raise AssertionError("worked")

    asyncio.get_running_loop().call_later(0.2, stop.set)
    await go_again(
        "test", errand, connect, stop, active=lambda: False, every=0.01, after_trouble=0.01
    )
