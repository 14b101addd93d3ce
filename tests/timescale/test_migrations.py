"""The schema on TimescaleDB: hypertables, compression, the same two functions as native partitions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from openoutcry.adapters.postgres import migrate
from openoutcry.adapters.postgres.times import from_us
from openoutcry.core.intervals import DAY, SECOND
from openoutcry.services.maintenance import maintain_once

from .hypertables import chunks
from .tape import START

pytestmark = pytest.mark.timescale

TABLES = ("candles_1s", "trades")

INSERT_TRADE = "INSERT INTO trades VALUES (1, $1, $1, 1, 1, 1, 1)"
INSERT_SECOND = """
INSERT INTO candles_1s VALUES (1, date_trunc('second', $1::timestamptz), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
"""


async def step(url: str, work: Callable[[Config, str], None], revision: str) -> None:
    """Run one of Alembic's commands on a database."""

    def on(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrate.MIGRATIONS))
        config.attributes["connection"] = connection
        work(config, revision)
        connection.commit()

    await migrate._with_connection(url, on)


async def insert(db: asyncpg.Connection, table: str, *times: int) -> None:
    """Add a row at each time (µs)."""
    sql = INSERT_TRADE if table == "trades" else INSERT_SECOND
    await db.executemany(sql, [(from_us(time),) for time in times])


async def test_hypertables_hold_a_day_a_chunk(db: asyncpg.Connection) -> None:
    """Trades, 1s candles and the log of tokens are hypertables of one-day chunks; nothing else is."""
    rows = await db.fetch(
        "SELECT hypertable_name, column_name, time_interval"
        " FROM timescaledb_information.dimensions ORDER BY 1"
    )
    day = dt.timedelta(days=1)
    assert list(map(tuple, rows)) == [
        ("candles_1s", "bucket", day),
        ("token_trades", "block_time", day),
        ("token_transfers", "block_time", day),
        ("trades", "venue_time", day),
    ]


async def test_compression_keeps_an_instrument_together(db: asyncpg.Connection) -> None:
    """Compressed rows are segmented by instrument and ordered as they are read."""
    rows = await db.fetch(
        "SELECT hypertable::text, segmentby, orderby"
        " FROM timescaledb_information.hypertable_compression_settings"
        " WHERE segmentby IS NOT NULL ORDER BY 1"
    )
    assert list(map(tuple, rows)) == [
        ("candles_1s", "instrument_id", "bucket"),
        ("trades", "instrument_id", "venue_time,trade_id"),
    ]


async def test_old_chunks_are_compressed_by_a_job(db: asyncpg.Connection) -> None:
    """Each hypertable has a compression job, which compresses what is older than three days."""
    jobs = await db.fetch(
        "SELECT hypertable_name, job_id, config->>'compress_after' AS after"
        " FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_compression' ORDER BY 1"
    )
    assert [(job["hypertable_name"], job["after"]) for job in jobs] == [
        (table, "3 days") for table in TABLES
    ]
    now = await db.fetchval("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
    for job in jobs:
        table = job["hypertable_name"]
        await insert(db, table, now - 9 * DAY, now - 5 * DAY, now - DAY)
        await db.execute(f"CALL run_job({job['job_id']})")
        compressed = await db.fetch(
            "SELECT is_compressed FROM timescaledb_information.chunks"
            " WHERE hypertable_name = $1 ORDER BY range_start",
            table,
        )
        assert [row[0] for row in compressed] == [True, True, False]


async def test_chunks_inherit_the_indexes(db: asyncpg.Connection) -> None:
    """Each chunk of trades has the block-range index and no other; of 1s candles the primary key."""
    for table, expected in (("trades", "USING brin (venue_time)"), ("candles_1s", "UNIQUE INDEX")):
        await insert(db, table, START)
        found = await db.fetch(
            "SELECT indexdef FROM pg_indexes JOIN show_chunks($1::regclass) AS chunk"
            " ON chunk = format('%I.%I', schemaname, tablename)::regclass",
            table,
        )
        assert len(found) == 1
        assert expected in found[0][0]


@pytest.mark.parametrize("table", TABLES)
async def test_days_are_cut_at_midnight_utc(db: asyncpg.Connection, table: str) -> None:
    """The last second of a day and the first of the next lie in two chunks, whole days in UTC."""
    assert await db.fetchval("SELECT outcry_make_room($1, now(), now() + '3 days')", table) == 0
    await insert(db, table, START - SECOND, START, START + DAY - SECOND)
    rows = await db.fetch(
        "SELECT range_start, range_end FROM timescaledb_information.chunks"
        " WHERE hypertable_name = $1 ORDER BY 1",
        table,
    )
    first, second = map(tuple, rows)
    assert first == (from_us(START - DAY), from_us(START))
    assert second == (from_us(START), from_us(START + DAY))


@pytest.mark.parametrize("table", TABLES)
async def test_retention_drops_whole_days_only(db: asyncpg.Connection, table: str) -> None:
    """A day goes when it ends at or before the cutoff, as a native partition does; no other row."""
    days = [START + n * DAY for n in range(4)]
    await insert(db, table, *days)

    async def drop(cutoff: int) -> int:
        found: int = await db.fetchval("SELECT outcry_drop_older($1, $2)", table, from_us(cutoff))
        return found

    assert await drop(days[1] - 1) == 0
    assert await drop(days[1]) == 1
    assert await drop(days[1] + 1) == 0
    assert await db.fetchval(f"SELECT count(*) FROM {table}") == 3
    await maintain_once(db, {table: 2}, days[3] + DAY)
    assert await db.fetchval(f"SELECT count(*) FROM {table}") == 2
    assert await chunks(db, table) == 2
    await maintain_once(db, {table: 0}, days[3] + 999 * DAY)
    assert await chunks(db, table) == 2


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    """A migrated database stays as it is, at the newest revision."""
    await migrate.upgrade(database_url)
    assert await migrate.current_revision(database_url) == migrate.head_revision()


async def test_down_and_up_again(database_url: str) -> None:
    """Going down leaves no table, function or job of ours; going up again finds room for them."""
    await step(database_url, command.downgrade, "base")
    try:
        connection = await asyncpg.connect(database_url)
        left = await connection.fetchval(
            "SELECT (SELECT count(*) FROM timescaledb_information.hypertables)"
            " + (SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name <> '')"
            " + (SELECT count(*) FROM pg_proc WHERE proname LIKE 'outcry%')"
            " + (SELECT count(*) FROM pg_tables"
            "    WHERE schemaname = 'public' AND tablename <> 'alembic_version')"
        )
        await connection.close()
        assert left == 0
    finally:
        await step(database_url, command.upgrade, "head")
    assert await migrate.current_revision(database_url) == migrate.head_revision()


async def test_installed_but_not_started_with_is_not_used(
    start_timescale: Callable[[], AbstractContextManager[str]],
) -> None:
    """A server that merely could be given the extension gets native partitions, and works."""
    with start_timescale() as url:
        await migrate.upgrade(url)
        connection = await asyncpg.connect(url)
        for table in TABLES:
            sql = "SELECT relkind = 'p' FROM pg_class WHERE oid = $1::regclass"
            assert await connection.fetchval(sql, table)
            made = "SELECT outcry_make_room($1, $2, $2)"
            assert await connection.fetchval(made, table, from_us(START)) == 1
            await insert(connection, table, START)
        await connection.close()
