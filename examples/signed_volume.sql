-- Plain SQL on the store. With embedded engines (D: the data directory):
--   psql -h $D/run/postgres -U postgres openoutcry -f examples/signed_volume.sql
-- with your own: psql "$OUTCRY_DATABASE_URL" -f examples/signed_volume.sql

-- Bought less sold, minute by minute of the last ten. `side` is the taker's: 1 bought, -1 sold, so a
-- product does it. Always give a range of `venue_time`: it is what trades are partitioned by.
SELECT i.symbol,
       date_trunc('minute', t.venue_time) AS minute,
       sum(t.side * t.size)               AS signed_volume,
       sum(t.size)                        AS volume,
       count(*)                           AS trades
FROM trades AS t
JOIN instruments AS i ON i.id = t.instrument_id
WHERE t.venue_time >= now() - interval '10 minutes'
GROUP BY i.symbol, minute
ORDER BY i.symbol, minute;

-- The same from the stored candles, without reading one trade: what takers bought is kept apart, and
-- what they did not buy they sold.
SELECT i.symbol, c.bucket AS minute, 2 * c.taker_buy_volume - c.volume AS signed_volume, c.volume
FROM candles_1m AS c
JOIN instruments AS i ON i.id = c.instrument_id
WHERE c.bucket >= date_trunc('minute', now() - interval '10 minutes')
ORDER BY i.symbol, minute;

-- What is not sure yet: jumps in the venue's ids, and how many trades they may hide.
SELECT i.symbol, g.state, g.from_id, g.to_id, g.from_time, g.to_time,
       coalesce((SELECT sum(upper(r) - lower(r)) FROM unnest(g.missing) AS r), 0) AS missing
FROM gaps AS g
JOIN instruments AS i ON i.id = g.instrument_id
ORDER BY g.detected_at DESC
LIMIT 20;

-- Up to when nothing can be missing unseen.
SELECT i.symbol, w.last_id, w.last_time, w.heard_until
FROM watermarks AS w
JOIN instruments AS i ON i.id = w.instrument_id
ORDER BY i.symbol;
