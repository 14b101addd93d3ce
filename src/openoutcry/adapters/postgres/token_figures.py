"""What changed trades and transfers add to a token's figures, to candles and to hours, or take back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.core.intervals import INTERVALS, Interval

BASES: Final[tuple[Interval, ...]] = tuple(INTERVALS[name] for name in ("1m", "1h", "1d"))
"""The intervals of which tokens have stored candles, each dividing the next."""

_ORPHAN: Final = (
    "SELECT FROM chain_blocks orphan"
    " WHERE orphan.id = {0}.block_id AND orphan.time = {0}.block_time AND NOT orphan.applied"
)

COUNTS: Final = f"NOT EXISTS ({_ORPHAN})"
"""Whether a row of the log counts: its block has not been undone."""

COUNTS_BETWEEN: Final = f"NOT EXISTS ({_ORPHAN} AND orphan.time > {{1}} AND orphan.time <= {{2}})"
"""The same, for rows that are known to be of these times: fewer orphans to look through."""

# $1: 1 for rows that begin to count, -1 for rows that cease to. Every token that was touched gets a new
# row, also one that only changed hands: the row's xmin tells readers (token_moments).
_SUMS: Final = """
WITH spans AS (
    SELECT (SELECT through FROM token_windows WHERE name = '24h') AS day,
           (SELECT through FROM token_windows WHERE name = '7d') AS week
), traded AS (
    SELECT token_id, count(*) AS trades, sum(side * eth) AS paid_in, sum(eth) AS total,
           coalesce(sum(eth) FILTER (WHERE block_time > day), 0) AS day,
           coalesce(sum(eth) FILTER (WHERE block_time > week), 0) AS week
    FROM changed_trades, spans GROUP BY token_id
), minted AS (
    SELECT token_id, sum(CASE WHEN receiver = sender THEN 0 WHEN sender = $2 THEN amount
                              WHEN receiver = $2 THEN -amount ELSE 0 END) AS minted
    FROM changed_transfers GROUP BY token_id
)
UPDATE token_figures f SET
    trades = f.trades + $1 * coalesce(traded.trades, 0),
    paid_in = f.paid_in + $1 * coalesce(traded.paid_in, 0),
    volume_total = f.volume_total + $1 * coalesce(traded.total, 0),
    volume_24h = f.volume_24h + $1 * coalesce(traded.day, 0),
    volume_7d = f.volume_7d + $1 * coalesce(traded.week, 0),
    minted = f.minted + $1 * coalesce(minted.minted, 0)
FROM traded FULL JOIN minted USING (token_id)
WHERE f.token_id = coalesce(traded.token_id, minted.token_id)
"""

_NEWER_PRICES: Final = """
WITH last AS (
    SELECT DISTINCT ON (token_id) token_id, position, price, supply, reserve
    FROM changed_trades ORDER BY token_id, position DESC
)
UPDATE token_figures f
SET last_position = last.position, price = last.price, supply = last.supply, reserve = last.reserve
FROM last
WHERE f.token_id = last.token_id AND (f.last_position IS NULL OR f.last_position < last.position)
"""

LAST_PRICES: Final = f"""
UPDATE token_figures f
SET last_position = last.position, price = last.price, supply = last.supply, reserve = last.reserve
FROM unnest($1::int[]) AS asked (token_id) LEFT JOIN LATERAL (
    SELECT position, price, supply, reserve FROM token_trades t
    WHERE t.token_id = asked.token_id AND {COUNTS.format("t")}
    ORDER BY block_time DESC, position DESC LIMIT 1
) AS last ON true
WHERE f.token_id = asked.token_id AND f.last_position IS DISTINCT FROM last.position
"""

BIRTHS: Final = """
UPDATE tokens SET
    launchpad = coalesce(made.launchpad, ''),
    creator = coalesce(made.creator, '\\x0000000000000000000000000000000000000000'),
    name = coalesce(made.name, ''), symbol = coalesce(made.symbol, ''),
    decimals = coalesce(made.decimals, 18), target = coalesce(made.target, 0),
    created_number = made.position >> 20, created_at = made.block_time,
    graduated_at = graduated.block_time
FROM unnest($1::int[]) AS asked (token_id)
LEFT JOIN LATERAL (
    SELECT c.* FROM token_creations c JOIN chain_blocks b ON b.id = c.block_id AND b.applied
    WHERE c.token_id = asked.token_id ORDER BY c.position DESC LIMIT 1
) AS made ON true
LEFT JOIN LATERAL (
    SELECT g.* FROM token_graduations g JOIN chain_blocks b ON b.id = g.block_id AND b.applied
    WHERE g.token_id = asked.token_id ORDER BY g.position LIMIT 1
) AS graduated ON true
WHERE tokens.id = asked.token_id
"""

_CANDLE: Final = (
    "token_id, bucket, open, high, low, close, volume, quote_volume, trades, buys,"
    " buy_quote_volume, first_position, last_position"
)

FOLD: Final = """
SELECT token_id, date_bin('1 minute', block_time, 'epoch') AS bucket,
    (array_agg(price ORDER BY position))[1] AS open, max(price) AS high, min(price) AS low,
    (array_agg(price ORDER BY position DESC))[1] AS close,
    sum(tokens) AS volume, sum(eth) AS quote_volume, count(*) AS trades,
    count(*) FILTER (WHERE side > 0) AS buys,
    coalesce(sum(eth) FILTER (WHERE side > 0), 0) AS buy_quote_volume,
    min(position) AS first_position, max(position) AS last_position
FROM {trades} GROUP BY 1, 2
"""

ROLL: Final = """
SELECT token_id, date_bin('{length} microseconds', bucket, 'epoch') AS longer,
    (array_agg(open ORDER BY first_position))[1] AS open, max(high) AS high, min(low) AS low,
    (array_agg(close ORDER BY last_position DESC))[1] AS close,
    sum(volume) AS volume, sum(quote_volume) AS quote_volume, sum(trades)::bigint AS trades,
    sum(buys)::bigint AS buys, sum(buy_quote_volume) AS buy_quote_volume,
    min(first_position) AS first_position, max(last_position) AS last_position
FROM {rows} GROUP BY 1, 2
"""

_ADD: Final = f"""
INSERT INTO token_candles_{{base}} AS c ({_CANDLE}) SELECT * FROM folded_{{base}}
ON CONFLICT (token_id, bucket) DO UPDATE SET
    open = CASE WHEN excluded.first_position < c.first_position THEN excluded.open ELSE c.open END,
    high = greatest(c.high, excluded.high), low = least(c.low, excluded.low),
    close = CASE WHEN excluded.last_position > c.last_position THEN excluded.close ELSE c.close END,
    volume = c.volume + excluded.volume, quote_volume = c.quote_volume + excluded.quote_volume,
    trades = c.trades + excluded.trades, buys = c.buys + excluded.buys,
    buy_quote_volume = c.buy_quote_volume + excluded.buy_quote_volume,
    first_position = least(c.first_position, excluded.first_position),
    last_position = greatest(c.last_position, excluded.last_position)
"""

_MINUTE, _HOUR, _DAY = BASES


def _longer(base: Interval, rows: str) -> str:
    return ROLL.format(length=base.length, rows=rows).replace("AS longer", "AS bucket")


_ADD_CANDLES: Final = f"""
WITH folded_1m AS MATERIALIZED ({FOLD.format(trades="changed_trades")}),
folded_1h AS MATERIALIZED ({_longer(_HOUR, "folded_1m")}),
folded_1d AS MATERIALIZED ({_longer(_DAY, "folded_1h")}),
minutes AS ({_ADD.format(base="1m")}),
hours AS ({_ADD.format(base="1h")})
{_ADD.format(base="1d")}
"""

# Sums could be taken back, extremes cannot: buckets that lost a trade are made anew of what is left.
_DROP: Final = """
DELETE FROM token_candles_{base} c
USING (SELECT DISTINCT token_id, date_bin('{length} microseconds', block_time, 'epoch') AS bucket
       FROM changed_trades) AS lost
WHERE c.token_id = lost.token_id AND c.bucket = lost.bucket
"""

_LEFT: Final = f"""(
    SELECT t.* FROM (
        SELECT DISTINCT token_id, date_bin('1 minute', block_time, 'epoch') AS lost FROM changed_trades
    ) AS buckets CROSS JOIN LATERAL (
        SELECT * FROM token_trades t
        WHERE t.token_id = buckets.token_id AND t.block_time >= buckets.lost
          AND t.block_time < buckets.lost + interval '1 minute' AND {COUNTS.format("t")}
    ) AS t
) AS trades"""

_AGAIN: Final = f"INSERT INTO token_candles_1m ({_CANDLE}) {FOLD.format(trades=_LEFT)}"

_INSIDE: Final = """token_candles_{shorter} shorter
    WHERE shorter.token_id = buckets.token_id AND shorter.bucket >= buckets.lost
      AND shorter.bucket < buckets.lost + interval '{length} microseconds'
"""

_ROLL_AGAIN: Final = f"""
INSERT INTO token_candles_{{base}} ({_CANDLE})
SELECT rolled.* FROM (
    SELECT DISTINCT token_id, date_bin('{{length}} microseconds', block_time, 'epoch') AS lost
    FROM changed_trades
) AS buckets CROSS JOIN LATERAL ({ROLL.format(length="{length}", rows=_INSIDE)}) AS rolled
"""

_HOURS: Final = """
INSERT INTO token_hours AS h
SELECT date_bin('1 hour', block_time, 'epoch'), sum(eth), count(*), count(*) FILTER (WHERE side > 0),
    coalesce(sum(eth) FILTER (WHERE side > 0), 0)
FROM changed_trades GROUP BY 1
ON CONFLICT (bucket) DO UPDATE SET
    quote_volume = h.quote_volume + excluded.quote_volume, trades = h.trades + excluded.trades,
    buys = h.buys + excluded.buys, buy_quote_volume = h.buy_quote_volume + excluded.buy_quote_volume
"""

_FEWER_HOURS: Final = """
WITH lost AS (
    SELECT date_bin('1 hour', block_time, 'epoch') AS bucket, sum(eth) AS quote_volume,
        count(*) AS trades, count(*) FILTER (WHERE side > 0) AS buys,
        coalesce(sum(eth) FILTER (WHERE side > 0), 0) AS buy_quote_volume
    FROM changed_trades GROUP BY 1
), empty AS (
    DELETE FROM token_hours h USING lost WHERE h.bucket = lost.bucket AND h.trades = lost.trades
)
UPDATE token_hours h SET
    quote_volume = h.quote_volume - lost.quote_volume, trades = h.trades - lost.trades,
    buys = h.buys - lost.buys, buy_quote_volume = h.buy_quote_volume - lost.buy_quote_volume
FROM lost WHERE h.bucket = lost.bucket AND h.trades > lost.trades
"""

_NOBODY: Final = bytes(20)


async def add(connection: Connection) -> None:
    """Add the changed rows to every figure, candle and hour."""
    await connection.execute(_SUMS, 1, _NOBODY)
    await connection.execute(_NEWER_PRICES)
    await connection.execute(_ADD_CANDLES)
    await connection.execute(_HOURS)


async def take_back(connection: Connection, tokens: Sequence[int]) -> None:
    """Take the changed rows, which no longer count, back out of figures, candles and hours."""
    await connection.execute(_SUMS, -1, _NOBODY)
    await connection.execute(LAST_PRICES, tokens)
    for base in BASES:
        await connection.execute(_DROP.format(base=base.name, length=base.length))
    await connection.execute(_AGAIN)
    for shorter, base in pairwise(BASES):
        await connection.execute(
            _ROLL_AGAIN.format(base=base.name, length=base.length, shorter=shorter.name)
        )
    await connection.execute(_FEWER_HOURS)


async def renew_births(connection: Connection, tokens: Sequence[int]) -> None:
    """Look up again which creation and graduation of tokens count."""
    await connection.execute(BIRTHS, tokens)
