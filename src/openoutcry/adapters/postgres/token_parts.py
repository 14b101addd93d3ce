"""Find a transaction among the newest trades of a token."""

from __future__ import annotations

from typing import Final

from openoutcry.adapters.postgres.pool import Connection
from openoutcry.adapters.postgres.token_figures import COUNTS
from openoutcry.tokens import TradeSide

# Who confirms has just traded. There is no index by transaction: on tens of millions of trades it would
# cost the writer more than all others, and the chain finds a transaction anyway.
_SIDES: Final = f"""
SELECT DISTINCT side FROM (
    SELECT * FROM token_trades t
    WHERE token_id = (SELECT id FROM tokens WHERE address = $1) AND {COUNTS.format("t")}
    ORDER BY block_time DESC, position DESC LIMIT $3
) AS newest WHERE tx_hash = $2
"""


async def find_sides(
    connection: Connection, token: bytes, tx_hash: bytes, newest: int
) -> set[TradeSide]:
    """Return the sides on which a transaction traded a token, by its `newest` trades that count."""
    rows = await connection.fetch(_SIDES, token, tx_hash, newest)
    return {TradeSide(row[0]) for row in rows}
