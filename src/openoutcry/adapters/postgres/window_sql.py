"""The SQL of rolling windows: many instruments' trades of any stretch of time as one row each.

One text for every window, so that it is planned once. Each stored length has two places, at the
beginning and at the end of the window; a place that the window does not need costs nothing, because
its condition does not depend on a row.
"""

from __future__ import annotations

from typing import Final

from openoutcry.core.intervals import BASES

_CANDLES: Final = """
    SELECT instrument_id, bucket AS at, open, high, low, close, volume, quote_volume, trades,
           taker_buy_volume, taker_buy_quote_volume, first_trade_id, last_trade_id
    FROM candles_{base}
    WHERE instrument_id = ANY ($1::int[]) AND bucket >= ${low}::timestamptz
      AND bucket < ${high}::timestamptz AND ${low}::timestamptz < ${high}::timestamptz
"""

# What trades there are in less than a second, all instruments together: a few pages in the order of
# time, whoever is asked for.
_TRADES: Final = """
    SELECT instrument_id, ${low}::timestamptz AS at,
           (array_agg(price ORDER BY trade_id))[1] AS open, max(price) AS high, min(price) AS low,
           (array_agg(price ORDER BY trade_id DESC))[1] AS close, sum(size) AS volume,
           sum(price * size) AS quote_volume, count(*) AS trades,
           coalesce(sum(size) FILTER (WHERE side > 0), 0) AS taker_buy_volume,
           coalesce(sum(price * size) FILTER (WHERE side > 0), 0) AS taker_buy_quote_volume,
           min(trade_id) AS first_trade_id, max(trade_id) AS last_trade_id
    FROM trades
    WHERE instrument_id = ANY ($1::int[]) AND venue_time >= ${low}::timestamptz
      AND venue_time < ${high}::timestamptz AND ${low}::timestamptz < ${high}::timestamptz
    GROUP BY instrument_id
"""

PLACES: Final[tuple[tuple[str | None, bool], ...]] = tuple(
    (name, tail) for name in (None, *(base.name for base in BASES)) for tail in (False, True)
)
"""What the statement's pairs of times stand for, from $2 on: the base (None: trades), at the end."""

_FIRST_BEFORE: Final = 2 + 2 * len(PLACES)

_ROWS: Final = "    UNION ALL\n".join(
    (_TRADES if name is None else _CANDLES).format(base=name, low=2 * at + 2, high=2 * at + 3)
    for at, (name, _) in enumerate(PLACES)
)

# The last price before the window: of the trades in its first second, else of the seconds in its
# first minute, else of whichever longer candle ended last. The parameters behind the places: the
# window's start, and that time on whole seconds, minutes, hours and days.
_BEFORE: Final = """
    SELECT id, coalesce(
        (SELECT price FROM first_second WHERE instrument_id = id),
        (SELECT close FROM candles_1s
         WHERE instrument_id = id AND bucket >= ${minute}::timestamptz
           AND bucket < ${second}::timestamptz
         ORDER BY bucket DESC LIMIT 1),
        (SELECT close FROM (
             (SELECT close, bucket + interval '1 minute' AS until FROM candles_1m
              WHERE instrument_id = id AND bucket < ${minute} ORDER BY bucket DESC LIMIT 1)
             UNION ALL
             (SELECT close, bucket + interval '1 hour' FROM candles_1h
              WHERE instrument_id = id AND bucket < ${hour} ORDER BY bucket DESC LIMIT 1)
             UNION ALL
             (SELECT close, bucket + interval '1 day' FROM candles_1d
              WHERE instrument_id = id AND bucket < ${day} ORDER BY bucket DESC LIMIT 1)
         ) AS longer ORDER BY until DESC LIMIT 1)
    ) AS price
    FROM unnest($1::int[]) AS wanted (id)
""".format(
    second=_FIRST_BEFORE + 1,
    minute=_FIRST_BEFORE + 2,
    hour=_FIRST_BEFORE + 3,
    day=_FIRST_BEFORE + 4,
)

WINDOWS: Final = f"""
WITH first_second AS MATERIALIZED (
    SELECT DISTINCT ON (instrument_id) instrument_id, price FROM trades
    WHERE instrument_id = ANY ($1::int[]) AND venue_time >= ${_FIRST_BEFORE + 1}::timestamptz
      AND venue_time < ${_FIRST_BEFORE}::timestamptz
    ORDER BY instrument_id, trade_id DESC
), before AS (
{_BEFORE}
), summed AS (
    SELECT instrument_id AS id,
           (array_agg(open ORDER BY at))[1] AS open, max(high) AS high, min(low) AS low,
           (array_agg(close ORDER BY at DESC))[1] AS close, sum(volume) AS volume,
           sum(quote_volume) AS quote_volume, sum(trades)::bigint AS trades,
           sum(taker_buy_volume) AS bought, sum(taker_buy_quote_volume) AS bought_quote,
           min(nullif(first_trade_id, 0)) AS first_id, nullif(max(last_trade_id), 0) AS last_id
    FROM (
{_ROWS}
    ) AS rows
    GROUP BY instrument_id
)
SELECT before.id, open, high, low, close, volume, quote_volume, trades, bought, bought_quote,
       first_id, last_id, price AS before
FROM before LEFT JOIN summed USING (id)
WHERE price IS NOT NULL OR open IS NOT NULL
"""
