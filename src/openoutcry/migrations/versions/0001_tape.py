"""The tape: instruments, trades, base candles, watermarks, coverage and the gap ledger.

Where the server runs with `timescaledb`, trades and 1s candles are hypertables; elsewhere they are
range partitions of a day. Both answer to the same two functions, `outcry_make_room` (partitions
ahead of time) and `outcry_drop_older` (retention), so that no other SQL needs to know.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTRUMENTS = """
CREATE TABLE instruments (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    venue       text NOT NULL,
    symbol      text NOT NULL,
    base        text NOT NULL,
    quote       text NOT NULL,
    price_scale smallint NOT NULL CHECK (price_scale BETWEEN 0 AND 18),
    size_scale  smallint NOT NULL CHECK (size_scale BETWEEN 0 AND 18),
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (venue, symbol)
)
"""

# side: the taker's, 1 bought and -1 sold, so that sum(side * size) is signed volume.
TRADES = """
CREATE TABLE trades (
    instrument_id int NOT NULL,
    venue_time    timestamptz NOT NULL,
    received_time timestamptz NOT NULL,
    trade_id      bigint NOT NULL,
    price         numeric NOT NULL,
    size          numeric NOT NULL,
    side          smallint NOT NULL
){partitioned}
"""

# One btree on a busy append-only table would halve the write rate; trades lie on disk in the order of
# time, so a block-range index finds a time range in a few pages. A trade id is first turned into a time
# by the candles' first and last ids.
TRADES_INDEX = """
CREATE INDEX trades_venue_time ON trades USING brin (venue_time)
    WITH (pages_per_range = 32, autosummarize = on)
"""

# sealed: the row is the venue's own kline (imported), final; trades that arrive later for its bucket
# are stored but not added to it. Klines know no trade ids: theirs are 0, older than every trade's.
CANDLES = """
CREATE TABLE candles_{base} (
    instrument_id          int NOT NULL,
    bucket                 timestamptz NOT NULL,
    open                   numeric NOT NULL,
    high                   numeric NOT NULL,
    low                    numeric NOT NULL,
    close                  numeric NOT NULL,
    volume                 numeric NOT NULL,
    quote_volume           numeric NOT NULL,
    trades                 bigint NOT NULL,
    taker_buy_volume       numeric NOT NULL,
    taker_buy_quote_volume numeric NOT NULL,
    first_trade_id         bigint NOT NULL,
    last_trade_id          bigint NOT NULL,
    sealed                 boolean NOT NULL DEFAULT false,
    PRIMARY KEY (instrument_id, bucket)
){partitioned}
"""

# The newest island of ids without unknown holes: everything in first_id..last_id is stored but for what
# an open or absent gap lists. heard_until: up to this venue time nothing can be missing unseen.
# hole_since: since then the feed has been deaf for a while and no trade or check has closed the hole.
WATERMARKS = """
CREATE TABLE watermarks (
    instrument_id int PRIMARY KEY REFERENCES instruments,
    first_id      bigint NOT NULL,
    first_time    timestamptz NOT NULL,
    last_id       bigint NOT NULL,
    last_time     timestamptz NOT NULL,
    heard_until   timestamptz NOT NULL,
    hole_since    timestamptz
)
"""

# What is known beside the watermark's island. base: the finest stored interval it is good for, in
# seconds; 0 for trades (which then also name their ids: two islands may start at the same time).
COVERAGE = """
CREATE TABLE coverage (
    instrument_id int NOT NULL REFERENCES instruments,
    base          int NOT NULL,
    from_time     timestamptz NOT NULL,
    to_time       timestamptz NOT NULL,
    from_id       bigint,
    to_id         bigint,
    UNIQUE NULLS NOT DISTINCT (instrument_id, base, from_time, from_id),
    CHECK (from_time <= to_time),
    CHECK ((base = 0) = (from_id IS NOT NULL AND to_id IS NOT NULL))
)
"""

# missing: the ids of from_id..to_id that are neither stored nor explained; absent: those that the venue
# has confirmed not to have either. from_time and to_time are those of the trades around the gap.
GAPS = """
CREATE TABLE gaps (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instrument_id int NOT NULL REFERENCES instruments,
    from_id       bigint NOT NULL,
    to_id         bigint NOT NULL,
    missing       int8multirange NOT NULL,
    absent        int8multirange NOT NULL DEFAULT '{}',
    from_time     timestamptz NOT NULL,
    to_time       timestamptz NOT NULL,
    state         text NOT NULL CHECK (state IN ('suspected', 'filled', 'absent')),
    detected_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at   timestamptz,
    CHECK (from_id <= to_id)
)
"""

GAPS_INDEX = "CREATE INDEX gaps_instrument ON gaps (instrument_id, state, from_id)"

STREAM_POSITIONS = """
CREATE TABLE stream_positions (
    stream     text PRIMARY KEY,
    entry_id   text NOT NULL,
    trades     bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
)
"""

BASES = ("1s", "30s", "1m", "5m", "30m", "1h", "2h", "4h", "1d")
PARTITIONED = {"trades": "venue_time", "candles_1s": "bucket"}

NATIVE_MAKE_ROOM = """
CREATE FUNCTION outcry_make_room(parent text, from_time timestamptz, to_time timestamptz)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    day  timestamptz := date_trunc('day', from_time, 'UTC');
    made int := 0;
    leaf text;
BEGIN
    WHILE day <= to_time LOOP
        leaf := parent || '_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
        IF to_regclass(leaf) IS NULL THEN
            PERFORM pg_advisory_xact_lock(7381501);
            EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                           leaf, parent, day, day + interval '24 hours');
            made := made + 1;
        END IF;
        day := day + interval '24 hours';
    END LOOP;
    RETURN made;
END $$
"""

NATIVE_DROP_OLDER = """
CREATE FUNCTION outcry_drop_older(parent text, cutoff timestamptz)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    dropped int := 0;
    leaf    text;
BEGIN
    FOR leaf IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent::regclass
    LOOP
        -- A partition holds the day that its name ends in.
        CONTINUE WHEN to_date(right(leaf, 8), 'YYYYMMDD') + 1 > (cutoff AT TIME ZONE 'UTC');
        EXECUTE format('DROP TABLE %I', leaf);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$
"""

TIMESCALE_MAKE_ROOM = """
CREATE FUNCTION outcry_make_room(parent text, from_time timestamptz, to_time timestamptz)
RETURNS int LANGUAGE sql AS 'SELECT 0'
"""

TIMESCALE_DROP_OLDER = """
CREATE FUNCTION outcry_drop_older(parent text, cutoff timestamptz)
RETURNS int LANGUAGE sql AS
'SELECT count(*)::int FROM drop_chunks(parent::regclass, older_than => cutoff)'
"""


# Installed files alone do not make an extension: a server that was not started with its library cuts
# the connection at CREATE EXTENSION. Who may not see what it was started with has to try.
TIMESCALE = """
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
    OR EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       AND coalesce((SELECT setting LIKE '%timescaledb%' FROM pg_settings
                     WHERE name = 'shared_preload_libraries'), true)
"""

# The Apache build has hypertables, but neither compression nor jobs.
COMPRESSES = "SELECT current_setting('timescaledb.license') <> 'apache'"


def upgrade() -> None:
    timescale = _is(TIMESCALE)
    if timescale:
        op.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    op.execute(INSTRUMENTS)
    op.execute(TRADES.format(partitioned="" if timescale else " PARTITION BY RANGE (venue_time)"))
    for base in BASES:
        native = base == "1s" and not timescale
        op.execute(
            CANDLES.format(base=base, partitioned=" PARTITION BY RANGE (bucket)" if native else "")
        )
    if timescale:
        for table, column in PARTITIONED.items():
            _hypertable(table, column)
        if _is(COMPRESSES):
            _compress("trades", "venue_time, trade_id")
            _compress("candles_1s", "bucket")
        op.execute(TIMESCALE_MAKE_ROOM)
        op.execute(TIMESCALE_DROP_OLDER)
    else:
        op.execute(NATIVE_MAKE_ROOM)
        op.execute(NATIVE_DROP_OLDER)
    op.execute(TRADES_INDEX)
    for statement in (WATERMARKS, COVERAGE, GAPS, GAPS_INDEX, STREAM_POSITIONS):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION outcry_make_room")
    op.execute("DROP FUNCTION outcry_drop_older")
    tables = ["stream_positions", "gaps", "coverage", "watermarks", "trades", "instruments"]
    for table in [*(f"candles_{base}" for base in BASES), *tables]:
        op.execute(f"DROP TABLE {table}")


def _is(sql: str) -> bool:
    return bool(op.get_bind().execute(text(sql)).scalar())


def _hypertable(table: str, column: str) -> None:
    op.execute(
        f"SELECT create_hypertable('{table}', '{column}', create_default_indexes => false,"
        " chunk_time_interval => interval '1 day')"
    )


def _compress(table: str, order: str) -> None:
    op.execute(
        f"ALTER TABLE {table} SET (timescaledb.compress,"
        f" timescaledb.compress_segmentby = 'instrument_id',"
        f" timescaledb.compress_orderby = '{order}')"
    )
    op.execute(f"SELECT add_compression_policy('{table}', interval '3 days')")
