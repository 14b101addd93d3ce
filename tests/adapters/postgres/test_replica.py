"""Reads by way of a real streaming replica: never old, whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import NoReturn

import asyncpg
import pytest

from openoutcry.adapters.postgres.pool import Connection, Pool, open_pool
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.postgres.replica import Replica
from replicakit import Pair

LAG = 2.0
PATIENCE = 30.0


@pytest.fixture
async def primary(pair: Pair) -> AsyncIterator[Pool]:
    """A pool of the primary, with a table that counts."""
    pool = await open_pool(pair.database_url, application_name="test")
    await pool.execute("CREATE TABLE IF NOT EXISTS counted (n bigint NOT NULL)")
    await pool.execute("TRUNCATE counted")
    await pool.execute("INSERT INTO counted VALUES (0)")
    await pair.caught_up()
    yield pool
    pool.terminate()


@pytest.fixture
async def replica(pair: Pair) -> AsyncIterator[Replica]:
    """The standby, looked at until it can be read from."""
    opened = await Replica.open(pair.standby.url, pair.database_url, most_lag=LAG)
    await looked(opened, ok=True)
    yield opened
    await opened.close()


@pytest.fixture
def reads(primary: Pool, replica: Replica) -> RoutedReads:
    """Reads that may go to the standby."""
    return RoutedReads(primary, replica)


async def looked(replica: Replica, *, ok: bool) -> None:
    """Look until the replica is (not) to be used."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await replica.look()
            if replica.usable is ok:
                return
            await asyncio.sleep(0.05)


async def value(connection: Connection) -> int:
    """Return what the table says."""
    found: int = await connection.fetchval("SELECT max(n) FROM counted")
    return found


async def where(connection: Connection) -> bool:
    """Return whether it is the standby that answers."""
    found: bool = await connection.fetchval("SELECT pg_is_in_recovery()")
    return found


async def test_history_is_read_from_the_replica(reads: RoutedReads) -> None:
    """While nothing is written, the replica answers all there is to ask."""
    assert await asyncio.gather(*(reads.run(where) for _ in range(20))) == [True] * 20
    assert (reads.by_replica, reads.by_primary) == (20, 0)


async def test_own_writes_are_seen(primary: Pool, reads: RoutedReads) -> None:
    """A read sees what was committed just before it, three hundred times in a row."""
    for number in range(1, 301):
        await primary.execute("INSERT INTO counted VALUES ($1)", number)
        assert await reads.run(value) == number
    assert reads.by_replica > 0


async def test_what_the_replica_lacks_comes_from_the_primary(
    pair: Pair, primary: Pool, reads: RoutedReads
) -> None:
    """A replica that shows nothing new is not asked for what is new, and is again when it does."""
    await pair.standby.pause()
    assert await reads.run(where)
    await primary.execute("INSERT INTO counted VALUES (7)")
    assert await reads.run(value) == 7
    assert (reads.behind, reads.by_primary) == (1, 1)
    await pair.standby.resume()
    await pair.caught_up()
    assert await reads.run(where)


async def test_a_replica_far_behind_is_left_alone(
    pair: Pair, primary: Pool, replica: Replica
) -> None:
    """Lag is the time since the primary was where the replica is; beyond the limit nobody asks it."""
    await pair.standby.pause()
    await primary.execute("INSERT INTO counted VALUES (7)")
    await replica.look()
    assert replica.usable
    assert replica.status().lag_bytes
    await asyncio.sleep(LAG)
    await looked(replica, ok=False)
    status = replica.status()
    assert "behind, more than 2 s" in status.reason
    assert status.lag_seconds is not None
    assert status.lag_seconds >= LAG
    await pair.standby.resume()
    await looked(replica, ok=True)
    assert (replica.status().lag_seconds or 0) < LAG


async def test_a_quiet_primary_is_no_lag(replica: Replica) -> None:
    """Where nothing is written for longer than the limit, the replica has not fallen behind."""
    await asyncio.sleep(LAG + 0.5)
    await replica.look()
    assert replica.usable
    assert (replica.status().lag_seconds or 0) < 1


class Refusing:
    """A pool whose server answers every question with an error."""

    def __init__(self, error: asyncpg.PostgresError) -> None:
        self.error = error

    def acquire(self, *, timeout: float) -> NoReturn:  # noqa: ARG002 - as a pool's
        """Fail as the server did."""
        raise self.error


async def test_a_question_that_is_cut_short_ends_nobody(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica ends what its replay needs out of the way, even a connect: it is asked again later."""
    cut = asyncpg.SerializationError("canceling statement due to conflict with recovery")
    with monkeypatch.context() as patch:
        patch.setattr(replica, "_probe", Refusing(cut))
        await replica.look()
        assert replica.usable, "that says nothing of how far it is"
    await replica.look()
    assert replica.usable


async def test_a_question_that_is_refused_is_told(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server says is what the status says."""
    denied = asyncpg.InsufficientPrivilegeError("permission denied for function pg_control_system")
    with monkeypatch.context() as patch:
        patch.setattr(replica, "_probe", Refusing(denied))
        await replica.look()
    status = replica.status()
    assert not status.ok
    assert "permission denied for function" in status.reason
    await looked(replica, ok=True)


async def test_a_dead_replica(pair: Pair, primary: Pool, reads: RoutedReads) -> None:
    """The primary answers instead, from the first question on; the replica comes back by itself."""
    replica = reads._replica
    assert replica is not None
    pair.standby.kill()
    assert await reads.run(value) == 0
    assert (reads.failed, reads.by_primary) == (1, 1)
    assert not replica.usable
    assert await reads.run(value) == 0
    assert reads.failed == 1, "nobody tries again before somebody has looked"
    await looked(replica, ok=False)
    status = reads.status()
    assert status is not None
    assert status.reason == "cannot be reached"
    await pair.standby.start()
    await looked(replica, ok=True)
    assert await reads.run(where)
    assert await primary.fetchval("SELECT NOT pg_is_in_recovery()")


async def test_a_busy_replica_is_not_lost(pair: Pair, primary: Pool) -> None:
    """Who finds no connection free is answered by the primary; the replica is asked again at once."""
    replica = await Replica.open(pair.standby.url, pair.database_url, most_lag=LAG, size=1)
    await looked(replica, ok=True)
    reads = RoutedReads(primary, replica)
    begun, over = asyncio.Event(), asyncio.Event()

    async def long(connection: Connection) -> bool:
        begun.set()
        await over.wait()
        return await where(connection)

    reading = asyncio.create_task(reads.run(long))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    assert not await asyncio.wait_for(reads.run(where), PATIENCE)
    assert (reads.failed, replica.status().ok) == (1, True)
    over.set()
    assert await asyncio.wait_for(reading, PATIENCE)
    await looked(replica, ok=True)
    assert await reads.run(where)
    await replica.close()


async def test_a_question_that_the_replica_ends(primary: Pool, reads: RoutedReads) -> None:
    """A read that stands in the way of the log is ended by the replica, and asked of the primary."""
    begun = asyncio.Event()

    async def slow(connection: Connection) -> int:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await value(connection)
            if await where(connection):
                begun.set()
                await asyncio.sleep(3)
            return found + await value(connection)

    reading = asyncio.create_task(reads.run(slow))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    await primary.execute("TRUNCATE counted")
    await primary.execute("INSERT INTO counted VALUES (4)")
    assert await asyncio.wait_for(reading, PATIENCE) == 8
    assert (reads.failed, reads.by_primary) == (1, 1)


async def test_who_is_no_replica_of_ours(pair: Pair, database_url: str, replica: Replica) -> None:
    """The primary itself, and the standby of another cluster, are refused with the reason."""
    itself = await Replica.open(pair.database_url, pair.database_url, most_lag=LAG)
    other = await Replica.open(pair.standby.url, database_url, most_lag=LAG)
    for each, reason in ((itself, "takes writes"), (other, "of another cluster")):
        await each.look()
        await each.look()
        assert not each.usable
        assert reason in each.status().reason
        await each.close()
    assert replica.usable


async def test_an_opinion_nobody_renews(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is not watched any more is not read from."""
    assert replica.status().ok
    monkeypatch.setattr(replica, "_looked", replica._looked - 60)
    assert not replica.usable
    assert replica.status().reason == "is not watched any more"


async def test_one_question_for_all(reads: RoutedReads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks at the same moment shares a look at the primary; who asks later has a later one."""
    replica = reads._replica
    assert replica is not None
    asked, ask = 0, replica.position

    async def counting() -> int:
        nonlocal asked
        asked += 1
        return await ask()

    monkeypatch.setattr(replica, "position", counting)
    await asyncio.gather(*(reads.run(value) for _ in range(100)))
    assert asked == 1
    await reads.run(value)
    assert asked == 2


@pytest.mark.usefixtures("primary")
async def test_under_load_with_a_replica_that_dies(
    pair: Pair, reads: RoutedReads, replica: Replica
) -> None:
    """While the replica is paused, killed and brought back, no read fails, and none is old.

    One writes and many read: each sees at least what was committed before it began.
    """
    stop = asyncio.Event()
    watching = asyncio.create_task(replica.watch(stop))
    committed = 0

    async def write() -> None:
        nonlocal committed
        connection = await asyncpg.connect(pair.database_url)
        for number in count(1):
            if stop.is_set():
                break
            await connection.execute("INSERT INTO counted VALUES ($1)", number)
            committed = number
            await asyncio.sleep(0.002)
        await connection.close()

    async def read() -> int:
        done = 0
        while not stop.is_set():
            least = committed
            assert await reads.run(value) >= least
            done += 1
            await asyncio.sleep(0.005)
        return done

    writing = asyncio.create_task(write())
    readers = [asyncio.create_task(read()) for _ in range(8)]
    troubles: list[Callable[[], Awaitable[None]]] = [pair.standby.pause, pair.standby.resume]
    for _ in range(2):
        for trouble in troubles:
            await asyncio.sleep(0.7)
            await trouble()
        await asyncio.sleep(0.7)
        pair.standby.kill()
        await asyncio.sleep(0.7)
        await pair.standby.start()
        before = reads.by_replica
        async with asyncio.timeout(PATIENCE):
            while reads.by_replica == before:
                await asyncio.sleep(0.05)
    stop.set()
    counts = await asyncio.wait_for(asyncio.gather(*readers), PATIENCE)
    await asyncio.wait_for(writing, PATIENCE)
    await asyncio.wait_for(watching, PATIENCE)
    assert sum(counts) == reads.by_replica + reads.by_primary
    assert reads.by_primary > 0
