"""The accounts that a trader has at work: loaded, shown to who sends live orders, stored, let go."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import asyncpg
import structlog
from msgspec import structs

from openoutcry.adapters.postgres.trader_shards import SHARDS
from openoutcry.adapters.postgres.trading_accounts import load_account
from openoutcry.adapters.postgres.trading_commit import checkpoint
from openoutcry.core.trading.events import Changes, Context, PlaceOrder
from openoutcry.services.live_orders import LiveOrders
from openoutcry.services.trader_account import AtWork
from openoutcry.services.trader_stats import TraderStats

log = structlog.get_logger(__name__)

_ASIDE_SECONDS: Final = 60.0


class Work:
    """Every account of our shards that has something to do, in memory."""

    def __init__(self, stats: TraderStats, live: LiveOrders | None) -> None:
        self.context = Context(markets={})
        self.accounts: dict[int, AtWork] = {}
        self.behind: set[tuple[int, str]] = set()
        """Users and symbols whose trades have to be read from the store."""
        self.changed: set[int] = set()
        """Users whose account somebody else has changed, as far as is known."""
        self.claimed: dict[int, float] = {}
        """Since when (monotonic) each shard is ours."""
        self._stats = stats
        self._live = live
        self._aside: dict[int, float] = {}

    def missed(self) -> None:
        """Note that messages may have been missed: read on from the store."""
        self.behind |= {(user, s) for user, one in self.accounts.items() for s in one.symbols()}
        self.changed |= set(self.accounts)

    def doubt(self, heard: Collection[str]) -> None:
        """Look in the store for trades of the markets that were not heard of."""
        self.behind |= {
            (user, symbol)
            for user, one in self.accounts.items()
            for symbol in one.symbols()
            if symbol not in heard
        }

    def go_by(self, context: Context) -> None:
        """Fold in another context from now on."""
        self.context = context
        for one in self.accounts.values():
            one.context = context

    def today(self) -> Context:
        """Return the context in which live bots take old trades as seen."""
        if self._live is None:
            return self.context
        stale = time.time_ns() // 1000 - round(self._live.rules.stale * 1_000_000)
        return structs.replace(self.context, stale_before=stale)

    def compare(self, busy: Mapping[int, int]) -> None:
        """Compare with the versions of all accounts that are busy: forget the others."""
        self.forget([user for user in self.accounts if user not in busy])
        self.changed |= {
            user
            for user, version in busy.items()
            if user not in self.accounts or self.accounts[user].account.version != version
        }

    async def reload(self, connection: asyncpg.Connection[Any], owned: Collection[int]) -> None:
        """Load the accounts that somebody else has changed, or that are new to us."""
        changed, self.changed = self.changed, set()
        for user in changed:
            if user % SHARDS not in owned or self._aside.get(user, 0.0) > time.monotonic():
                continue
            await self.load(connection, user)

    async def load(self, connection: asyncpg.Connection[Any], user: int) -> None:
        """Load an account unless it is known as it is stored."""
        known = self.accounts.get(user)
        account = await load_account(connection, user)
        if account is None:
            self.forget([user])
            return
        if known is not None and known.account.version == account.version:
            return
        one = self.accounts[user] = AtWork(account, self.context)
        self.behind -= {key for key in self.behind if key[0] == user}
        self.behind |= {(user, symbol) for symbol in one.symbols()}
        self.show(one)

    def show(self, one: AtWork, changes: Changes | None = None) -> None:
        """Let the executor see an account as it is stored."""
        if self._live is None:
            return
        user = one.account.user_id
        since = self.claimed.get(user % SHARDS, time.monotonic())
        requests = changes.requests if changes else ()
        placed = [each.order.client_order_id for each in requests if isinstance(each, PlaceOrder)]
        self._live.see(one.account, self.context.markets, since, placed)

    async def save(self, connection: asyncpg.Connection[Any], users: Collection[int]) -> None:
        """Store how far the bots of these users have read."""
        for user in users:
            one = self.accounts[user]
            if not one.unsaved:
                continue
            changes = one.to_save()
            committed = await checkpoint(connection, user, one.account.version, changes)
            if committed is None:
                self._stats.conflicts += 1
                self.changed.add(user)
            else:
                one.saved(committed.version)

    def set_aside(self, user: int, symbol: str, error: Exception) -> None:
        """Leave an account alone for a while: its fault must not stop the others."""
        self._stats.faults += 1
        log.error("an account cannot be folded", user_id=user, symbol=symbol, exc_info=error)
        self._aside[user] = time.monotonic() + _ASIDE_SECONDS
        self.forget([user])

    def forget(self, users: Collection[int]) -> None:
        """Let accounts go as they are."""
        for user in users:
            self.accounts.pop(user, None)
            if self._live is not None:
                self._live.forget(user)
        self.behind -= {key for key in self.behind if key[0] in users}
