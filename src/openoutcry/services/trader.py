"""The trader role: the tape in, accounts folded, what changes committed.

Every account of our shards is kept in memory. Trades are folded into it as they are announced; what
changes is committed on the connection that owns the shards, and only then counts. Whatever ends a
trader, its successor loads the accounts and reads the tape on from the last trade that each bot has
taken in: the same fold of the same trades decides the same, down to the ids of orders.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.postgres.trader_shards import SHARDS, TraderShards
from openoutcry.adapters.tasks import sleep
from openoutcry.core.backoff import Backoff
from openoutcry.core.frames import decode
from openoutcry.core.keys import TRADER_WAKE, trades_channel
from openoutcry.core.trading.events import Context
from openoutcry.errors import FrameError, OutcryError
from openoutcry.services.live_orders import LiveOrders
from openoutcry.services.trader_equity import EquitySampler
from openoutcry.services.trader_folds import Folds
from openoutcry.services.trader_stats import TraderRules, TraderStats
from openoutcry.services.trader_tape import Tape
from openoutcry.services.trader_work import Work
from openoutcry.services.trading_desk import market_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often shards are shared out anew, and accounts looked for that have changed unheard."""
SAVE_SECONDS: Final = 5.0
"""How often it is stored how far bots have read: what a restart reads again at most."""
DOUBT_SECONDS: Final = 5.0
"""A market of which nothing is heard for so long is looked up: the last message may have been lost."""
_REST_SECONDS: Final = 0.2
_TRADES: Final = trades_channel("")
_PASSING: Final = (*OUTAGES, RedisError, OutcryError)

Live = Callable[[Callable[[], None]], LiveOrders]
"""Makes the executor of live orders, which calls its argument when it has news."""


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
        live: Live | None = None,
    ) -> None:
        self.stats = TraderStats()
        self._connect = connect
        self._instruments = instruments
        self._rules = rules
        self._tape = Tape()
        self._woken = asyncio.Event()
        self._live = None if live is None else live(self._woken.set)
        self._work = Work(self.stats, self._live)
        self._folds = Folds(self._work, reader, instruments, valkey, self.stats)
        self._equity = EquitySampler(self._work, rules.currency)

    @property
    def live(self) -> LiveOrders | None:
        """The executor of live orders, None where live trading is off."""
        return self._live

    # --- what is heard ----------------------------------------------------------------------------

    def on_message(self, channel: str, data: bytes) -> None:
        """Take a message of `trades:<SYMBOL>` or `trader:wake`."""
        if channel == TRADER_WAKE:
            if data.isdigit():
                self._work.changed.add(int(data))
        else:
            try:
                self._tape.hear(channel.removeprefix(_TRADES), decode(data))
            except FrameError as error:
                log.warning("an announcement of trades makes no sense", reason=str(error))
        self._woken.set()

    async def on_connected(self) -> None:
        """Messages may have been missed: read on from the store."""
        self._work.missed()
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
                await sleep(delay, stop)
            finally:
                if self._live is not None:
                    await self._live.close()
                self._work.forget(list(self._work.accounts))
                self._work.claimed.clear()
                self.stats.shards = 0
                if connection is not None:
                    connection.terminate()

    async def _trade(
        self, connection: asyncpg.Connection[Any], stop: asyncio.Event, backoff: Backoff
    ) -> None:
        work = self._work
        shards = TraderShards(connection)
        await shards.join()
        look_at = save_at = doubt_at = float("-inf")
        heard: set[str] = set()
        while not stop.is_set():
            now = time.monotonic()
            if now >= look_at:
                await self._look_round(connection, shards)
                look_at = now + LOOK_SECONDS
            await work.reload(connection, shards.owned)
            if now >= doubt_at:
                work.doubt(heard)
                heard.clear()
                doubt_at = now + DOUBT_SECONDS
            trades = self._tape.take()
            heard |= trades.keys()
            await self._folds.feed_all(connection, trades)
            if self._live is not None:
                await self._folds.take_news(connection, self._live)
            if now >= save_at:
                await work.save(connection, list(work.accounts))
                save_at = now + SAVE_SECONDS
            await self._equity.sample(connection, self._folds.prices)
            backoff.reset()
            if not work.behind:
                await self._rest()
        await work.save(connection, list(work.accounts))

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
        work, before = self._work, time.time()
        fair = await shards.fair_share()
        if self._live is not None:
            self._live.proof = before  # whoever answers on this connection still holds its locks
        if surplus := shards.surplus(fair):
            leaving = [user for user in work.accounts if user % SHARDS in surplus]
            await work.save(connection, leaving)
            work.forget(leaving)
            await shards.release(surplus)
        await shards.claim(fair)
        work.claimed = {shard: work.claimed.get(shard, time.monotonic()) for shard in shards.owned}
        known = {each.symbol: market_of(each) for each in await self._instruments.all()}
        if known != work.context.markets:
            rules = self._rules
            work.go_by(
                Context(
                    known,
                    spread=rules.spread,
                    fee_rate=rules.fee_rate,
                    live=self._live is not None,
                )
            )
        work.compare(await shards.busy())
        self.stats.shards, self.stats.accounts = len(shards.owned), len(work.accounts)
