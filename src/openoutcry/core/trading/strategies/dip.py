"""Dip: buy when the price has fallen far enough from its high, sell when it has recovered."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from openoutcry.core.trading.amounts import percent_of
from openoutcry.core.trading.bands import ALWAYS, NEVER, Band
from openoutcry.core.trading.strategies.base import Decision, Tick, View, percent_problem
from openoutcry.core.trading.strategies.market_orders import (
    amount_problem,
    buy_for,
    gain_price,
    gained,
    loss_price,
    lost,
    sell_all,
    too_small,
)
from openoutcry.trading import Market, OrderSide


class DipParameters(Struct, frozen=True):
    """A dip buyer's parameters."""

    amount: Annotated[Decimal, Meta(description="How much to buy for, in quote units.")]
    dip_percent: Annotated[
        Decimal,
        Meta(description="Buy when the price is so far below its high since the last sale."),
    ]
    profit_percent: Annotated[
        Decimal, Meta(description="Sell when what was bought is worth so much more than it cost.")
    ]
    stop_percent: Annotated[
        Decimal | None, Meta(description="Sell when it is worth so much less than it cost.")
    ] = None


class Dip:
    """Follows the highest bid, buys at the market below it, sells at a profit or at the stop.

    Memory: `high`, the highest bid since it started or last sold.
    """

    name = "dip"
    summary = "Buys when the price has fallen from its high, sells when it has recovered."
    parameters = DipParameters

    def check(self, parameters: DipParameters, market: Market) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the parameters."""
        return [
            *amount_problem(parameters.amount),
            *percent_problem("dip_percent", parameters.dip_percent, 100),
            *percent_problem("profit_percent", parameters.profit_percent, 1000),
            *percent_problem("stop_percent", parameters.stop_percent, 100),
        ]

    def decide(self, parameters: DipParameters, view: View, tick: Tick) -> Decision:
        """Follow the high, buy below it, sell what was bought."""
        position = view.bot.position
        high = view.bot.memory.get("high")
        if any(order.side is OrderSide.SELL for order in view.filled):
            high = None
        memory = {} if high is None else {"high": high}
        if view.orders:
            return Decision(memory)
        if position.quantity:
            stop = parameters.stop_percent
            won = gained(position, tick.bid, parameters.profit_percent)
            if won or (stop is not None and lost(position, tick.bid, stop)):
                return Decision(memory, (sell_all(view.bot),))
            return Decision(memory)
        top = tick.bid if high is None else max(Decimal(high), tick.bid)
        memory = {"high": f"{top:f}"} if high is None or top > Decimal(high) else memory
        if tick.bid > top - percent_of(top, parameters.dip_percent):
            return Decision(memory)
        wish = buy_for(parameters.amount, tick, view.market)
        if wish is None:
            return Decision(memory, done=too_small(parameters.amount, tick, view.market))
        return Decision(memory, (wish,))

    def band(self, parameters: DipParameters, view: View) -> Band:
        """Return where the high rises or the dip is deep enough; or where to sell."""
        if view.orders:
            return NEVER
        position, stop = view.bot.position, parameters.stop_percent
        if position.quantity:
            return Band(
                bid_at_least=gain_price(position, parameters.profit_percent),
                bid_at_most=None if stop is None else loss_price(position, stop),
            )
        if not view.bot.memory:
            return ALWAYS
        high = Decimal(view.bot.memory["high"])
        return Band(bid_above=high, bid_at_most=high - percent_of(high, parameters.dip_percent))
