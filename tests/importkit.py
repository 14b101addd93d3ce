"""What tests of imports share: the recording as bulk files, and what must be in the store then."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.postgres.times import from_us
from openoutcry.config import Settings, load
from openoutcry.core.intervals import BASES, INTERVALS, MINUTE
from openoutcry.services import recorder as recorder_module
from openoutcry.services.importer import Progress
from openoutcry.wiring.errands import import_files

RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits: nothing here depends on their length but the tests' own."""
    monkeypatch.setattr(recorder_module, "_WAIT_MS", 20)
    monkeypatch.setattr(recorder_module, "_STANDBY_SECONDS", 0.05)


@pytest.fixture(scope="module")
def recorded(test_data: Path) -> list[Row]:
    """The trades of the recording, as the exchange sent them."""
    with gzip.open(test_data / RECORDING) as lines:
        return [
            json.loads(line)["m"]["data"]
            for line in lines
            if b'"stream": "btcusdt@trade"' in line or b'"stream":"btcusdt@trade"' in line
        ]


@pytest.fixture
def settings(database_url: str, valkey_url: str, free_port: int) -> Settings:
    """Settings for real engines and a venue that cannot be reached."""
    return load(
        environ={},
        overrides={
            "database_url": database_url,
            "valkey_url": valkey_url,
            "binance_rest_url": f"http://127.0.0.1:{free_port}",
        },
    )


async def bring(
    settings: Settings, *files: Path, tell: Callable[[Progress], None] = lambda _: None
) -> int:
    """Import files of BTCUSDT."""
    return await asyncio.wait_for(import_files(settings, [*files], "BTCUSDT", tell), 60)


def trade_line(row: Row) -> str:
    return f"{row['t']},{row['p']},{row['q']},0,{row['T']},{row['m']},{row['M']}\n"


def trades_file(folder: Path, rows: Sequence[Row], name: str = "trades.csv") -> Path:
    path = folder / name
    path.write_text("".join(map(trade_line, rows)))
    return path


async def stored(db: asyncpg.Connection) -> list[tuple[Any, ...]]:
    rows = await db.fetch(
        "SELECT trade_id, price, size, side, venue_time FROM trades ORDER BY trade_id"
    )
    return [tuple(row) for row in rows]


def wanted(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [
        (r["t"], Decimal(r["p"]), Decimal(r["q"]), -1 if r["m"] else 1, from_us(r["T"] * 1000))
        for r in rows
    ]


async def complete_minutes(settings: Settings, rows: Sequence[Row]) -> list[int]:
    """Return the complete minutes (µs) in the span of some trades."""
    pool = await open_pool(settings.database_url, application_name="test")
    try:
        first, last = rows[0]["T"] * 1000, rows[-1]["T"] * 1000
        found = await CandleReader(pool).candles(1, INTERVALS["1m"], first - MINUTE, last + MINUTE)
        return [candle.bucket for candle in found if candle.complete]
    finally:
        await pool.close()


def minutes_within(rows: Sequence[Row]) -> list[int]:
    """Return the minutes (µs) that lie wholly between the first and the last of some trades."""
    first, last = rows[0]["T"] * 1000, rows[-1]["T"] * 1000
    start = -(-(first + 1) // MINUTE) * MINUTE
    return list(range(start, last // MINUTE * MINUTE, MINUTE))


async def everything(db: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of what an import may touch, but for clocks."""
    tables = ["trades", "watermarks", "coverage", "instruments"]
    tables += [f"candles_{base.name}" for base in BASES]
    found = {t: await db.fetch(f"SELECT * FROM {t} ORDER BY 1, 2, 4") for t in tables}
    found["gaps"] = await db.fetch("SELECT instrument_id, from_id, missing, absent FROM gaps")
    return {table: [tuple(row) for row in rows] for table, rows in found.items()}
