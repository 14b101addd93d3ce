"""A user's snapshot: the shapes of REST, one moment, and the offset that belongs to it."""

from __future__ import annotations

import asyncio

import asyncpg
import msgspec

from openoutcry.adapters.postgres.private_reader import PrivateReader
from openoutcry.core.trading.wire import SnapshotBody, balance_bodies, bot_body, order_body
from tradingkit import create, load, open_user, prints, put


async def test_a_snapshot(store: asyncpg.Pool) -> None:
    """Bots, open orders, log entries and balances as REST has them, at the newest offset."""
    ada, bob = await open_user(store), await open_user(store, "bob")
    await create(store, ada)
    await create(store, bob, name="bob's")
    await put(store, ada, prints(101, 1000, 985))
    snapshot = await PrivateReader(store).snapshot(ada)
    body = msgspec.json.decode(snapshot.data, type=SnapshotBody)
    account = await load(store, ada)
    assert body.bots == [bot_body(bot) for bot in account.bots.values()]
    assert body.orders == [order_body(order) for order in account.orders.values()]
    assert body.orders
    assert body.balances == balance_bodies(account.balances)
    ids = await store.fetch("SELECT id FROM activity_logs WHERE user_id = $1 ORDER BY id", ada)
    assert [log.id for log in body.logs] == [row["id"] for row in reversed(ids)]
    newest = await store.fetchval("SELECT max(position) FROM outbox WHERE user_id = $1", ada)
    assert snapshot.at.offset == newest > 0
    assert snapshot.at.epoch == await store.fetchval("SELECT epoch FROM trading_epoch")


async def test_nobody_yet(store: asyncpg.Pool) -> None:
    """A user without an account has nothing, at offset 0."""
    snapshot = await PrivateReader(store).snapshot(7)
    assert snapshot.at.offset == 0
    assert msgspec.json.decode(snapshot.data, type=SnapshotBody) == SnapshotBody([], [], [], [])
    assert (await PrivateReader(store).published(7)).offset == 0


async def test_one_moment(store: asyncpg.Pool) -> None:
    """While messages are committed, no snapshot has more or less than its offset says."""
    ada = await open_user(store)
    reader = PrivateReader(store)

    async def work() -> None:
        for number in range(60):
            await create(store, ada, name=f"bot {number}", status="STOPPED")

    working = asyncio.create_task(work())
    sql = "SELECT count(*) FROM outbox WHERE type = 'bot_created' AND position <= $1"
    while not working.done():
        snapshot = await reader.snapshot(ada)
        bots = len(msgspec.json.decode(snapshot.data, type=SnapshotBody).bots)
        assert bots == await store.fetchval(sql, snapshot.at.offset)
    await working


async def test_published(store: asyncpg.Pool) -> None:
    """What was published ends before the first message that was not."""
    ada = await open_user(store)
    await create(store, ada)
    reader = PrivateReader(store)
    assert (await reader.published(ada)).offset == 0
    await store.execute("UPDATE outbox SET published_at = now() WHERE position = 1")
    assert (await reader.published(ada)).offset == 1
    await store.execute("UPDATE outbox SET published_at = now()")
    newest = await store.fetchval("SELECT position FROM trading_accounts WHERE user_id = $1", ada)
    assert (await reader.published(ada)).offset == newest
