"""What an account is worth, at the prices of the last trades."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from openoutcry.core.trading import positions
from openoutcry.core.trading.amounts import exact
from openoutcry.trading import ZERO, Account, Bot, Market


class Worth(Struct, frozen=True):
    """An account's equity in one currency; `unpriced` are assets that it holds beside that.

    There is no market, or no trade yet, that would say what they are worth in it.
    """

    equity: Decimal
    unpriced: tuple[str, ...]


class EquityPoint(Struct, frozen=True):
    """A sample of the worth of an account (`bot_id` None) or of what a bot has made of it.

    A bot's `equity` is what it has earned: realised and unrealised, less fees.
    """

    bot_id: int | None
    time: int
    equity: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal


def price_of(
    asset: str, currency: str, markets: Iterable[Market], prices: Mapping[str, Decimal]
) -> Decimal | None:
    """Return what one unit of an asset is worth in a currency, None if nobody knows."""
    if asset == currency:
        return Decimal(1)
    for market in markets:
        if (market.base, market.quote) == (asset, currency) and market.symbol in prices:
            return prices[market.symbol]
    return None


def worth(
    account: Account, markets: Mapping[str, Market], prices: Mapping[str, Decimal], currency: str
) -> Worth:
    """Return balances (what bots hold on paper is among them) less loans; `prices` by symbol."""
    amounts = {asset: balance.free + balance.locked for asset, balance in account.balances.items()}
    with exact():
        for bot in account.bots.values():
            if bot.position.loan and bot.symbol in markets:
                quote = markets[bot.symbol].quote
                amounts[quote] = amounts.get(quote, ZERO) - bot.position.loan
        equity, unpriced = ZERO, []
        for asset, amount in sorted(amounts.items()):
            price = price_of(asset, currency, markets.values(), prices)
            if price is not None:
                equity += amount * price
            elif amount:
                unpriced.append(asset)
    return Worth(equity, tuple(unpriced))


def unrealized(bot: Bot, prices: Mapping[str, Decimal]) -> Decimal | None:
    """Return what a bot's position would earn at the last price, None if there is no price."""
    if not bot.position.quantity:
        return ZERO
    price = prices.get(bot.symbol)
    if price is None:
        return None
    with exact():
        return positions.unrealized(bot.position, price)


def sample(
    account: Account,
    markets: Mapping[str, Market],
    prices: Mapping[str, Decimal],
    currency: str,
    time: int,
) -> list[EquityPoint]:
    """Return a sample of an account, and one of each bot that has traded; `time` in µs.

    The account's sums are those of the bots that trade for `currency`. Whose price is not known yet,
    as after a restart, is left out: an account of which a part has no price would seem to have lost it.
    """
    with exact():
        found, realized, floating, fees = [], ZERO, ZERO, ZERO
        for bot in account.bots.values():
            open_pnl = unrealized(bot, prices)
            if not bot.fills or open_pnl is None:
                continue
            position = bot.position
            earned = position.realized_pnl + open_pnl - position.fees
            found.append(
                EquityPoint(bot.id, time, earned, position.realized_pnl, open_pnl, position.fees)
            )
            if bot.symbol in markets and markets[bot.symbol].quote == currency:
                realized += position.realized_pnl
                floating += open_pnl
                fees += position.fees
        whole = worth(account, markets, prices, currency)
        if any(_has_market(asset, currency, markets.values()) for asset in whole.unpriced):
            return found
        return [EquityPoint(None, time, whole.equity, realized, floating, fees), *found]


def _has_market(asset: str, currency: str, markets: Iterable[Market]) -> bool:
    return any((market.base, market.quote) == (asset, currency) for market in markets)
