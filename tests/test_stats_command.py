"""`outcry stats`: the counts made anew and shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from fillkit import Filler
from openoutcry.cli import app
from openoutcry.core.trade_stats import day_of, last_days

Run = Callable[..., Result]


@pytest.fixture
def outcry(
    database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Sequence[str]], Result]:
    """The command, on the test's engines."""
    monkeypatch.setenv("OUTCRY_DATABASE_URL", database_url)
    monkeypatch.setenv("OUTCRY_VALKEY_URL", valkey_url)
    return lambda *arguments: CliRunner().invoke(app, ["stats", *arguments])


async def _fills(url: str) -> None:
    connection = await asyncpg.connect(url)
    ada = await Filler.make(connection)
    now = await connection.fetchval("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
    days = last_days(day_of(now), 10)
    await ada.fill(connection, [days[0], days[0], days[9]], told=False)
    await connection.close()


def test_backfill_and_show(outcry: Run, database_url: str) -> None:
    """What differs is said, made right, and right the second time."""
    from conftest import run

    run(_fills(database_url))
    shown = outcry("show")
    assert shown.exit_code == 1
    assert shown.output.count("differs") == 2
    assert "Corrected 2 of 35 days." in outcry("backfill").output
    assert "All 35 days were right." in outcry("backfill").output
    again = outcry("show", "--json")
    assert again.exit_code == 0, again.output
    told = json.loads(again.stdout)
    assert (told["trades_7d"], told["trades_30d"]) == (2, 3)
    assert told["days"][0]["counted"] == told["days"][0]["stored"] == 2
    assert len(told["days"]) == 35
