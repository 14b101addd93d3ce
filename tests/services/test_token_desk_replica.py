"""What is asked about tokens with a real standby: the past from it, and the same answers without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from openoutcry.adapters.postgres import reads as routing
from openoutcry.adapters.postgres.pool import Pool, open_pool
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.postgres.replica import Replica
from openoutcry.adapters.postgres.token_reader import HolderCursor, cursor_after
from openoutcry.adapters.postgres.token_store import apply
from openoutcry.core.intervals import INTERVALS
from openoutcry.errors import NotFoundError
from openoutcry.services.token_desk import TokenDesk
from openoutcry.tokens import DAY, Window
from replicakit import Pair
from tokenkit import START, TABLES, address, block, created, trade, transfer

TOKEN = address(1)
HOUR = 3_600_000_000


@pytest.fixture
async def primary(pair: Pair) -> AsyncIterator[Pool]:
    """A pool of the pair's primary with a token that was traded ten times."""
    pool = await open_pool(pair.database_url, application_name="test")
    async with pool.acquire() as db:
        blocks = [block(1, created(0, 1))]
        for number in range(2, 12):
            buyer = number
            blocks.append(
                block(
                    number,
                    trade(0, 1, buyer, number * 10**17, tokens=number),
                    transfer(1, 1, 0, buyer, number),
                )
            )
        await apply(db, blocks)
    await pair.caught_up()
    yield pool
    await pool.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
    await pool.execute("UPDATE chain_head SET number = NULL, hash = NULL")
    pool.terminate()


@pytest.fixture
async def reads(
    pair: Pair, primary: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RoutedReads]:
    """Reads that go to the standby, watched, and wait for it as long as it takes on a busy machine."""
    monkeypatch.setattr(routing, "PAUSES", (0.01,) * 1000)
    replica = await Replica.open(pair.standby.url, pair.database_url, most_lag=5)
    stop = asyncio.Event()
    watching = asyncio.create_task(replica.watch(stop))
    made = RoutedReads(primary, replica)
    async with asyncio.timeout(30):
        while not replica.usable:
            await asyncio.sleep(0.05)
    yield made
    stop.set()
    await asyncio.wait_for(watching, 30)
    await replica.close()


@pytest.fixture
def desk(primary: Pool, valkey: Redis, reads: RoutedReads) -> TokenDesk:
    """A desk two hours after the trades."""
    return TokenDesk(primary, valkey, [], [], history=reads, clock=lambda: START + 2 * HOUR)


async def test_the_past_is_read_from_the_replica(
    pair: Pair, primary: Pool, valkey: Redis, desk: TokenDesk, reads: RoutedReads
) -> None:
    """Further pages, old candles and what is expensive; without the standby the answers are the same."""

    async def answers(of: TokenDesk) -> list[object]:
        _, first = await of.trades(TOKEN, 4, None)
        _, second = await of.trades(TOKEN, 4, cursor_after(first[-1]))
        _, holders, largest = await of.holders(TOKEN, 3, None)
        after = HolderCursor(holders[-1].balance, holders[-1].address)
        _, further, _ = await of.holders(TOKEN, 3, after)
        minute, late = INTERVALS["1m"], START + HOUR
        _, candles = await of.candles(TOKEN, minute, START, late, 1000)
        spread = await of.distribution(TOKEN, Window.DAY)
        return [first, second, holders, largest, further, candles, spread]

    told = await answers(desk)
    assert reads.by_replica == 5
    assert (len(told[0]), len(told[1]), len(told[5])) == (4, 4, 3)  # type: ignore[arg-type]
    pair.standby.kill()
    await valkey.flushall()
    alone = TokenDesk(primary, valkey, [], [], clock=desk.clock)
    assert await answers(alone) == told
    again = TokenDesk(primary, valkey, [], [], history=reads, clock=desk.clock)
    await valkey.flushall()
    assert await answers(again) == told
    assert reads.by_replica == 5


async def test_a_commit_is_in_every_answer_after_it(
    primary: Pool, desk: TokenDesk, reads: RoutedReads
) -> None:
    """A trade that a reorganisation brings into the past is in the next page of old candles."""
    day, late = INTERVALS["1d"], START - DAY
    for number in range(12, 32):
        async with primary.acquire() as db:
            await apply(db, [block(number, trade(0, 1, 2, 10**17), time=START - 2 * DAY)])
        _, candles = await desk.candles(TOKEN, day, START - 3 * DAY, late, 10)
        assert sum(each.trades for each in candles) == number - 11
    assert reads.by_replica > 0


async def test_an_unknown_token_is_unknown_on_either(desk: TokenDesk, reads: RoutedReads) -> None:
    """Not finding it is an answer, no failure of the replica."""
    with pytest.raises(NotFoundError):
        await desk.candles(address(9), INTERVALS["1m"], START, START + HOUR, 10)
    assert reads.failed == 0
