"""The wire shapes of trading: snake case, decimal strings, times ISO 8601 UTC with milliseconds.

REST answers and the channel `user` carry the same shapes; nothing else makes them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from openoutcry.core.prices import plain_text
from openoutcry.core.trading import positions
from openoutcry.core.trading.amounts import exact, share_down
from openoutcry.core.trading.events import Changes
from openoutcry.trading import Balance, Bot, Fill, LogEntry, Order, Position

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class PositionBody(Struct, frozen=True):
    """What a bot holds. `average_price` is null when it holds nothing; `loan` is what it owes."""

    quantity: str
    cost: str
    average_price: str | None
    loan: str


class LimitsBody(Struct, frozen=True):
    """A bot's risk limits; null for none."""

    max_order: str | None
    max_position: str | None
    price_band: str | None


class BotBody(Struct, frozen=True):
    """A bot. `pnl` is realised less fees; `win_rate` in percent, null before anything was closed.

    A scalper's parameters are on the top level too.
    """

    id: int
    name: str
    strategy: str
    exchange: str
    ticker: str
    status: str
    parameters: dict[str, Any]
    limits: LimitsBody
    leverage: str
    pnl: str
    realized_pnl: str
    fees: str
    position: PositionBody
    total_trades: int
    win_rate: str | None
    last_fill_price: str | None
    last_fill_side: str | None
    last_fill_at: str | None
    created_at: str
    updated_at: str
    first_order: str | UnsetType = UNSET
    quantity: str | UnsetType = UNSET
    buy_price: str | UnsetType = UNSET
    sell_price: str | UnsetType = UNSET
    trailing_percent: str | UnsetType | None = UNSET
    infinite_loop: bool | UnsetType = UNSET


class PnlBody(Struct, frozen=True):
    """A bot's position and results after a fill: the data of `pnl_update`."""

    bot_id: int
    ticker: str
    pnl: str
    realized_pnl: str
    fees: str
    position: PositionBody
    total_trades: int
    win_rate: str | None


class OrderBody(Struct, frozen=True):
    """An order. `price` is null for MARKET, `average_price` before the first fill."""

    client_order_id: str
    bot_id: int
    ticker: str
    side: str
    type: str
    status: str
    quantity: str
    price: str | None
    filled_quantity: str
    average_price: str | None
    fee: str
    reason: str | None
    paired_order: str | None
    exchange_order_id: str | None
    created_at: str
    updated_at: str


class FillBody(Struct, frozen=True):
    """An execution. `realized_pnl` is before `fee`."""

    client_order_id: str
    bot_id: int
    ticker: str
    side: str
    price: str
    quantity: str
    fee: str
    realized_pnl: str
    time: str


class OrderFilledBody(Struct, frozen=True):
    """The data of `order_filled`: the execution, and its order as it is now."""

    order: OrderBody
    fill: FillBody


class LogBody(Struct, frozen=True):
    """A line of the activity log; `bot_id` is null for what concerns no bot."""

    id: int
    level: str
    message: str
    bot_id: int | None
    timestamp: str


class BalanceBody(Struct, frozen=True):
    """What an account has of one asset; `locked` is held back by open orders."""

    asset: str
    free: str
    locked: str


class GoneBody(Struct, frozen=True):
    """The data of `bot_deleted`."""

    id: int


class SnapshotBody(Struct, frozen=True):
    """The data of `subscribed` on the channel `user`, when missed messages cannot be had."""

    bots: list[BotBody]
    orders: list[OrderBody]
    logs: list[LogBody]
    balances: list[BalanceBody]


class Message(Struct, frozen=True):
    """A message of the channel `user`, but for what the store adds: its offset, epoch and time."""

    type: str
    data: BotBody | PnlBody | OrderBody | OrderFilledBody | LogBody | GoneBody


def iso_ms(time: int) -> str:
    """Return a time (µs) as ISO 8601 UTC with milliseconds."""
    moment = _EPOCH + dt.timedelta(microseconds=time)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def bot_body(bot: Bot) -> BotBody:
    """Return a bot as it goes out."""
    position = bot.position
    flat = bot.parameters if bot.strategy == "scalper" else {}
    with exact():
        return BotBody(
            id=bot.id,
            name=bot.name,
            strategy=bot.strategy,
            exchange=bot.exchange,
            ticker=bot.symbol,
            status=bot.status.value,
            parameters=bot.parameters,
            limits=LimitsBody(*(_text(limit) for limit in structs.astuple(bot.limits))),
            leverage=plain_text(bot.leverage),
            pnl=plain_text(position.realized_pnl - position.fees),
            realized_pnl=plain_text(position.realized_pnl),
            fees=plain_text(position.fees),
            position=_position_body(position),
            total_trades=bot.fills,
            win_rate=_text(positions.win_rate(position)),
            last_fill_price=_text(bot.last_fill_price),
            last_fill_side=None if bot.last_fill_side is None else bot.last_fill_side.value,
            last_fill_at=None if bot.last_fill_at is None else iso_ms(bot.last_fill_at),
            created_at=iso_ms(bot.created_at),
            updated_at=iso_ms(bot.updated_at),
            first_order=flat.get("first_order", UNSET),
            quantity=flat.get("quantity", UNSET),
            buy_price=flat.get("buy_price", UNSET),
            sell_price=flat.get("sell_price", UNSET),
            trailing_percent=flat.get("trailing_percent", UNSET),
            infinite_loop=flat.get("infinite_loop", UNSET),
        )


def pnl_body(bot: Bot) -> PnlBody:
    """Return a bot's results as they go out after a fill."""
    position = bot.position
    with exact():
        return PnlBody(
            bot_id=bot.id,
            ticker=bot.symbol,
            pnl=plain_text(position.realized_pnl - position.fees),
            realized_pnl=plain_text(position.realized_pnl),
            fees=plain_text(position.fees),
            position=_position_body(position),
            total_trades=bot.fills,
            win_rate=_text(positions.win_rate(position)),
        )


def order_body(order: Order) -> OrderBody:
    """Return an order as it goes out."""
    average = (
        share_down(order.filled_quote, order.filled_quantity) if order.filled_quantity else None
    )
    return OrderBody(
        client_order_id=order.client_order_id,
        bot_id=order.bot_id,
        ticker=order.symbol,
        side=order.side.value,
        type=order.kind.value,
        status=order.status.value,
        quantity=plain_text(order.quantity),
        price=_text(order.price),
        filled_quantity=plain_text(order.filled_quantity),
        average_price=_text(average),
        fee=plain_text(order.fee),
        reason=order.reason,
        paired_order=order.paired,
        exchange_order_id=order.exchange_order_id,
        created_at=iso_ms(order.created_at),
        updated_at=iso_ms(order.updated_at),
    )


def fill_body(fill: Fill) -> FillBody:
    """Return an execution as it goes out."""
    return FillBody(
        client_order_id=fill.client_order_id,
        bot_id=fill.bot_id,
        ticker=fill.symbol,
        side=fill.side.value,
        price=plain_text(fill.price),
        quantity=plain_text(fill.quantity),
        fee=plain_text(fill.fee),
        realized_pnl=plain_text(fill.realized_pnl),
        time=iso_ms(fill.time),
    )


def log_body(log_id: int, entry: LogEntry) -> LogBody:
    """Return a line of the activity log as it goes out; the store has given it its id."""
    return LogBody(log_id, entry.level.value, entry.message, entry.bot_id, iso_ms(entry.time))


def balance_bodies(balances: dict[str, Balance]) -> list[BalanceBody]:
    """Return an account's balances as they go out, by asset."""
    return [
        BalanceBody(asset, plain_text(balance.free), plain_text(balance.locked))
        for asset, balance in sorted(balances.items())
    ]


def messages(changes: Changes, log_ids: Sequence[int]) -> list[Message]:
    """Return what the outbox is to hold of a change, in order: one message a row.

    `log_ids` are those that the store has given to `changes.logs`. Each order that changed is told
    once, as it is now; then each fill; then the results of every bot that had one.
    """
    bots = changes.account.bots
    orders = {order.client_order_id: order for order in changes.orders}
    told = [Message("bot_created", bot_body(bots[bot])) for bot in changes.created]
    told += [Message("order_update", order_body(order)) for order in changes.orders]
    told += [
        Message(
            "order_filled",
            OrderFilledBody(order_body(orders[fill.client_order_id]), fill_body(fill)),
        )
        for fill in changes.fills
    ]
    traded = dict.fromkeys(fill.bot_id for fill in changes.fills)
    told += [Message("pnl_update", pnl_body(bots[bot])) for bot in traded if bot in bots]
    told += [Message("bot_update", bot_body(bots[bot])) for bot in changes.bots]
    told += [
        Message("log_created", log_body(log_id, entry))
        for log_id, entry in zip(log_ids, changes.logs, strict=True)
    ]
    return told + [Message("bot_deleted", GoneBody(bot)) for bot in changes.deleted]


def user_message(kind: str, data: bytes | str, time: int, offset: int, epoch: str) -> bytes:
    """Return a whole message of the channel `user`; `data` is JSON text, `time` in µs."""
    encoder = msgspec.json.Encoder()
    return encoder.encode(
        {
            "type": kind,
            "channel": "user",
            "data": msgspec.Raw(data),
            "timestamp": iso_ms(time),
            "offset": offset,
            "epoch": epoch,
        }
    )


def snapshot_body(
    bots: Iterable[Bot],
    orders: Iterable[Order],
    logs: Iterable[tuple[int, LogEntry]],
    balances: dict[str, Balance],
) -> SnapshotBody:
    """Return everything that a client of the channel `user` starts from."""
    return SnapshotBody(
        bots=[bot_body(bot) for bot in bots],
        orders=[order_body(order) for order in orders],
        logs=[log_body(log_id, entry) for log_id, entry in logs],
        balances=balance_bodies(balances),
    )


def _position_body(position: Position) -> PositionBody:
    return PositionBody(
        quantity=plain_text(position.quantity),
        cost=plain_text(position.cost),
        average_price=_text(positions.average_price(position)),
        loan=plain_text(position.loan),
    )


def _text(number: Decimal | None) -> str | None:
    return None if number is None else plain_text(number)
