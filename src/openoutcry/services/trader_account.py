"""One account at work: what the tape brings is folded into it, and what that changes is handed out."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from openoutcry.core.trading.bands import Quiet
from openoutcry.core.trading.engine import fold, quiet
from openoutcry.core.trading.events import Changes, Context, Trades
from openoutcry.trading import Account, BotStatus

NEVER: Final = -1
"""The cursor before the first trade."""


class AtWork:
    """An account in memory, as stored but for what can be folded again: `seen` and `memory` of bots.

    `cursors` says for each symbol up to which trade id the account has taken the tape in.
    """

    def __init__(self, account: Account, context: Context) -> None:
        self.account = account
        self.context = context
        self.cursors: dict[str, int] = {}
        self.unsaved = False
        """Whether bots have seen more than is stored of them."""
        self._quiet: dict[str, tuple[int, Quiet]] = {}
        self._skipped: dict[str, Trades] = {}
        for symbol in self.symbols():
            # A bot that has seen nothing was started before anything was stored: it takes in all.
            self.cursors[symbol] = min(
                NEVER if bot.seen is None else bot.seen
                for bot in account.bots.values()
                if bot.symbol == symbol
            )

    def symbols(self) -> set[str]:
        """Return the symbols whose trades may change something."""
        ordering = {order.bot_id for order in self.account.orders.values()}
        return {
            bot.symbol
            for bot in self.account.bots.values()
            if bot.status is BotStatus.ACTIVE or bot.id in ordering or bot.position.loan
        }

    def feed(self, trades: Trades) -> Changes | None:
        """Fold trades; return what has to be stored now, None if nothing has.

        The account is only moved on by `keep`, once that is stored: until then it is as before.
        """
        trades = trades.after(self.cursors.get(trades.symbol, NEVER))
        if not len(trades):
            return None
        symbol, last = trades.symbol, int(trades.ids[-1])
        if self._calm(trades).first_outside(trades.prices, trades.times, 0) < 0:
            self._skipped[symbol] = trades.part(-1)
            self.cursors[symbol] = last
            self.unsaved = True
            return None
        changes = fold(self.account, trades, self.context)
        if changes.must_be_stored:
            return changes
        self.account = changes.account
        self._moved(symbol, last)
        self.unsaved = True
        return None

    def keep(self, changes: Changes, version: int, symbol: str, last: int) -> None:
        """Take over what was stored, up to the trade `last` of `symbol`."""
        self.account = structs.replace(changes.account, version=version)
        self._quiet.clear()
        self._moved(symbol, last)

    def to_save(self) -> Changes:
        """Return how far the bots have read, to be stored without telling anybody."""
        for symbol, trades in self._skipped.items():
            self.account = fold(self.account, trades, self.context).account
            self._quiet.pop(symbol, None)
        self._skipped.clear()
        return Changes(self.account, touched=tuple(self.account.bots))

    def saved(self, version: int) -> None:
        """Note that it was stored."""
        self.account = structs.replace(self.account, version=version)
        self.unsaved = False

    def _moved(self, symbol: str, last: int) -> None:
        self.cursors[symbol] = last
        self._skipped.pop(symbol, None)
        self._quiet.pop(symbol, None)

    def _calm(self, trades: Trades) -> Quiet:
        """Return at which prices nothing can happen, worked out once for each state."""
        known = self._quiet.get(trades.symbol)
        if known is not None and known[0] == trades.price_scale:
            return known[1]
        found = quiet(self.account, trades.symbol, self.context, trades.price_scale)
        self._quiet[trades.symbol] = (trades.price_scale, found)
        return found
