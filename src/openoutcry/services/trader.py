"""The trader role: the tape in, accounts folded, what changes committed.

Every account of our shards is kept in memory. Trades are folded into it as they are announced; what
changes is committed on the connection that owns the shards, and only then counts. Whatever ends a
trader, its successor loads the accounts and reads the tape on from the last trade that each bot has
taken in: the same fold of the same trades decides the same, down to the ids of orders.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import asyncpg
import structlog
from msgspec import Struct, structs
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.analytics_reader import add_equity_points
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.postgres.trader_shards import SHARDS, TraderShards
from openoutcry.adapters.postgres.trading_accounts import load_account
from openoutcry.adapters.postgres.trading_commit import checkpoint, commit
from openoutcry.core.backoff import Backoff
from openoutcry.core.frames import decode
from openoutcry.core.intervals import MINUTE
from openoutcry.core.keys import OUTBOX_WAKE, TRADER_WAKE, trades_channel
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.equity import sample
from openoutcry.core.trading.events import (
    Changes,
    Context,
    LastTrade,
    PlaceOrder,
    Report,
    Trades,
)
from openoutcry.errors import FrameError, OutcryError
from openoutcry.services.live_orders import LiveOrders, LiveStats
from openoutcry.services.trader_account import NEVER, AtWork, batch_of
from openoutcry.services.trader_tape import Tape, follows, read_on
from openoutcry.services.trading_desk import market_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often shards are shared out anew, and accounts looked for that have changed unheard."""
SAVE_SECONDS: Final = 5.0
"""How often it is stored how far bots have read: what a restart reads again at most."""
_REST_SECONDS: Final = 0.2
_ASIDE_SECONDS: Final = 60.0
_PATIENCE: Final = 0.5
_TRIES: Final = 5
_TRADES: Final = trades_channel("")
_PASSING: Final = (*OUTAGES, RedisError, OutcryError)


class TraderRules(Struct, frozen=True):
    """What trading on paper costs, and the currency that sums are in. Shares of the price."""

    spread: Decimal
    fee_rate: Decimal
    currency: str = "USDT"


class TraderStats(Struct):
    """What a trader has done since it started."""

    trades: int = 0
    folds: int = 0
    commits: int = 0
    fills: int = 0
    conflicts: int = 0
    faults: int = 0
    interrupted: int = 0
    shards: int = 0
    accounts: int = 0
    behind: int = 0


class Trader:
    """Trades for the users of its shards, for as long as it owns them."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
        reader: TradeReader,
        instruments: InstrumentReader,
        valkey: Redis,
        rules: TraderRules,
        *,
        live: Callable[[Callable[[], None]], LiveOrders] | None = None,
    ) -> None:
        self.stats = TraderStats()
        self._connect = connect
        self._reader = reader
        self._instruments = instruments
        self._valkey = valkey
        self._rules = rules
        self._tape = Tape()
        self._prices: dict[str, tuple[int, Decimal]] = {}
        self._work: dict[int, AtWork] = {}
        self._behind: set[tuple[int, str]] = set()
        self._aside: dict[int, float] = {}
        self._changed: set[int] = set()
        self._woken = asyncio.Event()
        self._context = Context(markets={})
        self._sampled = 0
        self._claimed: dict[int, float] = {}
        self._live = None if live is None else live(self._woken.set)

    @property
    def live(self) -> LiveOrders | None:
        """The executor of live orders, None where live trading is off."""
        return self._live

    # --- what is heard ----------------------------------------------------------------------------

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of `trades:<SYMBOL>` or `trader:wake`."""
        if channel == TRADER_WAKE:
            if data.isdigit():
                self._changed.add(int(data))
        else:
            try:
                self._tape.hear(channel.removeprefix(_TRADES), decode(data))
            except FrameError as error:
                log.warning("an announcement of trades makes no sense", reason=str(error))
        self._woken.set()

    async def on_connected(self) -> None:
        """Messages may have been missed: read on from the store."""
        self._behind |= {(user, s) for user, one in self._work.items() for s in one.symbols()}
        self._changed |= set(self._work)
        self._woken.set()

    # --- the loop ---------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until `stop`; outages of PostgreSQL are waited out, and cost nothing but time."""
        backoff = Backoff(first=0.1, most=5.0)
        while not stop.is_set():
            connection: asyncpg.Connection[Any] | None = None
            try:
                connection = await self._connect()
                await self._trade(connection, stop, backoff)
            except _PASSING as error:
                self.stats.interrupted += 1
                delay = backoff.next()
                reason = f"{type(error).__name__}: {error}"
                log.warning("trader interrupted", reason=reason, in_seconds=round(delay, 2))
                await _sleep(delay, stop)
            finally:
                if self._live is not None:
                    await self._live.close()
                self._forget(list(self._work))
                self._claimed.clear()
                self.stats.shards = 0
                if connection is not None:
                    connection.terminate()

    async def _trade(
        self, connection: asyncpg.Connection[Any], stop: asyncio.Event, backoff: Backoff
    ) -> None:
        shards = TraderShards(connection)
        await shards.join()
        look_at = save_at = float("-inf")
        while not stop.is_set():
            now = time.monotonic()
            if now >= look_at:
                await self._look_round(connection, shards)
                look_at = now + LOOK_SECONDS
            await self._reload(connection, shards)
            await self._feed_all(connection)
            await self._take_news(connection)
            if now >= save_at:
                await self._save(connection, list(self._work))
                save_at = now + SAVE_SECONDS
            await self._sample(connection)
            backoff.reset()
            if not self._behind:
                await self._rest()
        await self._save(connection, list(self._work))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_REST_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def _look_round(self, connection: asyncpg.Connection[Any], shards: TraderShards) -> None:
        """Have a fair share of the shards, and the present state of their busy accounts."""
        before = time.time()
        fair = await shards.fair_share()
        if self._live is not None:
            self._live.proof = before  # whoever answers on this connection still holds its locks
        if surplus := shards.surplus(fair):
            leaving = [user for user in self._work if user % SHARDS in surplus]
            await self._save(connection, leaving)
            self._forget(leaving)
            await shards.release(surplus)
        await shards.claim(fair)
        self._claimed = {
            shard: self._claimed.get(shard, time.monotonic()) for shard in shards.owned
        }
        known = {each.symbol: market_of(each) for each in await self._instruments.all()}
        if known != self._context.markets:
            rules = self._rules
            self._context = Context(
                known, spread=rules.spread, fee_rate=rules.fee_rate, live=self._live is not None
            )
            for one in self._work.values():
                one.context = self._context
        busy = await shards.busy()
        self._forget([user for user in self._work if user not in busy])
        self._changed |= {
            user
            for user, version in busy.items()
            if user not in self._work or self._work[user].account.version != version
        }
        self.stats.shards, self.stats.accounts = len(shards.owned), len(self._work)

    async def _reload(self, connection: asyncpg.Connection[Any], shards: TraderShards) -> None:
        """Load the accounts that somebody else has changed, or that are new to us."""
        changed, self._changed = self._changed, set()
        for user in changed:
            if user % SHARDS not in shards.owned or self._aside.get(user, 0.0) > time.monotonic():
                continue
            await self._load(connection, user)

    async def _load(self, connection: asyncpg.Connection[Any], user: int) -> None:
        known = self._work.get(user)
        account = await load_account(connection, user)
        if account is None:
            self._forget([user])
            return
        if known is not None and known.account.version == account.version:
            return
        one = self._work[user] = AtWork(account, self._context)
        self._behind -= {key for key in self._behind if key[0] == user}
        self._behind |= {(user, symbol) for symbol in one.symbols()}
        self._show(one)

    def _show(self, one: AtWork, changes: Changes | None = None) -> None:
        """Let the executor see an account as it is stored."""
        if self._live is None:
            return
        user = one.account.user_id
        since = self._claimed.get(user % SHARDS, time.monotonic())
        requests = changes.requests if changes else ()
        placed = [each.order.client_order_id for each in requests if isinstance(each, PlaceOrder)]
        self._live.see(one.account, self._context.markets, since, placed)

    def _forget(self, users: list[int]) -> None:
        for user in users:
            self._work.pop(user, None)
            if self._live is not None:
                self._live.forget(user)
        self._behind -= {key for key in self._behind if key[0] in users}

    # --- trades -----------------------------------------------------------------------------------

    async def _feed_all(self, connection: asyncpg.Connection[Any]) -> None:
        heard = self._tape.take()
        for symbol, trades in heard.items():
            self.stats.trades += len(trades)
            self._prices[symbol] = (int(trades.times[-1]), trades.price(-1))
            batch = batch_of(trades)
            for user, one in list(self._work.items()):
                if (user, symbol) not in self._behind and not one.passes(batch):
                    await self._hear(connection, user, one, trades)
        await self._catch_up(connection)
        self.stats.behind = len(self._behind)

    async def _hear(
        self, connection: asyncpg.Connection[Any], user: int, one: AtWork, trades: Trades
    ) -> None:
        if follows(trades, one.cursors.get(trades.symbol, NEVER)):
            await self._feed(connection, user, one, trades)
        else:
            self._behind.add((user, trades.symbol))

    async def _catch_up(self, connection: asyncpg.Connection[Any]) -> None:
        """Bring each account that is behind one page further; accounts at one place share it."""
        pages: dict[tuple[str, int], Trades | None] = {}
        instruments = {each.symbol: each for each in await self._instruments.all()}
        for user, symbol in sorted(self._behind):
            one = self._work.get(user)
            if one is None or symbol not in instruments:
                self._behind.discard((user, symbol))
                continue
            cursor = one.cursors.get(symbol, NEVER)
            if (symbol, cursor) not in pages:
                page = await read_on(self._reader, instruments[symbol], cursor)
                pages[symbol, cursor] = page
            trades = pages[symbol, cursor]
            if trades is None:
                self._behind.discard((user, symbol))
            else:
                await self._feed(connection, user, one, trades)

    async def _feed(
        self, connection: asyncpg.Connection[Any], user: int, one: AtWork, trades: Trades
    ) -> None:
        """Fold trades into an account and commit what that changes."""
        self.stats.folds += 1
        try:
            changes = one.feed(trades, self._today())
        except Exception as error:  # noqa: BLE001 - one account's fault must not stop the others
            self._set_aside(user, trades.symbol, error)
            return
        if changes is None:
            return
        committed = await commit(connection, user, one.account.version, changes)
        if committed is None:
            # Somebody else was first: the account is loaded, and these trades come to it again.
            self.stats.conflicts += 1
            await self._load(connection, user)
            return
        one.keep(changes, committed.version, trades.symbol, int(trades.ids[-1]))
        self._show(one, changes)
        self.stats.commits += 1
        self.stats.fills += len(changes.fills)
        await self._wake_publisher()

    def _set_aside(self, user: int, symbol: str, error: Exception) -> None:
        self.stats.faults += 1
        log.error("an account cannot be folded", user_id=user, symbol=symbol, exc_info=error)
        self._aside[user] = time.monotonic() + _ASIDE_SECONDS
        self._forget([user])

    def _today(self) -> Context:
        """Return the context in which live bots take old trades as seen."""
        if self._live is None:
            return self._context
        stale = time.time_ns() // 1000 - round(self._live.rules.stale * 1_000_000)
        return structs.replace(self._context, stale_before=stale)

    # --- news of live exchanges -------------------------------------------------------------------

    async def _take_news(self, connection: asyncpg.Connection[Any]) -> None:
        """Fold what exchanges tell of orders, and commit it."""
        for news in self._live.take() if self._live is not None else ():
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
        one = self._work.get(user)
        order = None if one is None else one.account.orders.get(report.client_order_id)
        if one is None or order is None or not self._can_answer(order.symbol, report):
            return True
        one.settle()
        _, price = self._prices.get(order.symbol, (0, None))
        last = {} if price is None else {order.symbol: LastTrade(0, price)}
        try:
            changes = fold(one.account, report, structs.replace(self._context, last=last))
        except Exception as error:  # noqa: BLE001 - as above
            self._set_aside(user, order.symbol, error)
            return True
        if not changes.must_be_stored:
            return True
        committed = await commit(connection, user, one.account.version, changes)
        if committed is None:
            self.stats.conflicts += 1
            await self._load(connection, user)
            return False
        one.keep_report(changes, committed.version)
        self._show(one, changes)
        self.stats.commits += 1
        self.stats.fills += len(changes.fills)
        await self._wake_publisher()
        return True

    def _can_answer(self, symbol: str, report: Report) -> bool:
        """Return whether a bot may decide what follows from a report.

        What it says is as old as the execution, or the newest trade: one of them has to be of now. If
        not, the report is left, and comes again with the next look at the exchange.
        """
        newest = max(report.time, self._prices.get(symbol, (0, None))[0])
        return not report.quantity or newest >= self._today().stale_before

    async def _wake_publisher(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._valkey.publish(OUTBOX_WAKE, b"")
        except (RedisError, OSError, TimeoutError):
            return  # it looks for itself

    # --- what is stored now and then --------------------------------------------------------------

    async def _save(self, connection: asyncpg.Connection[Any], users: list[int]) -> None:
        for user in users:
            one = self._work[user]
            if not one.unsaved:
                continue
            changes = one.to_save()
            committed = await checkpoint(connection, user, one.account.version, changes)
            if committed is None:
                self.stats.conflicts += 1
                self._changed.add(user)
            else:
                one.saved(committed.version)

    async def _sample(self, connection: asyncpg.Connection[Any]) -> None:
        """Store what accounts are worth, once in a minute of the market's time."""
        newest = max((at for at, _ in self._prices.values()), default=0)
        minute = newest - newest % MINUTE
        if minute <= self._sampled:
            return
        self._sampled = minute
        prices: Mapping[str, Decimal] = {
            symbol: price for symbol, (_, price) in self._prices.items()
        }
        for user, one in self._work.items():
            points = sample(
                one.account, self._context.markets, prices, self._rules.currency, minute
            )
            await add_equity_points(connection, user, points)


def figures(trader: Trader) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """Return counters and gauges for the status board."""
    stats = trader.stats
    live = LiveStats() if trader.live is None else trader.live.stats
    counters: dict[str, float] = {
        **{f"live_{name}": count for name, count in structs.asdict(live).items()},
        "tape_trades": stats.trades,
        "folds": stats.folds,
        "commits": stats.commits,
        "fills": stats.fills,
        "conflicts": stats.conflicts,
        "faults": stats.faults,
        "interrupted": stats.interrupted,
    }
    gauges: dict[str, float] = {
        "shards": stats.shards,
        "accounts": stats.accounts,
        "behind": stats.behind,
    }
    return counters, gauges, {}


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
