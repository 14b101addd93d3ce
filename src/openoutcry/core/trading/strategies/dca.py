"""DCA: buy for the same amount again and again; optionally sell all at a profit, and begin again."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from openoutcry.core.intervals import INTERVALS, IntervalName
from openoutcry.core.trading.bands import ALWAYS, NEVER, Band
from openoutcry.core.trading.strategies.base import Decision, Tick, View, percent_problem
from openoutcry.core.trading.strategies.market_orders import (
    amount_problem,
    buy_for,
    gain_price,
    gained,
    sell_all,
    too_small,
)
from openoutcry.trading import Market, OrderSide


class DcaParameters(Struct, frozen=True):
    """The parameters of dollar-cost averaging."""

    amount: Annotated[Decimal, Meta(description="How much to buy for each time, in quote units.")]
    every: Annotated[IntervalName, Meta(description="How often to buy.")]
    max_buys: Annotated[
        int | None, Meta(description="Stop buying after so many purchases; none: never.")
    ] = None
    take_profit_percent: Annotated[
        Decimal | None,
        Meta(description="Sell everything when it is worth so much more than it cost, start anew."),
    ] = None


class Dca:
    """Buys at the market at once and then at the start of each interval.

    Memory: `next`, when to buy (µs); `buys`, purchases so far. A purchase that is refused is left
    out; the next one comes at its time.
    """

    name = "dca"
    summary = "Buys for the same amount again and again."
    parameters = DcaParameters

    def check(self, parameters: DcaParameters, market: Market) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the parameters."""
        problems = [
            *amount_problem(parameters.amount),
            *percent_problem("take_profit_percent", parameters.take_profit_percent, 1000),
        ]
        if parameters.max_buys is not None and parameters.max_buys < 1:
            problems.append(f"max_buys {parameters.max_buys} must be 1 or more.")
        return problems

    def decide(self, parameters: DcaParameters, view: View, tick: Tick) -> Decision:
        """Buy when it is time, sell when there is enough profit."""
        position = view.bot.position
        buys = int(view.bot.memory.get("buys", 0))
        next_time = int(view.bot.memory.get("next", 0))
        for order in view.filled:
            buys = buys + 1 if order.side is OrderSide.BUY else 0
        memory = {"buys": buys, "next": next_time} if view.bot.memory or view.filled else {}
        if view.orders:
            return Decision(memory)
        profit = parameters.take_profit_percent
        if profit is not None and position.quantity and gained(position, tick.bid, profit):
            return Decision(memory, (sell_all(view.bot),))
        if parameters.max_buys is not None and buys >= parameters.max_buys:
            done = None if profit is not None else f"All {buys} purchases are made."
            return Decision(memory, done=done)
        if tick.time < next_time:
            return Decision(memory)
        every = INTERVALS[parameters.every]
        memory = {"buys": buys, "next": every.next(every.floor(tick.time))}
        wish = buy_for(parameters.amount, tick, view.market)
        if wish is None:
            return Decision(memory, done=too_small(parameters.amount, tick, view.market))
        return Decision(memory, (wish,))

    def band(self, parameters: DcaParameters, view: View) -> Band:
        """Return when to buy next, and at which bid to sell."""
        if view.orders:
            return NEVER
        memory, position = view.bot.memory, view.bot.position
        if not memory:
            return ALWAYS
        profit = parameters.take_profit_percent
        enough = parameters.max_buys is not None and memory["buys"] >= parameters.max_buys
        if enough and profit is None:
            return ALWAYS
        return Band(
            until=None if enough else int(memory["next"]),
            bid_at_least=(
                gain_price(position, profit) if profit is not None and position.quantity else None
            ),
        )
