"""What the store says of itself on hypertables: figures, ledger, instruments, what to repair."""

from __future__ import annotations

import asyncpg
import numpy as np
import pytest

from openoutcry.adapters.postgres import migrate
from openoutcry.adapters.postgres.database_reader import read_database
from openoutcry.adapters.postgres.figures_reader import read_figures, read_gaps, read_revision
from openoutcry.adapters.postgres.instrument_reader import InstrumentReader
from openoutcry.adapters.postgres.open_gaps import holes, open_gaps
from openoutcry.adapters.postgres.times import from_us
from openoutcry.commands.tape import _GAPS
from openoutcry.model import GapState
from openoutcry.services.backfill import _NEW

from .hypertables import compress
from .tape import STREAM, Tape, list_markets, make_trades

pytestmark = pytest.mark.timescale

MISSING = 7


async def record_some(url: str) -> None:
    """Record two instruments, one of them with a gap and then a silence."""
    db = await asyncpg.connect(url)
    first, second, _ = instruments = await list_markets(db)
    trades = make_trades([first, second], 100)
    tape = await Tape.start(db, instruments)
    await tape.commit(tape.trades(np.delete(trades, slice(20, 20 + MISSING))))
    await db.execute("UPDATE watermarks SET hole_since = heard_until WHERE instrument_id = 2")
    await compress(db, "candles_1s")
    await tape.store.close()


async def test_figures(database_url: str, store: asyncpg.Pool) -> None:
    """Watermarks, positions, open gaps and the schema's revision are read."""
    await record_some(database_url)
    figures = await read_figures(store)
    assert [(s.symbol, s.last_id) for s in figures.symbols] == [
        ("BTCUSDT", 1099),
        ("PEPEUSDT", 1099),
    ]
    assert [(p.stream, p.entry_id, p.trades) for p in figures.positions] == [
        (STREAM, "1-0", 200 - MISSING)
    ]
    assert (figures.gaps_open, figures.trades_missing) == (1, MISSING)
    (gap,) = await read_gaps(store, symbol="BTCUSDT", state=GapState.SUSPECTED)
    assert (gap.from_id, gap.to_id, gap.missing) == (1020, 1026, MISSING)
    assert await read_revision(store) == migrate.head_revision()
    found = await InstrumentReader(store).find("pepe")
    assert found
    assert found.symbol == "PEPEUSDT"


async def test_chunks_count_for_their_table(database_url: str, store: asyncpg.Pool) -> None:
    """Sizes and rows of a hypertable are those of its chunks, which are not listed by themselves."""
    await record_some(database_url)
    await store.execute("ANALYZE trades")
    figures = await read_database(store)
    tables = {table.name: table for table in figures.tables}
    trades = tables["trades"]
    assert trades.partitions >= 1
    assert trades.rows == 200 - MISSING
    assert trades.bytes > trades.index_bytes > 0
    assert not [name for name in tables if "chunk" in name]


async def test_what_is_to_be_repaired(database_url: str) -> None:
    """Open gaps with their missing ids, holes, and instruments without a past are found."""
    await record_some(database_url)
    connection = await asyncpg.connect(database_url)
    (gap,) = await open_gaps(connection, 0)
    assert (gap.instrument.symbol, gap.missing) == ("BTCUSDT", ((1020, 1026),))
    assert await open_gaps(connection, 3600) == []
    (hole,) = await holes(connection)
    assert hole.instrument.symbol == "PEPEUSDT"
    heard = await connection.fetchval("SELECT heard_until FROM watermarks WHERE instrument_id = 2")
    assert from_us(hole.since) == heard
    assert len(await connection.fetch(_NEW, 5)) == 2
    assert len(await connection.fetch(_GAPS, None)) == 1
    await connection.close()
