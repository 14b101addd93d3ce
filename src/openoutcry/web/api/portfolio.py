"""`/api/v1/portfolio` and `/api/v1/kill-switch`: what an account has, owes, and its way out."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from openoutcry.core.prices import plain_text
from openoutcry.core.trading import equity, positions
from openoutcry.core.trading.amounts import exact
from openoutcry.core.trading.commands import at_work
from openoutcry.core.trading.events import Event, Fund, KillSwitch
from openoutcry.errors import BadRequestError
from openoutcry.services.trading_desk import TradingDesk, now_us
from openoutcry.trading import Account, Bot, Market
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.described import NO_STORE, answers
from openoutcry.web.api.trading import TAGS

_MOST: Final = Decimal(10) ** 15


class HeldBody(Struct, frozen=True):
    """An asset. `locked` is held back by open orders; `price` and `value` are null if unknown."""

    asset: str
    free: str
    locked: str
    price: str | None
    value: str | None


class HeldPositionBody(Struct, frozen=True):
    """What a bot holds, valued at the last trade; null where there is none."""

    bot_id: int
    bot_name: str
    ticker: str
    quantity: str
    cost: str
    average_price: str | None
    price: str | None
    value: str | None
    unrealized_pnl: str | None


class LoanBody(Struct, frozen=True):
    """What a bot owes (leverage), in `asset`."""

    bot_id: int
    bot_name: str
    ticker: str
    asset: str
    amount: str


class PortfolioBody(Struct, frozen=True):
    """An account. `equity` is balances (what bots hold is among them) less loans, in `currency`.

    `unpriced` are assets that are not in it, because nothing says what they are worth.
    """

    currency: str
    equity: str
    unpriced: list[str]
    kill_switch: bool
    balances: list[HeldBody]
    positions: list[HeldPositionBody]
    loans: list[LoanBody]


class SwitchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the kill switch is to be on."""

    on: bool


class SwitchStateBody(Struct, frozen=True):
    """Whether the kill switch is on."""

    on: bool


class SwitchedBody(Struct, frozen=True):
    """Whether the kill switch is on, and what this pull of it has ended.

    Orders at a live exchange are counted too; they are open until the exchange has answered.
    """

    on: bool
    bots_stopped: int
    orders_cancelled: int


class FundsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Paper money to be put in; taken out where the amount is negative. A decimal as text."""

    asset: Annotated[str, Meta(pattern="^[A-Za-z0-9]{1,20}$")]
    amount: Annotated[str, Meta(pattern=r"^-?\d{1,15}(\.\d{1,18})?$")]


def portfolio_routes(desk: TradingDesk) -> list[HTTPRouteHandler]:
    """Return the routes of the portfolio and the kill switch."""
    return [*_portfolio(desk), *_kill_switch(desk)]


def _portfolio(desk: TradingDesk) -> list[HTTPRouteHandler]:
    async def shown(account: Account) -> PortfolioBody:
        markets = await desk.markets()
        last = await desk.last_trades(_symbols(account, markets, desk.currency))
        prices = {symbol: trade.price for symbol, trade in last.items()}
        return portfolio_body(account, markets, prices, desk.currency)

    @get(
        "/api/v1/portfolio",
        summary="What one has",
        description="Balances, positions and open loans, valued at the last trades.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(PortfolioBody),
    )
    async def portfolio(user: AsUser) -> PortfolioBody:
        return await shown(await desk.account(user.id))

    @post(
        "/api/v1/portfolio/funds",
        summary="Put paper money in, or take it out",
        description="Of assets that are traded here. What belongs to a bot's position stays.",
        tags=TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses=answers(PortfolioBody),
        operation_class=takes(FundsBody),
    )
    async def fund(request: Request[Any, Any, Any], user: AsUser) -> PortfolioBody:
        said = await body_of(request, FundsBody)
        asset, amount = said.asset.upper(), Decimal(said.amount)
        context = await desk.context()
        known = {asset for each in context.markets.values() for asset in (each.base, each.quote)}
        known.add(desk.currency)
        if asset not in known:
            listed = ", ".join(sorted(known)[:20])
            raise BadRequestError(f"asset {asset} is not traded here; there are {listed}.")
        if not amount:
            raise BadRequestError("amount is 0; it is what to put in, or negative to take out.")

        def events(account: Account) -> list[Event]:
            balance = account.balances.get(asset)
            if balance is not None and balance.free + amount > _MOST:
                raise BadRequestError(f"That would be more than {_MOST:f} {asset}.")
            return [Fund(asset, amount, now_us())]

        return await shown((await desk.tell(user.id, events, context)).account)

    return [portfolio, fund]


def _kill_switch(desk: TradingDesk) -> list[HTTPRouteHandler]:
    @get(
        "/api/v1/kill-switch",
        summary="Is the kill switch on?",
        description="While it is, no bot can be started.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(SwitchStateBody),
    )
    async def switch(user: AsUser) -> SwitchStateBody:
        return SwitchStateBody((await desk.account(user.id)).kill_switch)

    @post(
        "/api/v1/kill-switch",
        summary="Pull the kill switch, or reset it",
        description="On: every bot is stopped and every order cancelled, in one transaction.",
        tags=TAGS,
        status_code=200,
        response_headers=NO_STORE,
        responses=answers(SwitchedBody),
        operation_class=takes(SwitchBody),
    )
    async def pull(request: Request[Any, Any, Any], user: AsUser) -> SwitchedBody:
        said = await body_of(request, SwitchBody)
        context = await desk.context()

        ended = 0, 0

        def events(account: Account) -> list[Event]:
            nonlocal ended
            ended = at_work(account) if said.on and not account.kill_switch else (0, 0)
            return [KillSwitch(said.on, now_us())]

        changes = await desk.tell(user.id, events, context)
        return SwitchedBody(changes.account.kill_switch, *ended)

    return [switch, pull]


def portfolio_body(
    account: Account, markets: dict[str, Market], prices: dict[str, Decimal], currency: str
) -> PortfolioBody:
    """Return an account as it is shown; `prices` by symbol."""
    worth = equity.worth(account, markets, prices, currency)
    bots = list(account.bots.values())
    return PortfolioBody(
        currency=currency,
        equity=plain_text(worth.equity),
        unpriced=list(worth.unpriced),
        kill_switch=account.kill_switch,
        balances=[
            _held(asset, account, equity.price_of(asset, currency, markets.values(), prices))
            for asset in sorted(account.balances)
        ],
        positions=[_position(bot, prices) for bot in bots if bot.position.quantity],
        loans=[
            LoanBody(
                bot_id=bot.id,
                bot_name=bot.name,
                ticker=bot.symbol,
                asset=markets[bot.symbol].quote,
                amount=plain_text(bot.position.loan),
            )
            for bot in bots
            if bot.position.loan and bot.symbol in markets
        ],
    )


def _held(asset: str, account: Account, price: Decimal | None) -> HeldBody:
    balance = account.balances[asset]
    with exact():
        value = None if price is None else (balance.free + balance.locked) * price
    return HeldBody(
        asset=asset,
        free=plain_text(balance.free),
        locked=plain_text(balance.locked),
        price=None if price is None else plain_text(price),
        value=None if value is None else plain_text(value),
    )


def _position(bot: Bot, prices: dict[str, Decimal]) -> HeldPositionBody:
    position, price = bot.position, prices.get(bot.symbol)
    average, floating = positions.average_price(position), equity.unrealized(bot, prices)
    with exact():
        value = None if price is None else position.quantity * price
    return HeldPositionBody(
        bot_id=bot.id,
        bot_name=bot.name,
        ticker=bot.symbol,
        quantity=plain_text(position.quantity),
        cost=plain_text(position.cost),
        average_price=None if average is None else plain_text(average),
        price=None if price is None else plain_text(price),
        value=None if value is None else plain_text(value),
        unrealized_pnl=None if floating is None else plain_text(floating),
    )


def _symbols(account: Account, markets: dict[str, Market], currency: str) -> set[str]:
    """Return the symbols whose prices say what an account is worth."""
    held = {asset for asset, balance in account.balances.items() if balance.free + balance.locked}
    priced = {m.symbol for m in markets.values() if m.base in held and m.quote == currency}
    return priced | {bot.symbol for bot in account.bots.values() if bot.position.quantity}
