"""The indexes of trading are there and used: the plans of our own queries over large tables."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from conftest import execute, run
from openoutcry.adapters.postgres import trading_accounts
from openoutcry.adapters.postgres.analytics_reader import curve_sql
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.trading_reader import (
    Page,
    Query,
    bots_query,
    fills_query,
    logs_query,
    orders_query,
)
from openoutcry.engines import Engines
from tradingkit import NOW

ROWS = 200_000
USERS, BOTS_EACH = 20, 100
BUSY = 100
"""So many bots have traded, each 2,000 times; the others never."""
SECOND = 1_000_000
HOUR = 3600 * SECOND
TICKERS = "ARRAY['BTCUSDT', 'ETHUSDT', 'SOLUSDT']"
MOMENT = f"to_timestamp({NOW // SECOND})"

# Users 1..20 with 100 bots each; an order, a fill and a log entry every second, round the busy bots. Of
# a hundred things one is unusual: an open order, a warning, a bot at work elsewhere.
FILL = f"""
INSERT INTO users (name, role, password_hash)
SELECT 'user' || n, 'user', '$argon2id$' FROM generate_series(1, {USERS}) AS n;
INSERT INTO trading_accounts (user_id) SELECT id FROM users;
INSERT INTO bots (user_id, name, strategy, exchange, symbol, status, parameters, leverage, memory,
    position_quantity, position_cost, position_loan, realized_pnl, fees, closes, wins, orders_made,
    fills, created_at, updated_at)
SELECT 1 + n % {USERS}, 'bot', 'scalper', CASE WHEN n % 101 = 0 THEN 'kraken' ELSE 'paper' END,
    ({TICKERS})[1 + n % 3], CASE WHEN n % 103 = 0 THEN 'ERROR' ELSE 'STOPPED' END,
    '{{}}', 1, '{{}}', 0, 0, 0, 0, 0, 0, 0, 0, 0, {MOMENT} + n * interval '1 s', {MOMENT}
FROM generate_series(0, {USERS * BOTS_EACH - 1}) AS n;
INSERT INTO orders (user_id, bot_id, client_order_id, symbol, side, kind, status, quantity, price,
    filled_quantity, filled_quote, fee, reserved, exchange_order_id, created_at, updated_at)
SELECT bots.user_id, bots.id, 'oo-' || bots.id || '-' || n, bots.symbol, 'BUY', 'LIMIT',
    CASE WHEN n % 97 = 0 THEN 'PENDING' ELSE 'FILLED' END, 1, 1, 0, 0, 0, 0,
    CASE WHEN n % 2 = 0 THEN 'x' || n END, {MOMENT} + n * interval '1 s', {MOMENT}
FROM generate_series(0, {ROWS - 1}) AS n JOIN bots ON bots.id = 1 + n % {BUSY};
INSERT INTO fills (user_id, bot_id, client_order_id, execution_id, symbol, side, price, quantity,
    fee, realized_pnl, time)
SELECT user_id, bot_id, client_order_id, '1', symbol, 'BUY', 1, 1, 0, 0, created_at
FROM orders ORDER BY id;
INSERT INTO activity_logs (user_id, bot_id, level, message, time)
SELECT user_id, bot_id, CASE WHEN id % 97 = 0 THEN 'WARNING' ELSE 'INFO' END, 'x', created_at
FROM orders ORDER BY id;
INSERT INTO outbox (user_id, position, type, data, time, published_at)
SELECT user_id, id, 'order_update', '{{}}', created_at,
    CASE WHEN id <= {ROWS - 50} THEN created_at END FROM orders ORDER BY id;
"""

# Without them a parent's foreign keys are checked row by row, which is not what is tested here.
QUICK = ("SET session_replication_role = replica", "SET synchronous_commit = off")


@pytest.fixture(scope="module")
def asked() -> dict[str, Query]:
    """Every query that the API asks, with the index that it is to go by as its name."""
    page = Page(limit=51)
    # An hour, in the middle of a day or two.
    hour = Page(limit=51, since=NOW + 20 * HOUR, until=NOW + 21 * HOUR)
    return {
        "bots_created_at": bots_query(5, 51),
        "bots_status": bots_query(5, 51, status="ERROR"),
        "bots_exchange": bots_query(5, 51, exchange="kraken"),
        "bots_ticker": bots_query(5, 51, symbol="ETHUSDT"),
        "orders_user": orders_query(5, page),
        "orders_bot_id": orders_query(5, page, bot_id=5),
        "orders_status": orders_query(5, page, status="PENDING"),
        "orders_bot_id_status": orders_query(5, page, bot_id=5, status="PENDING"),
        "orders_bot_id_created_at": orders_query(5, hour, bot_id=5),
        "orders_exchange_order_id": orders_query(5, page, exchange_order_id="x4"),
        "orders_client_order_id_key": Query(
            "SELECT * FROM orders WHERE user_id = $1 AND client_order_id = $2", (5, "oo-5-4")
        ),
        "fills_user": fills_query(5, page),
        "fills_bot_id": fills_query(5, page, bot_id=5),
        "fills_bot_id_time": fills_query(5, hour, bot_id=5),
        "fills_user_time": fills_query(5, hour),
        "fills_client_order_id_execution_id_key": fills_query(5, page, client_order_id="oo-5-4"),
        "activity_logs_user": logs_query(5, page),
        "activity_logs_bot_id": logs_query(5, page, bot_id=5),
        "activity_logs_level": logs_query(5, page, level="WARNING"),
        "activity_logs_timestamp": logs_query(5, hour),
        "activity_logs_bot_id_timestamp": logs_query(5, hour, bot_id=5),
        "outbox_unpublished": Query(
            "SELECT * FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1", (100,)
        ),
    }


@pytest.fixture(scope="module")
def large_url(engines: Engines, template: str) -> Iterator[str]:
    """The URL of a database with large tables."""
    name = "large_trading"
    url = engines.database_url.replace("/openoutcry?", f"/{name}?", 1)
    run(execute(engines.database_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    run(execute(url, f"{'; '.join(QUICK)}; {FILL}"))
    tables = ("bots", "orders", "fills", "activity_logs", "outbox")
    run(execute(url, *(f"VACUUM ANALYZE {table}" for table in tables)))
    yield url
    run(execute(engines.database_url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def large(alive: Engines, large_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it, as the API has it."""
    assert alive.ours
    connection = await dial(large_url, application_name="test")
    yield connection
    await connection.close()


async def plan_of(connection: asyncpg.Connection, query: Query) -> dict[str, Any]:
    """Return the plan that PostgreSQL makes for these values."""
    text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.sql}", *query.args)
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a plan's nodes, itself first."""
    return [plan, *(node for each in plan.get("Plans", ()) for node in nodes(each))]


async def test_every_list_goes_by_its_index(
    large: asyncpg.Connection, asked: dict[str, Query]
) -> None:
    """Each index of the schema is used by the query that it is there for, and nothing is scanned."""
    used, scanned = {}, []
    for name, query in asked.items():
        found = nodes(await plan_of(large, query))
        used[name] = {node["Index Name"] for node in found if "Index Name" in node}
        scanned += [name for node in found if node["Node Type"] == "Seq Scan"]
        assert len(await large.fetch(query.sql, *query.args)) > 0, f"{name}: nothing to be found"
    assert {name: names for name, names in used.items() if name not in names} == {}
    assert scanned == []


async def test_a_page_reads_a_page(large: asyncpg.Connection, asked: dict[str, Query]) -> None:
    """No list reads many more rows than it shows: no sorting of all that a user has."""
    for name, query in asked.items():
        text = await large.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON) {query.sql}", *query.args
        )
        for node in nodes(json.loads(text)[0]["Plan"]):
            touched = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            assert touched * node["Actual Loops"] <= 250, (name, node["Node Type"])


async def test_the_counters_question(large: asyncpg.Connection) -> None:
    """Everybody's fills of half a day are counted by an index.

    By which one is up to the server: from version 18 on it can skip through one that begins with the
    user, as long as there are few users.
    """
    sql = "SELECT count(*) FROM fills WHERE time >= $1 AND time < $2"
    query = Query(sql, (NOW + 20 * HOUR, NOW + 32 * HOUR))
    names = {node.get("Index Name") for node in nodes(await plan_of(large, query))} - {None}
    assert len(names) == 1
    assert names <= {"fills_time", "fills_user_time"}


async def test_an_account_is_loaded_by_indexes(large: asyncpg.Connection) -> None:
    """A user's bots and open orders are found among everybody's without reading those."""
    for sql in (trading_accounts.BOTS, trading_accounts.OPEN_ORDERS):
        found = nodes(await plan_of(large, Query(sql, (5,))))
        assert not [node for node in found if node["Node Type"] == "Seq Scan"], sql
        assert len(await large.fetch(sql, 5)) > 10


async def test_a_curve_goes_by_bot_and_time(large: asyncpg.Connection) -> None:
    """The curve of one bot reads that bot's fills, not those of its user."""
    query = Query(curve_sql(5), (5, 5, NOW + 20 * HOUR, NOW + 21 * HOUR, 60 * SECOND))
    found = nodes(await plan_of(large, query))
    names = {node["Index Name"] for node in found if "Index Name" in node}
    assert names == {"bots_user_id_id_key", "fills_bot_id_time"}


async def test_every_index_has_a_query(store: asyncpg.Pool, asked: dict[str, Query]) -> None:
    """An index that no query is listed for here costs every write and serves nobody."""
    rows = await store.fetch(
        "SELECT indexname FROM pg_indexes WHERE tablename = ANY ($1) AND indexname NOT LIKE $2",
        ["bots", "orders", "fills", "activity_logs", "outbox"],
        "%_pkey",
    )
    keys = {"bots_user_id_id_key", "outbox_user_id_position_key"}  # they keep rows unique
    assert {row["indexname"] for row in rows} - keys - {"fills_time"} == set(asked)
