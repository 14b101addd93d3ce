"""Bulk files through the real engines: what is imported is what the exchange had, once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import zipfile
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

import tape
from importkit import (
    Row,
    bring,
    complete_minutes,
    everything,
    impatient,
    minutes_within,
    recorded,
    settings,
    stored,
    trade_line,
    trades_file,
    wanted,
)
from openoutcry.cli import app
from openoutcry.config import Settings
from openoutcry.services import importer as importer_module
from tape import Print, frame_of, until

__all__ = ["impatient", "recorded", "settings"]


@pytest.mark.parametrize("packed", [False, True])
async def test_trades_are_stored_as_recorded_once(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path, packed: bool
) -> None:
    """A CSV or ZIP of the recording ends as its trades and their candles; twice changes nothing."""
    file = trades_file(tmp_path, recorded)
    if packed:
        with zipfile.ZipFile(tmp_path / "trades.zip", "w") as archive:
            archive.write(file, "BTCUSDT-trades-2024-08-08.csv")
        file = tmp_path / "trades.zip"
    assert await bring(settings, file) == len(recorded)
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)
    assert await db.fetchval("SELECT count(*) FROM gaps") == 0
    assert await complete_minutes(settings, recorded) == minutes_within(recorded)
    before = await everything(db)
    assert await bring(settings, file) == len(recorded)
    assert await everything(db) == before


async def test_shuffled_rows_end_the_same(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """A file whose ids are in no order is stored whole; nothing stays missing or absent."""
    rows = list(recorded)
    random.Random(4).shuffle(rows)
    await bring(settings, trades_file(tmp_path, rows))
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)
    left = "SELECT count(*) FROM gaps WHERE state <> 'filled' OR missing <> '{}' OR absent <> '{}'"
    assert await db.fetchval(left) == 0
    assert await complete_minutes(settings, recorded) == minutes_within(recorded)


async def test_ids_that_a_file_leaves_out_are_absent_wherever_blocks_end(
    settings: Settings,
    db: asyncpg.Connection,
    recorded: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exchange's file is all it has: a jump within a block and one between two count alike."""
    monkeypatch.setattr(importer_module, "_ROWS", 1000)
    rows = recorded[:500] + recorded[510:1010] + recorded[1020:6000]
    await bring(settings, trades_file(tmp_path, rows))
    assert await stored(db) == wanted(rows)
    missing = await db.fetch("SELECT state, absent::text FROM gaps ORDER BY from_id")
    spans = [(recorded[at]["t"], recorded[at + 10]["t"]) for at in (500, 1010)]
    assert [tuple(row) for row in missing] == [
        ("absent", f"{{[{low},{high})}}") for low, high in spans
    ]
    assert await complete_minutes(settings, rows) == minutes_within(rows)


@pytest.mark.parametrize("order", ["older first", "newer first"])
async def test_between_two_files_is_a_hole(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path, order: str
) -> None:
    """What lies between two imported files is not complete until a third one brings it."""
    old, middle, new = recorded[:7000], recorded[7000:13000], recorded[13000:]
    files = [trades_file(tmp_path, old, "old.csv"), trades_file(tmp_path, new, "new.csv")]
    for file in files if order == "older first" else reversed(files):
        await bring(settings, file)
    assert minutes_within(old)
    assert minutes_within(new)
    assert await complete_minutes(settings, recorded) == minutes_within(old) + minutes_within(new)
    await bring(settings, trades_file(tmp_path, middle, "middle.csv"))
    assert await complete_minutes(settings, recorded) == minutes_within(recorded)
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)
    assert await db.fetchval("SELECT count(*) FROM gaps WHERE state = 'suspected'") == 0


async def add_bitcoin(db: asyncpg.Connection) -> None:
    await db.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', 'BTCUSDT', 'BTC', 'USDT', 2, 5)"
    )


def scaled(row: Row) -> Print:
    price, size = (int(Decimal(row[k]).scaleb(n)) for k, n in (("p", 2), ("q", 5)))
    return Print(1, row["t"], row["T"] * 1000, price, size, -1 if row["m"] else 1)


@contextlib.asynccontextmanager
async def live_trades(valkey: Redis, rows: Sequence[Row]) -> AsyncIterator[list[Row]]:
    """Put trades on the stream without a pause while the block runs; gives those that were put."""
    put: list[Row] = []

    async def go_on() -> None:
        for row in rows:
            put.append(row)
            await tape.put(valkey, frame_of([scaled(row)]))
            # Ever slower, so that a slow machine's import does not outlast them.
            await asyncio.sleep(0.01 + len(put) / 10_000)
        raise AssertionError("the import outlasted the market")

    task = asyncio.create_task(go_on())

    async def begun() -> bool:
        return bool(put)

    await until(begun)
    try:
        yield put
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_live_trades_at_the_same_time_disturb_nothing(
    settings: Settings, db: asyncpg.Connection, valkey: Redis, recorded: list[Row], tmp_path: Path
) -> None:
    """An import ends though the market goes on, and old and live trades are all there, joined."""
    await add_bitcoin(db)
    old, live = recorded[:15000], recorded[15000:]
    async with live_trades(valkey, live) as put:
        assert await bring(settings, trades_file(tmp_path, old)) == len(old)
    await bring(settings, trades_file(tmp_path, put, "again.csv"))
    assert await stored(db) == wanted(old + put)
    await tape.assert_candles_match(db)
    assert await db.fetchval("SELECT count(*) FROM coverage") == 0, "the two have not joined"
    assert await db.fetchval("SELECT first_id FROM watermarks") == old[0]["t"]


async def test_progress_grows_to_the_total(
    settings: Settings, recorded: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes and rows only grow, and in the end all bytes of all members have been read."""
    monkeypatch.setattr(importer_module, "_ROWS", 500)
    header = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\r\n"
    lines = [trade_line(row).replace("\n", "\r\n") for row in recorded[:4000]]
    archive = tmp_path / "two.zip"
    with zipfile.ZipFile(archive, "w") as two:
        two.writestr("a/", "")
        two.writestr("a/one.csv", header + "".join(lines[:2000]) + "\r\n")
        two.writestr("a/CHECKSUM", "0" * 64)
        two.writestr("two.CSV", "".join(lines[2000:]))
    plain = trades_file(tmp_path, recorded[4000:5000])
    told: list[tuple[int, int, int]] = []
    await bring(
        settings, archive, plain,
        tell=lambda p: told.append((p.read_bytes, p.total_bytes, p.rows)),
    )  # fmt: skip
    total = len(header) + sum(map(len, lines)) + 2 + plain.stat().st_size
    assert told == sorted(told)
    assert {row[1] for row in told} == {total}
    assert told[-1] == (total, total, 5000)
    assert len(told) >= 10


async def test_an_empty_day_is_no_mistake(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """A file with nothing but a header, or nothing, brings no rows; its neighbours are imported."""
    header, nothing = tmp_path / "header.csv", tmp_path / "nothing.csv"
    header.write_text("id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n")
    nothing.write_text("")
    assert await bring(settings, header, trades_file(tmp_path, recorded[:10]), nothing) == 10
    assert await stored(db) == wanted(recorded[:10])


async def test_an_unknown_symbol_is_read_off_its_name(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """Where the venue cannot be asked, a new symbol gets base, quote and the scales of its data."""
    await bring(settings, trades_file(tmp_path, recorded[:50]))
    row = await db.fetchrow("SELECT symbol, base, quote, price_scale, size_scale FROM instruments")
    assert tuple(row) == ("BTCUSDT", "BTC", "USDT", 2, 5)


def test_help_shows_an_example() -> None:
    """`outcry import --help` says what a call looks like."""
    answer = CliRunner().invoke(app, ["import", "--help"])
    assert answer.exit_code == 0
    assert "outcry import BTCUSDT-trades-2024-08-08.zip --symbol BTCUSDT" in answer.output
