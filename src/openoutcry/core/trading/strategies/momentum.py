"""Momentum: buy what has been rising, sell when it falls."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from openoutcry.core.intervals import INTERVALS, IntervalName
from openoutcry.core.trading.amounts import percent_of
from openoutcry.core.trading.bands import ALWAYS, Band
from openoutcry.core.trading.strategies.base import Decision, Tick, View, percent_problem
from openoutcry.core.trading.strategies.market_orders import (
    amount_problem,
    buy_for,
    loss_price,
    lost,
    sell_all,
    too_small,
)
from openoutcry.trading import Market

_MOST_LOOKBACK: Final = 500


class MomentumParameters(Struct, frozen=True):
    """A momentum trader's parameters."""

    amount: Annotated[Decimal, Meta(description="How much to buy for, in quote units.")]
    interval: Annotated[IntervalName, Meta(description="How often to look.")]
    lookback: Annotated[int, Meta(description="Compare with so many looks ago: 1 to 500.")]
    rise_percent: Annotated[
        Decimal, Meta(description="Buy when the price has risen by so much since then.")
    ]
    fall_percent: Annotated[
        Decimal, Meta(description="Sell when the price has fallen by so much since then.")
    ]
    stop_percent: Annotated[
        Decimal | None,
        Meta(description="Sell at once when what was bought is worth so much less than it cost."),
    ] = None


class Momentum:
    """Looks at the first trade of each interval, and compares it with `lookback` looks ago.

    Memory: `opens`, the prices seen, the newest last; `next`, when to look again (µs). An interval
    without a trade is left out.
    """

    name = "momentum"
    summary = "Buys what has been rising, sells when it falls."
    parameters = MomentumParameters

    def check(self, parameters: MomentumParameters, market: Market) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the parameters."""
        problems = [
            *amount_problem(parameters.amount),
            *percent_problem("rise_percent", parameters.rise_percent, 1000),
            *percent_problem("fall_percent", parameters.fall_percent, 100),
            *percent_problem("stop_percent", parameters.stop_percent, 100),
        ]
        if not 1 <= parameters.lookback <= _MOST_LOOKBACK:
            problems.append(
                f"lookback must be from 1 to {_MOST_LOOKBACK}, not {parameters.lookback}."
            )
        return problems

    def decide(self, parameters: MomentumParameters, view: View, tick: Tick) -> Decision:
        """Look when it is time, and buy or sell by what has changed."""
        memory, position = view.bot.memory, view.bot.position
        looks = tick.time >= memory.get("next", 0)
        if looks:
            memory = _look(memory, parameters, tick)
        if view.orders:
            return Decision(memory)
        if position.quantity:
            stop = parameters.stop_percent
            stopped = stop is not None and lost(position, tick.bid, stop)
            falls = looks and _changed(memory, parameters, tick, -parameters.fall_percent)
            return Decision(memory, (sell_all(view.bot),) if stopped or falls else ())
        if not looks or not _changed(memory, parameters, tick, parameters.rise_percent):
            return Decision(memory)
        wish = buy_for(parameters.amount, tick, view.market)
        if wish is None:
            return Decision(memory, done=too_small(parameters.amount, tick, view.market))
        return Decision(memory, (wish,))

    def band(self, parameters: MomentumParameters, view: View) -> Band:
        """Return when to look next, and where the stop is."""
        if not view.bot.memory:
            return ALWAYS
        position, stop = view.bot.position, parameters.stop_percent
        stops = stop is not None and position.quantity and not view.orders
        return Band(
            until=int(view.bot.memory["next"]),
            bid_at_most=loss_price(position, stop) if stops and stop is not None else None,
        )


def _look(memory: dict[str, Any], parameters: MomentumParameters, tick: Tick) -> dict[str, Any]:
    interval = INTERVALS[parameters.interval]
    opens = [*memory.get("opens", ()), f"{tick.price:f}"][-parameters.lookback - 1 :]
    return {"opens": opens, "next": interval.next(interval.floor(tick.time))}


def _changed(
    memory: dict[str, Any], parameters: MomentumParameters, tick: Tick, percent: Decimal
) -> bool:
    """Return whether the price has changed by `percent` or more, in its direction."""
    opens = memory["opens"]
    if len(opens) <= parameters.lookback:
        return False
    then = Decimal(opens[0])
    change, wanted = tick.price - then, percent_of(then, percent)
    return change >= wanted if percent > 0 else change <= wanted
