"""A backtest: stored trades through the very same fold, and what came of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np
from msgspec import Struct, field, structs

from openoutcry.core.scales import to_decimal
from openoutcry.core.trading import positions
from openoutcry.core.trading.amounts import HUNDRED, exact, share_down
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import (
    BotAction,
    BotCommand,
    Changes,
    Context,
    Fund,
    Trades,
)
from openoutcry.errors import BadRequestError
from openoutcry.trading import ZERO, Account, Bot, BotStatus, Fill, LogEntry, Market, OrderSide

POINTS: Final = 600
"""At most so many points in an equity curve."""

_FEW_LOGS: Final = 50


class Point(Struct, frozen=True):
    """The account at a trade: the last of its stretch of time (µs)."""

    time: int
    equity: Decimal
    price: Decimal


class Drawdown(Struct, frozen=True):
    """The deepest fall of the equity: from a high to a low, in quote units and in percent."""

    amount: Decimal = ZERO
    percent: Decimal = ZERO
    high_time: int = 0
    low_time: int = 0


class Report(Struct, frozen=True):
    """What a backtest found. Money in quote units, times in µs, equity at the last trade's price.

    `pnl` is realised + unrealised - fees, and exactly what the equity has gained over what the
    account would be worth without the bot (`held`). `hold_percent`: the price's own change.
    """

    bot: Bot
    market: Market
    from_time: int
    to_time: int
    tape_trades: int
    orders: int
    fills: list[Fill]
    closes: int
    wins: int
    win_rate: Decimal | None
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal
    pnl: Decimal
    volume: Decimal
    first_price: Decimal
    last_price: Decimal
    start_equity: Decimal
    end_equity: Decimal
    return_percent: Decimal
    hold_percent: Decimal
    drawdown: Drawdown
    curve: list[Point]
    logs: list[LogEntry]


class Backtest:
    """Folds batches of trades, ascending by id, and keeps account of what happens.

    Guarantee: the fills are those that the trader would have made of the same trades, in whatever
    batches they come.
    """

    def __init__(
        self,
        bot: Bot,
        money: dict[str, Decimal],
        context: Context,
        *,
        from_time: int,
        to_time: int,
    ) -> None:
        """Start the bot with this money. Raises BadRequestError if it is not fit to start."""
        self._context = context
        self._market = context.markets[bot.symbol]
        self._from, self._to = from_time, to_time
        self._account = Account(0, 0, {}, {}, {})
        for asset, amount in money.items():
            self._take(fold(self._account, Fund(asset, amount, from_time), context))
        new = structs.replace(bot, status=BotStatus.ACTIVE, seen=None)
        made = fold(
            self._account, BotCommand(BotAction.CREATE, bot.id, from_time, bot=new), context
        )
        if made.refused:
            raise BadRequestError(" ".join(made.refused))
        self._account = made.account
        self._start = money
        self._equity = _Equity(
            money.get(self._market.quote, ZERO), money.get(self._market.base, ZERO)
        )
        self._bot_id = bot.id
        self._fills: list[Fill] = []
        self._logs: list[LogEntry] = []
        self._points: list[Point] = []
        self._prices: list[Decimal] = []
        self._count = 0
        self._span = (0, 0)

    @property
    def ended(self) -> bool:
        """Whether the bot has stopped, so that more trades would change nothing but its worth."""
        return self._account.bots[self._bot_id].status is not BotStatus.ACTIVE

    def feed(self, trades: Trades) -> None:
        """Take a batch in."""
        if not len(trades):
            return
        changes = fold(self._account, trades, self._context)
        self._take(changes)
        first, last = trades.price(0), trades.price(len(trades) - 1)
        self._prices = [self._prices[0] if self._prices else first, last]
        self._span = (self._span[0] or int(trades.times[0]), int(trades.times[-1]))
        self._count += len(trades)
        with exact():
            self._follow(trades, changes.fills)

    def _take(self, changes: Changes) -> None:
        self._account = changes.account
        if changes.fills:
            self._fills += changes.fills
        if changes.logs and self._account.bots:
            self._logs += changes.logs

    def _follow(self, trades: Trades, fills: Sequence[Fill]) -> None:
        """Follow the equity through a batch: holdings change with each fill, at no other trade."""
        buckets = (trades.times - self._from) * POINTS // max(1, self._to - self._from)
        ends = np.flatnonzero(np.diff(buckets, append=buckets[-1] + 1))
        start = 0
        for fill in fills:
            at = int(np.searchsorted(trades.ids, int(fill.execution_id)))
            if at > start:
                self._stretch(trades, start, at, ends)
            start = max(start, at)
            self._equity.book(fill)
        self._stretch(trades, start, len(trades), ends)

    def _stretch(self, trades: Trades, start: int, stop: int, ends: np.ndarray) -> None:
        self._equity.follow(trades, start, stop)
        for at in ends[(ends >= start) & (ends < stop)].tolist():
            price = trades.price(at)
            self._points.append(Point(int(trades.times[at]), self._equity.at(price), price))

    def report(self) -> Report:
        """Return what was found. Raises BadRequestError if there was no trade at all."""
        if not self._prices:
            raise BadRequestError("There are no trades of this symbol in that time.")
        bot = self._account.bots[self._bot_id]
        first, last = self._prices
        with exact():
            start = _Equity.of(self._start, self._market).at(first)
            end = self._equity.at(last)
            unrealized = positions.unrealized(bot.position, last)
            return Report(
                bot=bot,
                market=self._market,
                from_time=self._span[0],
                to_time=self._span[1],
                tape_trades=self._count,
                orders=bot.orders_made,
                fills=self._fills,
                closes=bot.position.closes,
                wins=bot.position.wins,
                win_rate=positions.win_rate(bot.position),
                realized_pnl=bot.position.realized_pnl,
                unrealized_pnl=unrealized,
                fees=bot.position.fees,
                pnl=bot.position.realized_pnl + unrealized - bot.position.fees,
                volume=sum((fill.price * fill.quantity for fill in self._fills), ZERO),
                first_price=first,
                last_price=last,
                start_equity=start,
                end_equity=end,
                return_percent=_percent(end - start, start),
                hold_percent=_percent(last - first, first),
                drawdown=self._equity.drawdown,
                curve=_thin(self._points),
                logs=self._logs[-_FEW_LOGS:],
            )


class _Equity(Struct):
    """What the account is worth: quote units less loans, and base units at the price."""

    quote: Decimal
    base: Decimal
    high: Decimal | None = None
    high_time: int = 0
    drawdown: Drawdown = field(default_factory=Drawdown)

    @classmethod
    def of(cls, money: dict[str, Decimal], market: Market) -> _Equity:
        """Return the worth of some money."""
        return cls(money.get(market.quote, ZERO), money.get(market.base, ZERO))

    def at(self, price: Decimal) -> Decimal:
        """Return the worth at a price."""
        return self.quote + self.base * price

    def book(self, fill: Fill) -> None:
        """Take a fill. What is borrowed for it is quote units and a loan, which cancel out."""
        sign = 1 if fill.side is OrderSide.BUY else -1
        self.base += sign * fill.quantity
        self.quote -= sign * fill.price * fill.quantity + fill.fee

    def follow(self, trades: Trades, start: int, stop: int) -> None:
        """Look for a new high and a deeper fall among trades start..stop, holdings unchanged.

        With nothing borrowed short the worth rises with the price, so the trades of interest are
        found in the scaled prices: the deepest fall within, and the lowest and the highest of all.
        """
        if start >= stop:
            return
        prices = trades.prices[start:stop]
        highest = np.maximum.accumulate(prices)
        # Where the worth falls most from a high within; in floats, which only choose the trade.
        unit = float(self.base) * 10.0**-trades.price_scale
        worths = float(self.quote) + prices * unit
        highs = float(self.quote) + highest * unit
        deepest = int(np.argmax((highs - worths) / np.maximum(highs, 1e-9)))
        before = int(np.argmax(prices == highest[deepest]))
        for at in sorted({0, int(np.argmin(prices)), before, deepest, int(np.argmax(prices))}):
            worth = self.at(to_decimal(int(prices[at]), trades.price_scale))
            self._meet(worth, int(trades.times[start + at]))

    def _meet(self, worth: Decimal, time: int) -> None:
        if self.high is None or worth > self.high:
            self.high, self.high_time = worth, time
            return
        fall = self.high - worth
        if self.high > 0 and fall * HUNDRED > self.drawdown.percent * self.high:
            self.drawdown = Drawdown(fall, _percent(fall, self.high), self.high_time, time)


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return share_down(part * HUNDRED, whole) if whole else ZERO


def _thin(points: list[Point]) -> list[Point]:
    """Return the last point of each moment; batches may have ended within one."""
    kept: list[Point] = []
    if len(points) <= 2 * POINTS:
        return points
    step = -(-len(points) // POINTS)
    kept = points[::step]
    return kept if kept[-1] is points[-1] else [*kept, points[-1]]
