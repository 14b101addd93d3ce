"""Bots, orders, fills and log entries as rows, and back. Columns have the names of the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import structs

from openoutcry.adapters.postgres.times import from_us
from openoutcry.trading import (
    Bot,
    BotStatus,
    Fill,
    Limits,
    LogEntry,
    LogLevel,
    Order,
    OrderKind,
    OrderSide,
    OrderStatus,
    Position,
)

Row = Mapping[str, Any]

BOT_COLUMNS: Final = (
    *("id", "name", "strategy", "exchange", "symbol", "status", "parameters"),
    *("max_order", "max_position", "price_band", "leverage", "memory"),
    *("position_quantity", "position_cost", "position_loan", "realized_pnl", "fees"),
    *("closes", "wins", "orders_made", "fills", "seen"),
    *("last_fill_at", "last_fill_price", "last_fill_side", "created_at", "updated_at"),
)

ORDER_COLUMNS: Final = tuple(field.name for field in structs.fields(Order))
FILL_COLUMNS: Final = tuple(field.name for field in structs.fields(Fill))


class StoredLog(LogEntry, frozen=True, kw_only=True):
    """A log entry with the id that the store gave it."""

    id: int


def bot_row(bot: Bot) -> dict[str, Any]:
    """Return a bot's columns, as JSON takes them."""
    position, limits = bot.position, bot.limits
    return {
        "id": bot.id,
        "name": bot.name,
        "strategy": bot.strategy,
        "exchange": bot.exchange,
        "symbol": bot.symbol,
        "status": bot.status,
        "parameters": bot.parameters,
        "max_order": limits.max_order,
        "max_position": limits.max_position,
        "price_band": limits.price_band,
        "leverage": bot.leverage,
        "memory": bot.memory,
        "position_quantity": position.quantity,
        "position_cost": position.cost,
        "position_loan": position.loan,
        "realized_pnl": position.realized_pnl,
        "fees": position.fees,
        "closes": position.closes,
        "wins": position.wins,
        "orders_made": bot.orders_made,
        "fills": bot.fills,
        "seen": bot.seen,
        "last_fill_at": None if bot.last_fill_at is None else from_us(bot.last_fill_at),
        "last_fill_price": bot.last_fill_price,
        "last_fill_side": bot.last_fill_side,
        "created_at": from_us(bot.created_at),
        "updated_at": from_us(bot.updated_at),
    }


def bot_of(row: Row) -> Bot:
    """Return the bot of a row."""
    side = row["last_fill_side"]
    return Bot(
        id=row["id"],
        name=row["name"],
        strategy=row["strategy"],
        exchange=row["exchange"],
        symbol=row["symbol"],
        status=BotStatus(row["status"]),
        parameters=msgspec.json.decode(row["parameters"]),
        limits=Limits(row["max_order"], row["max_position"], row["price_band"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        memory=msgspec.json.decode(row["memory"]),
        position=Position(
            quantity=row["position_quantity"],
            cost=row["position_cost"],
            loan=row["position_loan"],
            realized_pnl=row["realized_pnl"],
            fees=row["fees"],
            closes=row["closes"],
            wins=row["wins"],
        ),
        leverage=row["leverage"],
        orders_made=row["orders_made"],
        fills=row["fills"],
        seen=row["seen"],
        last_fill_at=row["last_fill_at"],
        last_fill_price=row["last_fill_price"],
        last_fill_side=None if side is None else OrderSide(side),
    )


def order_row(order: Order) -> dict[str, Any]:
    """Return an order's columns, as JSON takes them."""
    row = structs.asdict(order)
    row["created_at"], row["updated_at"] = from_us(order.created_at), from_us(order.updated_at)
    return row


def order_of(row: Row) -> Order:
    """Return the order of a row."""
    values = {name: row[name] for name in ORDER_COLUMNS}
    values["side"] = OrderSide(values["side"])
    values["kind"] = OrderKind(values["kind"])
    values["status"] = OrderStatus(values["status"])
    return Order(**values)


def fill_row(fill: Fill) -> dict[str, Any]:
    """Return a fill's columns, as JSON takes them."""
    return structs.asdict(fill) | {"time": from_us(fill.time)}


def fill_of(row: Row) -> Fill:
    """Return the fill of a row."""
    values = {name: row[name] for name in FILL_COLUMNS}
    values["side"] = OrderSide(values["side"])
    return Fill(**values)


def log_row(entry: LogEntry) -> dict[str, Any]:
    """Return a log entry's columns, as JSON takes them."""
    return structs.asdict(entry) | {"time": from_us(entry.time)}


def log_of(row: Row) -> StoredLog:
    """Return the log entry of a row."""
    return StoredLog(
        LogLevel(row["level"]), row["message"], row["time"], row["bot_id"], id=row["id"]
    )
