"""Compare the store with what the made-up market really did: every trade, every candle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.intervals import BASES
from openoutcry.sandbox.listing import make_symbols
from openoutcry.sandbox.state import load_state
from openoutcry.sandbox.tape import BLOCK, Tape

TRADES = """
SELECT trade_id, (extract(epoch FROM venue_time) * 1000000)::bigint AS time,
       (price * 10 ^ $3::int)::bigint AS price, (size * 10 ^ $4::int)::bigint AS size, side
FROM trades JOIN instruments AS i ON i.id = instrument_id
WHERE symbol = $1 AND venue_time <= $2 ORDER BY trade_id
"""

# What the candles should be, from nothing but the trades, as any user would write it.
DIFFERENT = """
WITH wanted AS (
    SELECT instrument_id, date_bin('{length} microseconds', venue_time, 'epoch') AS bucket,
           (array_agg(price ORDER BY trade_id))[1] AS open, max(price) AS high, min(price) AS low,
           (array_agg(price ORDER BY trade_id DESC))[1] AS close, sum(size) AS volume,
           sum(price * size) AS quote_volume, count(*) AS trades,
           coalesce(sum(size) FILTER (WHERE side = 1), 0) AS taker_buy_volume,
           coalesce(sum(price * size) FILTER (WHERE side = 1), 0) AS taker_buy_quote_volume,
           min(trade_id) AS first_trade_id, max(trade_id) AS last_trade_id
    FROM trades GROUP BY 1, 2
), stored AS (
    SELECT instrument_id, bucket, open, high, low, close, volume, quote_volume, trades,
           taker_buy_volume, taker_buy_quote_volume, first_trade_id, last_trade_id
    FROM candles_{base}
)
(TABLE wanted EXCEPT TABLE stored) UNION ALL (TABLE stored EXCEPT TABLE wanted)
"""


async def candle_differences(connection: asyncpg.Connection) -> list[Any]:
    """Return the rows in which stored base candles and the trades' own sums differ.

    Both are read in one snapshot, so it holds while the system runs.
    """
    found = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for base in BASES:
            sql = DIFFERENT.format(base=base.name, length=base.length)
            found += [(base.name, *row) for row in await connection.fetch(sql)]
    return found


async def settled(connection: asyncpg.Connection, symbols: list[str], until: int) -> bool:
    """Whether every symbol has been heard past `until` (µs) and no gap before it is open."""
    heard = await connection.fetchval(
        "SELECT count(*) FROM watermarks WHERE heard_until > $1", from_us(until)
    )
    gaps = await connection.fetchval(
        "SELECT count(*) FROM gaps WHERE state = 'suspected' AND from_time <= $1", from_us(until)
    )
    return bool(heard == len(symbols) and gaps == 0)


async def assert_whole(
    connection: asyncpg.Connection, state_file: Path, symbols: list[str], seed: int, until: int
) -> int:
    """Assert that from each symbol's first trade to `until` (µs) the store is the market.

    The venue tells whole milliseconds: let `until` be the last µs of one. Returns how many trades
    were compared.
    """
    state = load_state(state_file, seed, until)
    compared = 0
    for symbol in make_symbols(symbols, seed):
        name = symbol.listing.symbol
        rows = await connection.fetch(
            TRADES, name, from_us(until), symbol.price_scale, symbol.size_scale
        )
        ours = np.array([tuple(row) for row in rows], np.int64)
        assert len(ours), f"no trades of {name}"
        known = state.symbols[name]
        tape = Tape(symbol, seed, state.listed, known.schedule, known.skips)
        made = tape.make(int(ours[0, 1]) // BLOCK, until // BLOCK + 1)
        made = made[(made["id"] >= ours[0, 0]) & (made["time"] <= until)]
        theirs = _columns(made)
        missing = np.setdiff1d(theirs[:, 0], ours[:, 0])
        extra = np.setdiff1d(ours[:, 0], theirs[:, 0])
        assert not len(missing), f"{name}: {len(missing)} lost, the first {missing[:5]}"
        assert not len(extra), f"{name}: {len(extra)} made up, the first {extra[:5]}"
        assert len(ours) == len(theirs), f"{name}: {len(ours) - len(theirs)} stored twice"
        assert np.array_equal(ours, theirs), f"{name}: a trade differs"
        compared += len(ours)
    return compared


def _columns(made: NDArray[np.void]) -> NDArray[np.int64]:
    side = np.where(made["bought"], 1, -1)
    told = made["time"] - made["time"] % 1000
    columns = [made["id"], told, made["price"], made["size"], side]
    return np.column_stack(columns).astype(np.int64)
