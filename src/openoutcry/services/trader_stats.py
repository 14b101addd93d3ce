"""What a trader goes by, and what it has done since it started."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, structs

from openoutcry.services.live_orders import LiveOrders, LiveStats


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


def figures(
    stats: TraderStats, orders: LiveOrders | None
) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """Return counters and gauges for the status board; without an executor its own are 0."""
    live = LiveStats() if orders is None else orders.stats
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
