"""Binance's public bulk files: trades, aggTrades and klines as CSV, with or without a header.

Sans-IO: lines in, values out. Times are ms, or µs in files from 2025 on. Facts: the read-me of
Binance's public data collection, and the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

import numpy as np
from msgspec import Struct

from openoutcry.core.intervals import BASES, SECOND, Interval
from openoutcry.core.scales import parse_decimals, plain
from openoutcry.errors import BadRequestError, OutcryError
from openoutcry.model import Candle
from openoutcry.venues.binance_rest import to_us
from openoutcry.venues.interface import Ints, TradeColumns


class FileKind(StrEnum):
    """What a bulk file holds."""

    TRADES = "trades"
    AGGREGATES = "aggTrades"
    KLINES = "klines"


class AggregateColumns(Struct, frozen=True):
    """Aggregate trades: `trades` as if each were one trade with the first id; `last_id` beside."""

    trades: TradeColumns
    last_id: Ints


_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_DATED: Final = re.compile(r"\d{4}-\d{2}(-\d{2})?\.\w+$")


def is_header(line: str) -> bool:
    """Return whether a file's first line names columns instead of holding a row."""
    return not line[:1].isdigit()


def detect(line: str) -> FileKind:
    """Return what a file holds by one of its rows. Raises BadRequestError with what would be right."""
    cells = line.strip().split(",")
    if len(cells) in (11, 12):
        return FileKind.KLINES
    if len(cells) in (7, 8) and cells[6] in _BOOLEANS and cells[5].isdigit():
        return FileKind.AGGREGATES
    if len(cells) in (6, 7) and cells[5] in _BOOLEANS:
        return FileKind.TRADES
    raise BadRequestError(
        f"{line.strip()[:80]!r} is no row of a Binance trades (7 columns), aggTrades (8) or"
        " klines (12) file."
    )


def parse_trades(symbol: str, lines: Sequence[str]) -> TradeColumns:
    """Return rows of a trades file, ascending by id. Raises BadRequestError."""
    rows = _cells(lines, 6)
    return _columns(symbol, rows, id_at=0, price_at=1, size_at=2, time_at=4, maker_at=5)


def parse_aggregates(symbol: str, lines: Sequence[str]) -> AggregateColumns:
    """Return rows of an aggTrades file, ascending by id. Raises BadRequestError."""
    rows = sorted(_cells(lines, 7), key=lambda row: int(row[3]))
    trades = _columns(symbol, rows, id_at=3, price_at=1, size_at=2, time_at=5, maker_at=6)
    return AggregateColumns(trades, np.array([int(row[4]) for row in rows], np.int64))


def parse_klines(lines: Sequence[str]) -> tuple[Interval, list[Candle]]:
    """Return the stored interval of a klines file's rows, and its candles, flat ones included.

    Raises BadRequestError for rows that are none and for intervals that are not stored (they are
    rolled up from the stored ones: import those).
    """
    rows = _cells(lines, 11)
    try:
        start, end = to_us(int(rows[0][0])), to_us(int(rows[0][6]))
        length = round((end - start) / SECOND) * SECOND
        candles = [_candle(row) for row in rows]
    except (ValueError, InvalidOperation) as error:
        raise BadRequestError(f"A kline cannot be read: {error}.") from None
    for base in BASES:
        if base.length == length and base.name != "30s":
            return base, candles
    names = ", ".join(base.name for base in BASES if base.name != "30s")
    raise BadRequestError(
        f"Klines of {length // SECOND} s are not stored but rolled up: import {names} files."
    )


def covers_whole_days(name: str) -> bool:
    """Return whether a file's name ends in a date, as files of whole days and months do."""
    return _DATED.search(name) is not None


def _cells(lines: Sequence[str], least: int) -> list[list[str]]:
    rows = [line.rstrip("\r\n").split(",") for line in lines]
    for row in rows:
        if len(row) < least:
            raise BadRequestError(f"The row {','.join(row)[:80]!r} has too few columns.")
    return rows


def _columns(
    symbol: str,
    rows: list[list[str]],
    *,
    id_at: int,
    price_at: int,
    size_at: int,
    time_at: int,
    maker_at: int,
) -> TradeColumns:
    try:
        ids = np.array([int(row[id_at]) for row in rows], np.int64)
        times = np.array([to_us(int(row[time_at])) for row in rows], np.int64)
        maker = np.array([_BOOLEANS[row[maker_at]] for row in rows], bool)
        price, price_scale = parse_decimals([row[price_at] for row in rows])
        size, size_scale = parse_decimals([row[size_at] for row in rows])
    except (ValueError, KeyError, OverflowError, OutcryError) as error:
        raise BadRequestError(f"A row cannot be read: {error}.") from None
    order = np.argsort(ids, kind="stable")
    return TradeColumns(
        symbol=[symbol] * len(rows),
        trade_id=ids[order],
        price=price[order],
        price_scale=price_scale,
        size=size[order],
        size_scale=size_scale,
        side=np.where(maker, -1, 1).astype(np.int32)[order],
        venue_time=times[order],
        event_time=int(times.max()),
    )


def _candle(row: list[str]) -> Candle:
    numbers = [plain(Decimal(row[at])) for at in (1, 2, 3, 4, 5, 7, 9, 10)]
    open_, high, low, close, volume, quote_volume, bought, bought_quote = numbers
    return Candle(
        bucket=to_us(int(row[0])),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        quote_volume=quote_volume,
        trades=int(row[8]),
        taker_buy_volume=bought,
        taker_buy_quote_volume=bought_quote,
    )
