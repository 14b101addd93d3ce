"""The desk: what users tell their accounts to do, carried out and passed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.postgres import trading_accounts, trading_commit, trading_reader
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.adapters.postgres.trade_reader import TradeReader
from openoutcry.adapters.postgres.trading_commit import Outcome
from openoutcry.core.keys import OUTBOX_WAKE, TRADER_WAKE
from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import (
    BotAction,
    BotCommand,
    Changes,
    Context,
    Event,
    Fund,
    LastTrade,
    join,
)
from openoutcry.errors import BadRequestError, ConflictError, NotFoundError
from openoutcry.model import Instrument
from openoutcry.trading import Account, LogEntry, Market

_log = structlog.get_logger(__name__)

_PATIENCE: Final = 0.5
"""Seconds for waking others; they look for themselves soon after."""


class DeskRules(Struct, frozen=True):
    """What trading on paper starts with and costs; `fee_rate` and `spread` are shares of the price.

    `currency` is what sums are reported in.
    """

    paper_balances: Mapping[str, Decimal]
    currency: str = "USDT"
    fee_rate: Decimal = Decimal("0.001")
    spread: Decimal = Decimal("0.001")


def market_of(instrument: Instrument) -> Market:
    """Return what may be traded of an instrument: steps are the digits that the venue has shown."""
    return Market(
        symbol=instrument.symbol,
        base=instrument.base,
        quote=instrument.quote,
        price_step=Decimal(1).scaleb(-instrument.price_scale),
        quantity_step=Decimal(1).scaleb(-instrument.size_scale),
    )


class TradingDesk:
    """Changes accounts by the same fold and the same commit as the trader does.

    Every method may raise StoreUnavailableError; whoever has no account gets one first, with the
    paper balances.
    """

    def __init__(
        self, pool: Pool, valkey: Redis, instruments: InstrumentReader, rules: DeskRules
    ) -> None:
        self.currency = rules.currency
        self._pool = pool
        self._valkey = valkey
        self._instruments = instruments
        self._trades = TradeReader(pool)
        self._rules = rules

    async def account(self, user_id: int) -> Account:
        """Return a user's account, all of it as of one moment."""
        async with connection(self._pool) as lent:
            account = await trading_accounts.load_account(lent, user_id)
            if account is None:
                await self._open(user_id)
                account = await trading_accounts.load_account(lent, user_id)
        if account is None:
            raise NotFoundError(f"There is no user {user_id}.")
        return account

    async def last_trades(self, symbols: set[str]) -> dict[str, LastTrade]:
        """Return the newest stored trade of each of these symbols that has one."""
        wanted = {each.id: each.symbol for each in await self._instruments.all()}
        ids = [number for number, symbol in wanted.items() if symbol in symbols]
        found = await self._trades.newest(ids) if ids else {}
        return {wanted[number]: LastTrade(one.id, one.price) for number, one in found.items()}

    async def markets(self) -> dict[str, Market]:
        """Return what may be traded, by symbol."""
        return {each.symbol: market_of(each) for each in await self._instruments.all()}

    async def new_id(self) -> int:
        """Return the id of a bot to be made."""
        async with connection(self._pool) as lent:
            return await trading_accounts.next_bot_id(lent)

    async def symbol_of(self, user_id: int, bot_id: int) -> str:
        """Return what a bot trades. Raises NotFoundError if this user has no such bot."""
        bot = await trading_reader.find_bot(self._pool, user_id, bot_id)
        if bot is None:
            raise no_such_bot()
        return bot.symbol

    async def context(self, *symbols: str) -> Context:
        """Return what a fold has to know, with the newest trades of these symbols."""
        return Context(
            markets=await self.markets(),
            spread=self._rules.spread,
            fee_rate=self._rules.fee_rate,
            last=await self.last_trades(set(symbols)) if symbols else {},
        )

    async def tell(
        self, user_id: int, events_of: Callable[[Account], Sequence[Event]], context: Context
    ) -> Changes:
        """Fold the events that `events_of` makes of the account as it is then; all, or none of them.

        Raises what `events_of` raises; and with the reasons, if one of them is refused,
        BadRequestError for a bot that is not described right, ConflictError for anything else.
        """

        def work(account: Account) -> Changes:
            changes = Changes(account)
            for event in events_of(account):
                after = fold(changes.account, event, context)
                if after.refused:
                    raise _refusal(event, " ".join(after.refused))
                changes = join(changes, after)
            return changes

        return (await self.change(user_id, work)).changes

    async def write_log(self, user_id: int, entry: LogEntry) -> int:
        """Write to a user's activity log; return the entry's id. Raises NotFoundError for the bot."""

        def work(account: Account) -> Changes:
            if entry.bot_id is not None and entry.bot_id not in account.bots:
                raise no_such_bot()
            return Changes(account, logs=(entry,))

        outcome = await self.change(user_id, work)
        return outcome.committed.log_ids[0] if outcome.committed else 0

    async def change(self, user_id: int, work: Callable[[Account], Changes]) -> Outcome:
        """Store what `work` makes of the account, and wake who passes it on."""
        outcome = await self._change(user_id, work)
        if outcome is None:
            await self._open(user_id)
            outcome = await self._change(user_id, work)
        if outcome is None:
            raise NotFoundError(f"There is no user {user_id}.")
        if outcome.committed:
            await self._wake(user_id)
        return outcome

    async def _change(self, user_id: int, work: Callable[[Account], Changes]) -> Outcome | None:
        async with connection(self._pool) as lent:
            return await trading_commit.change(lent, user_id, work)

    async def _open(self, user_id: int) -> None:
        async with connection(self._pool) as lent:
            balances = self._rules.paper_balances
            if await trading_accounts.open_account(lent, user_id, balances):
                _log.info("trading account opened", user_id=user_id)

    async def _wake(self, user_id: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE), self._valkey.pipeline(transaction=False) as pipe:
                pipe.publish(OUTBOX_WAKE, b"")
                pipe.publish(TRADER_WAKE, str(user_id))
                await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("trader and publisher were not woken", reason=str(error))


def _refusal(event: Event, text: str) -> BadRequestError:
    described = (BotAction.CREATE, BotAction.EDIT)
    if isinstance(event, Fund) or (isinstance(event, BotCommand) and event.action in described):
        return BadRequestError(text)
    return ConflictError(text)


def no_such_bot() -> NotFoundError:
    """Return the error for a bot that is not there, or is another user's: the same words."""
    return NotFoundError("There is no such bot; GET /api/v1/bots lists yours.")


def now_us() -> int:
    """Return the wall clock in µs."""
    return time.time_ns() // 1000
