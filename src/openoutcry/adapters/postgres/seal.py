"""Store the venue's own candles: final rows, and the longer ones that contain them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg

from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.batch import Renewal
from openoutcry.core.intervals import BASES, Interval
from openoutcry.core.klines import Klines

_SEAL: Final = """
INSERT INTO candles_{base}
    (instrument_id, bucket, open, high, low, close, volume, quote_volume, trades,
     taker_buy_volume, taker_buy_quote_volume, first_trade_id, last_trade_id, sealed)
SELECT $1, bucket, open, high, low, close, volume, quote_volume, trades, bought, bought_quote,
       0, 0, true
FROM unnest($2::timestamptz[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[],
            $7::numeric[], $8::numeric[], $9::bigint[], $10::numeric[], $11::numeric[])
     AS k (bucket, open, high, low, close, volume, quote_volume, trades, bought, bought_quote)
ON CONFLICT (instrument_id, bucket) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, quote_volume = excluded.quote_volume, trades = excluded.trades,
    taker_buy_volume = excluded.taker_buy_volume,
    taker_buy_quote_volume = excluded.taker_buy_quote_volume, sealed = true
"""

_FIGURES: Final = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
)

# A longer candle that contains sealed ones is the sum of the next shorter ones: those hold both the
# klines and the trades around them.
_RENEW: Final = """
INSERT INTO candles_{base}
SELECT instrument_id, {bucket} AS longer,
       (array_agg(open ORDER BY bucket))[1], max(high), min(low),
       (array_agg(close ORDER BY bucket DESC))[1],
       sum(volume), sum(quote_volume), sum(trades),
       sum(taker_buy_volume), sum(taker_buy_quote_volume),
       (array_agg(first_trade_id ORDER BY bucket))[1], max(last_trade_id), false
FROM candles_{shorter}
WHERE instrument_id = $1 AND bucket >= $2 AND bucket < $3
GROUP BY instrument_id, longer
ON CONFLICT (instrument_id, bucket) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, quote_volume = excluded.quote_volume, trades = excluded.trades,
    taker_buy_volume = excluded.taker_buy_volume,
    taker_buy_quote_volume = excluded.taker_buy_quote_volume,
    first_trade_id = excluded.first_trade_id, last_trade_id = excluded.last_trade_id
WHERE NOT candles_{base}.sealed
"""


async def seal(connection: asyncpg.Connection[Any], klines: Klines) -> None:
    """Write `klines` as final rows and renew the longer candles; part of the caller's transaction."""
    candles = klines.candles
    if candles:
        await connection.execute(
            _SEAL.format(base=klines.base),
            klines.instrument,
            [from_us(candle.bucket) for candle in candles],
            *([getattr(candle, name) for candle in candles] for name in _FIGURES),
        )
    shorter = klines.interval
    for longer in BASES:
        if longer.length > shorter.length:
            span = (longer.floor(klines.start), longer.next(longer.floor(klines.end - 1)))
            await _renew(connection, klines.instrument, longer, shorter, span)
            shorter = longer


async def renew(connection: asyncpg.Connection[Any], renewals: Sequence[Renewal]) -> None:
    """Make candles anew of the next shorter ones; part of the caller's transaction."""
    for one in renewals:
        shorter = BASES[BASES.index(one.base) - 1]
        end = one.base.next(one.bucket)
        await _renew(connection, one.instrument, one.base, shorter, (one.bucket, end))


async def _renew(
    connection: asyncpg.Connection[Any],
    instrument: int,
    longer: Interval,
    shorter: Interval,
    span: tuple[int, int],
) -> None:
    await connection.execute(
        _RENEW.format(
            base=longer.name,
            shorter=shorter.name,
            bucket=f"date_bin('{longer.length} microseconds', bucket, 'epoch')",
        ),
        instrument,
        from_us(span[0]),
        from_us(span[1]),
    )
