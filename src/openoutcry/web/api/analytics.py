"""`/api/v1/analytics`: what bots have earned, in sums and as a curve."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import Struct

from openoutcry.adapters.postgres import analytics_reader, trading_reader
from openoutcry.adapters.postgres.analytics_reader import PnlPoint, Span, Totals
from openoutcry.adapters.postgres.pool import Pool, Source
from openoutcry.core.prices import plain_text
from openoutcry.core.trading import equity, positions
from openoutcry.core.trading.amounts import exact
from openoutcry.core.trading.equity import EquityPoint
from openoutcry.core.trading.wire import PositionBody, iso_ms, pnl_body
from openoutcry.errors import BadRequestError
from openoutcry.services.trading_desk import TradingDesk, no_such_bot, now_us
from openoutcry.trading import ZERO, Account, Bot, Position
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.described import NO_STORE, answers
from openoutcry.web.api.pages import FROM, TO, limit_of, time_of
from openoutcry.web.api.trading import NONE, TAGS, bot_filter

POINTS: Final = 500
"""Points of a curve at most, unless asked for fewer."""


class SummaryBody(Struct, frozen=True):
    """What an account has done. Sums are of the bots that trade for `currency`, deleted ones too.

    `pnl` is realised less fees; `unrealized_pnl` is at the last trades, null if one is not known;
    `win_rate` in percent, null before anything was closed; `equity` as in the portfolio.
    """

    currency: str
    equity: str
    pnl: str
    realized_pnl: str
    unrealized_pnl: str | None
    fees: str
    win_rate: str | None
    total_trades: int
    bots: int
    active_bots: int
    open_orders: int
    other_tickers: list[str]


class BotResultBody(Struct, frozen=True):
    """What a bot has done; `unrealized_pnl` is null if there is no trade to value it by."""

    bot_id: int
    name: str
    strategy: str
    ticker: str
    status: str
    pnl: str
    realized_pnl: str
    unrealized_pnl: str | None
    fees: str
    total_trades: int
    win_rate: str | None
    position: PositionBody


class BotResultsBody(Struct, frozen=True):
    """Every bot, the one that has earned most first."""

    bots: list[BotResultBody]


class CurvePointBody(Struct, frozen=True):
    """What had been earned up to a fill: `pnl` is realised less fees."""

    time: str
    pnl: str
    realized_pnl: str
    fees: str
    total_trades: int


class EquityPointBody(Struct, frozen=True):
    """A sample of the equity: of the account, or what a bot has made of it."""

    time: str
    equity: str
    unrealized_pnl: str


class CurveBody(Struct, frozen=True):
    """Both curves, ascending: of what was realised, at fills, and of the equity, as sampled."""

    bot_id: int | None
    currency: str
    start: str
    end: str
    points: list[CurvePointBody]
    equity: list[EquityPointBody]


def analytics_routes(
    pool: Pool, desk: TradingDesk, history: Source | None = None
) -> list[HTTPRouteHandler]:
    """Return the routes of analytics; curves are read by way of `history`."""
    return [_summary(pool, desk), _bots(desk), _curve(pool, desk, history or pool)]


def _summary(pool: Pool, desk: TradingDesk) -> HTTPRouteHandler:
    @get(
        "/api/v1/analytics/summary",
        summary="What an account has done",
        description="Sums over all bots, deleted ones too.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(SummaryBody),
    )
    async def summary(user: AsUser) -> SummaryBody:
        account = await desk.account(user.id)
        markets = await desk.markets()
        totals = await analytics_reader.read_totals(pool, user.id)
        last = await desk.last_trades(set(markets))
        prices = {symbol: trade.price for symbol, trade in last.items()}
        own = {each.symbol for each in markets.values() if each.quote == desk.currency}
        with exact():
            counted = [each for each in totals if each.symbol in own]
            realized = sum((each.realized_pnl for each in counted), ZERO)
            fees = sum((each.fees for each in counted), ZERO)
            floating = _floating(account, own, prices)
        worth = equity.worth(account, markets, prices, desk.currency)
        return SummaryBody(
            currency=desk.currency,
            equity=plain_text(worth.equity),
            pnl=plain_text(realized - fees),
            realized_pnl=plain_text(realized),
            unrealized_pnl=None if floating is None else plain_text(floating),
            fees=plain_text(fees),
            win_rate=_win_rate(totals),
            total_trades=sum(each.fills for each in totals),
            bots=sum(each.bots for each in totals),
            active_bots=sum(each.active for each in totals),
            open_orders=len(account.orders),
            other_tickers=[each.symbol for each in totals if each.symbol not in own],
        )

    return summary


def _bots(desk: TradingDesk) -> HTTPRouteHandler:
    @get(
        "/api/v1/analytics/bots",
        summary="What each bot has done",
        description="The one that has earned most first.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(BotResultsBody),
    )
    async def bots(user: AsUser) -> BotResultsBody:
        account = await desk.account(user.id)
        held = {bot.symbol for bot in account.bots.values() if bot.position.quantity}
        last = await desk.last_trades(held)
        prices = {symbol: trade.price for symbol, trade in last.items()}
        ranked = sorted(account.bots.values(), key=lambda bot: (-_earned(bot), bot.id))
        return BotResultsBody([_result(bot, prices) for bot in ranked])

    return bots


def _curve(pool: Pool, desk: TradingDesk, history: Source) -> HTTPRouteHandler:
    @get(
        "/api/v1/analytics/pnl",
        summary="The curve of what was earned",
        description=(
            "From the first fill until now, unless said otherwise. Where there are more fills than"
            " points, each point is the last of a stretch of time."
        ),
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(CurveBody) | {404: NONE},
    )
    async def pnl(
        user: AsUser,
        bot_id: Annotated[
            str | None, QueryParameter(name="bot_id", description="Of this bot; else of all.")
        ] = None,
        since: Annotated[str | None, FROM] = None,
        until: Annotated[str | None, TO] = None,
        points: Annotated[
            str, QueryParameter(name="points", description=f"At most so many, 1 to {POINTS}.")
        ] = str(POINTS),
    ) -> CurveBody:
        number = bot_filter(bot_id)
        start, end = time_of("from", since), time_of("to", until)
        most = limit_of(points, "points")
        if start is not None and end is not None and start > end:
            raise BadRequestError("from is after to; swap them.")
        markets = await desk.markets()
        of: int | list[str]
        if number is None:
            of = [each.symbol for each in markets.values() if each.quote == desk.currency]
            currency = desk.currency
        else:
            found = await trading_reader.find_bot(pool, user.id, number)
            if found is None:
                raise no_such_bot()
            of = number
            market = markets.get(found.symbol)
            currency = desk.currency if market is None else market.quote
        if end is None:
            end = now_us()
        if start is None:
            start = await analytics_reader.first_fill(pool, user.id, of)
            start = end if start is None else min(start, end)
        span = Span(start, end, max(1, -(-(end - start) // most)))
        curve = await analytics_reader.read_curve(history, user.id, of, span)
        sampled = await analytics_reader.read_equity(history, user.id, number, span)
        return CurveBody(
            bot_id=number,
            currency=currency,
            start=iso_ms(start),
            end=iso_ms(end),
            points=[_point(each) for each in curve],
            equity=[_sample(each) for each in sampled],
        )

    return pnl


def _floating(account: Account, own: set[str], prices: dict[str, Decimal]) -> Decimal | None:
    total = ZERO
    for bot in account.bots.values():
        if bot.symbol in own:
            one = equity.unrealized(bot, prices)
            if one is None:
                return None
            total += one
    return total


def _win_rate(totals: Iterable[Totals]) -> str | None:
    counted = list(totals)
    closes, wins = sum(each.closes for each in counted), sum(each.wins for each in counted)
    rate = positions.win_rate(Position(closes=closes, wins=wins))
    return None if rate is None else plain_text(rate)


def _earned(bot: Bot) -> Decimal:
    with exact():
        return bot.position.realized_pnl - bot.position.fees


def _result(bot: Bot, prices: dict[str, Decimal]) -> BotResultBody:
    body, floating = pnl_body(bot), equity.unrealized(bot, prices)
    return BotResultBody(
        bot_id=bot.id,
        name=bot.name,
        strategy=bot.strategy,
        ticker=bot.symbol,
        status=bot.status.value,
        pnl=body.pnl,
        realized_pnl=body.realized_pnl,
        unrealized_pnl=None if floating is None else plain_text(floating),
        fees=body.fees,
        total_trades=body.total_trades,
        win_rate=body.win_rate,
        position=body.position,
    )


def _point(point: PnlPoint) -> CurvePointBody:
    with exact():
        earned = point.realized_pnl - point.fees
    return CurvePointBody(
        time=iso_ms(point.time),
        pnl=plain_text(earned),
        realized_pnl=plain_text(point.realized_pnl),
        fees=plain_text(point.fees),
        total_trades=point.fills,
    )


def _sample(point: EquityPoint) -> EquityPointBody:
    return EquityPointBody(
        iso_ms(point.time), plain_text(point.equity), plain_text(point.unrealized_pnl)
    )
