"""The market's time: the wall clock's, the venue's where it is ahead, a replay's own."""

from __future__ import annotations

import time

import asyncpg
from redis.asyncio import Redis

import storekit
import tape
from openoutcry.core.intervals import DAY, SECOND
from openoutcry.services.market_time import MarketTime


def wall() -> int:
    return time.time_ns() // 1000


def test_live_it_is_the_wall_clocks() -> None:
    """What was heard long ago, or absurdly late, does not move it by much."""
    clock = MarketTime(replay=False)
    clock.hear(wall() - DAY)
    assert abs(clock.now() - wall()) < SECOND
    clock.hear(wall() + DAY)
    assert clock.now() < wall() + 6 * SECOND


def test_a_venue_that_is_ahead_is_believed() -> None:
    """A trade that has just been heard has happened."""
    clock = MarketTime(replay=False)
    ahead = wall() + 3 * SECOND
    clock.hear(ahead)
    assert clock.now() >= ahead


async def test_a_replay_has_its_own(store: asyncpg.Pool, valkey: Redis, database_url: str) -> None:
    """It is the newest time in the store, and only goes forward."""
    await storekit.register(database_url, "BTCUSDT")
    clock = MarketTime(replay=True)
    await clock.refresh(store)
    assert clock.now() == 0
    trade = tape.Print(1, 1, tape.T0)
    await storekit.record(
        valkey, database_url, tape.frame_of([trade]), tape.heard(1, tape.T0, tape.T0 + 5, 1)
    )
    clock = MarketTime(replay=True)
    await clock.refresh(store)
    assert clock.now() == tape.T0 + 5
    clock.hear(tape.T0)
    assert clock.now() == tape.T0 + 5
