"""Binance's public bulk files: trades, aggTrades and klines as CSV, with or without a header.

Sans-IO: lines in, values out. Times are ms, or µs in files from 2025 on. Facts: the read-me of
Binance's public data collection, and the files themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
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
    """Aggregate trades: `trades` as if each were one trade with the first id; `last_id` beside.

    `line` says which of the lines that were parsed each row comes from.
    """

    trades: TradeColumns
    last_id: Ints
    line: Ints


_BOOLEANS: Final = {
    spelling: value
    for value, word in ((True, "true"), (False, "false"))
    for spelling in (word, word.capitalize(), word.upper())
}
_BYTE_ORDER_MARK: Final = "\ufffd\ufeff"  # as ASCII with replacements, or as text
_TIMES: Final = (to_us(1_230_768_000_000), to_us(4_102_444_800_000))
"""The years 2009 to 2099: what lies outside is not in ms or µs, or is no time at all."""
_DATED: Final = re.compile(r"\d{4}-\d{2}(-\d{2})?\.\w+$")


def is_header(line: str) -> bool:
    """Return whether a file's first line names columns instead of holding a row."""
    names = line.lstrip(_BYTE_ORDER_MARK).split(",")
    return len(names) >= 6 and all(name[:1].isalpha() for name in names)


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
    rows = _cells(lines, 7)
    trades = _columns(symbol, rows, id_at=3, price_at=1, size_at=2, time_at=5, maker_at=6)
    try:
        order = np.argsort(np.array([int(row[3]) for row in rows], np.int64), kind="stable")
        last = np.array([int(row[4]) for row in rows], np.int64)[order]
    except (ValueError, OverflowError) as error:
        raise BadRequestError(f"A row cannot be read: {error}.") from None
    wrong = np.flatnonzero(last < trades.trade_id)
    if len(wrong):
        row = ",".join(rows[int(order[wrong[0]])])
        raise BadRequestError(f"The row {row[:80]!r} ends before it begins.")
    return AggregateColumns(trades, last, order)


def parse_klines(lines: Sequence[str]) -> tuple[Interval, list[Candle]]:
    """Return the stored interval of a klines file's rows, and its candles, flat ones included.

    Raises BadRequestError for rows that are none and for intervals that are not stored (they are
    rolled up from the stored ones: import those).
    """
    rows = _cells(lines, 11)
    try:
        # Klines of a time when the exchange stood still close early: the longest one tells.
        length = max(to_us(int(row[6])) - to_us(int(row[0])) for row in rows)
        candles = [_candle(row) for row in rows]
    except (ValueError, ArithmeticError) as error:
        raise BadRequestError(f"A kline cannot be read: {error}.") from None
    length = round(length / SECOND) * SECOND
    for base in BASES:
        if base.length == length and base.name != "30s":
            for candle in candles:
                if base.floor(candle.bucket) != candle.bucket:
                    raise BadRequestError(f"No kline of {base.name} opens at {candle.bucket} µs.")
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
    if not rows:
        raise BadRequestError("There is no row.")
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
        times = np.array([_time(row[time_at]) for row in rows], np.int64)
        maker = np.array([_BOOLEANS[row[maker_at]] for row in rows], bool)
        price, price_scale = parse_decimals([row[price_at] for row in rows])
        size, size_scale = parse_decimals([row[size_at] for row in rows])
    except KeyError as error:
        raise BadRequestError(f"A row cannot be read: {error} is neither true nor false.") from None
    except (ValueError, OverflowError, OutcryError) as error:
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
    if not all(number.is_finite() for number in numbers):
        raise ValueError(f"{','.join(row)[:80]!r} is not in finite numbers")
    open_, high, low, close, volume, quote_volume, bought, bought_quote = numbers
    return Candle(
        bucket=_time(row[0]),
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


def _time(text: str) -> int:
    time = to_us(int(text))
    if not _TIMES[0] <= time < _TIMES[1]:
        raise ValueError(f"{text!r} is no time in ms or µs")
    return time
