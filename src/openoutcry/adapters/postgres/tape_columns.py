"""Read stretches of the tape as columns: what a trader or a backtest folds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import numpy as np

from openoutcry.adapters.postgres.pool import Pool, fetch, fetch_value
from openoutcry.core.intervals import DAY, SECOND
from openoutcry.core.trading.events import Trades, trades_of
from openoutcry.model import Instrument

# $1 instrument, $2 and $3 times (to exclusive), $4 and $5 its scales. The block-range index finds the
# time; the ids put trades of one time in order. `wide`: a number has more decimals than the scale says.
_STRETCH: Final = """
SELECT trade_id, (price * 10 ^ $4::numeric)::bigint AS price, (size * 10 ^ $5::numeric)::bigint AS size,
       venue_time, min_scale(price) > $4 OR min_scale(size) > $5 AS wide
FROM trades
WHERE instrument_id = $1 AND venue_time >= $2 AND venue_time < $3
ORDER BY trade_id
"""

_NUMBERS: Final = """
SELECT trade_id, price, size, venue_time FROM trades
WHERE instrument_id = $1 AND venue_time >= $2 AND venue_time < $3
ORDER BY trade_id
"""

_FIRST: Final = "SELECT min(bucket) FROM candles_30s WHERE instrument_id = $1 AND bucket >= $2"
_LAST: Final = "SELECT max(bucket) FROM candles_30s WHERE instrument_id = $1 AND bucket < $2"
_COUNT: Final = """
SELECT coalesce(sum(trades), 0)::bigint FROM candles_30s
WHERE instrument_id = $1 AND bucket >= $2 AND bucket < $3
"""

_WANTED: Final = 100_000
_SHORTEST: Final = 10 * SECOND
_HALF_MINUTE: Final = 30 * SECOND


async def stretch(pool: Pool, instrument: Instrument, start: int, end: int) -> Trades:
    """Return the stored trades of start..end (µs, end exclusive), ascending by id.

    Raises StoreUnavailableError.
    """
    places = (instrument.price_scale, instrument.size_scale)
    rows = await fetch(pool, _STRETCH, instrument.id, start, end, *places)
    if any(row[4] for row in rows):  # the scale has grown since the instrument was read
        rows = await fetch(pool, _NUMBERS, instrument.id, start, end)
        return trades_of(instrument.symbol, [tuple(row) for row in rows])
    ids, prices, sizes, times = (np.array([row[n] for row in rows], np.int64) for n in range(4))
    return Trades(instrument.symbol, ids, prices, sizes, times, *places)


async def bounds(
    pool: Pool, instrument: Instrument, start: int, end: int
) -> tuple[int, int, int] | None:
    """Return from when to when (µs) there are trades within start..end, and about how many.

    None if there are none. To the half minute, and never less than there are.
    """
    low = start - start % _HALF_MINUTE
    first = await fetch_value(pool, _FIRST, instrument.id, low)
    last = await fetch_value(pool, _LAST, instrument.id, end)
    if first is None or last is None or first > last:
        return None
    count = await fetch_value(pool, _COUNT, instrument.id, first, last + _HALF_MINUTE)
    return max(start, first), min(end, last + _HALF_MINUTE), count


async def stretches(
    pool: Pool, instrument: Instrument, start: int, end: int
) -> AsyncIterator[tuple[int, Trades]]:
    """Yield the trades of start..end in batches of about 100,000, and up to when (µs) each reaches.

    Ascending by id over all batches: a trade with a lower id than one of an earlier batch (times out
    of order by a little) is left out. Raises StoreUnavailableError.
    """
    width, newest = 60 * SECOND, -1
    while start < end:
        stop = min(end, start + width)
        trades = await stretch(pool, instrument, start, stop)
        fresh = trades.after(newest)
        if len(fresh):
            newest = int(fresh.ids[-1])
        yield stop, fresh
        factor = _WANTED / max(1, len(trades))
        width = int(min(DAY, max(_SHORTEST, width * min(4.0, max(0.1, factor)))))
        start = stop
