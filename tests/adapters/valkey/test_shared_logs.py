"""The script in Valkey does the sum of `core.sliding_log`, for all processes together."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from redis.asyncio import Redis

from openoutcry.adapters.valkey.shared_logs import MOST_AT_ONCE, SharedLogs
from openoutcry.core.keys import public_log_key
from openoutcry.core.sliding_log import Rule, SlidingLog

SECOND = 1_000_000


def most_in_a_window(times: Sequence[int], window: int) -> int:
    """Return how many of the ascending times lie in the fullest half-open window of that length."""
    most = first = 0
    for at, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        most = max(most, at - first + 1)
    return most


async def test_the_same_as_the_pure_sum(valkey: Redis) -> None:
    """At the times that Valkey tells, the script grants, keeps and makes wait what the pure log does."""
    rule = Rule(5, 60_000)
    shared, own = SharedLogs(valkey, rule), {name: SlidingLog() for name in "ab"}
    chance = random.Random(7)
    refused = 0
    for _ in range(200):
        wanted = [(name, chance.randint(1, 3)) for name in "ab"[: chance.randint(1, 2)]]
        now, answers = await shared.take_at(wanted)
        expected = {name: own[name].take(now, number, rule) for name, number in wanted}
        assert answers == expected
        refused += sum(number - answers[name].granted for name, number in wanted)
        await asyncio.sleep(chance.random() * 0.01)
    assert refused


async def test_a_log_goes_when_nothing_counts_any_more(valkey: Redis) -> None:
    """A key lives a second longer than its newest permit counts, and holds no more than it must."""
    shared = SharedLogs(valkey, Rule(3, 100_000))
    for _ in range(5):
        await shared.take({"x": 2})
    assert await valkey.llen(public_log_key("x")) <= 1 + 2 * 3
    assert 0 < await valkey.pttl(public_log_key("x")) <= 1_100
    await asyncio.sleep(0.11)
    assert (await shared.take({"x": 3}))["x"].granted == 3
    assert await valkey.lrange(public_log_key("x"), 0, 1) == [b"3", b"3"]


async def test_refusals_cost_nothing(valkey: Redis) -> None:
    """Who is over the limit is not pushed further from it by asking."""
    shared = SharedLogs(valkey, Rule(2, 2 * SECOND))
    await shared.take({"x": 2})
    for _ in range(20):
        taken = (await shared.take({"x": 1}))["x"]
        assert (taken.granted, taken.left) == (0, 0)
    await asyncio.sleep(taken.wait / SECOND)
    assert (await shared.take({"x": 1}))["x"].granted == 1


async def test_a_clock_that_went_back(valkey: Redis) -> None:
    """Permits of the future count from now on, for one window and no longer."""
    shared = SharedLogs(valkey, Rule(3, 100_000))
    now, _ = await shared.take_at([("other", 1)])
    later = now + 3600 * SECOND
    await valkey.rpush(public_log_key("x"), 3, 1, later, 2, later - 1)
    taken = (await shared.take({"x": 1}))["x"]
    assert (taken.granted, taken.left) == (0, 0)
    assert 0 < taken.wait <= 100_000
    await asyncio.sleep(0.11)
    assert (await shared.take({"x": 3}))["x"].granted == 3


async def test_more_clients_than_fit_one_script(valkey: Redis) -> None:
    """Everybody gets an answer of their own."""
    shared = SharedLogs(valkey, Rule(2, SECOND))
    wanted = {f"10.0.{n // 256}.{n % 256}": 1 + n % 3 for n in range(2 * MOST_AT_ONCE + 3)}
    answers = await shared.take(wanted)
    assert {name: taken.granted for name, taken in answers.items()} == {
        name: min(2, number) for name, number in wanted.items()
    }


async def test_many_processes_never_too_many(valkey_url: str) -> None:
    """Four processes hammer one address: by Valkey's clock no window has more, and few have fewer."""
    most, window = 120, SECOND
    programme = Path(__file__).with_name("hammer.py")
    hammers = [
        await asyncio.create_subprocess_exec(
            sys.executable, programme, valkey_url, str(most), str(window), "3.5",
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    told = [(await hammer.communicate())[0] for hammer in hammers]
    assert [hammer.returncode for hammer in hammers] == [0] * 4
    by_process = [[int(line) for line in text.split()] for text in told]
    times = sorted(time for some in by_process for time in some)
    assert most_in_a_window(times, window) == most
    # They run side by side, so that it is not one process alone that keeps the limit.
    assert sum(bool(some) for some in by_process) > 1
    assert len(times) > 2 * most
