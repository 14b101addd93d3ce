"""Checks what trading has left in the store: every sum to the last digit, every number once."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

import asyncpg

START = {"USDT": Decimal(10_000)}


async def check_books(connection: asyncpg.Connection[Any]) -> dict[str, int]:
    """Check every account; return how many bots, orders, fills and messages there were."""
    bots = await connection.fetch("SELECT * FROM bots")
    orders = await connection.fetch("SELECT * FROM orders ORDER BY id")
    fills = await connection.fetch("SELECT * FROM fills ORDER BY id")
    check_orders(bots, orders, fills)
    await check_balances(connection, bots, orders, fills)
    await check_outbox(connection)
    return {"bots": len(bots), "orders": len(orders), "fills": len(fills)}


def check_orders(
    bots: list[asyncpg.Record], orders: list[asyncpg.Record], fills: list[asyncpg.Record]
) -> None:
    """Order ids count from 0 or 1 without a hole or a repeat; an order is the sum of its fills."""
    made = defaultdict(list)
    for order in orders:
        made[order["bot_id"]].append(int(order["client_order_id"].rpartition("-")[2]))
    for bot in bots:
        numbers = sorted(made[bot["id"]])
        assert len(numbers) == bot["orders_made"], bot["id"]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    filled: dict[str, Decimal] = defaultdict(Decimal)
    quote: dict[str, Decimal] = defaultdict(Decimal)
    fees: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills:
        filled[fill["client_order_id"]] += fill["quantity"]
        quote[fill["client_order_id"]] += fill["quantity"] * fill["price"]
        fees[fill["client_order_id"]] += fill["fee"]
    for order in orders:
        name = order["client_order_id"]
        told = (order["filled_quantity"], order["filled_quote"], order["fee"])
        assert told == (filled[name], quote[name], fees[name]), name
        assert (order["status"] == "FILLED") == (filled[name] == order["quantity"]), name


async def check_balances(
    connection: asyncpg.Connection[Any],
    bots: list[asyncpg.Record],
    orders: list[asyncpg.Record],
    fills: list[asyncpg.Record],
) -> None:
    """Balances are what an account began with and what its fills have moved, loans included.

    What is locked is what open orders reserve; realised + unrealised - fees is the change in equity.
    """
    owned: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for row in await connection.fetch("SELECT user_id FROM trading_accounts"):
        for asset, amount in START.items():
            owned[row["user_id"], asset] += amount
    for fill in fills:
        base, sign = fill["symbol"].removesuffix("USDT"), 1 if fill["side"] == "BUY" else -1
        owned[fill["user_id"], base] += sign * fill["quantity"]
        owned[fill["user_id"], "USDT"] -= sign * fill["quantity"] * fill["price"] + fill["fee"]
    for bot in bots:
        owned[bot["user_id"], "USDT"] += bot["position_loan"]
    locked: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for order in orders:
        if order["status"] in ("PENDING", "PARTIALLY_FILLED"):
            base = order["symbol"].removesuffix("USDT")
            locked[order["user_id"], "USDT" if order["side"] == "BUY" else base] += order[
                "reserved"
            ]
        else:
            assert order["reserved"] == 0, order["client_order_id"]
    balances = await connection.fetch("SELECT * FROM balances")
    for row in balances:
        key = (row["user_id"], row["asset"])
        assert row["free"] + row["locked"] == owned.pop(key, Decimal(0)), key
        assert row["locked"] == locked.pop(key, Decimal(0)), key
    assert not any(owned.values()), owned
    assert not any(locked.values()), locked
    check_positions(bots, fills)


def check_positions(bots: list[asyncpg.Record], fills: list[asyncpg.Record]) -> None:
    """A bot's position and results follow from its fills."""
    for bot in bots:
        own = [fill for fill in fills if fill["bot_id"] == bot["id"]]
        quantity = spent = Decimal(0)
        for fill in own:
            sign = 1 if fill["side"] == "BUY" else -1
            quantity += sign * fill["quantity"]
            spent += sign * fill["quantity"] * fill["price"]
        assert bot["fills"] == len(own), bot["id"]
        assert bot["fees"] == sum((fill["fee"] for fill in own), Decimal(0)), bot["id"]
        realized = sum((fill["realized_pnl"] for fill in own), Decimal(0))
        assert bot["realized_pnl"] == realized, bot["id"]
        assert bot["position_quantity"] == quantity, bot["id"]
        assert bot["realized_pnl"] == bot["position_cost"] - spent, bot["id"]


async def check_outbox(connection: asyncpg.Connection[Any]) -> None:
    """Each account's messages count 1, 2, 3… to its position; each fill is told of once."""
    rows = await connection.fetch(
        "SELECT a.user_id, a.position, count(o.*) AS told, max(o.position) AS highest"
        " FROM trading_accounts a LEFT JOIN outbox o USING (user_id) GROUP BY 1, 2"
    )
    for row in rows:
        assert row["position"] == row["told"] == (row["highest"] or 0), row["user_id"]
    told = await connection.fetchval("SELECT count(*) FROM outbox WHERE type = 'order_filled'")
    assert told == await connection.fetchval("SELECT count(*) FROM fills")
