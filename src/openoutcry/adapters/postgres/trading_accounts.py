"""A user's trading account as the execution core takes it: opened, and read whole."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import asyncpg

from openoutcry.adapters.postgres.pool import Connection, unavailable
from openoutcry.adapters.postgres.trading_rows import BOT_COLUMNS, ORDER_COLUMNS, bot_of, order_of
from openoutcry.errors import NotFoundError
from openoutcry.trading import Account, Balance

OPEN: Final = """
INSERT INTO trading_accounts (user_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING user_id
"""
FUND: Final = "INSERT INTO balances (user_id, asset, free, locked) VALUES ($1, $2, $3, 0)"

ACCOUNT: Final = "SELECT version, kill_switch FROM trading_accounts WHERE user_id = $1"
BALANCES: Final = "SELECT asset, free, locked FROM balances WHERE user_id = $1 ORDER BY asset"
BOTS: Final = f"""
SELECT {", ".join(BOT_COLUMNS)} FROM bots WHERE user_id = $1 AND deleted_at IS NULL ORDER BY id
"""
OPEN_ORDERS: Final = f"""
SELECT {", ".join(ORDER_COLUMNS)} FROM orders
WHERE user_id = $1 AND status IN ('PENDING', 'PARTIALLY_FILLED') ORDER BY id
"""
BOT_ID: Final = "SELECT nextval(pg_get_serial_sequence('bots', 'id'))"


async def open_account(
    connection: Connection, user_id: int, balances: Mapping[str, Decimal]
) -> bool:
    """Give a user a trading account with these paper balances; False if there is one already.

    Raises NotFoundError if there is no such user, StoreUnavailableError.
    """
    with unavailable():
        try:
            async with connection.transaction():
                if await connection.fetchval(OPEN, user_id) is None:
                    return False
                rows = [(user_id, asset, free) for asset, free in balances.items()]
                await connection.executemany(FUND, rows)
        except asyncpg.ForeignKeyViolationError:
            raise NotFoundError(f"There is no user {user_id}.") from None
        return True


async def load_account(connection: Connection, user_id: int) -> Account | None:
    """Return a user's account, all of it as of one moment; None if they have none yet.

    Must not be called within a transaction. Raises StoreUnavailableError.
    """
    with unavailable():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await read_account(connection, user_id)


async def read_account(connection: Connection, user_id: int) -> Account | None:
    """Return the same within a transaction of the caller, which makes it one moment."""
    head = await connection.fetchrow(ACCOUNT, user_id)
    if head is None:
        return None
    balances = await connection.fetch(BALANCES, user_id)
    bots = await connection.fetch(BOTS, user_id)
    orders = await connection.fetch(OPEN_ORDERS, user_id)
    return Account(
        user_id=user_id,
        version=head["version"],
        balances={row["asset"]: Balance(row["free"], row["locked"]) for row in balances},
        bots={row["id"]: bot_of(row) for row in bots},
        orders={row["client_order_id"]: order_of(row) for row in orders},
        kill_switch=head["kill_switch"],
    )


async def next_bot_id(connection: Connection) -> int:
    """Return an id that no bot has had and none will have. Raises StoreUnavailableError."""
    with unavailable():
        return int(await connection.fetchval(BOT_ID))
