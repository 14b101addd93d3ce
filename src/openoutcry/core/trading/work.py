"""The account while an event is folded: changed in place here, handed out as `Changes` in the end."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from openoutcry.core.intervals import HOUR, SECOND
from openoutcry.core.prices import plain_text
from openoutcry.core.trading import orders, paper
from openoutcry.core.trading.amounts import share_down
from openoutcry.core.trading.events import (
    PAPER,
    CancelOrder,
    Changes,
    Context,
    PlaceOrder,
    Request,
)
from openoutcry.core.trading.orders import OrderEvent
from openoutcry.core.trading.risk import Wanted, refusal
from openoutcry.core.trading.strategies.base import Place, Tick
from openoutcry.trading import (
    ZERO,
    Account,
    Balance,
    Bot,
    BotStatus,
    Fill,
    LogEntry,
    LogLevel,
    Market,
    Order,
    OrderKind,
    OrderSide,
    OrderStatus,
)

REFUSED: Final = "_refused"
"""The key in a bot's memory that is the engine's: until when it rests after a refusal (µs)."""

REST: Final = 30 * SECOND
"""For so long after a refusal a bot answers to its fills only."""

_QUIET: Final = HOUR
_SENTENCE: Final = {OrderSide.BUY: "Bought", OrderSide.SELL: "Sold"}


class Work:
    """An account under change. What it was made of is never touched."""

    def __init__(self, account: Account, context: Context) -> None:
        self.account = account
        self.context = context
        self.bots = dict(account.bots)
        self.orders = dict(account.orders)
        self.balances = dict(account.balances)
        self.kill_switch = account.kill_switch
        self.own: dict[int, dict[str, Order]] = {}
        for order in orders.in_turn(account.orders.values()):
            self.own.setdefault(order.bot_id, {})[order.client_order_id] = order
        self.filled: dict[int, list[Order]] = {}
        self._orders: dict[str, Order] = {}
        self._fills: list[Fill] = []
        self._logs: list[LogEntry] = []
        self._requests: list[Request] = []
        self._bots: dict[int, None] = {}
        self._touched: dict[int, None] = {}
        self._created: list[int] = []
        self._deleted: list[int] = []
        self._assets: dict[str, None] = {}

    def market(self, bot: Bot) -> Market:
        """Return a bot's market."""
        return self.context.markets[bot.symbol]

    def open_orders(self, bot_id: int) -> tuple[Order, ...]:
        """Return a bot's open orders, as they were made."""
        return tuple(self.own.get(bot_id, {}).values())

    def put_bot(self, bot: Bot, *, visible: bool = True) -> None:
        """Take a bot as it is now; `visible` if more than its memory or `seen` has changed."""
        self.bots[bot.id] = bot
        (self._bots if visible else self._touched)[bot.id] = None

    def create(self, bot: Bot) -> None:
        """Take a new bot in."""
        self.bots[bot.id] = bot
        self._created.append(bot.id)

    def delete(self, bot_id: int) -> None:
        """Forget a bot."""
        del self.bots[bot_id]
        self._deleted.append(bot_id)

    def put_balances(self, balances: dict[str, Balance]) -> None:
        """Take balances as they are now."""
        self.balances.update(balances)
        self._assets.update(dict.fromkeys(balances))

    def log(self, bot_id: int | None, level: LogLevel, message: str, time: int) -> None:
        """Write to the activity log."""
        self._logs.append(LogEntry(level, message, time, bot_id))

    def put_order(self, order: Order) -> None:
        """Take an order as it is now."""
        self._orders[order.client_order_id] = order
        mine = self.own.setdefault(order.bot_id, {})
        if order.is_open:
            self.orders[order.client_order_id] = order
            mine[order.client_order_id] = order
        else:
            self.orders.pop(order.client_order_id, None)
            mine.pop(order.client_order_id, None)

    def place(
        self, bot_id: int, wish: Place, tick: Tick, *, forced: str | None = None
    ) -> str | None:
        """Place an order, or return why it is refused; one that is `forced` (why) passes any limit."""
        bot = self.bots[bot_id]
        market, on_paper = self.market(bot), bot.exchange == PAPER
        buys = wish.side is OrderSide.BUY
        price = wish.price or (tick.ask if buys else tick.bid)
        cushioned = price if wish.price is not None else price * paper.CUSHION
        rate = self.context.fee_rate
        needed = paper.to_reserve(wish.side, cushioned, wish.quantity, bot.leverage, rate)
        asset = market.quote if buys else market.base
        balance = self.balances.get(asset, Balance())
        others = ZERO if buys else self.held_by_bots(asset, but=bot_id)
        available = balance.free - others
        if forced is None:
            problem = refusal(
                Wanted(
                    bot=bot,
                    place=wish,
                    market=market,
                    price=price,
                    last=tick.price,
                    needed=needed,
                    available=available if on_paper else None,
                    others=others,
                    open_orders=self.open_orders(bot_id),
                    kill_switch=self.kill_switch,
                )
            )
            if problem is not None:
                return problem
        elif on_paper and needed > balance.free:
            return f"it needs {plain_text(needed)} {asset}, and {plain_text(balance.free)} are free"
        order = Order(
            client_order_id=orders.order_id(bot_id, bot.orders_made),
            bot_id=bot_id,
            symbol=bot.symbol,
            side=wish.side,
            kind=wish.kind,
            quantity=wish.quantity,
            price=wish.price,
            created_at=tick.time,
            updated_at=tick.time,
            reserved=needed if on_paper else ZERO,
            reason=forced,
            paired=wish.paired,
        )
        if on_paper:
            self.put_balances({asset: Balance(balance.free - needed, balance.locked + needed)})
        else:
            self._requests.append(PlaceOrder(bot.exchange, order))
        self.put_bot(structs.replace(bot, orders_made=bot.orders_made + 1))
        self.put_order(order)
        return None

    def held_by_bots(self, asset: str, *, but: int | None = None) -> Decimal:
        """Return how much of an asset's free balance belongs to positions of (other) bots."""
        total = ZERO
        for bot in self.bots.values():
            if bot.id == but or bot.position.quantity <= 0 or bot.exchange != PAPER:
                continue
            if self.market(bot).base == asset:
                sells = (o for o in self.open_orders(bot.id) if o.side is OrderSide.SELL)
                locked = sum((order.reserved for order in sells), ZERO)
                total += max(ZERO, bot.position.quantity - locked)
        return total

    def refuse(self, bot_id: int, wish: Place, problem: str, tick: Tick) -> None:
        """Let a bot rest after a refusal; the log says so once an hour for each side."""
        bot = self.bots[bot_id]
        before = bot.memory.get(REFUSED, {})
        after = before | {"until": tick.time + REST}
        if tick.time >= before.get(wish.side.value, -_QUIET) + _QUIET:
            after[wish.side.value] = tick.time
            what = f"{wish.side.value} {plain_text(wish.quantity)} {self.market(bot).base}"
            if wish.price is not None:
                what += f" at {plain_text(wish.price)}"
            text = f"{what} was not ordered: {problem}. It is tried again every 30 seconds."
            self.log(bot_id, LogLevel.WARNING, text, tick.time)
        self.put_bot(structs.replace(bot, memory=bot.memory | {REFUSED: after}), visible=False)

    def execute(
        self, order: Order, price: Decimal, quantity: Decimal, execution_id: str, time: int
    ) -> Decimal:
        """Fill a paper order; return how much it took. One that cannot pay is cancelled."""
        bot = self.bots[order.bot_id]
        rate = self.context.fee_rate
        settled = paper.settle(
            order,
            bot,
            self.market(bot),
            self.balances,
            price=price,
            quantity=quantity,
            fee_rate=rate,
            execution_id=execution_id,
            time=time,
        )
        if isinstance(settled, str):
            self.drop(order, settled, time)
            self.log(bot.id, LogLevel.WARNING, f"An order was cancelled. {settled}", time)
            return ZERO
        self.put_balances(settled.balances)
        self.book(structs.replace(bot, position=settled.position), settled.order, settled.fill)
        return quantity

    def book(self, bot: Bot, order: Order, fill: Fill) -> None:
        """Take a fill into the bot's results, and tell of an order that is filled whole."""
        self._fills.append(fill)
        self.put_order(order)
        self.put_bot(
            structs.replace(
                bot,
                fills=bot.fills + 1,
                last_fill_at=fill.time,
                last_fill_price=fill.price,
                last_fill_side=fill.side,
                updated_at=fill.time,
            )
        )
        if order.status is OrderStatus.FILLED:
            self.filled.setdefault(bot.id, []).append(order)
            market = self.market(bot)
            average = plain_text(share_down(order.filled_quote, order.filled_quantity))
            text = (
                f"{_SENTENCE[order.side]} {plain_text(order.quantity)} {market.base} at {average}"
            )
            fee = f"fee {plain_text(order.fee)} {market.quote}"
            self.log(bot.id, LogLevel.INFO, f"{text} {market.quote}, {fee}.", fill.time)

    def drop(
        self, order: Order, reason: str, time: int, event: OrderEvent = OrderEvent.CANCEL
    ) -> None:
        """End an order here, and give back what it held."""
        bot = self.bots[order.bot_id]
        if order.reserved:
            market = self.market(bot)
            asset = market.quote if order.side is OrderSide.BUY else market.base
            balance = self.balances[asset]
            self.put_balances(
                {asset: Balance(balance.free + order.reserved, balance.locked - order.reserved)}
            )
        self.put_order(orders.move(order, event, time, reason))

    def cancel(self, order: Order, reason: str, time: int) -> None:
        """Cancel an order; a live exchange is asked to, and the order is open until it has."""
        exchange = self.bots[order.bot_id].exchange
        if exchange == PAPER:
            self.drop(order, reason, time)
            return
        request = CancelOrder(exchange, order)
        if request not in self._requests:
            self._requests.append(request)

    def stop(self, bot_id: int, status: BotStatus, reason: str, time: int) -> None:
        """Stop a bot and cancel its open orders."""
        for order in self.open_orders(bot_id):
            self.cancel(order, reason, time)
        self.put_bot(structs.replace(self.bots[bot_id], status=status, updated_at=time))

    def changes(self, refused: Iterable[str] = ()) -> Changes:
        """Return what has changed."""
        known = {*self._created, *self._deleted}
        bots = tuple(bot for bot in self._bots if bot not in known)
        return Changes(
            account=structs.replace(
                self.account,
                bots=self.bots,
                orders=self.orders,
                balances=self.balances,
                kill_switch=self.kill_switch,
            ),
            orders=tuple(self._orders.values()),
            fills=tuple(self._fills),
            logs=tuple(self._logs),
            created=tuple(self._created),
            bots=bots,
            deleted=tuple(self._deleted),
            touched=tuple(b for b in self._touched if b not in known and b not in self._bots),
            balances=tuple(self._assets),
            requests=tuple(self._requests),
            refused=tuple(refused),
            kill_switch=self.kill_switch != self.account.kill_switch,
        )


def own_memory(memory: dict[str, Any]) -> dict[str, Any]:
    """Return the strategy's part of a bot's memory."""
    return {key: value for key, value in memory.items() if key != REFUSED}


def rests_until(bot: Bot) -> int | None:
    """Return until when (µs) a bot rests after a refusal, None if it does not."""
    until = bot.memory.get(REFUSED, {}).get("until")
    return None if until is None else int(until)


def rested(bot: Bot) -> Bot:
    """Return a bot that has rested; it still knows what it has complained of."""
    told = {key: value for key, value in bot.memory[REFUSED].items() if key != "until"}
    return structs.replace(bot, memory=bot.memory | {REFUSED: told})


def market_order(position_quantity: Decimal) -> Place:
    """Return the order that brings a position to nothing."""
    side = OrderSide.SELL if position_quantity > 0 else OrderSide.BUY
    return Place(side, OrderKind.MARKET, abs(position_quantity))
