"""The scripts in Valkey do the sum of `core.tries`."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from openoutcry.adapters.valkey.tries import KNOWN_SECONDS, SharedTries
from openoutcry.core import tries

KEY = "test:bucket"
STEP = 100_000  # so long that none comes back during a test


async def test_the_same_as_the_pure_sum(valkey: Redis) -> None:
    """Taking and giving back, over and over, lets through what the pure functions let through."""
    shared, due, now = SharedTries(valkey), 0, 1_000_000
    for turn in range(12):
        wait = await shared.take(KEY, 4, STEP)
        due, expected = tries.take(due, now, 4, STEP)
        assert bool(wait) == bool(expected)
        assert abs(wait - expected) < 30_000
        if turn in {2, 6, 7}:
            await shared.give_back(KEY, 4, STEP)
            due = tries.give_back(due, now, STEP)


async def test_a_bucket_goes_when_it_is_full_again(valkey: Redis) -> None:
    """A key lives as long as its tries are out, and no longer."""
    shared = SharedTries(valkey)
    await shared.take(KEY, 4, STEP)
    await shared.take(KEY, 4, STEP)
    assert STEP < await valkey.pttl(KEY) <= 2 * STEP
    await shared.give_back(KEY, 4, STEP)
    assert 0 < await valkey.pttl(KEY) <= STEP
    await shared.give_back(KEY, 4, STEP)
    assert not await valkey.exists(KEY)
    await shared.give_back(KEY, 4, STEP)
    assert not await valkey.exists(KEY)


async def test_many_at_once(valkey: Redis) -> None:
    """Two clients' takers at the same time get exactly what there is."""
    both = [SharedTries(valkey), SharedTries(valkey)] * 40
    found = await asyncio.gather(*(shared.take(KEY, 7, STEP) for shared in both))
    assert found.count(0) == 7


async def test_a_known_address_has_its_own(valkey: Redis) -> None:
    """After a sign-in the address has its own tries for that name, and for no other."""
    shared = SharedTries(valkey)
    assert await shared.take_for("n", "here", 1, STEP) == 0
    await shared.give_back_for("n", "here", 1, STEP, known=True)
    assert await shared.take_for("n", "there", 1, STEP) == 0
    assert await shared.take_for("n", "there", 1, STEP) > 0
    assert await shared.take_for("n", "here", 1, STEP) == 0
    assert await shared.take_for("n", "here", 1, STEP) > 0
    await shared.give_back_for("n", "there", 1, STEP, known=False)
    assert await shared.take_for("n", "there", 1, STEP) == 0
    marks = [key async for key in valkey.scan_iter(match="*known*")]
    assert len(marks) == 1
    assert 0 < await valkey.ttl(marks[0]) <= KNOWN_SECONDS
