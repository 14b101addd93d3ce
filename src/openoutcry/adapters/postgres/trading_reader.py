"""Lists of what a user has: bots, orders, fills and log entries, newest first, page by page.

Every query names its user. Its text holds only the conditions that are asked for, so that each
combination has a plan, and an index, of its own.
"""

from __future__ import annotations

from typing import Any, Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Pool, fetch
from openoutcry.adapters.postgres.trading_rows import (
    BOT_COLUMNS,
    FILL_COLUMNS,
    ORDER_COLUMNS,
    StoredLog,
    bot_of,
    fill_of,
    log_of,
    order_of,
)
from openoutcry.trading import Bot, Fill, Order

LAST_ID: Final = 2**63 - 1
"""An id that is after all others."""

_BOTS: Final = ", ".join(BOT_COLUMNS)
_ORDERS: Final = ", ".join(("id", *ORDER_COLUMNS))
_FILLS: Final = ", ".join(("id", *FILL_COLUMNS))

# Whose a bot is says whose its rows are (the schema sees to it). Told both, PostgreSQL would take them
# for independent, expect far too few rows and sort all that a bot has.
_OWN_BOT: Final = "bot_id = (SELECT id FROM bots WHERE user_id = $1 AND id = ${at})"


class Page(Struct, frozen=True):
    """Which rows are wanted. Times in µs, the end not among them; None: whatever.

    `before` is an id: what is older than that.
    """

    limit: int
    before: int = LAST_ID
    since: int | None = None
    until: int | None = None


class Query(Struct, frozen=True):
    """A statement and its values."""

    sql: str
    args: tuple[Any, ...]


def bots_query(
    user_id: int,
    limit: int,
    *,
    status: str | None = None,
    exchange: str | None = None,
    symbol: str | None = None,
    before: tuple[int, int] | None = None,
) -> Query:
    """Return the query of a page of bots; `before` is the creation time and id of the last seen."""
    equal = {"user_id": user_id, "status": status, "exchange": exchange, "symbol": symbol}
    conditions, args = _equal(equal)
    conditions.append("deleted_at IS NULL")
    if before is not None:
        conditions.append(f"(created_at, id) < (${len(args) + 1}, ${len(args) + 2})")
        args.extend(before)
    return Query(
        f"SELECT {_BOTS} FROM bots WHERE {' AND '.join(conditions)}"
        f" ORDER BY created_at DESC, id DESC LIMIT ${len(args) + 1}",
        (*args, limit),
    )


def orders_query(
    user_id: int,
    page: Page,
    *,
    bot_id: int | None = None,
    status: str | None = None,
    symbol: str | None = None,
    exchange_order_id: str | None = None,
) -> Query:
    """Return the query of a page of orders."""
    equal = {
        "user_id": user_id,
        "bot_id": bot_id,
        "status": status,
        "symbol": symbol,
        "exchange_order_id": exchange_order_id,
    }
    return _page("orders", _ORDERS, "created_at", equal, page)


def fills_query(
    user_id: int, page: Page, *, bot_id: int | None = None, client_order_id: str | None = None
) -> Query:
    """Return the query of a page of fills."""
    equal = {"user_id": user_id, "bot_id": bot_id, "client_order_id": client_order_id}
    return _page("fills", _FILLS, "time", equal, page)


def logs_query(
    user_id: int, page: Page, *, bot_id: int | None = None, level: str | None = None
) -> Query:
    """Return the query of a page of log entries."""
    equal = {"user_id": user_id, "bot_id": bot_id, "level": level}
    return _page("activity_logs", "id, bot_id, level, message, time", "time", equal, page)


async def read_bots(pool: Pool, query: Query) -> list[Bot]:
    """Return a page of bots. Raises StoreUnavailableError."""
    return [bot_of(row) for row in await _rows(pool, query)]


async def read_orders(pool: Pool, query: Query) -> list[tuple[int, Order]]:
    """Return a page of orders, each with the id that pages go by. Raises StoreUnavailableError."""
    return [(row["id"], order_of(row)) for row in await _rows(pool, query)]


async def read_fills(pool: Pool, query: Query) -> list[tuple[int, Fill]]:
    """Return a page of fills, each with the id that pages go by. Raises StoreUnavailableError."""
    return [(row["id"], fill_of(row)) for row in await _rows(pool, query)]


async def read_logs(pool: Pool, query: Query) -> list[StoredLog]:
    """Return a page of log entries. Raises StoreUnavailableError."""
    return [log_of(row) for row in await _rows(pool, query)]


async def find_bot(pool: Pool, user_id: int, bot_id: int) -> Bot | None:
    """Return a bot of this user, None if they have none of that id."""
    sql = f"SELECT {_BOTS} FROM bots WHERE user_id = $1 AND id = $2 AND deleted_at IS NULL"
    rows = await fetch(pool, sql, user_id, bot_id)
    return bot_of(rows[0]) if rows else None


async def find_order(pool: Pool, user_id: int, client_order_id: str) -> Order | None:
    """Return an order of this user, None if they have none of that client order id."""
    sql = f"SELECT {_ORDERS} FROM orders WHERE user_id = $1 AND client_order_id = $2"
    rows = await fetch(pool, sql, user_id, client_order_id)
    return order_of(rows[0]) if rows else None


def _page(table: str, columns: str, time: str, equal: dict[str, Any], page: Page) -> Query:
    conditions, args = _equal(equal)
    for sign, value in ((">=", page.since), ("<", page.until)):
        if value is not None:
            args.append(value)
            conditions.append(f"{time} {sign} ${len(args)}")
    args += [page.before, page.limit]
    conditions.append(f"id < ${len(args) - 1}")
    return Query(
        f"SELECT {columns} FROM {table} WHERE {' AND '.join(conditions)}"
        f" ORDER BY id DESC LIMIT ${len(args)}",
        tuple(args),
    )


def _equal(wanted: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Return a condition for each column that has to have a value, and the values.

    The user's id is the first of them.
    """
    asked = {name: value for name, value in wanted.items() if value is not None}
    conditions = [
        _OWN_BOT.format(at=at) if name == "bot_id" else f"{name} = ${at}"
        for at, name in enumerate(asked, 1)
        if name != "user_id" or "bot_id" not in asked
    ]
    return conditions, list(asked.values())


async def _rows(pool: Pool, query: Query) -> list[asyncpg.Record]:
    return await fetch(pool, query.sql, *query.args)
