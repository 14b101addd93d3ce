"""Rolling volumes as they are stored: each window's sum reaches back to a moment that is moved on."""

from __future__ import annotations

from typing import Final

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import COUNTS_BETWEEN
from openoutcry.adapters.postgres.token_store import LOCK
from openoutcry.tokens import LENGTHS

_LOCK: Final = "SELECT pg_advisory_xact_lock($1, 0)"
_THROUGH: Final = "SELECT name, through FROM token_windows"
_MOVE: Final = "UPDATE token_windows SET through = $2 WHERE name = $1"

_LEAVE: Final = f"""
WITH gone AS (
    SELECT token_id, sum(eth) AS eth FROM token_trades t
    WHERE block_time > $1 AND block_time <= $2 AND {COUNTS_BETWEEN.format("t", "$1", "$2")}
    GROUP BY token_id
)
UPDATE token_figures f SET volume_{{window}} = f.volume_{{window}} - gone.eth
FROM gone WHERE f.token_id = gone.token_id AND gone.eth <> 0
RETURNING f.token_id
"""

_ADDRESSES: Final = "SELECT address FROM tokens WHERE id = ANY ($1::int[]) ORDER BY id"


async def expire(connection: Connection, now: int) -> tuple[bytes, ...]:
    """Let what has grown too old at `now` (µs) leave the stored sums; return whose it was.

    Readers are exact at any moment without it: it bounds what they have to subtract. Four times a
    second keeps that to some hundreds of trades where two thousand come in each second. Going back
    in time is left alone. A transaction of its own, under the writer's lock.
    """
    left: set[int] = set()
    async with connection.transaction():
        await connection.execute(_LOCK, LOCK)
        through = dict(await connection.fetch(_THROUGH))
        for window, length in LENGTHS.items():
            cut = now - length
            if cut > through[window]:
                sql = _LEAVE.format(window=window)
                gone = await connection.fetch(sql, through[window], cut)
                left.update(row[0] for row in gone)
                await connection.execute(_MOVE, window, cut)
        if not left:
            return ()
        return tuple(row[0] for row in await connection.fetch(_ADDRESSES, sorted(left)))
