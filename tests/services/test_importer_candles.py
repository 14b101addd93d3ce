"""Bulk files of aggregates and klines: the candles are those that the trades make."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import asyncpg
import pytest

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
    trades_file,
    wanted,
)
from openoutcry.adapters.postgres.times import from_us, to_us
from openoutcry.config import Settings
from openoutcry.core.intervals import BASES, INTERVALS, MINUTE

__all__ = ["impatient", "recorded", "settings"]

KLINES = "candles/binance_spot_btcusdt_{}_20240808_20240809.csv.gz"


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
