"""The request weight that all processes share, on a real Valkey."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.weight import WeightBudget
from openoutcry.errors import RateLimitedError


async def spent(budget: WeightBudget, weight: int) -> bool:
    try:
        await budget.spend(weight)
    except RateLimitedError:
        return False
    return True


async def test_processes_together_never_spend_more_than_their_share(valkey: Redis) -> None:
    """Two budgets of one venue, asked at once, let through what the share allows and no more."""
    one, other = (WeightBudget(valkey, "binance", 1000, 0.5) for _ in range(2))
    asked = [budget.spend(25) for budget in (one, other) for _ in range(20)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(answer is None for answer in answers) == 20
    refused = [answer for answer in answers if isinstance(answer, RateLimitedError)]
    assert len(refused) == 20
    assert all(0 < error.retry_after <= 60 for error in refused)


async def test_the_venue_sets_the_limit(valkey: Redis) -> None:
    """What exchangeInfo allows counts for every process, instead of the limit we began with."""
    one, other = (WeightBudget(valkey, "binance", 6000, 0.5) for _ in range(2))
    await one.allowed(100)
    assert await spent(other, 50)
    assert not await spent(other, 1)


async def test_what_the_venue_has_counted_counts(valkey: Redis) -> None:
    """Weight that somebody else at this address spent is spent."""
    budget = WeightBudget(valkey, "binance", 1000, 1.0)
    await budget.observed(990)
    await budget.observed(10)
    assert not await spent(budget, 25)
    assert await spent(budget, 10)


async def test_a_venue_that_forbids_is_left_alone(valkey: Redis) -> None:
    """After a 429 or 418 nobody asks until its time is over, however much is left."""
    one, other = (WeightBudget(valkey, "binance", 6000, 1.0) for _ in range(2))
    await one.forbidden(1.0)
    with pytest.raises(RateLimitedError) as caught:
        await other.spend(1)
    assert 0 < caught.value.retry_after <= 1.0
    await asyncio.sleep(1.05)
    assert await spent(other, 1)
