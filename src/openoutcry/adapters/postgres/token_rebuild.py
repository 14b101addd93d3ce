"""Make everything that is derived from the log of tokens anew; it ends with the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from openoutcry.adapters.postgres import token_figures, token_holders
from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import BASES, COUNTS
from openoutcry.adapters.postgres.token_store import LOCK
from openoutcry.core.intervals import Interval
from openoutcry.tokens import NOBODY

AT_ONCE: Final = 50
"""Tokens whose log is read at a time: it has to be sorted, and fits memory better in parts."""

_LIMIT: Final = 86_400.0
"""Seconds that one statement may take."""

_DERIVED: Final = (
    *("token_figures", "token_holders", "token_hours"),
    *(f"token_candles_{base.name}" for base in BASES),
)

_COUNTED_TRADES: Final = (
    f"(SELECT * FROM token_trades t WHERE token_id BETWEEN $1 AND $2 AND {COUNTS.format('t')}) AS t"
)

_FIGURES: Final = f"""
INSERT INTO token_figures (token_id, minted, paid_in, holders, trades, volume_24h, volume_7d,
    volume_total)
SELECT id, coalesce(minted.minted, 0), coalesce(traded.paid_in, 0), coalesce(held.holders, 0),
    coalesce(traded.trades, 0), coalesce(traded.day, 0), coalesce(traded.week, 0),
    coalesce(traded.total, 0)
FROM tokens
LEFT JOIN (
    SELECT token_id, sum(CASE WHEN receiver = sender THEN 0 WHEN sender = $3 THEN amount
                              ELSE -amount END) AS minted
    FROM token_transfers t
    WHERE token_id BETWEEN $1 AND $2 AND (sender = $3 OR receiver = $3) AND {COUNTS.format("t")}
    GROUP BY 1
) AS minted ON minted.token_id = id
LEFT JOIN (
    SELECT token_id, count(*) AS trades, sum(side * eth) AS paid_in, sum(eth) AS total,
        sum(eth) FILTER (WHERE block_time >
            (SELECT through FROM token_windows WHERE name = '24h')) AS day,
        sum(eth) FILTER (WHERE block_time >
            (SELECT through FROM token_windows WHERE name = '7d')) AS week
    FROM {_COUNTED_TRADES} GROUP BY 1
) AS traded ON traded.token_id = id
LEFT JOIN (
    SELECT token_id, count(*) AS holders FROM token_holders
    WHERE token_id BETWEEN $1 AND $2 AND balance > 0 GROUP BY 1
) AS held ON held.token_id = id
WHERE id BETWEEN $1 AND $2
"""

_MINUTES: Final = (
    f"INSERT INTO token_candles_1m {token_figures.FOLD.format(trades=_COUNTED_TRADES)}"
)

_HOURS: Final = """
INSERT INTO token_hours
SELECT bucket, sum(quote_volume), sum(trades)::bigint, sum(buys)::bigint, sum(buy_quote_volume)
FROM token_candles_1h GROUP BY 1
"""

Progress = Callable[[int, int], None]
"""Is told how many tokens are done, and how many there are."""


async def rebuild(connection: Connection, progress: Progress = lambda *_: None) -> int:
    """Empty the derived tables and fill them from the log; return how many tokens there are.

    One transaction under the writer's lock: an indexer waits, readers see what was there before, and
    stopped at any moment it has changed nothing. The tables take twice their place until they
    have been vacuumed.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1, 0)", LOCK)
        await connection.execute("SET LOCAL work_mem = '128MB'")
        ids = [row[0] for row in await connection.fetch("SELECT id FROM tokens ORDER BY id")]
        for table in _DERIVED:
            # Not TRUNCATE, for which readers would have to wait until the end.
            await connection.execute(f"DELETE FROM {table}", timeout=_LIMIT)
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            first, last = some[0], some[-1]
            await connection.execute(token_holders.REBUILD, NOBODY, first, last, timeout=_LIMIT)
            await connection.execute(_FIGURES, first, last, NOBODY, timeout=_LIMIT)
            await connection.execute(token_figures.LAST_PRICES, some, timeout=_LIMIT)
            await connection.execute(token_figures.BIRTHS, some, timeout=_LIMIT)
            await connection.execute(_MINUTES, first, last, timeout=_LIMIT)
            for shorter, base in pairwise(BASES):
                await _roll(connection, shorter, base, first, last)
            progress(start + len(some), len(ids))
        await connection.execute(_HOURS, timeout=_LIMIT)
    return len(ids)


async def _roll(
    connection: Connection, shorter: Interval, base: Interval, first: int, last: int
) -> None:
    rows = f"token_candles_{shorter.name} WHERE token_id BETWEEN $1 AND $2"
    rolled = token_figures.ROLL.format(length=base.length, rows=rows)
    await connection.execute(
        f"INSERT INTO token_candles_{base.name} {rolled}", first, last, timeout=_LIMIT
    )
