"""`outcry import` and `outcry gaps`: the tape's past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from openoutcry import config, logs
from openoutcry.commands.context import finish, reached
from openoutcry.errors import ConfigError
from openoutcry.services import importer
from openoutcry.wiring import errands

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
    settings = config.load(overrides=overrides)
    logs.configure("warning", settings.log_format)
    rows = finish(_import(settings, files, symbol.upper()))
    Console().print(f"{rows:,} rows of {symbol.upper()} are in the store.")


async def _import(settings: config.Settings, files: list[Path], symbol: str) -> int:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    async with reached(settings, launch=True) as found:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(f"Importing {symbol}", total=None, rows=0)

            def tell(progress: importer.Progress) -> None:
                bar.update(
                    task,
                    total=progress.total_bytes,
                    completed=progress.read_bytes,
                    rows=progress.rows,
                )

            return await errands.import_files(found, files, symbol, tell)


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
            with Console(stderr=True).status("Asking the venue for what is missing") as status:
                await errands.fill_gaps(
                    found, symbol, lambda n: status.update(f"{n:,} trades fetched")
                )
        connection = await asyncpg.connect(found.database_url, timeout=10)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(_GAPS, symbol)
            return rows
        finally:
            await connection.close(timeout=5)
