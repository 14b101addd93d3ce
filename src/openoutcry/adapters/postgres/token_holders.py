"""Who holds what: balances and the holdings' beginnings, from the transfers and trades that count.

A holding begins with the block at whose end the balance has risen above zero, so what matters is the
walk of a balance over the ends of blocks. What is added is walked from the stored balance on, over the
blocks from the first changed one to the newest, which are nearly always the added ones alone. Only where
that cannot tell how a holding began (a block was added before one in which the address had sold out),
and after an undo, an address is walked from its first transfer: a look at all of a token's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import COUNTS
from openoutcry.tokens import NOBODY

# The moves in rows of trades and transfers: to and from, none to a trader, but activity. $1: nobody.
_MOVES: Final = """
SELECT token_id, sender AS address, position >> 20 AS number, block_time AS time,
       -amount AS delta, false AS bought FROM {transfers} WHERE sender <> $1
UNION ALL
SELECT token_id, receiver, position >> 20, block_time, amount, false
FROM {transfers} WHERE receiver <> $1
UNION ALL
SELECT token_id, trader, position >> 20, block_time, 0, side > 0 FROM {trades} WHERE trader <> $1
"""

_FRESH: Final = f"""
INSERT INTO moves
SELECT m.*, true
FROM ({_MOVES.format(transfers="changed_transfers", trades="changed_trades")}) AS m
"""

# $2: blocks, $3: their times, $4: tokens.
_EARLIER: Final = f"""
INSERT INTO moves
SELECT m.*, false FROM ({
    _MOVES.format(
        transfers='''(SELECT * FROM token_transfers WHERE block_id = ANY ($2::int[])
    AND block_time = ANY ($3::timestamptz[]) AND token_id = ANY ($4::int[])) AS t''',
        trades='''(SELECT * FROM token_trades WHERE block_id = ANY ($2::int[])
    AND block_time = ANY ($3::timestamptz[]) AND token_id = ANY ($4::int[])) AS t''',
    )
}) AS m
"""

# Blocks of a token and address in order, the balance walked over their ends. One sort serves every
# window and the grouping; joining what was grouped to its rows took minutes where nothing was known of
# their number.
_WALK: Final = """
per_block AS (
    SELECT token_id, address, number, max(time) AS time, sum(delta) AS delta,
        coalesce(sum(delta) FILTER (WHERE fresh), 0) AS fresh, bool_or(bought) AS bought
    FROM {moves} GROUP BY 1, 2, 3
), placed AS (
    SELECT p.*, {stored}, sum(delta) OVER upto AS walked, sum(delta) OVER every AS delta_all,
        sum(fresh) OVER every AS fresh_all
    FROM per_block p {join}
    WINDOW every AS (PARTITION BY token_id, address),
        upto AS (PARTITION BY token_id, address ORDER BY number ROWS UNBOUNDED PRECEDING)
), walk AS (
    SELECT *, was + fresh_all AS balance,
        max(number) FILTER (
            WHERE was + fresh_all - delta_all + walked > 0
              AND was + fresh_all - delta_all + walked - delta <= 0
        ) OVER (PARTITION BY token_id, address) AS risen
    FROM placed
), ended AS (
    SELECT token_id, address, min(was) AS was, min(balance) AS balance, max(risen) AS risen,
        max(time) AS last, min(number) AS lowest, min(held_since) AS held_since,
        min(first_bought_at) AS first_bought_at, max(last_active_at) AS last_active_at,
        min(time) FILTER (WHERE bought AND (risen IS NULL OR number >= risen)) AS first
    FROM walk GROUP BY token_id, address
)
"""

# unknown: above zero all the time that we look at, and what is stored does not reach back before it.
_FORWARD: Final = (
    """
WITH touched AS (SELECT DISTINCT token_id, address FROM moves WHERE fresh),
"""
    + _WALK.format(
        moves="moves JOIN touched USING (token_id, address)",
        stored="coalesce(h.balance, 0) AS was, h.held_since, h.first_bought_at, h.last_active_at",
        join="LEFT JOIN token_holders h USING (token_id, address)",
    )
    + """
INSERT INTO next_holders
SELECT token_id, address, balance, was,
    CASE WHEN balance > 0 THEN coalesce(risen, held_since) END,
    CASE WHEN balance > 0 AND risen IS NULL THEN least(first_bought_at, first)
         WHEN balance > 0 THEN first END,
    greatest(last_active_at, last),
    balance > 0 AND risen IS NULL AND (held_since IS NULL OR held_since >= lowest)
FROM ended
"""
)

_UNDONE: Final = f"""
SELECT DISTINCT token_id, address
FROM ({_MOVES.format(transfers="changed_transfers", trades="changed_trades")}) AS m
"""

_UNKNOWN: Final = "DELETE FROM next_holders WHERE unknown RETURNING token_id, address"

_KEYS: Final = "unnest($2::int[], $3::bytea[]) AS k (token_id, address)"


def _anew(transfers: str, trades: str, of: str) -> str:
    """Return the walk from the first transfer on, over these rows, narrowed by the words `of`."""
    every = f"(SELECT m.*, true AS fresh FROM ({_MOVES}) AS m {of}) AS moves"
    return "WITH " + _WALK.format(
        moves=every.format(transfers=transfers, trades=trades),
        stored="0::numeric AS was, NULL::bigint AS held_since,"
        " NULL::timestamptz AS first_bought_at, NULL::timestamptz AS last_active_at",
        join="",
    )


_COUNTED: Final = f"(SELECT * FROM token_{{kind}} t WHERE {{of}} AND {COUNTS.format('t')}) AS t"

# A key without any moves left has none to walk: it is added as an empty one.
_ANEW: Final = (
    _anew(
        _COUNTED.format(kind="transfers", of="token_id = ANY ($2::int[])"),
        _COUNTED.format(kind="trades", of="token_id = ANY ($2::int[])"),
        f"JOIN (SELECT * FROM {_KEYS}) AS k USING (token_id, address)",
    )
    + f"""
INSERT INTO next_holders
SELECT k.token_id, k.address, coalesce(e.balance, 0), coalesce(h.balance, 0),
    CASE WHEN e.balance > 0 THEN risen END, CASE WHEN e.balance > 0 THEN first END, last, false
FROM {_KEYS} LEFT JOIN ended e USING (token_id, address)
    LEFT JOIN token_holders h USING (token_id, address)
"""
)

_COLUMNS: Final = "token_id, address, balance, held_since, first_bought_at, last_active_at"

_GONE: Final = """
DELETE FROM token_holders h USING next_holders n
WHERE h.token_id = n.token_id AND h.address = n.address AND n.balance = 0
"""

_STORE: Final = f"""
INSERT INTO token_holders ({_COLUMNS})
SELECT {_COLUMNS} FROM next_holders WHERE balance <> 0
ON CONFLICT (token_id, address) DO UPDATE SET
    balance = excluded.balance, held_since = excluded.held_since,
    first_bought_at = excluded.first_bought_at, last_active_at = excluded.last_active_at
"""

_COUNT: Final = """
UPDATE token_figures f SET holders = f.holders + n.more
FROM (SELECT token_id, sum((balance > 0)::int - (was > 0)::int) AS more
      FROM next_holders GROUP BY token_id) AS n
WHERE f.token_id = n.token_id AND n.more <> 0
"""

REBUILD: Final = (
    _anew(
        _COUNTED.format(kind="transfers", of="token_id BETWEEN $2 AND $3"),
        _COUNTED.format(kind="trades", of="token_id BETWEEN $2 AND $3"),
        "",
    )
    + f"""
INSERT INTO token_holders ({_COLUMNS})
SELECT token_id, address, balance, CASE WHEN balance > 0 THEN risen END,
    CASE WHEN balance > 0 THEN first END, last
FROM ended WHERE balance <> 0
"""
)
"""Fill the empty rows of tokens $2 to $3 from the log; $1: nobody."""


async def remember(
    connection: Connection, block_ids: Sequence[int], times: Sequence[int], tokens: Sequence[int]
) -> None:
    """Note the moves of blocks that count already, before rows are added in these or before them."""
    await connection.execute(_EARLIER, NOBODY, block_ids, times, tokens)


async def add(connection: Connection) -> None:
    """Add the changed rows to balances; the moves of later blocks have been noted."""
    await connection.execute(_FRESH, NOBODY)
    await connection.execute(_FORWARD)
    keys = await connection.fetch(_UNKNOWN)
    if keys:
        await _walk_anew(connection, keys)
    await _store(connection)


async def take_back(connection: Connection) -> None:
    """Take the changed rows, which no longer count, back out of balances."""
    keys = await connection.fetch(_UNDONE, NOBODY)
    if keys:
        await _walk_anew(connection, keys)
        await _store(connection)


async def _walk_anew(connection: Connection, keys: Sequence[tuple[int, bytes]]) -> None:
    await connection.execute(_ANEW, NOBODY, [key[0] for key in keys], [key[1] for key in keys])


async def _store(connection: Connection) -> None:
    await connection.execute(_GONE)
    await connection.execute(_STORE)
    await connection.execute(_COUNT)
    await connection.execute("DELETE FROM next_holders; DELETE FROM moves")
