"""One account at work: what the tape brings is folded into it, and what that changes is handed out."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, structs

from openoutcry.core.trading.bands import Quiet
from openoutcry.core.trading.engine import fold, quiet, watching
from openoutcry.core.trading.events import Changes, Context, Trades
from openoutcry.trading import Account

NEVER: Final = -1
"""The cursor before the first trade."""


class Batch(Struct, frozen=True):
    """Trades of one symbol, and what all accounts ask of them, worked out once."""

    trades: Trades
    first: int
    last: int
    lowest: int
    highest: int
    newest: int

    @property
    def unbroken(self) -> bool:
        """Whether no id between the first and the last is missing."""
        return self.last - self.first + 1 == len(self.trades)


def batch_of(trades: Trades) -> Batch:
    """Return trades (one at least) with their first and last id, lowest and highest price, last time."""
    return Batch(
        trades,
        first=int(trades.ids[0]),
        last=int(trades.ids[-1]),
        lowest=int(trades.prices.min()),
        highest=int(trades.prices.max()),
        newest=int(trades.times.max()),
    )


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
        self._symbols: tuple[Account, set[str]] | None = None
        for bot in watching(account):
            # A bot that has seen nothing was started before anything was stored: it takes in all.
            # One that is stopped may have seen little for long, and does not count.
            seen = NEVER if bot.seen is None else bot.seen
            self.cursors[bot.symbol] = min(seen, self.cursors.get(bot.symbol, seen))

    def symbols(self) -> set[str]:
        """Return the symbols whose trades may change something."""
        if self._symbols is None or self._symbols[0] is not self.account:
            self._symbols = (self.account, {bot.symbol for bot in watching(self.account)})
        return self._symbols[1]

    def passes(self, batch: Batch) -> bool:
        """Take note of a batch in which nothing can happen, at hardly any cost.

        False where it has to be looked at: it may change something, or trades before it are missing.
        """
        symbol = batch.trades.symbol
        if symbol not in self.symbols():
            return True
        cursor = self.cursors.get(symbol, NEVER)
        if batch.last <= cursor:
            return True
        if batch.first > cursor + 1 or not batch.unbroken:
            return False
        calm = self._calm(batch.trades)
        if not calm.holds(batch.lowest, batch.highest, batch.newest):
            return False
        self._skip(batch.trades, batch.last)
        return True

    def feed(self, trades: Trades) -> Changes | None:
        """Fold trades; return what has to be stored now, None if nothing has.

        The account is only moved on by `keep`, once that is stored: until then it is as before.
        """
        trades = trades.after(self.cursors.get(trades.symbol, NEVER))
        if not len(trades):
            return None
        symbol, last = trades.symbol, int(trades.ids[-1])
        if self._calm(trades).first_outside(trades.prices, trades.times, 0) < 0:
            self._skip(trades, last)
            return None
        changes = fold(self.account, trades, self.context)
        if changes.must_be_stored:
            return changes
        self.account = changes.account
        self._moved(symbol, last)
        self.unsaved = True
        return None

    def _skip(self, trades: Trades, last: int) -> None:
        self._skipped[trades.symbol] = trades
        self.cursors[trades.symbol] = last
        self.unsaved = True

    def keep(self, changes: Changes, version: int, symbol: str, last: int) -> None:
        """Take over what was stored, up to the trade `last` of `symbol`."""
        self.account = structs.replace(changes.account, version=version)
        self._quiet.clear()
        self._moved(symbol, last)

    def to_save(self) -> Changes:
        """Return how far the bots have read, to be stored without telling anybody."""
        for symbol, trades in self._skipped.items():
            self.account = fold(self.account, trades.part(-1), self.context).account
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
