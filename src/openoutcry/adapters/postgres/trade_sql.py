"""The SQL of trades: a page by id, by time, or the newest, without an index on ids.

Trades can only be found by time. The 30s candles tell it: they hold the first and the last id of
every half minute, are never replaced by a venue's own klines, and are kept for good. So an id is
looked up in them by halving, and the counts in them say how much time a page needs. A quiet market's
page may span days of busy ones: only the half minutes in which it traded are read.
"""

from __future__ import annotations

from typing import Final

_BIN: Final = "date_bin('30 seconds', {time}, timestamptz '1970-01-01 00:00:00+00')"

# $1 instrument, $2 id. A time (at most 30 s too early) from which on all ids from $2 on lie; null
# if nothing is stored.
LOCATE: Final = """
WITH RECURSIVE search (low, high) AS (
    SELECT min(bucket) - interval '30 seconds', max(bucket) + interval '30 seconds'
    FROM candles_30s WHERE instrument_id = $1
    UNION ALL
    SELECT CASE WHEN reached THEN low ELSE mid END, CASE WHEN reached THEN mid ELSE high END
    FROM (
        SELECT low, high, low + (high - low) / 2 AS mid
        FROM search WHERE high - low > interval '30 seconds'
    ) AS halves, LATERAL (
        SELECT coalesce((
            SELECT last_trade_id >= $2 FROM candles_30s
            WHERE instrument_id = $1 AND bucket >= mid AND first_trade_id > 0
            ORDER BY bucket LIMIT 1
        ), true) AS reached
    ) AS probe
)
SELECT max(low) FROM search
"""

# Both: $1 instrument, $2 and $3 times (from, to exclusive), $4 an id, $5 most rows. The three half
# minutes at the near end may hold trades on the wrong side of $2, $3 or $4, so they do not count.
_PAGE: Final = """
WITH near AS (
    SELECT bucket, trades, row_number() OVER (ORDER BY bucket {order}) AS number
    FROM (
        SELECT bucket, trades FROM candles_30s
        WHERE instrument_id = $1 AND bucket >= {low} AND bucket < $3 AND first_trade_id > 0
        ORDER BY bucket {order} LIMIT $5 + 4
    ) AS rows
), wanted AS (
    SELECT bucket FROM (
        SELECT bucket, coalesce(sum(trades) FILTER (WHERE number > 3) OVER (
            ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS before FROM near
    ) AS counted WHERE before < $5
), stretches AS (
    SELECT min(bucket) AS low, max(bucket) + interval '30 seconds' AS high
    FROM (
        SELECT bucket, sum(apart) OVER (ORDER BY bucket) AS stretch
        FROM (
            SELECT bucket,
                   (bucket - lag(bucket) OVER (ORDER BY bucket) > interval '90 seconds')::int AS apart
            FROM wanted
        ) AS steps
    ) AS numbered
    GROUP BY stretch
)
SELECT trade_id, price, size, venue_time, side
FROM stretches CROSS JOIN LATERAL (
    SELECT trade_id, price, size, venue_time, side FROM trades
    WHERE instrument_id = $1 AND trade_id {side} $4
      AND venue_time >= greatest(stretches.low, $2) AND venue_time < least(stretches.high, $3)
    OFFSET 0
) AS found
ORDER BY trade_id {order} LIMIT $5
"""

FORWARD: Final = _PAGE.format(order="ASC", side=">=", low=_BIN.format(time="$2::timestamptz"))
"""The oldest trades with ids from $4 on."""

BACKWARD: Final = _PAGE.format(order="DESC", side="<", low=_BIN.format(time="$2::timestamptz"))
"""The newest trades with ids below $4, newest first."""

# $1 instruments. Each one's newest trade: looked for in the second that its candles name, and every
# second is read once for all instruments that traded last in it.
NEWEST: Final = """
WITH newest AS MATERIALIZED (
    SELECT id, last_trade_id, coalesce(second, bucket) AS low,
           CASE WHEN second IS NULL THEN bucket + interval '30 seconds'
                ELSE second + interval '1 second' END AS high
    FROM unnest($1::int[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT bucket, last_trade_id FROM candles_30s
        WHERE instrument_id = id AND last_trade_id > 0 ORDER BY bucket DESC LIMIT 1
    ) AS half
    LEFT JOIN LATERAL (
        SELECT bucket AS second FROM candles_1s AS s
        WHERE instrument_id = id AND s.bucket >= half.bucket
          AND s.bucket < half.bucket + interval '30 seconds'
          AND s.last_trade_id = half.last_trade_id
        ORDER BY s.bucket DESC LIMIT 1
    ) AS one ON true
)
SELECT newest.id, trade_id, price, size, venue_time, side
FROM (SELECT DISTINCT low, high FROM newest) AS moments
CROSS JOIN LATERAL (
    SELECT instrument_id, trade_id, price, size, venue_time, side FROM trades
    WHERE venue_time >= moments.low AND venue_time < moments.high
      AND instrument_id = ANY ($1::int[])
    OFFSET 0
) AS found
JOIN newest ON newest.id = found.instrument_id AND newest.last_trade_id = found.trade_id
"""
