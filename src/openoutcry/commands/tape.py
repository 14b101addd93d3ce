"""`outcry import` and `outcry gaps`: the tape's past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from openoutcry import config, wiring
from openoutcry.commands.context import finish, reached
from openoutcry.errors import ConfigError

_GAPS = """
SELECT i.venue, i.symbol, g.from_id, g.to_id, g.from_time, g.to_time, g.state
FROM gaps g JOIN instruments i ON i.id = g.instrument_id
WHERE $1::text IS NULL OR i.symbol = $1
ORDER BY (g.state <> 'suspected'), g.from_time DESC LIMIT 200
"""


def import_files(overrides: dict[str, Any], files: list[Path], symbol: str) -> None:
    """Import the files in the order given."""
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{file} is not a file.")
    finish(_import(config.load(overrides=overrides), [str(file) for file in files], symbol.upper()))


async def _import(settings: config.Settings, files: list[str], symbol: str) -> None:
    async with reached(settings, launch=True) as found:
        await wiring.import_files(found, files, symbol)


def gaps(overrides: dict[str, Any], symbol: str | None, *, fill: bool) -> None:
    """Print the gap ledger, suspected ones first, after filling it if asked."""
    rows = finish(_gaps(config.load(overrides=overrides), symbol, fill=fill))
    if not rows:
        Console().print("No gaps.")
        return
    table = Table("venue", "symbol", "from id", "to id", "from", "to", "state", box=None)
    for row in rows:
        times = [row[name].strftime("%Y-%m-%d %H:%M:%S") for name in ("from_time", "to_time")]
        ids = [str(row[name]) for name in ("from_id", "to_id")]
        table.add_row(row["venue"], row["symbol"], *ids, *times, row["state"])
    Console().print(table)


async def _gaps(
    settings: config.Settings, symbol: str | None, *, fill: bool
) -> list[asyncpg.Record]:
    async with reached(settings, launch=True) as found:
        if fill:
            await wiring.fill_gaps(found, symbol)
        connection = await asyncpg.connect(found.database_url, timeout=10)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(_GAPS, symbol)
            return rows
        finally:
            await connection.close(timeout=5)
