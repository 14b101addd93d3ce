"""Trades and reports of exchanges folded into accounts, and what that changes committed."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Final

import asyncpg
from msgspec import structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.postgres.trading_commit import commit
from openoutcry.core.keys import OUTBOX_WAKE
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import Changes, LastTrade, Report, Trades
from openoutcry.services.live_orders import LiveOrders
from openoutcry.services.trader_account import NEVER, AtWork, batch_of
from openoutcry.services.trader_stats import TraderStats
from openoutcry.services.trader_tape import follows, read_on
from openoutcry.services.trader_work import Work

_PATIENCE: Final = 0.5
_TRIES: Final = 5


class Folds:
    """Moves the accounts at work on, one commit for each change."""

    def __init__(
        self,
        work: Work,
        reader: TradeReader,
        instruments: InstrumentReader,
        valkey: Redis,
        stats: TraderStats,
    ) -> None:
        self.prices: dict[str, tuple[int, Decimal]] = {}
        """The time (µs) and the price of the newest trade that was heard, by symbol."""
        self._work = work
        self._reader = reader
        self._instruments = instruments
        self._valkey = valkey
        self._stats = stats

    # --- trades -----------------------------------------------------------------------------------

    async def feed_all(self, connection: asyncpg.Connection[Any], heard: dict[str, Trades]) -> None:
        """Feed what was heard to all accounts, and a page of the store to those that are behind."""
        work = self._work
        for symbol, trades in heard.items():
            self._stats.trades += len(trades)
            self.prices[symbol] = (int(trades.times[-1]), trades.price(-1))
            batch = batch_of(trades)
            for user, one in list(work.accounts.items()):
                if (user, symbol) not in work.behind and not one.passes(batch):
                    await self._hear(connection, user, one, trades)
        await self._catch_up(connection)
        self._stats.behind = len(work.behind)

    async def _hear(
        self, connection: asyncpg.Connection[Any], user: int, one: AtWork, trades: Trades
    ) -> None:
        if follows(trades, one.cursors.get(trades.symbol, NEVER)):
            await self._feed(connection, user, one, trades)
        else:
            self._work.behind.add((user, trades.symbol))

    async def _catch_up(self, connection: asyncpg.Connection[Any]) -> None:
        """Bring each account that is behind one page further; accounts at one place share it."""
        pages: dict[tuple[str, int], Trades | None] = {}
        instruments = {each.symbol: each for each in await self._instruments.all()}
        for user, symbol in sorted(self._work.behind):
            one = self._work.accounts.get(user)
            if one is None or symbol not in instruments:
                self._work.behind.discard((user, symbol))
                continue
            cursor = one.cursors.get(symbol, NEVER)
            if (symbol, cursor) not in pages:
                page = await read_on(self._reader, instruments[symbol], cursor)
                pages[symbol, cursor] = page
            trades = pages[symbol, cursor]
            if trades is None:
                self._work.behind.discard((user, symbol))
            else:
                await self._feed(connection, user, one, trades)

    async def _feed(
        self, connection: asyncpg.Connection[Any], user: int, one: AtWork, trades: Trades
    ) -> None:
        """Fold trades into an account and commit what that changes."""
        self._stats.folds += 1
        try:
            changes = one.feed(trades, self._work.today())
        except Exception as error:  # noqa: BLE001 - one account's fault must not stop the others
            self._work.set_aside(user, trades.symbol, error)
            return
        if changes is None:
            return
        committed = await commit(connection, user, one.account.version, changes)
        if committed is None:
            # Somebody else was first: the account is loaded, and these trades come to it again.
            self._stats.conflicts += 1
            await self._work.load(connection, user)
            return
        one.keep(changes, committed.version, trades.symbol, int(trades.ids[-1]))
        await self._tell(one, changes)

    # --- news of live exchanges -------------------------------------------------------------------

    async def take_news(self, connection: asyncpg.Connection[Any], live: LiveOrders) -> None:
        """Fold what exchanges tell of orders, and commit it."""
        for news in live.take():
            try:
                for _ in range(_TRIES):
                    if await self._take_report(connection, news.user_id, news.report):
                        break
            finally:
                if not news.taken.done():
                    news.taken.set_result(None)

    async def _take_report(
        self, connection: asyncpg.Connection[Any], user: int, report: Report
    ) -> bool:
        """Fold one report; False if somebody else has changed the account meanwhile."""
        one = self._work.accounts.get(user)
        order = None if one is None else one.account.orders.get(report.client_order_id)
        if one is None or order is None or not self._can_answer(order.symbol, report):
            return True
        one.settle()
        _, price = self.prices.get(order.symbol, (0, None))
        last = {} if price is None else {order.symbol: LastTrade(0, price)}
        try:
            changes = fold(one.account, report, structs.replace(self._work.context, last=last))
        except Exception as error:  # noqa: BLE001 - as above
            self._work.set_aside(user, order.symbol, error)
            return True
        if not changes.must_be_stored:
            return True
        committed = await commit(connection, user, one.account.version, changes)
        if committed is None:
            self._stats.conflicts += 1
            await self._work.load(connection, user)
            return False
        one.keep_report(changes, committed.version)
        await self._tell(one, changes)
        return True

    def _can_answer(self, symbol: str, report: Report) -> bool:
        """Return whether a bot may decide what follows from a report.

        What it says is as old as the execution, or the newest trade: one of them has to be of now. If
        not, the report is left, and comes again with the next look at the exchange.
        """
        newest = max(report.time, self.prices.get(symbol, (0, None))[0])
        return not report.quantity or newest >= self._work.today().stale_before

    # --- what was committed -----------------------------------------------------------------------

    async def _tell(self, one: AtWork, changes: Changes) -> None:
        """Let the executor and the publisher know of a commit, and count it."""
        self._work.show(one, changes)
        self._stats.commits += 1
        self._stats.fills += len(changes.fills)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._valkey.publish(OUTBOX_WAKE, b"")
        except (RedisError, OSError, TimeoutError):
            return  # it looks for itself
