"""Bulk files through the real engines: what is imported is what the exchange had, once."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis
from typer.testing import CliRunner

import tape
from openoutcry.adapters.postgres.candle_reader import CandleReader
from openoutcry.adapters.postgres.pool import open_pool
from openoutcry.adapters.postgres.shard_store import SHARD_LOCKS
from openoutcry.adapters.postgres.times import from_us, to_us
from openoutcry.adapters.valkey.trade_stream import TradeStream, add_frame, backlog, is_done
from openoutcry.cli import app
from openoutcry.config import Settings, load, to_environment
from openoutcry.core.frames import decode
from openoutcry.core.intervals import BASES, INTERVALS, MINUTE
from openoutcry.errors import BadRequestError, ConfigError, StoreUnavailableError
from openoutcry.services import importer as importer_module
from openoutcry.services import recorder as recorder_module
from openoutcry.services.importer import Progress
from openoutcry.wiring.errands import import_files
from tape import Print, frame_of, until

RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"
KLINES = "candles/binance_spot_btcusdt_{}_20240808_20240809.csv.gz"

Row = dict[str, Any]
Import = Callable[..., Any]


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


# --- files out of the recording -------------------------------------------------------------------


def trade_line(row: Row) -> str:
    return f"{row['t']},{row['p']},{row['q']},0,{row['T']},{row['m']},{row['M']}\n"


def trades_file(folder: Path, rows: Sequence[Row], name: str = "trades.csv") -> Path:
    path = folder / name
    path.write_text("".join(map(trade_line, rows)))
    return path


def aggregates_of(rows: Sequence[Row]) -> list[str]:
    """Return the aggTrades lines that hide these trades: one taker, one moment, one price."""
    lines = []
    for number, (_, group) in enumerate(groupby(rows, key=lambda r: (r["T"], r["p"], r["m"]))):
        part = list(group)
        size = sum(Decimal(row["q"]) for row in part)
        first, last = part[0], part[-1]
        lines.append(
            f"{number},{first['p']},{size},{first['t']},{last['t']},{first['T']},{first['m']},True\n"
        )
    return lines


def aggregates_file(folder: Path, rows: Sequence[Row], name: str = "aggTrades.csv") -> Path:
    path = folder / name
    path.write_text("".join(aggregates_of(rows)))
    return path


def klines_file(folder: Path, rows: Sequence[Row], seconds: int, name: str = "klines.csv") -> Path:
    """Write the 12-column klines of these trades, flat ones between them included."""
    lines = []
    close = rows[0]["p"]
    length = seconds * 1000
    parts = {b: list(g) for b, g in groupby(rows, key=lambda row: row["T"] // length * length)}
    for bucket in range(min(parts), max(parts) + 1, length):
        part = parts.get(bucket, [])
        prices = [Decimal(row["p"]) for row in part] or [Decimal(close)]
        zero = Decimal(0)
        sizes = [
            (Decimal(row["q"]), Decimal(row["p"]) * Decimal(row["q"]), row["m"]) for row in part
        ]
        figures = (
            *(prices[0], max(prices), min(prices), prices[-1]),
            sum((s for s, _, _ in sizes), zero),
            bucket + length - 1,
            sum((q for _, q, _ in sizes), zero),
            len(part),
            sum((s for s, _, m in sizes if not m), zero),
            sum((q for _, q, m in sizes if not m), zero),
        )
        lines.append(",".join(map(str, (bucket, *figures, 0))) + "\n")
        close = prices[-1]
    path = folder / name
    path.write_text("".join(lines))
    return path


# --- what must be in the store ----------------------------------------------------------------------


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


FIGURES = (
    "bucket, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,"
    " taker_buy_quote_volume"
)


async def candles(db: asyncpg.Connection, base: str) -> list[tuple[Any, ...]]:
    rows = await db.fetch(f"SELECT {FIGURES} FROM candles_{base} ORDER BY bucket")
    return [tuple(row) for row in rows]


async def plain_candles(db: asyncpg.Connection, base: str) -> list[tuple[Any, ...]]:
    """Return the candles that a plain aggregation of the trades table makes."""
    rows = await db.fetch(
        f"""
        SELECT date_bin('{INTERVALS[base].length} microseconds', venue_time, 'epoch') AS bucket,
               (array_agg(price ORDER BY trade_id))[1], max(price), min(price),
               (array_agg(price ORDER BY trade_id DESC))[1],
               sum(size), sum(price * size), count(*),
               coalesce(sum(size) FILTER (WHERE side = 1), 0),
               coalesce(sum(price * size) FILTER (WHERE side = 1), 0)
        FROM trades GROUP BY 1 ORDER BY 1
        """
    )
    return [tuple(row) for row in rows]


async def assert_all_candles(db: asyncpg.Connection) -> None:
    """Check that every base holds the candles of the stored trades, sealed or not."""
    for base in BASES:
        assert await candles(db, base.name) == await plain_candles(db, base.name), base.name


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


# --- the tests ----------------------------------------------------------------------------------


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


async def everything(db: asyncpg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of what an import may touch, but for clocks."""
    tables = ["trades", "watermarks", "coverage", "instruments"]
    tables += [f"candles_{base.name}" for base in BASES]
    found = {t: await db.fetch(f"SELECT * FROM {t} ORDER BY 1, 2, 4") for t in tables}
    found["gaps"] = await db.fetch("SELECT instrument_id, from_id, missing, absent FROM gaps")
    return {table: [tuple(row) for row in rows] for table, rows in found.items()}


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


async def test_aggregates_make_the_minutes_that_the_trades_make(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """The ten whole minutes out of aggregates equal those out of the trades; the outer two wait."""
    count = await bring(settings, aggregates_file(tmp_path, recorded))
    assert count == len(aggregates_of(recorded))
    from_aggregates = await candles(db, "1m")
    assert [to_us(row[0]) for row in from_aggregates] == minutes_within(recorded)
    assert await complete_minutes(settings, recorded) == minutes_within(recorded)
    assert await db.fetchval("SELECT count(*) FROM trades") == 0
    await bring(settings, trades_file(tmp_path, recorded))
    plain = await plain_candles(db, "1m")
    assert from_aggregates == plain[1:-1]


Writer = Callable[[Path, Sequence[Row]], Path]
OTHERS: dict[str, Writer] = {
    "aggregates": aggregates_file,
    "whole days": lambda p, r: aggregates_file(p, r, "BTCUSDT-aggTrades-2024-08-08.csv"),
    "klines 1s": lambda p, r: klines_file(p, r, 1),
    "klines 1m": lambda p, r: klines_file(p, minutes_of(r), 60),
    "klines 5m": lambda p, r: klines_file(p, minutes_of(r, 5), 300),
}


def minutes_of(rows: Sequence[Row], length: int = 1) -> list[Row]:
    """Return the trades in minutes (or fives of them) that lie wholly in the recording."""
    step = length * MINUTE // 1000
    low, high = -(-rows[0]["T"] // step) * step, rows[-1]["T"] // step * step
    return [row for row in rows if low <= row["T"] < high]


@pytest.mark.parametrize(
    ("kind", "trades_last"),
    [*((kind, True) for kind in OTHERS), ("aggregates", False), ("klines 1s", False)],
)
async def test_candles_and_trades_of_the_same_time_do_not_count_twice(
    settings: Settings,
    db: asyncpg.Connection,
    recorded: list[Row],
    *,
    tmp_path: Path,
    kind: str,
    trades_last: bool,
) -> None:
    """Candles first or trades first: every base ends as the trades' own candles, to the digit."""
    files = [OTHERS[kind](tmp_path, recorded), trades_file(tmp_path, recorded)]
    for file in files if trades_last else reversed(files):
        await bring(settings, file)
    assert await stored(db) == wanted(recorded)
    await assert_all_candles(db)


async def test_trades_around_a_sealed_hour_find_their_place(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """Trades from before, between and after sealed minutes, in any order, open and close rightly."""
    parts = [recorded[at : at + 2000] for at in range(0, len(recorded), 2000)]
    middles = [klines_file(tmp_path, minutes_of(part), 60, f"{n}.csv")
               for n, part in enumerate(parts) if n % 2 and minutes_of(part)]  # fmt: skip
    assert middles
    random.Random(1).shuffle(parts)
    await bring(settings, *middles[::-1])
    for number, part in enumerate(parts):
        await bring(settings, trades_file(tmp_path, part, f"part{number}.csv"))
    assert await stored(db) == wanted(recorded)
    await assert_all_candles(db)


async def test_the_exchanges_klines_are_stored_as_they_are(
    settings: Settings, db: asyncpg.Connection, test_data: Path, tmp_path: Path
) -> None:
    """Two days of 1m klines are stored to the digit, and sum up to the exchange's own 5m and 1h."""
    rows = exchange_klines(test_data, "1m")
    lines = [
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,tbv,tbqv,ignore\r\n"
    ]
    for row in rows:
        at = int(row["open_time_ms"])
        prices = ",".join(row[name] for name in ("open", "high", "low", "close", "volume"))
        lines.append(f"{at},{prices},{at + 59_999},{row['volume']},7,0.5,0.25,0\r\n")
    file = tmp_path / "BTCUSDT-1m-2024-08-08.csv"
    file.write_text("".join(lines), newline="")
    assert await bring(settings, file) == len(rows)
    for base in ("1m", "5m", "1h"):
        found = {row[0]: row for row in await candles(db, base)}
        theirs = exchange_klines(test_data, base)
        assert len(found) == len(theirs)
        for row in theirs:
            ours = found[from_us(int(row["open_time_ms"]) * 1000)]
            figures = [Decimal(row[name]) for name in ("open", "high", "low", "close", "volume")]
            assert [*ours[1:6]] == figures
    days = await db.fetch("SELECT trades, sealed FROM candles_1d")
    assert [tuple(row) for row in days] == [(7 * 1440, False)] * 2
    before = await everything(db)
    await bring(settings, file)
    assert await everything(db) == before


def exchange_klines(test_data: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(test_data / KLINES.format(name), "rt") as file:
        return list(csv.DictReader(file))


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


async def test_a_hole_between_files_of_klines_is_not_complete(
    settings: Settings, recorded: list[Row], tmp_path: Path
) -> None:
    """Minutes that no kline told of are unknown, within a file and between two."""
    rows = minutes_of(recorded)
    file = klines_file(tmp_path, rows, 60)
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 10
    file.write_text("".join(lines[:2] + lines[3:5]))
    other = tmp_path / "other.csv"
    other.write_text("".join(lines[7:]))
    await bring(settings, file, other)
    minutes = minutes_within(recorded)
    assert await complete_minutes(settings, recorded) == [minutes[n] for n in (0, 1, 3, 4, 7, 8, 9)]


async def test_an_import_that_was_cancelled_is_repeated(
    settings: Settings,
    db: asyncpg.Connection,
    recorded: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cancelled half-way, what was sent is stored whole; the second run brings the rest, once."""
    monkeypatch.setattr(importer_module, "_ROWS", 1000)
    monkeypatch.setattr(importer_module, "_MOST_WAITING", 2)
    file = trades_file(tmp_path, recorded)
    tasks: list[asyncio.Task[int]] = []

    def half_way(progress: Progress) -> None:
        if progress.rows >= len(recorded) // 2:
            tasks[0].cancel()

    tasks.append(asyncio.create_task(bring(settings, file, tell=half_way)))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    some = await stored(db)
    assert some == wanted(recorded[: len(some)])
    assert 0 < len(some) < len(recorded)
    await tape.assert_candles_match(db)
    await bring(settings, file)
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)


async def test_a_killed_import_is_repeated(
    settings: Settings, db: asyncpg.Connection, valkey: Redis, recorded: list[Row], tmp_path: Path
) -> None:
    """Killed with frames on the stream that nobody has stored, then repeated: each trade once."""
    file = trades_file(tmp_path, recorded)
    await db.execute("SELECT pg_advisory_lock($1, 0)", SHARD_LOCKS)  # its recorder has to stand by
    environ = {**os.environ, **to_environment(settings)}
    with subprocess.Popen(
        [sys.executable, "-m", "openoutcry", "import", str(file), "--symbol", "BTCUSDT"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:

        async def on_the_stream() -> bool:
            assert process.poll() is None
            return await backlog(valkey, 0) >= 2

        await until(on_the_stream)
        process.send_signal(signal.SIGKILL)
    assert await stored(db) == []
    await db.execute("SELECT pg_advisory_unlock($1, 0)", SHARD_LOCKS)
    await bring(settings, file)
    assert await stored(db) == wanted(recorded)
    await tape.assert_candles_match(db)


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
            await asyncio.sleep(0.01)
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


async def test_being_done_does_not_wait_for_what_came_later(valkey: Redis) -> None:
    """An entry is done once it and all before it are acknowledged, whatever is on the stream."""
    frame = decode(frame_of(tape.run_of(1, 1, 3)))
    entries = [await add_frame(valkey, 0, frame) for _ in range(4)]
    stream = TradeStream(valkey, 0, "a")
    assert not await is_done(valkey, 0, entries[0])
    await stream.join()
    read = await stream.fresh(3, 1)
    assert [entry.id for entry in read] == entries[:3]
    assert not await is_done(valkey, 0, entries[0])
    await stream.done(entries[:2])
    assert [await is_done(valkey, 0, entry) for entry in entries] == [True, True, False, False]
    assert await backlog(valkey, 0) == 2
    await valkey.flushall()
    with pytest.raises(StoreUnavailableError, match="lost"):
        await is_done(valkey, 0, entries[0])


async def test_what_valkey_loses_is_told(
    settings: Settings, valkey: Redis, recorded: list[Row], tmp_path: Path, db: asyncpg.Connection
) -> None:
    """An import whose frames vanish with the bus says so instead of waiting or claiming success."""
    file = trades_file(tmp_path, recorded)
    await db.execute("SELECT pg_advisory_lock($1, 0)", SHARD_LOCKS)
    task = asyncio.create_task(bring(settings, file))

    async def all_on_the_stream() -> bool:
        return await backlog(valkey, 0) == 3

    await until(all_on_the_stream)
    await valkey.flushall()
    with pytest.raises(StoreUnavailableError, match="once more"):
        await task


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


def wrong_files(folder: Path, good: bytes) -> list[tuple[Path, str]]:
    """Return files that are none of the exchange's, with what must be said of them."""
    no_row = "is no row of a Binance trades"
    found = []
    for name, content in {
        "hello.csv": b"hello\n",
        "image.csv": b"\x89PNG\r\n\x1a\n\x00\x01\x02",
        "json.csv": b'{"e":"trade"}\n',
        "packed.csv.gz": gzip.compress(good),
        "other.csv": b"a,b\n1,2\n",
        "candles.csv": b"open_time,open,high,low,close,volume\n1723161240000,1,1,1,1,1\n",
    }.items():
        (folder / name).write_bytes(content)
        found.append((folder / name, no_row))
    packed = folder / "good.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", good)
    broken = bytearray(packed.read_bytes())
    broken[60] ^= 0xFF
    (folder / "broken.zip").write_bytes(broken)
    with zipfile.ZipFile(folder / "readme.zip", "w") as archive:
        archive.writestr("README.txt", "no data here")
    return [
        *found,
        (folder / "broken.zip", "cannot be unpacked"),
        (folder / "readme.zip", "holds no CSV file"),
        (folder / "missing.csv", "cannot be read"),
    ]


async def test_a_wrong_file_is_named_before_anything_is_stored(
    settings: Settings, db: asyncpg.Connection, recorded: list[Row], tmp_path: Path
) -> None:
    """One bad file among good ones: the error names it, and none of the others is begun."""
    good = trades_file(tmp_path, recorded[:100])
    for path, message in wrong_files(tmp_path, good.read_bytes()):
        with pytest.raises(BadRequestError, match=message) as caught:
            await bring(settings, good, path)
        assert path.name in str(caught.value)
        assert await stored(db) == []


async def test_what_lies_before_a_bad_row_is_stored_in_whole_blocks(
    settings: Settings,
    db: asyncpg.Connection,
    recorded: list[Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bad row far into a file is shown; the blocks before its own are stored, nothing after."""
    monkeypatch.setattr(importer_module, "_ROWS", 1000)
    file = trades_file(tmp_path, recorded[:4000])
    lines = file.read_text().splitlines(keepends=True)
    lines[2500] = "oops\n"
    file.write_text("".join(lines))
    with pytest.raises(BadRequestError, match=r"trades.csv: The row 'oops' has too few columns"):
        await bring(settings, file)
    assert await stored(db) == wanted(recorded[:2000])
    await tape.assert_candles_match(db)


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


async def test_a_recorder_that_breaks_ends_the_import(
    settings: Settings, recorded: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import does not wait for a recorder that is not there any more."""

    async def break_down(*_: Any) -> None:
        raise ConfigError("broken")

    monkeypatch.setattr(recorder_module.Recorder, "run", break_down)
    with pytest.raises(ConfigError, match="broken"):
        await bring(settings, trades_file(tmp_path, recorded))
