"""`outcry stats`: the public counter of the platform's trades."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import Any, Final

import asyncpg
import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from openoutcry import config, logs
from openoutcry.adapters.postgres.fill_counts import FillSnapshot
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.valkey.client import connect as connect_valkey
from openoutcry.adapters.valkey.recounts import Recounts
from openoutcry.adapters.valkey.trade_counts import Counted, TradeCounts
from openoutcry.commands.context import finish, reached
from openoutcry.core.trade_stats import KEPT_DAYS, last_days
from openoutcry.services import trade_backfill

_LOOK_AGAIN_SECONDS: Final = 0.5
_COLUMNS: Final = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("days"),
    TimeRemainingColumn(),
)

Overrides = dict[str, Any]


class _Parts(Struct):
    """What both commands work with."""

    counts: TradeCounts
    recounts: Recounts
    connect: Callable[[], Awaitable[asyncpg.Connection]]


class _Day(Struct):
    """A day's count, and what it should be."""

    day: date
    counted: int
    stored: int


class _Shown(Struct):
    """What `outcry stats show --json` prints."""

    trades_7d: int
    trades_30d: int
    last_updated: str | None
    days: list[_Day]


def backfill(overrides: Overrides) -> None:
    """Make the counts anew, with a progress bar."""
    settings = _settings(overrides)
    corrected = finish(_backfill(settings))
    if corrected:
        typer.echo(f"Corrected {corrected} of {KEPT_DAYS} days.")
    else:
        typer.echo(f"All {KEPT_DAYS} days were right.")


async def _backfill(settings: config.Settings) -> int:
    async with _parts(settings) as parts:
        with Progress(*_COLUMNS, console=Console(stderr=True)) as bar:
            task = bar.add_task("Counting trades", total=KEPT_DAYS)

            def tell(done: int, days: int) -> None:
                bar.update(task, completed=done, total=days)

            return await trade_backfill.backfill(parts.counts, parts.recounts, parts.connect, tell)


def show(overrides: Overrides, *, as_json: bool) -> None:
    """Print the counts; exit code 1 if one is not what the store says."""
    counted, stored = finish(_show(_settings(overrides)))
    days = [_Day(day, counted.counts.get(day, 0), number) for day, number in stored.items()]
    sums = counted.stats
    if as_json:
        updated = None if counted.changed is None else sums.last_updated
        shown = _Shown(sums.trades_7d, sums.trades_30d, updated, days)
        typer.echo(msgspec.json.encode(shown).decode())
    else:
        table = Table("day", "counted", "in the store", "", box=None)
        for each in days:
            mark = "" if each.counted == each.stored else "differs"
            table.add_row(str(each.day), f"{each.counted:,}", f"{each.stored:,}", mark)
        console = Console(highlight=False)
        console.print(table)
        console.print(f"{sums.trades_7d:,} in 7 days, {sums.trades_30d:,} in 30, today included.")
    if any(each.counted != each.stored for each in days):
        raise typer.Exit(1)


async def _show(settings: config.Settings) -> tuple[Counted, dict[date, int]]:
    async with _parts(settings) as parts:
        for patience in (2, 1, 0):
            counted = await parts.counts.read(KEPT_DAYS)
            snapshot = await FillSnapshot.take(await parts.connect())
            try:
                stored = await snapshot.published(last_days(counted.today, KEPT_DAYS))
            finally:
                await snapshot.close()
            # A trade that came between the two looks is no difference: it is gone at the next.
            right = all(counted.counts.get(day, 0) == number for day, number in stored.items())
            if right or not patience:
                break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        return counted, stored


def _settings(overrides: Overrides) -> config.Settings:
    settings = config.load(overrides=overrides)
    logs.configure("warning", settings.log_format)
    return settings


@asynccontextmanager
async def _parts(settings: config.Settings) -> AsyncIterator[_Parts]:
    async with reached(settings) as found:
        valkey = connect_valkey(found.valkey_url)
        try:
            yield _Parts(
                TradeCounts(valkey),
                Recounts(valkey),
                partial(dial, found.database_url, application_name="outcry stats"),
            )
        finally:
            await valkey.aclose()
