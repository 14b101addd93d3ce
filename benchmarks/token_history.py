"""Fill an empty store with a history of tokens that are traded: what `tokens.py` and `volume.py` ask."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import asyncpg
from msgspec import Struct

from openoutcry.adapters.postgres import token_rows
from openoutcry.adapters.postgres.token_rebuild import rebuild
from openoutcry.tokens import DAY

HOUR: Final = 3600.0
"""How long one statement may take, s."""
DAYS: Final = 8
END: Final = 1_780_000_000_000_000 // DAY * DAY
"""When the history ends, µs."""
START: Final = END - DAYS * DAY
EDGES: Final = (END - DAY, END - 7 * DAY)
"""Where the windows begin at the end of the history."""
EDGE_SECONDS: Final = 2 * 120
"""How much of the history is at an edge."""

_AT_ONCE: Final = 7_200
"""Seconds of blocks that are filled in one statement."""

_FILL_BLOCKS: Final = """
INSERT INTO chain_blocks (number, hash, parent, time, applied, whole, filled)
SELECT n, sha256(n::text::bytea), sha256((n - 1)::text::bytea),
    $1::timestamptz + n * $4::int * interval '1 second', true, true, true
FROM generate_series($2::int, $3::int) AS n ORDER BY n
"""

# Popularity is skewed: one token of a hundred has a fifth of the trades. Two minutes after each of $5
# and $6 are as dense as $7 says, if it says so.
_FILL_TRADES: Final = """
INSERT INTO token_trades
SELECT b.time, (b.number << 20) | g, b.id, 1 + floor($4 * power(random(), 3))::int,
    CASE WHEN random() < 0.55 THEN 1 ELSE -1 END,
    substring(sha256(floor(random() * 50000)::text::bytea) FOR 20),
    floor(random() * 1e18)::numeric, floor(random() * 1e24)::numeric,
    floor(1e28 * (1 + random()))::numeric, NULL, NULL,
    b.hash
FROM (
    SELECT *, CASE WHEN $7::int IS NOT NULL
            AND (time > $5::timestamptz AND time <= $5::timestamptz + interval '2 minutes'
                OR time > $6::timestamptz AND time <= $6::timestamptz + interval '2 minutes')
        THEN $7::int ELSE floor($3::float8 + random())::int END AS trades
    FROM chain_blocks WHERE number BETWEEN $1::int AND $2::int
) AS b CROSS JOIN LATERAL generate_series(1, b.trades) AS g
"""

Told = Callable[[int, int], None]
"""Told how much is done, and of how much."""


class History(Struct, frozen=True, kw_only=True):
    """About `trades` of `tokens`, in blocks of every `block_seconds`.

    `at_edges`: trades a block in the two minutes after each of EDGES; None: as many as elsewhere.
    """

    trades: int
    tokens: int
    block_seconds: int
    at_edges: int | None = None

    @property
    def blocks(self) -> int:
        """How many there are."""
        return DAYS * 86_400 // self.block_seconds

    @property
    def share(self) -> float:
        """Trades a block, away from the edges."""
        at_edges = (self.at_edges or 0) * EDGE_SECONDS // self.block_seconds
        return max(0.0, (self.trades - at_edges) / self.blocks)


async def fill(connection: asyncpg.Connection, history: History, told: Told) -> None:
    """Fill an empty store set-based; nothing is added up yet."""
    addresses = [address(number) for number in range(1, history.tokens + 1)]
    await token_rows.number_tokens(connection, addresses)
    await token_rows.make_room(connection, range(START, END + DAY, DAY))
    blocks, at_once = history.blocks, _AT_ONCE // history.block_seconds
    for first in range(1, blocks + 1, at_once):
        last = min(first + at_once - 1, blocks)
        await connection.execute(
            *(_FILL_BLOCKS, START, first, last, history.block_seconds), timeout=HOUR
        )
        share, tokens = history.share, float(history.tokens)
        await connection.execute(
            *(_FILL_TRADES, first, last, share, tokens, *EDGES, history.at_edges), timeout=HOUR
        )
        told(last, blocks)
    await connection.execute(
        "UPDATE chain_head SET (number, hash) = (SELECT number, hash FROM chain_blocks"
        " ORDER BY number DESC LIMIT 1)"
    )
    await connection.execute("VACUUM ANALYZE", timeout=HOUR)


async def add_up(connection: asyncpg.Connection, told: Told) -> None:
    """Make what is derived of it, as it is at the end of the history."""
    await connection.execute("UPDATE token_windows SET through = $1::timestamptz - length", END)
    await rebuild(connection, told)


async def settle(connection: asyncpg.Connection) -> None:
    """Leave nothing to do behind: what is measured then is not disturbed by it."""
    await connection.execute("VACUUM ANALYZE", timeout=HOUR)
    await connection.execute("CHECKPOINT", timeout=HOUR)


def address(number: int) -> bytes:
    """Return the address of token 1, 2, 3…."""
    return number.to_bytes(20, "big")


def popular(rng: random.Random, tokens: int) -> int:
    """Return a token's number, as skewed as the history is."""
    return 1 + int(tokens * rng.random() ** 3)
