"""Sums and curves over a user's bots and fills, and the samples of what an account was worth."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs

from openoutcry.adapters.postgres.pool import Connection, Pool, Source, fetch, unavailable
from openoutcry.core.trading.equity import EquityPoint

# Deleted bots too: what they have earned or lost is in the balances.
TOTALS: Final = """
SELECT symbol,
    count(*) FILTER (WHERE deleted_at IS NULL) AS bots,
    count(*) FILTER (WHERE deleted_at IS NULL AND status = 'ACTIVE') AS active,
    sum(realized_pnl) AS realized_pnl, sum(fees) AS fees,
    sum(fills)::bigint AS fills, sum(closes)::bigint AS closes, sum(wins)::bigint AS wins
FROM bots WHERE user_id = $1 GROUP BY symbol ORDER BY symbol
"""

# As in `trading_reader`: whose the bot is says whose its fills are.
_OF_BOT: Final = "bot_id = (SELECT id FROM bots WHERE user_id = $1 AND id = $2)"
_OF_USER: Final = "user_id = $1 AND symbol = ANY ($2::text[])"

FIRST: Final = "SELECT min(time) AS first FROM fills WHERE {which}"

# Each bucket's last fill, with the sums up to it; the first row adds what was before.
CURVE: Final = """
WITH before AS (
    SELECT coalesce(sum(realized_pnl), 0) AS realized_pnl, coalesce(sum(fee), 0) AS fees,
        count(*) AS fills
    FROM fills WHERE {which} AND time < $3
), buckets AS (
    SELECT max(time) AS time, sum(realized_pnl) AS realized_pnl, sum(fee) AS fees,
        count(*) AS fills
    FROM fills WHERE {which} AND time >= $3 AND time < $4
    GROUP BY date_bin($5::bigint * interval '1 microsecond', time, $3::timestamptz)
)
SELECT buckets.time,
    before.realized_pnl + sum(buckets.realized_pnl) OVER up_to AS realized_pnl,
    before.fees + sum(buckets.fees) OVER up_to AS fees,
    (before.fills + sum(buckets.fills) OVER up_to)::bigint AS fills
FROM buckets, before WINDOW up_to AS (ORDER BY buckets.time) ORDER BY buckets.time
"""

EQUITY: Final = """
SELECT DISTINCT ON (bucket) date_bin($4::bigint * interval '1 microsecond', time, $2::timestamptz)
    AS bucket, bot_id, time, equity, realized_pnl, unrealized_pnl, fees
FROM equity_points
WHERE user_id = $1 AND bot_id {bot} AND time >= $2 AND time < $3
ORDER BY bucket, time DESC
"""

ADD: Final = """
INSERT INTO equity_points
    (user_id, bot_id, time, equity, realized_pnl, unrealized_pnl, fees)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
"""


class Totals(Struct, frozen=True):
    """Sums over a user's bots of one symbol."""

    symbol: str
    bots: int
    active: int
    realized_pnl: Decimal
    fees: Decimal
    fills: int
    closes: int
    wins: int


class PnlPoint(Struct, frozen=True):
    """What had been earned up to a fill at `time` (µs), and how many fills there had been."""

    time: int
    realized_pnl: Decimal
    fees: Decimal
    fills: int


class Span(Struct, frozen=True):
    """A range of time in µs, its end not in it, and how much of it one point stands for."""

    start: int
    end: int
    width: int


async def read_totals(pool: Pool, user_id: int) -> list[Totals]:
    """Return the sums of each symbol. Raises StoreUnavailableError."""
    return [Totals(**dict(row)) for row in await fetch(pool, TOTALS, user_id)]


async def first_fill(pool: Pool, user_id: int, of: int | Sequence[str]) -> int | None:
    """Return the time of the first fill of a bot, or of these symbols; None without any."""
    rows = await fetch(pool, FIRST.format(which=_which(of)), user_id, of)
    first: int | None = rows[0]["first"]
    return first


async def read_curve(
    source: Source, user_id: int, of: int | Sequence[str], span: Span
) -> list[PnlPoint]:
    """Return the curve of what a bot (its id), or all bots of these symbols, had earned."""
    rows = await fetch(source, curve_sql(of), user_id, of, span.start, span.end, span.width)
    return [PnlPoint(**dict(row)) for row in rows]


async def read_equity(
    source: Source, user_id: int, bot_id: int | None, span: Span
) -> list[EquityPoint]:
    """Return the samples of an account, or of a bot: the last of each width."""
    sql = EQUITY.format(bot="IS NULL" if bot_id is None else "= $5")
    args = () if bot_id is None else (bot_id,)
    rows = await fetch(source, sql, user_id, span.start, span.end, span.width, *args)
    return [
        EquityPoint(**{name: row[name] for name in EquityPoint.__struct_fields__}) for row in rows
    ]


async def add_equity_points(
    connection: Connection, user_id: int, points: Sequence[EquityPoint]
) -> None:
    """Store samples; one that is there already stays. Raises StoreUnavailableError."""
    with unavailable():
        await connection.executemany(ADD, [(user_id, *structs.astuple(each)) for each in points])


def curve_sql(of: int | Sequence[str]) -> str:
    """Return the statement of `read_curve`."""
    return CURVE.format(which=_which(of))


def _which(of: int | Sequence[str]) -> str:
    return _OF_BOT if isinstance(of, int) else _OF_USER
