"""Read rolling windows, exact to the trade, of one instrument or of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import asyncpg

from openoutcry.adapters.postgres.pool import Pool, fetch
from openoutcry.adapters.postgres.window_sql import PLACES, WINDOWS
from openoutcry.core.intervals import DAY, HOUR, MINUTE, SECOND
from openoutcry.core.windows import decompose
from openoutcry.venues.binance_server_data import Bar

_ZERO: Final = Decimal(0)


async def read_windows(
    pool: Pool, instruments: Sequence[int], start: int, end: int
) -> dict[int, Bar]:
    """Return by instrument the bar of all trades in start..end (µs, end exclusive); one statement.

    Without a trade the bar is flat at the last price before; an instrument that never had one is
    left out. `before` is the last price before the window. In a time that is known from a venue's
    klines only, a bucket counts where it lies whole in the window. Raises StoreUnavailableError.
    """
    times = dict.fromkeys(PLACES, (start, start))
    for piece in decompose(start, end):
        name = None if piece.base is None else piece.base.name
        place = (name, times[name, False] != (start, start))
        times[place] = (piece.start, piece.end)
    flat = [time for pair in times.values() for time in pair]
    before = [start - start % length for length in (1, SECOND, MINUTE, HOUR, DAY)]
    rows = await fetch(pool, WINDOWS, list(instruments), *flat, *before)
    return {row["id"]: _bar(row, start, end) for row in rows}


def _bar(row: asyncpg.Record, start: int, end: int) -> Bar:
    before = row["before"]
    traded = row["open"] is not None
    return Bar(
        start=start,
        end=end,
        open=row["open"] if traded else before,
        high=row["high"] if traded else before,
        low=row["low"] if traded else before,
        close=row["close"] if traded else before,
        volume=row["volume"] if traded else _ZERO,
        quote_volume=row["quote_volume"] if traded else _ZERO,
        trades=row["trades"] if traded else 0,
        bought_volume=row["bought"] if traded else _ZERO,
        bought_quote_volume=row["bought_quote"] if traded else _ZERO,
        first_id=row["first_id"] or -1,
        last_id=row["last_id"] or -1,
        before=before,
    )
