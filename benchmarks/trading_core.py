"""Measure what folding trades costs: 200 bots at 2,000 trades a second, as a share of one core.

    python benchmarks/trading_core.py
    python benchmarks/trading_core.py --bots 500 --rate 5000 --seconds 30

A made-up market wanders a little; the bots are scalpers and grids around its price. Batches are as a
recorder announces them (20 trades). `folded` calls the fold for every account and batch; `watched`
asks first whether a batch leaves the prices at which nothing can happen, as a trader does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from decimal import Decimal

import numpy as np
from msgspec import Struct

from openoutcry.core.trading.bands import Quiet
from openoutcry.core.trading.engine import fold, quiet
from openoutcry.core.trading.events import Context, Trades
from openoutcry.trading import Account, Balance, Bot, BotStatus, Limits, Market

MARKET = Market("BTCUSDT", "BTC", "USDT", Decimal("0.01"), Decimal("0.00001"))
CONTEXT = Context({"BTCUSDT": MARKET}, spread=Decimal("0.0001"))
START = 60_000_00


class Cost(Struct):
    """What a run took: CPU seconds, folds, and how many of them had to be stored."""

    seconds: float = 0.0
    folds: int = 0
    stored: int = 0
    fills: int = 0


def tape(rate: int, seconds: int, per_batch: int) -> list[Trades]:
    """Return a made-up market in batches: about half a percent of movement a minute."""
    random = np.random.default_rng(7)
    count = rate * seconds
    moves = random.normal(0, 0.5 / 100 * START / np.sqrt(60 * rate), count)
    prices = (START + np.cumsum(moves)).astype(np.int64)
    sizes = random.integers(10, 50_000, count)
    ids = np.arange(1, count + 1)
    times = ids * (1_000_000 // rate)
    return [
        Trades("BTCUSDT", ids[a:b], prices[a:b], sizes[a:b], times[a:b], 2, 5)
        for a, b in ((n, n + per_batch) for n in range(0, count, per_batch))
    ]


def bot(number: int) -> Bot:
    """Return a scalper or, every fourth, a grid; each at prices of its own."""
    low = 59_000 + number * 13 % 1_000
    parameters: dict[str, object] = {
        "quantity": "0.001",
        "buy_price": f"{low}",
        "sell_price": f"{low + 300}",
        "infinite_loop": True,
    }
    strategy = "scalper"
    if number % 4 == 0:
        strategy = "grid"
        parameters = {"lower": f"{low}", "upper": f"{low + 900}", "levels": 10, "quantity": "0.001"}
    return Bot(
        id=number,
        name=f"bot {number}",
        strategy=strategy,
        exchange="paper",
        symbol="BTCUSDT",
        status=BotStatus.ACTIVE,
        parameters=parameters,
        limits=Limits(max_position=Decimal(10_000)),
        created_at=0,
        updated_at=0,
    )


def accounts(bots: int, each: int) -> list[Account]:
    """Return accounts with `each` bots, `bots` in all."""
    money = {"USDT": Balance(Decimal(10_000_000)), "BTC": Balance()}
    return [
        Account(user, 0, money, {n: bot(n) for n in range(first, first + each)}, {})
        for user, first in enumerate(range(1, bots + 1, each))
    ]


def folded(held: list[Account], batches: list[Trades]) -> Cost:
    """Fold every batch into every account."""
    cost, started = Cost(), time.process_time()
    for trades in batches:
        for at, account in enumerate(held):
            held[at] = _fold(account, trades, cost)
    cost.seconds = time.process_time() - started
    return cost


def watched(held: list[Account], batches: list[Trades]) -> Cost:
    """Fold a batch only into accounts in which it may change something."""
    cost, started = Cost(), time.process_time()
    bands = [quiet(account, "BTCUSDT", CONTEXT, 2) for account in held]
    low, high, until = _columns(bands)
    for trades in batches:
        lowest, highest = int(trades.prices.min()), int(trades.prices.max())
        met = (lowest < low) | (highest > high) | (int(trades.times[-1]) >= until)
        for at in np.flatnonzero(met).tolist():
            held[at] = _fold(held[at], trades, cost)
            band = quiet(held[at], "BTCUSDT", CONTEXT, 2)
            low[at], high[at], until[at] = band.low, band.high, band.until
    cost.seconds = time.process_time() - started
    return cost


def _columns(bands: list[Quiet]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array([(band.low, band.high, band.until) for band in bands], np.int64)
    return rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy()


def _fold(account: Account, trades: Trades, cost: Cost) -> Account:
    changes = fold(account, trades, CONTEXT)
    cost.folds += 1
    cost.stored += changes.must_be_stored
    cost.fills += len(changes.fills)
    return changes.account


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bots", type=int, default=200)
    parser.add_argument("--rate", type=int, default=2_000, help="trades a second")
    parser.add_argument("--seconds", type=int, default=20, help="of the market's time")
    parser.add_argument("--batch", type=int, default=20, help="trades in a batch")
    asked = parser.parse_args()
    batches = tape(asked.rate, asked.seconds, asked.batch)
    ways: dict[str, Callable[[list[Account], list[Trades]], Cost]]
    ways = {"folded": folded, "watched": watched}
    for each in (1, asked.bots):
        for name, way in ways.items():
            held = accounts(asked.bots, each)
            cost = way(held, batches)
            share = 100 * cost.seconds / asked.seconds
            per = 1e6 * cost.seconds / max(1, cost.folds)
            print(
                f"{asked.bots // each:4} accounts of {each:3} bots, {name:8}: {share:6.2f} % of a core; "
                f"{cost.folds:,} folds of {per:.0f} us, {cost.stored:,} to store, "
                f"{cost.fills:,} fills"
            )


if __name__ == "__main__":
    main()
