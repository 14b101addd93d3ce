"""Run a backtest over the trades in the store."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.pool import Pool, fetch_value
from openoutcry.adapters.postgres.tape_columns import bounds, stretches
from openoutcry.core.trading.backtest import Backtest, Report
from openoutcry.core.trading.drafts import Draft, new_bot
from openoutcry.core.trading.events import Context
from openoutcry.errors import BadRequestError
from openoutcry.services.trading_desk import market_of
from openoutcry.trading import Market

_SUSPECTED: Final = """
SELECT count(*) FROM gaps
WHERE instrument_id = $1 AND state = 'suspected' AND to_time >= $2 AND from_time <= $3
"""


class Wanted(Struct, frozen=True):
    """What to test: a bot, on a symbol, from when to when (µs, end exclusive), with what money.

    `spread` and `fee_rate` are shares of the price. An empty `money` is 10,000 quote units, and for
    a bot that begins by selling the quantity that it sells.
    """

    draft: Draft
    symbol: str
    start: int
    end: int
    money: dict[str, Decimal]
    spread: Decimal
    fee_rate: Decimal


class Outcome(Struct, frozen=True):
    """The report, and how many suspected gaps the tape has in that time."""

    report: Report
    gaps: int


async def run(pool: Pool, wanted: Wanted, tell: Callable[[int, int], None]) -> Outcome:
    """Fold the stored trades and return what came of it.

    `tell` hears how many trades are done, of about how many. Raises BadRequestError for a bot, symbol
    or time that cannot be tested, StoreUnavailableError.
    """
    reader = InstrumentReader(pool)
    instrument = await reader.find(wanted.symbol)
    if instrument is None:
        known = ", ".join(each.symbol for each in await reader.all()) or "none"
        raise BadRequestError(f"{wanted.symbol} is not in the store; there are: {known}.")
    span = await bounds(pool, instrument, wanted.start, wanted.end)
    if span is None:
        raise BadRequestError(f"The store has no trades of {instrument.symbol} in that time.")
    start, end, count = span
    market = market_of(instrument)
    test = Backtest(
        new_bot(wanted.draft, 1, start),
        wanted.money or _money(wanted.draft, market),
        Context({instrument.symbol: market}, spread=wanted.spread, fee_rate=wanted.fee_rate),
        from_time=start,
        to_time=end,
    )
    done = 0
    async for _, trades in stretches(pool, instrument, start, end):
        test.feed(trades)
        done += len(trades)
        tell(done, max(done, count))
    gaps = await fetch_value(pool, _SUSPECTED, instrument.id, start, end)
    return Outcome(test.report(), gaps)


def _money(draft: Draft, market: Market) -> dict[str, Decimal]:
    money = {market.quote: Decimal(10_000)}
    parameters = draft.parameters or {}
    if parameters.get("first_order") == "SELL":
        money[market.base] = Decimal(str(parameters.get("quantity", 0)))
    return money
