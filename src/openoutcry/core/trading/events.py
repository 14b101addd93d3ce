"""What goes into the fold, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from msgspec import Struct, field, structs

from openoutcry.core.frames import Table
from openoutcry.core.scales import Ints, scale_of, to_decimal, to_scaled
from openoutcry.core.trading.memo import Memo
from openoutcry.trading import Account, Bot, Fill, Limits, LogEntry, Market, Order

PAPER: Final = "paper"
"""The exchange of bots that trade on paper."""


class Trades(Struct, frozen=True):
    """Trades of one symbol, ascending by id; prices and sizes scaled, times in µs."""

    symbol: str
    ids: Ints
    prices: Ints
    sizes: Ints
    times: Ints
    price_scale: int
    size_scale: int

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, start: int, stop: int | None = None) -> Trades:
        """Return the trades from index `start` up to `stop`."""
        at = slice(start, stop)
        return structs.replace(
            self,
            ids=self.ids[at],
            prices=self.prices[at],
            sizes=self.sizes[at],
            times=self.times[at],
        )

    def after(self, trade_id: int) -> Trades:
        """Return the trades with higher ids."""
        return self.part(int(np.searchsorted(self.ids, trade_id, side="right")))

    def price(self, index: int) -> Decimal:
        """Return one trade's price."""
        return to_decimal(int(self.prices[index]), self.price_scale)

    def size(self, index: int) -> Decimal:
        """Return one trade's size."""
        return to_decimal(int(self.sizes[index]), self.size_scale)


def trades_of(symbol: str, rows: Sequence[tuple[int, Decimal, Decimal, int]]) -> Trades:
    """Return trades given as (id, price, size, venue time), ascending by id."""
    price_scale = max((scale_of(row[1]) for row in rows), default=0)
    size_scale = max((scale_of(row[2]) for row in rows), default=0)
    return Trades(
        symbol=symbol,
        ids=np.array([row[0] for row in rows], np.int64),
        prices=np.array([to_scaled(row[1], price_scale) for row in rows], np.int64),
        sizes=np.array([to_scaled(row[2], size_scale) for row in rows], np.int64),
        times=np.array([row[3] for row in rows], np.int64),
        price_scale=price_scale,
        size_scale=size_scale,
    )


def trades_from_table(symbol: str, table: Table, price_scale: int, size_scale: int) -> Trades:
    """Return the rows of a frame (`core.frames.TRADE`, one instrument, ascending by id)."""
    return Trades(
        symbol=symbol,
        ids=table["trade_id"],
        prices=table["price"],
        sizes=table["size"],
        times=table["venue_time"],
        price_scale=price_scale,
        size_scale=size_scale,
    )


class BotAction(StrEnum):
    """What a user may do with a bot."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    EDIT = "edit"
    CLOSE = "close"
    """Stop, and sell what it holds (or buy back what it owes) at the market."""
    DELETE = "delete"


class BotCommand(Struct, frozen=True):
    """A user's command to a bot.

    CREATE needs `bot`, whole and with an id that nobody else has. EDIT changes what is not None;
    `parameters` need only hold those that change, None for back to the default.
    """

    action: BotAction
    bot_id: int
    time: int
    bot: Bot | None = None
    name: str | None = None
    parameters: dict[str, Any] | None = None
    limits: Limits | None = None
    leverage: Decimal | None = None


class Cancel(Struct, frozen=True):
    """A user cancels an order. The bot is stopped: it would place the same order again."""

    client_order_id: str
    time: int


class KillSwitch(Struct, frozen=True):
    """A user stops every bot and cancels every order, or lets bots be started again."""

    on: bool
    time: int


class Fund(Struct, frozen=True):
    """Money is put into the paper account, or taken out where `amount` is negative."""

    asset: str
    amount: Decimal
    time: int


class ReportStatus(StrEnum):
    """What a live exchange says of an order."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class Report(Struct, frozen=True):
    """A live exchange's news of an order; sums so far, so that news told twice changes nothing.

    `quantity` and `quote` are what has been filled and what it was worth, `fee` in quote units.
    `execution_id` names the newest execution. Times in µs.
    """

    client_order_id: str
    status: ReportStatus
    time: int
    quantity: Decimal = Decimal(0)
    quote: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    execution_id: str = ""
    exchange_order_id: str | None = None
    reason: str | None = None


Event: TypeAlias = Trades | BotCommand | Cancel | KillSwitch | Fund | Report


class LastTrade(Struct, frozen=True):
    """The newest trade of a symbol that is in the store."""

    id: int
    price: Decimal


class Context(Struct, frozen=True):
    """What the fold has to know beside the account.

    `spread` is a quote's distance from the trade on each side, `fee_rate` a fill's fee, both as
    shares of the price (0.001 is 0.1 %). `last`: the newest stored trade of each symbol; a bot that
    is started takes the tape from there. `live`: whether bots may trade on real exchanges.
    `use_bands`: ask every bot at every trade if False; the result is the same. `memo` saves time
    when one context serves many folds.
    """

    markets: Mapping[str, Market]
    spread: Decimal = Decimal("0.001")
    fee_rate: Decimal = Decimal("0.001")
    last: Mapping[str, LastTrade] = {}
    live: bool = False
    use_bands: bool = True
    memo: Memo = field(default_factory=Memo)


class PlaceOrder(Struct, frozen=True, tag="place"):
    """An order for a live exchange to take. It is stored, as PENDING, before it is sent."""

    exchange: str
    order: Order


class CancelOrder(Struct, frozen=True, tag="cancel"):
    """A live exchange is to cancel an order; it stays open until a `Report` says otherwise."""

    exchange: str
    order: Order


Request: TypeAlias = PlaceOrder | CancelOrder


class Changes(Struct, frozen=True):
    """What an event has changed.

    `account` is the account after; its `version` is as it was, the store counts it. `orders`: each
    order that changed, as it is now, in the order of first change; one that is over is in here and
    no longer in the account. `created`, `bots`, `deleted`: ids of bots that changed visibly (a bot
    is in one of the three). `touched`: ids of bots of which `seen` or `memory` alone has moved; that
    can be folded again, so it need not be stored at once. `balances`: assets whose balance changed.
    `refused`: why a command was not carried out; then nothing else has changed.
    """

    account: Account
    orders: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    logs: tuple[LogEntry, ...] = ()
    created: tuple[int, ...] = ()
    bots: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()
    touched: tuple[int, ...] = ()
    balances: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    refused: tuple[str, ...] = ()
    kill_switch: bool = False

    @property
    def must_be_stored(self) -> bool:
        """Whether anything has changed that cannot be had by folding again."""
        return bool(
            self.orders
            or self.fills
            or self.logs
            or self.created
            or self.bots
            or self.deleted
            or self.balances
            or self.kill_switch
        )


def join(first: Changes, second: Changes) -> Changes:
    """Return two changes, the second folded from the first's account, as one."""
    orders = {order.client_order_id: order for order in first.orders}
    orders |= {order.client_order_id: order for order in second.orders}
    created = [bot for bot in (*first.created, *second.created) if bot not in second.deleted]
    deleted = [*first.deleted, *(bot for bot in second.deleted if bot not in first.created)]
    gone = {*second.deleted}
    bots = _once(
        bot for bot in (*first.bots, *second.bots) if bot not in gone and bot not in created
    )
    known = {*created, *bots, *gone}
    return Changes(
        account=second.account,
        orders=tuple(orders.values()),
        fills=first.fills + second.fills,
        logs=first.logs + second.logs,
        created=tuple(created),
        bots=bots,
        deleted=tuple(deleted),
        touched=_once(bot for bot in (*first.touched, *second.touched) if bot not in known),
        balances=_once((*first.balances, *second.balances)),
        requests=first.requests + second.requests,
        refused=first.refused + second.refused,
        kill_switch=first.kill_switch or second.kill_switch,
    )


def _once(items: Any) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(items))
