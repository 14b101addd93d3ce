"""What has been worked out before and holds still: saves time, changes no result."""

from __future__ import annotations

from typing import Any, Final

from openoutcry.core.trading.bands import Quiet, Scale
from openoutcry.core.trading.strategies import STRATEGIES, ParameterError, read
from openoutcry.trading import Bot, Market, Order

_MOST: Final = 20_000


class Memo:
    """Parameters and quiet prices of bots, by what they were made of; 20,000 bots, then it forgets."""

    def __init__(self) -> None:
        self._parameters: dict[int, tuple[dict[str, Any], str, Any]] = {}
        self._quiet: dict[int, tuple[Bot, tuple[Order, ...], Market, Scale, Quiet]] = {}

    def parameters(self, bot: Bot) -> Any:
        """Return a bot's parameters, None if they cannot be read any more."""
        known = self._parameters.get(bot.id)
        if known is not None and known[0] is bot.parameters and known[1] == bot.strategy:
            return known[2]
        try:
            found = read(STRATEGIES[bot.strategy].parameters, bot.parameters)
        except ParameterError:
            found = None
        if len(self._parameters) >= _MOST:
            self._parameters.clear()
        self._parameters[bot.id] = (bot.parameters, bot.strategy, found)
        return found

    def quiet(self, bot: Bot, own: tuple[Order, ...], market: Market, scale: Scale) -> Quiet | None:
        """Return the prices that were quiet for just this bot, with just these orders; or None."""
        known = self._quiet.get(bot.id)
        if known is None:
            return None
        before, orders, at, scaled, quiet = known
        same = (
            before.memory is bot.memory
            and before.position is bot.position
            and before.parameters is bot.parameters
            and before.status is bot.status
            and before.strategy == bot.strategy
            and before.exchange == bot.exchange
            and at is market
            and scaled == scale
            and orders == own
        )
        return quiet if same else None

    def note(
        self, bot: Bot, own: tuple[Order, ...], market: Market, scale: Scale, quiet: Quiet
    ) -> Quiet:
        """Remember which prices are quiet for a bot, and return them."""
        if len(self._quiet) >= _MOST:
            self._quiet.clear()
        self._quiet[bot.id] = (bot, own, market, scale, quiet)
        return quiet
