"""One transaction for a change of an account: whole or not at all, each once, in one order."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from openoutcry.adapters.postgres import trading_accounts, trading_commit
from openoutcry.adapters.postgres.pool import _prepare, connection, dial
from openoutcry.adapters.postgres.trading_commit import change, checkpoint, commit
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import BotAction, BotCommand, Changes, Fund
from openoutcry.errors import NotFoundError, StoreUnavailableError
from openoutcry.trading import Account, Balance, LogEntry, LogLevel
from tradingkit import (
    CONTEXT,
    NOW,
    PAPER,
    at_version,
    create,
    everything,
    load,
    open_user,
    prints,
    put,
)


async def test_an_account_is_opened_once(store: asyncpg.Pool) -> None:
    """Ten at once open one, with the paper balance once; a user who is not there has none."""
    user = await open_user(store)

    async def again() -> bool:
        async with connection(store) as lent:
            return await trading_accounts.open_account(lent, user, PAPER)

    assert await asyncio.gather(*(again() for _ in range(10))) == [False] * 10
    account = await load(store, user)
    assert (account.version, account.balances) == (0, {"USDT": Balance(Decimal(10_000))})
    async with connection(store) as lent:
        with pytest.raises(NotFoundError):
            await trading_accounts.open_account(lent, 999, PAPER)
        assert await trading_accounts.load_account(lent, 999) is None


async def test_what_is_stored_is_what_is_loaded(store: asyncpg.Pool) -> None:
    """Bots, open orders and balances come back to the last digit, after fills in parts as well."""
    user = await open_user(store)
    await create(store, user, limits={"max_order": "1000.5", "price_band": "3"}, leverage="2")
    await create(store, user, buy_price="985", trailing_percent="0.5")
    changes = await put(store, user, prints(101, 1000, 995))
    assert changes.orders
    small = await put(store, user, prints(103, 980, size="0.123"))
    assert small.fills
    loaded = await load(store, user)
    assert loaded == at_version(small.account, loaded.version)
    assert loaded.version == 4
    assert loaded.orders


async def test_the_outbox_tells_every_change_once(store: asyncpg.Pool) -> None:
    """Offsets 1, 2, 3… without holes in the order of commits; log entries carry their ids."""
    user, other = await open_user(store), await open_user(store, "bob")
    bot = await create(store, user)
    await create(store, other)
    await put(store, user, prints(101, 1000))
    await put(store, user, prints(102, 980, 1020))
    await put(store, user, BotCommand(BotAction.DELETE, bot, NOW))
    rows = await store.fetch("SELECT * FROM outbox WHERE user_id = $1 ORDER BY id", user)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    types = [row["type"] for row in rows]
    assert types[0] == "bot_created"
    assert types[-1] == "bot_deleted"
    assert types.count("order_filled") == await store.fetchval("SELECT count(*) FROM fills")
    told = [json.loads(row["data"]) for row in rows if row["type"] == "log_created"]
    logs = await store.fetch("SELECT id, message FROM activity_logs WHERE user_id = $1", user)
    assert [(each["id"], each["message"]) for each in told] == [tuple(log) for log in logs]
    assert len(told) > 2
    last = await store.fetchval("SELECT position FROM trading_accounts WHERE user_id = $1", user)
    assert last == len(rows)
    assert await store.fetchval("SELECT max(position) FROM outbox WHERE user_id = $1", other) > 0


async def test_a_version_that_has_moved_writes_nothing(store: asyncpg.Pool) -> None:
    """Who comes second is told so, and finds nothing of theirs in the store."""
    user = await open_user(store)
    account = await load(store, user)
    changes = fold(account, Fund("USDT", Decimal(5), NOW), CONTEXT)
    async with connection(store) as lent:
        first = await commit(lent, user, account.version, changes)
        assert first is not None
        assert first.version == 1
        before = await everything(store)
        assert await commit(lent, user, account.version, changes) is None
        assert await checkpoint(lent, user, account.version, changes) is None
    assert await everything(store) == before


async def test_two_writers_of_one_account(store: asyncpg.Pool) -> None:
    """Each change is made exactly once, whoever was faster; messages have no holes."""
    user = await open_user(store)
    lost = 0

    async def writer(times: int) -> None:
        nonlocal lost
        for _ in range(times):
            while True:
                account = await load(store, user)
                changes = fold(account, Fund("USDT", Decimal("0.01"), NOW), CONTEXT)
                async with connection(store) as lent:
                    if await commit(lent, user, account.version, changes):
                        break
                lost += 1

    await asyncio.gather(*(writer(15) for _ in range(4)))
    account = await load(store, user)
    assert account.balances["USDT"].free == Decimal("10000.60")
    assert (account.version, await store.fetchval("SELECT count(*) FROM outbox")) == (60, 60)
    assert await store.fetchval("SELECT max(position) FROM outbox") == 60
    assert lost > 0, "nobody ever met: this test says nothing"


async def test_who_locks_never_has_to_try_again(store: asyncpg.Pool) -> None:
    """While somebody commits by version all the time, each change by lock is made at the first try."""
    user = await open_user(store)
    fund = Fund("USDT", Decimal("0.01"), NOW)
    done, lost = asyncio.Event(), 0

    async def busy() -> int:
        nonlocal lost
        made = 0
        async with connection(store) as lent:
            while not done.is_set():
                account = await trading_accounts.load_account(lent, user)
                assert account is not None
                committed = await commit(lent, user, account.version, fold(account, fund, CONTEXT))
                made, lost = made + bool(committed), lost + (committed is None)
        return made

    async def told() -> None:
        for _ in range(10):
            async with connection(store) as lent:
                outcome = await change(lent, user, lambda account: fold(account, fund, CONTEXT))
            assert outcome is not None
            assert outcome.committed is not None

    trader = asyncio.create_task(busy())
    await asyncio.gather(*(told() for _ in range(3)))
    done.set()
    made = await trader
    account = await load(store, user)
    assert account.version == made + 30
    assert account.balances["USDT"].free == 10_000 + (made + 30) * Decimal("0.01")
    assert lost > 0, "they never met: this test says nothing"


async def test_a_stalled_holder_of_the_lock_is_put_out(
    store: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that stops with the account locked loses its connection; the others go on."""
    user = await open_user(store)
    monkeypatch.setattr(trading_commit, "LOCK", trading_commit.LOCK.replace("'5s'", "'200ms'"))
    before = await everything(store)

    def stalled(account: Account) -> Changes:
        time.sleep(1)  # the whole process stands still
        return fold(account, Fund("USDT", Decimal(1), NOW), CONTEXT)

    own = await dial(database_url, application_name="test")
    with pytest.raises(StoreUnavailableError):
        await change(own, user, stalled)
    assert await everything(store) == before
    await put(store, user, Fund("USDT", Decimal(1), NOW))


class Mortal(asyncpg.Connection):  # type: ignore[misc]
    """A connection whose server process ends before its statement number `mortal`."""

    mortal = -1
    killer: Any = None

    async def _count(self) -> None:
        self.mortal -= 1
        if self.mortal == 0:
            await self.killer.execute(
                "SELECT pg_terminate_backend($1, 5000)", self.get_server_pid()
            )

    async def execute(self, *args: Any, **options: Any) -> Any:
        await self._count()
        return await super().execute(*args, **options)

    async def executemany(self, *args: Any, **options: Any) -> Any:
        await self._count()
        return await super().executemany(*args, **options)

    async def fetch(self, *args: Any, **options: Any) -> Any:
        await self._count()
        return await super().fetch(*args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        await self._count()
        return await super().fetchrow(*args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        await self._count()
        return await super().fetchval(*args, **options)


async def test_a_crash_between_any_two_statements(store: asyncpg.Pool, database_url: str) -> None:
    """The connection dies before each statement of a change in turn: nothing of it is in the store."""
    user = await open_user(store)
    await create(store, user)
    await put(store, user, prints(101, 1000))
    before = await everything(store)
    died = 0
    for number in range(1, 50):
        mortal = await asyncpg.connect(database_url, connection_class=Mortal)
        await _prepare(mortal)
        mortal.killer, mortal.mortal = store, number
        try:
            outcome = await change(
                mortal, user, lambda account: fold(account, prints(102, 980, 1020), CONTEXT)
            )
        except StoreUnavailableError:
            died += 1
            assert await everything(store) == before, f"before statement {number}"
            continue
        finally:
            await mortal.close(timeout=5)
        assert outcome is not None
        break
    assert died == 8, "BEGIN, the lock, four reads, the statement that writes, COMMIT"
    after = await everything(store)
    assert all(after[table] != before[table] for table in ("bots", "orders", "fills", "outbox"))


STALLS = {
    "bots": "SELECT 1 FROM bots FOR UPDATE",
    "orders": "SELECT 1 FROM orders FOR UPDATE",
    "balances": "SELECT 1 FROM balances FOR UPDATE",
    "fills": """
        INSERT INTO fills (user_id, bot_id, client_order_id, execution_id, symbol, side, price,
            quantity, fee, realized_pnl, time)
        SELECT user_id, bot_id, client_order_id, '102', symbol, side, 1, 1, 0, 0, now()
        FROM orders WHERE status = 'PENDING'
    """,
    "outbox": """
        INSERT INTO outbox (user_id, position, type, data, time)
        SELECT user_id, position + 1, 'bot_update', '', now() FROM trading_accounts
    """,
}


@pytest.mark.parametrize("table", STALLS)
async def test_a_crash_in_the_middle_of_a_commit(
    store: asyncpg.Pool, database_url: str, table: str
) -> None:
    """The one statement is held up where it writes this table, and killed there: nothing is stored.

    The account can be loaded, and the same change made, right afterwards.
    """
    user = await open_user(store)
    await create(store, user)
    await put(store, user, prints(101, 1000))
    account = await load(store, user)
    changes = fold(account, prints(102, 980, 1020), CONTEXT)
    assert all((changes.fills, changes.orders, changes.logs, changes.balances, changes.bots))
    before = await everything(store)
    own, blocker = [await dial(database_url, application_name="test") for _ in range(2)]
    holding = blocker.transaction()
    await holding.start()
    await blocker.execute(STALLS[table])
    task = asyncio.create_task(commit(own, user, account.version, changes))
    pid = own.get_server_pid()
    waits = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1"
    async with asyncio.timeout(30):
        while await store.fetchval(waits, pid) != "Lock":
            await asyncio.sleep(0.02)
    await store.execute("SELECT pg_terminate_backend($1, 5000)", pid)
    with pytest.raises(StoreUnavailableError):
        await task
    await holding.rollback()
    await blocker.close()
    assert await everything(store) == before
    async with connection(store) as lent:
        assert await commit(lent, user, account.version, changes)


async def test_a_fill_is_never_booked_twice(store: asyncpg.Pool) -> None:
    """The same execution again is refused by the store, whatever version it comes with."""
    user = await open_user(store)
    await create(store, user)
    await put(store, user, prints(101, 1000))
    changes = await put(store, user, prints(102, 980))
    assert changes.fills
    before = await everything(store)
    async with connection(store) as lent:
        version = (await load(store, user)).version
        with pytest.raises(asyncpg.UniqueViolationError):
            await commit(lent, user, version, changes)
    assert await everything(store) == before


async def test_a_checkpoint_tells_nobody(store: asyncpg.Pool, database_url: str) -> None:
    """How far the tape was read is stored with a new version and without a message."""
    user = await open_user(store)
    bot = await create(store, user)
    await put(store, user, prints(101, 1000))
    account = await load(store, user)
    changes = fold(account, prints(102, 1001, 1002), CONTEXT)
    assert (changes.touched, changes.must_be_stored) == ((bot,), False)
    messages = await store.fetchval("SELECT count(*) FROM outbox")
    own = await dial(database_url, application_name="test")
    assert await checkpoint(own, user, account.version, changes)
    await own.close()
    loaded = await load(store, user)
    assert loaded.bots[bot].seen == 103
    assert loaded == at_version(changes.account, account.version + 1)
    assert await store.fetchval("SELECT count(*) FROM outbox") == messages


async def test_nobody_can_name_anothers_bot(store: asyncpg.Pool) -> None:
    """The store itself refuses a row that joins one user's account and another's bot."""
    ada, bob = await open_user(store), await open_user(store, "bob")
    hers = await create(store, ada)
    account = await load(store, bob)
    entry = LogEntry(LogLevel.INFO, "mine?", NOW, hers)
    async with connection(store) as lent:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await commit(lent, bob, account.version, Changes(account, logs=(entry,)))
        stolen = (await load(store, ada)).bots
        changes = Changes(at_version(account, 0), bots=(hers,))
        changes.account.bots.update(stolen)
        before = (await everything(store))["bots"]
        await commit(lent, bob, account.version, changes)
    assert (await everything(store))["bots"] == before


async def test_a_user_can_be_removed_with_everything(store: asyncpg.Pool) -> None:
    """No foreign key holds the rows of somebody who is gone; nobody else's rows go."""
    ada, bob = await open_user(store), await open_user(store, "bob")
    for user in (ada, bob):
        await create(store, user)
        await put(store, user, prints(101, 1000))
        await put(store, user, prints(102, 980, 1020))
    await store.execute("DELETE FROM users WHERE id = $1", ada)
    rows = await everything(store)
    assert {table: bool(found) for table, found in rows.items()} == {
        table: table != "equity_points" for table in rows
    }
    for table in rows:
        left = await store.fetch(f"SELECT DISTINCT user_id FROM {table}")
        assert {row["user_id"] for row in left} <= {bob}
