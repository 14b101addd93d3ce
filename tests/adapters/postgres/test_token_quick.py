"""Lists of the largest among many: of whatever is just leaving, and who asks of an earlier moment."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator

import asyncpg
import pytest

from openoutcry.adapters.postgres import token_quick
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_store import apply
from openoutcry.adapters.postgres.token_windows import expire
from openoutcry.tokens import DAY, LENGTHS, Window
from tokenkit import START, address, block, trade

SECOND = 1_000_000
TOKENS = 200
BLOCKS = 20


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the indexer has it, to an empty store."""
    connection = await dial(database_url, application_name="test")
    yield connection
    await connection.close(timeout=5)


def traded(rng: random.Random) -> dict[int, list[tuple[int, int]]]:
    """Return what is traded in each second: tokens, mostly the same few, and amounts of any size."""
    return {
        START + at * SECOND: [
            (1 + int(TOKENS * rng.random() ** 2), 1 + int(10 ** (6 * rng.random())))
            for _ in range(100)
        ]
        for at in range(BLOCKS)
    }


async def fill(store: asyncpg.Connection, trades: dict[int, list[tuple[int, int]]]) -> None:
    """Let the store have known of each token before, in the order of their numbers, and then trades."""
    blocks = [block(1, *(trade(at, 1 + at, 1, 1) for at in range(TOKENS)), time=START - 8 * DAY)]
    for number, (time, rows) in enumerate(trades.items(), 2):
        events = (trade(at, token, 1, amount) for at, (token, amount) in enumerate(rows))
        blocks.append(block(number, *events, time=time))
    await apply(store, blocks)


def largest(
    trades: dict[int, list[tuple[int, int]]], since: int, limit: int
) -> list[tuple[bytes, int]]:
    """Return the largest by what was traded after `since`, the first known first among equals."""
    volumes: Counter[int] = Counter()
    for time, rows in trades.items():
        for token, amount in rows if time > since else ():
            volumes[token] += amount
    order = sorted(volumes, key=lambda token: (-volumes[token], token))
    return [(address(token), volumes[token]) for token in order[:limit]]


@pytest.mark.parametrize("window", [Window.DAY, Window.WEEK])
async def test_the_largest_are_exact_while_anything_leaves(
    store: asyncpg.Connection, window: Window
) -> None:
    """Wherever the window stands and whenever one asks, as long a list as one likes is right."""
    rng = random.Random(7)
    trades = traded(rng)
    await fill(store, trades)
    length = LENGTHS[window]
    stands = START - SECOND
    for step in range(0, BLOCKS + 1, 4):
        stands = START + step * SECOND
        await expire(store, stands + length)
        for asked in (-3, -1, 0, 1, 2, 7):
            now = stands + asked * SECOND + length
            for limit in (1, 5, 50, TOKENS):
                told = await token_quick.read_list(store, window, now, limit)
                assert told is not None
                volumes = [
                    (each.token.address, _volume(each.volumes, window)) for each in told.ranked
                ]
                assert volumes == largest(trades, now - length, limit), (step, asked, limit)


async def test_the_largest_ever_are_in_order(store: asyncpg.Connection) -> None:
    """By the whole sum, also among those of one magnitude; equal ones in the order they were known."""
    amounts = [19, 10, 10, 100, 99, 1, 9, 11]
    await apply(store, [block(1, *(trade(at, 1 + at, 1, eth) for at, eth in enumerate(amounts)))])
    assert (
        await token_quick.read_list(store, Window.TOTAL, START, 3) is None
    )  # windows stand far off
    await expire(store, START)
    for limit in (3, 5, 50):
        told = await token_quick.read_list(store, Window.TOTAL, START, limit)
        assert told is not None
        order = sorted(range(len(amounts)), key=lambda at: -amounts[at])
        assert [each.token.address for each in told.ranked] == [
            address(1 + at) for at in order[:limit]
        ]


async def test_an_amount_has_the_magnitude_of_its_digits(db: asyncpg.Connection) -> None:
    """A larger amount never has a smaller one, however large: nobody is left out of the largest."""
    amounts = [0, 1, 9, 10, 19, 20, 99, 100, 10**17, 2 * 10**17, 10**77, 9 * 10**77]
    told = await db.fetch(
        "SELECT outcry_magnitude(x::numeric) FROM unnest($1::text[]) AS x", [*map(str, amounts)]
    )
    assert [row[0] for row in told] == [10, 11, 19, 21, 21, 22, 29, 31, 181, 182, 781, 789]


def _volume(volumes: token_quick.Volumes, window: Window) -> int:
    return volumes.day if window is Window.DAY else volumes.week
