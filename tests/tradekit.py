"""Accounts, bots and made-up tapes for tests of trading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from openoutcry.core.trading.engine import fold
from openoutcry.core.trading.events import (
    BotAction,
    BotCommand,
    Changes,
    Context,
    Event,
    Trades,
    join,
    trades_of,
)
from openoutcry.trading import (
    ZERO,
    Account,
    Balance,
    Bot,
    BotStatus,
    Limits,
    Market,
    Order,
    OrderSide,
    Position,
)

D = Decimal
SECOND = 1_000_000
BTC = Market("BTCUSDT", "BTC", "USDT", D("0.01"), D("0.001"))
ETH = Market("ETHUSDT", "ETH", "USDT", D("0.01"), D("0.001"))
CONTEXT = Context(markets={"BTCUSDT": BTC, "ETHUSDT": ETH})


def account(*bots: Bot, usdt: str = "10000", btc: str = "0") -> Account:
    """Return an account with money and bots."""
    balances = {"USDT": Balance(D(usdt)), "BTC": Balance(D(btc))}
    return Account(7, 0, balances, {bot.id: bot for bot in bots}, {})


def bot_of(
    bot_id: int = 1,
    strategy: str = "scalper",
    *,
    symbol: str = "BTCUSDT",
    status: BotStatus = BotStatus.ACTIVE,
    limits: Limits | None = None,
    leverage: str = "1",
    exchange: str = "paper",
    **parameters: Any,
) -> Bot:
    """Return a bot that has just been started."""
    return Bot(
        id=bot_id,
        name=f"bot {bot_id}",
        strategy=strategy,
        exchange=exchange,
        symbol=symbol,
        status=status,
        parameters=parameters,
        limits=limits or Limits(),
        created_at=0,
        updated_at=0,
        leverage=D(leverage),
    )


def scalper(bot_id: int = 1, **more: Any) -> Bot:
    """Return a scalper that buys 1 at 100 and sells at 110."""
    parameters: dict[str, Any] = {"quantity": "1", "buy_price": "100", "sell_price": "110"}
    return bot_of(bot_id, **(parameters | {"infinite_loop": True} | more))


def tape(
    *prices: str | tuple[str, str], symbol: str = "BTCUSDT", first: int = 1, step: int = SECOND
) -> Trades:
    """Return trades at these prices, or (price, size); of size 10, a second apart."""
    rows = [(price, "10") if isinstance(price, str) else price for price in prices]
    return trades_of(
        symbol,
        [(first + n, D(p), D(s), (first + n) * step) for n, (p, s) in enumerate(rows)],
    )


def run(start: Account, *events: Event, context: Context = CONTEXT) -> Changes:
    """Fold events one after the other; return all their changes as one."""
    whole = Changes(start)
    for event in events:
        whole = join(whole, fold(whole.account, event, context))
    return whole


def act(action: BotAction, bot_id: int = 1, time: int = 0, **more: Any) -> BotCommand:
    """Return a command."""
    return BotCommand(action, bot_id, time, **more)


def one_by_one(trades: Trades) -> list[Trades]:
    """Return each trade as an event of its own."""
    return [trades.part(n, n + 1) for n in range(len(trades))]


def in_parts(trades: Trades, cuts: Iterable[int]) -> list[Trades]:
    """Return trades cut before these indices."""
    bounds = sorted({0, len(trades), *(cut for cut in cuts if 0 < cut < len(trades))})
    return [trades.part(low, high) for low, high in pairwise(bounds)]


def worth(balances: dict[str, Balance], prices: dict[str, Decimal]) -> Decimal:
    """Return what balances are worth in USDT."""
    return sum(
        ((b.free + b.locked) * prices.get(asset, D(1)) for asset, b in balances.items()), ZERO
    )


def earned(bots: Iterable[Bot], prices: dict[str, Decimal]) -> Decimal:
    """Return realised + unrealised - fees of bots."""
    return sum((_earned(bot.position, prices[bot.symbol[:3]]) for bot in bots), ZERO)


def _earned(position: Position, price: Decimal) -> Decimal:
    return position.realized_pnl + position.quantity * price - position.cost - position.fees


def loans(bots: Iterable[Bot]) -> Decimal:
    """Return what bots owe."""
    return sum((bot.position.loan for bot in bots), ZERO)


def locked(orders: Sequence[Order] | Iterable[Order], asset: str) -> Decimal:
    """Return how much of an asset open orders hold back."""
    total = ZERO
    for order in orders:
        held = "USDT" if order.side is OrderSide.BUY else order.symbol[:3]
        total += order.reserved if held == asset else ZERO
    return total
