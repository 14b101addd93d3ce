"""What bots have told, and what they were worth: kept for as long as asked, found by an index."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest

import openoutcry.services.maintenance as maintenance_module
from conftest import execute
from openoutcry.adapters.postgres import retention
from openoutcry.adapters.postgres.times import from_us
from openoutcry.config import Settings
from openoutcry.core.intervals import DAY
from openoutcry.services.maintenance import maintain, remove_old_rows

NOW = 1_767_225_600_000_000
KEEP = {"activity_logs": 10, "equity_points": 20}
# Two users with a bot each.
PEOPLE = """
INSERT INTO users (name, role, password_hash)
SELECT name, 'user', '$argon2id$' FROM unnest(ARRAY['ada', 'bob']) AS name;
INSERT INTO trading_accounts (user_id) SELECT id FROM users;
INSERT INTO bots (user_id, name, strategy, exchange, symbol, status, parameters, leverage, memory,
    position_quantity, position_cost, position_loan, realized_pnl, fees, closes, wins, orders_made,
    fills, created_at, updated_at)
SELECT id, 'bot', 'scalper', 'paper', 'BTCUSDT', 'STOPPED', '{}', 1, '{}', 0, 0, 0, 0, 0, 0, 0, 0, 0,
    now(), now() FROM users;
"""

LEDGER = """
INSERT INTO orders (user_id, bot_id, client_order_id, symbol, side, kind, status, quantity, price,
    filled_quantity, filled_quote, fee, reserved, created_at, updated_at)
SELECT user_id, id, 'oo-' || id || '-1', symbol, 'BUY', 'LIMIT', 'FILLED', 1, 1, 1, 1, 0, 0,
    '2019-01-01', '2019-01-01' FROM bots;
INSERT INTO fills (user_id, bot_id, client_order_id, execution_id, symbol, side, price, quantity,
    fee, realized_pnl, time)
SELECT user_id, bot_id, client_order_id, '1', symbol, side, 1, 1, 0, 0, created_at FROM orders;
"""


def told(count: int, step: str) -> str:
    """Return statements that make each user's log lines and samples, back from NOW, oldest first."""
    times = f"to_timestamp({NOW // 1_000_000}) - n * interval '{step}'"
    rows = f"generate_series({count - 1}, 0, -1) AS n, users, bots"
    where = "WHERE bots.user_id = users.id ORDER BY n DESC"
    return f"""
INSERT INTO activity_logs (user_id, bot_id, level, message, time)
SELECT users.id, bots.id, 'INFO', 'line', {times} FROM {rows} {where};
INSERT INTO equity_points (user_id, bot_id, time, equity, realized_pnl, unrealized_pnl, fees)
SELECT users.id, NULL, {times}, 1, 0, 0, 0 FROM {rows} {where};
INSERT INTO equity_points (user_id, bot_id, time, equity, realized_pnl, unrealized_pnl, fees)
SELECT users.id, bots.id, {times}, 1, 0, 0, 0 FROM {rows} {where};
"""


async def ages(db: asyncpg.Connection[Any], table: str) -> list[int]:
    """Return how old the rows are that there are, in whole days before NOW, each age once."""
    rows = await db.fetch(f"SELECT DISTINCT time FROM {table} ORDER BY time")
    moment = from_us(NOW)
    return sorted({(moment - row["time"]).days for row in rows})


async def test_each_table_keeps_its_days(db: asyncpg.Connection[Any]) -> None:
    """What is older goes, of every user and of accounts as of bots; what is just as old stays."""
    await db.execute(PEOPLE + told(40, "1 day"))
    await remove_old_rows(db, KEEP, NOW, asyncio.Event(), at_once=7)
    assert await ages(db, "activity_logs") == list(range(11))
    assert await ages(db, "equity_points") == list(range(21))
    assert await db.fetchval("SELECT count(*) FROM activity_logs") == 2 * 11
    assert await db.fetchval("SELECT count(*) FROM equity_points") == 4 * 21


async def test_zero_keeps_all(db: asyncpg.Connection[Any]) -> None:
    """0 days means for good; an empty table is no matter."""
    none = dict.fromkeys(KEEP, 0)
    await remove_old_rows(db, KEEP, NOW, asyncio.Event())
    await db.execute(PEOPLE + told(40, "100 days"))
    await remove_old_rows(db, none, NOW, asyncio.Event())
    assert len(await ages(db, "activity_logs")) == len(await ages(db, "equity_points")) == 40


async def test_a_recording_lives_in_its_own_time(db: asyncpg.Connection[Any]) -> None:
    """Bots that trade what was recorded years ago keep their days before its newest moment."""
    await db.execute(PEOPLE + told(40, "1 day"))
    await remove_old_rows(db, KEEP, NOW + 3_000 * DAY, asyncio.Event())
    assert await ages(db, "activity_logs") == list(range(11))
    assert await ages(db, "equity_points") == list(range(21))


async def test_the_ledger_stays(db: asyncpg.Connection[Any]) -> None:
    """Orders and fills of years ago are there afterwards, with the bots that made them."""
    await db.execute(PEOPLE + told(40, "1 day") + LEDGER)
    await remove_old_rows(db, KEEP, NOW, asyncio.Event())
    assert len(await ages(db, "activity_logs")) == 11
    for table in ("orders", "fills", "bots"):
        assert await db.fetchval(f"SELECT count(*) FROM {table}") == 2


def test_what_is_kept_without_being_asked() -> None:
    """A quarter of a year of the log and half a year of samples: enough to look back upon."""
    defaults = Settings()
    assert (defaults.retention_logs_days, defaults.retention_equity_days) == (90, 180)


async def test_batches_are_small_and_stop_is_heard(
    db: asyncpg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog goes batch after batch; a process that is to end does not finish it first."""
    await db.execute(PEOPLE + told(1_000, "1 hour"))
    stop, sizes = asyncio.Event(), []
    real = retention.remove_batch

    async def counted(*args: Any) -> int:
        removed = await real(*args)
        sizes.append(removed)
        if len(sizes) == 3:
            stop.set()
        return removed

    monkeypatch.setattr(retention, "remove_batch", counted)
    await remove_old_rows(db, {"activity_logs": 1}, NOW, stop, 100)
    assert sizes == [100, 100, 100]
    assert await db.fetchval("SELECT count(*) FROM activity_logs") == 1_700


async def test_two_at_once_are_harmless(database_url: str, db: asyncpg.Connection[Any]) -> None:
    """Several processes may remove the same rows; each row goes once, none too many."""
    await db.execute(PEOPLE + told(1_500, "1 hour"))

    async def keep() -> None:
        connection = await asyncpg.connect(database_url)
        await remove_old_rows(connection, KEEP, NOW, asyncio.Event(), at_once=50)
        await connection.close()

    await asyncio.gather(*(keep() for _ in range(3)))
    await remove_old_rows(db, KEEP, NOW, asyncio.Event())
    assert max(await ages(db, "activity_logs")) == 10
    assert await db.fetchval("SELECT count(*) FROM activity_logs") == 2 * (10 * 24 + 1)


@pytest.mark.parametrize("table", list(retention.AGING))
async def test_rows_are_found_by_an_index(
    database_url: str, db: asyncpg.Connection[Any], table: str
) -> None:
    """Of a large table a batch reads its own rows and no others, also where nothing is to be done."""
    await execute(database_url, PEOPLE + told(30_000, "10 minutes"), f"VACUUM ANALYZE {table}")
    aging = retention.AGING[table]
    for before in (NOW - 300 * DAY, NOW - 9_000 * DAY):
        plan = await db.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {aging.remove}", from_us(before), 100
        )
        (found,) = json.loads(plan)
        text = json.dumps(found["Plan"])
        assert "Seq Scan" not in text, text
        assert found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"] < 1_500
    newest = await db.fetchval(f"EXPLAIN (FORMAT JSON) {aging.newest}")
    assert "Seq Scan" not in newest


async def test_it_is_part_of_housekeeping(
    database_url: str, db: asyncpg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder's chores do it, round after round."""
    monkeypatch.setattr(maintenance_module, "_PERIOD_SECONDS", 0.05)
    await db.execute(PEOPLE + told(40, "1 day"))
    stop = asyncio.Event()
    partitions = {"trades": 0, "candles_1s": 0}
    task = asyncio.create_task(
        maintain(lambda: asyncpg.connect(database_url), partitions, stop, KEEP)
    )
    async with asyncio.timeout(30):
        while len(await ages(db, "equity_points")) > 21:
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(task, 30)
    assert await ages(db, "activity_logs") == list(range(11))
