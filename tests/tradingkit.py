"""What tests of trading share: an account of one market, bots in it, and trades that fill them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
from msgspec import structs

from accounts import make_user
from market import COLUMNS, add_instrument
from openoutcry.adapters.postgres import trading_accounts, trading_commit
from openoutcry.adapters.postgres.pool import connection
from openoutcry.core.trading.drafts import new_bot, read_draft
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import (
    BotAction,
    BotCommand,
    Changes,
    Context,
    Event,
    LastTrade,
    trades_of,
)
from openoutcry.trading import Account, Market

NOW = 1_767_225_600_000_000
BTC = Market("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"))
CONTEXT = Context({"BTCUSDT": BTC}, last={"BTCUSDT": LastTrade(100, Decimal(1000))})
PAPER = {"USDT": Decimal(10_000)}
SCALPER: dict[str, Any] = {
    "name": "up and down",
    "ticker": "BTCUSDT",
    "quantity": "0.5",
    "buy_price": "990",
    "sell_price": "1010",
    "infinite_loop": True,
}

TABLES = (
    *("trading_accounts", "balances", "bots", "orders", "fills", "activity_logs"),
    *("equity_points", "outbox"),
)


async def open_user(pool: asyncpg.Pool, name: str = "ada") -> int:
    """Add a user with a funded trading account and return the id."""
    user = await make_user(pool, name)
    async with connection(pool) as lent:
        assert await trading_accounts.open_account(lent, user.id, PAPER)
    return user.id


async def load(pool: asyncpg.Pool, user_id: int) -> Account:
    """Return a user's account."""
    async with connection(pool) as lent:
        account = await trading_accounts.load_account(lent, user_id)
    assert account is not None
    return account


async def put(pool: asyncpg.Pool, user_id: int, event: Event) -> Changes:
    """Fold an event into a user's account and store what it changes."""
    account = await load(pool, user_id)
    changes = fold(account, event, CONTEXT)
    assert not changes.refused, changes.refused
    async with connection(pool) as lent:
        assert await trading_commit.commit(lent, user_id, account.version, changes)
    return changes


async def create(pool: asyncpg.Pool, user_id: int, **described: Any) -> int:
    """Create a scalper that is at work, described by what is other than usual; return its id."""
    async with connection(pool) as lent:
        bot_id = await trading_accounts.next_bot_id(lent)
    draft = read_draft({**SCALPER, "status": "ACTIVE", **described})
    bot = new_bot(draft, bot_id, NOW)
    await put(pool, user_id, BotCommand(BotAction.CREATE, bot_id, NOW, bot))
    return bot_id


def prints(first: int, *prices: int, size: str = "10") -> Event:
    """Return trades of BTCUSDT with ids from `first` on, a second apart."""
    return trades_of(
        "BTCUSDT",
        [
            (first + at, Decimal(price), Decimal(size), NOW + (first + at) * 1_000_000)
            for at, price in enumerate(prices)
        ],
    )


def at_version(account: Account, version: int) -> Account:
    """Return the account with another version."""
    return structs.replace(account, version=version)


async def everything(pool: asyncpg.Pool) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables of trading."""
    return {
        table: [tuple(row) for row in await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for table in TABLES
    }


async def list_market(pool: asyncpg.Pool, price: int = 1000) -> int:
    """Add BTCUSDT with one trade, id 100, at this price; return the instrument's id."""
    number = await add_instrument(pool, "BTCUSDT", "BTC")
    await pool.execute("SELECT outcry_make_room('trades', $1, $1)", NOW)
    await pool.execute(
        "INSERT INTO trades VALUES ($1, $2, $2, 100, $3, 1, 1)", number, NOW, Decimal(price)
    )
    await pool.execute(
        f"INSERT INTO candles_30s ({', '.join(COLUMNS)})"
        " VALUES ($1, $2, $3, $3, $3, $3, 1, $3, 1, 1, $3, 100, 100)",
        number,
        NOW,
        Decimal(price),
    )
    return number
