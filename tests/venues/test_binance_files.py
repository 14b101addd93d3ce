"""Binance's bulk files: every layout they have had, and what is none of them."""

from __future__ import annotations

import random
from decimal import Decimal

import numpy as np
import pytest

from openoutcry.core.intervals import INTERVALS
from openoutcry.errors import BadRequestError
from openoutcry.venues import binance_files
from openoutcry.venues.binance_files import FileKind

TIME = 1_723_161_255_342
TRUE = ("True", "true", "TRUE")
FALSE = ("False", "false", "FALSE")

TRADES_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n"
AGGREGATES_HEADER = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
)
KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n"
)


def trade(number: int = 5, maker: str = "True", tail: str = ",True\n", time: int = TIME) -> str:
    return f"{number},61837.63000000,0.02000000,1236.75260000,{time},{maker}{tail}"


def aggregate(
    first: int = 5, last: int = 7, maker: str = "True", tail: str = ",True\n", time: int = TIME
) -> str:
    return f"901,61837.63000000,0.02000000,{first},{last},{time},{maker}{tail}"


def kline(
    start: int = 1_723_161_240_000, length: int = 60_000, unit: int = 1, tail: str = ",0\n"
) -> str:
    opened, closed = start * unit, (start + length) * unit - 1
    figures = f"61837.6,61840.00,61800.1,61830,12.50000000,{closed},772900.5,321,4.5,278000.1"
    return f"{opened},{figures}{tail}"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("column", [",True", ""])
def test_layouts_are_told_apart_with_and_without_their_last_column(column: str, end: str) -> None:
    """Trades of 7 and 6 columns, aggregates of 8 and 7, klines of 12 and 11 are what they are."""
    assert binance_files.detect(trade(tail=column + end)) is FileKind.TRADES
    assert binance_files.detect(aggregate(tail=column + end)) is FileKind.AGGREGATES
    assert binance_files.detect(kline(tail=column + end)) is FileKind.KLINES


@pytest.mark.parametrize("header", [TRADES_HEADER, AGGREGATES_HEADER, KLINES_HEADER])
def test_headers_are_no_rows(header: str) -> None:
    """A line of names is a header, in either case and behind a byte order mark too."""
    assert binance_files.is_header(header)
    assert binance_files.is_header(header.upper())
    assert binance_files.is_header("\ufeff" + header)
    assert binance_files.is_header("\ufffd\ufffd\ufffd" + header)


@pytest.mark.parametrize("line", [trade(), aggregate(), kline(), "hello\n", "\n", "a,b,c\n", ""])
def test_rows_and_garbage_are_no_headers(line: str) -> None:
    """What is passed over as a header is neither a row nor anything at all."""
    assert not binance_files.is_header(line)


@pytest.mark.parametrize(("spellings", "side"), [(TRUE, -1), (FALSE, 1)])
def test_every_spelling_of_a_boolean_is_known(spellings: tuple[str, ...], side: int) -> None:
    """A buyer who is the maker means that the taker sold, however true and false are spelt."""
    for word in spellings:
        assert binance_files.detect(trade(maker=word)) is FileKind.TRADES
        assert binance_files.detect(aggregate(maker=word)) is FileKind.AGGREGATES
        assert binance_files.parse_trades("X", [trade(maker=word)]).side.tolist() == [side]
        found = binance_files.parse_aggregates("X", [aggregate(maker=word)])
        assert found.trades.side.tolist() == [side]


@pytest.mark.parametrize("tail", [",True\n", ",True\r\n", "\n", "\r\n", ""])
def test_trades_are_read_exactly(tail: str) -> None:
    """Ids, prices, sizes and times come out to the digit, whatever ends the lines."""
    found = binance_files.parse_trades("BTCUSDT", [trade(5, tail=tail), trade(6, "False", tail)])
    assert found.trade_id.tolist() == [5, 6]
    assert (found.price.tolist(), found.price_scale) == ([6_183_763_000_000] * 2, 8)
    assert (found.size.tolist(), found.size_scale) == ([2_000_000] * 2, 8)
    assert found.side.tolist() == [-1, 1]
    assert found.venue_time.tolist() == [TIME * 1000] * 2


def test_times_in_microseconds_keep_their_digits() -> None:
    """Files from 2025 on are in µs; both units give µs in every kind of file."""
    micro = TIME * 1000 + 123
    assert binance_files.parse_trades("X", [trade(time=micro)]).venue_time.tolist() == [micro]
    found = binance_files.parse_aggregates("X", [aggregate(time=micro)])
    assert found.trades.venue_time.tolist() == [micro]
    in_ms, in_us = (binance_files.parse_klines([kline(unit=unit)]) for unit in (1, 1000))
    assert in_ms == in_us
    assert in_us[1][0].bucket == 1_723_161_240_000_000


def test_rows_out_of_order_come_out_by_id() -> None:
    """Trades and aggregates are ascending by trade id, and each keeps its own line."""
    numbers = list(range(100, 160))
    random.Random(3).shuffle(numbers)
    trades = binance_files.parse_trades("X", [trade(n, time=TIME + n) for n in numbers])
    assert trades.trade_id.tolist() == sorted(numbers)
    assert (trades.venue_time - trades.trade_id * 1000).tolist() == [TIME * 1000] * 60
    lines = [aggregate(n * 2, n * 2 + 1, time=TIME + n) for n in numbers]
    found = binance_files.parse_aggregates("X", lines)
    assert found.trades.trade_id.tolist() == [n * 2 for n in sorted(numbers)]
    assert found.last_id.tolist() == [n * 2 + 1 for n in sorted(numbers)]
    assert [lines[at] for at in found.line] == sorted(lines, key=lambda row: int(row.split(",")[3]))
    assert np.all(np.diff(found.trades.venue_time) == 1000)


@pytest.mark.parametrize("tail", [",0\n", ",0\r\n", "\n", ""])
def test_a_kline_is_read_exactly(tail: str) -> None:
    """Every figure of a kline is where it belongs, without trailing zeros."""
    interval, (candle,) = binance_files.parse_klines([kline(tail=tail)])
    assert interval is INTERVALS["1m"]
    assert (candle.bucket, candle.trades) == (1_723_161_240_000_000, 321)
    assert [candle.open, candle.high, candle.low, candle.close] == [
        Decimal(n) for n in ("61837.6", "61840", "61800.1", "61830")
    ]
    assert (candle.volume, candle.quote_volume) == (Decimal("12.5"), Decimal("772900.5"))
    assert candle.taker_buy_volume == Decimal("4.5")
    assert candle.taker_buy_quote_volume == Decimal("278000.1")
    assert str(candle.volume) == "12.5"


@pytest.mark.parametrize("name", ["1s", "1m", "5m", "30m", "1h", "2h", "4h", "1d"])
def test_stored_intervals_are_recognised(name: str) -> None:
    """Every interval that both the exchange has and we store is told by its length."""
    length = INTERVALS[name].length // 1000
    start = 1_723_161_600_000
    assert binance_files.parse_klines([kline(start, length)])[0] is INTERVALS[name]


@pytest.mark.parametrize("name", ["3m", "15m", "6h", "8h", "12h", "3d", "1w", "1M", "30s"])
def test_intervals_that_are_rolled_up_are_refused(name: str) -> None:
    """Klines that are not stored are refused with the names of those that are."""
    length = INTERVALS[name].length // 1000
    with pytest.raises(
        BadRequestError, match="not stored but rolled up: import 1s, 1m, 5m, 30m, 1h"
    ):
        binance_files.parse_klines([kline(1_723_161_600_000, length)])


def test_a_kline_that_closed_early_does_not_hide_the_interval() -> None:
    """The exchange's halts cut a kline's close time short; the others tell how long they are."""
    short = kline(1_723_161_240_000, 30_000)
    interval, candles = binance_files.parse_klines([short, kline(1_723_161_300_000)])
    assert interval is INTERVALS["1m"]
    assert len(candles) == 2


def test_a_kline_between_buckets_is_refused() -> None:
    """A kline has to open where a bucket starts."""
    with pytest.raises(BadRequestError, match="No kline of 1m opens at 1723161240001000"):
        binance_files.parse_klines([kline(1_723_161_240_001)])


GARBAGE = ("", "hello", "1,2,3", "{}", "a,b,c,d,e,f,g", "1,2,3,4,5,6", '{"e":"trade","p":"1,2,3"}')


@pytest.mark.parametrize("line", [*GARBAGE, trade(maker="yes"), aggregate(maker="1")])
def test_what_is_no_row_is_refused_with_what_would_be_right(line: str) -> None:
    """The message shows the line and names the three layouts."""
    with pytest.raises(BadRequestError, match=r"trades \(7 columns\), aggTrades \(8\) or klines"):
        binance_files.detect(line)


def broken(row: str, at: int, cell: str) -> str:
    cells = row.rstrip("\n").split(",")
    cells[at] = cell
    return ",".join(cells) + "\n"


CELLS = ("", "x", "1e", "nan", "inf", "9" * 25, "\ufffd")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("at", [0, 1, 2, 4, 5])
def test_a_broken_cell_of_a_trade_is_refused(at: int, cell: str) -> None:
    """Whatever stands in a cell that is read, it is a number of ours or an error of ours."""
    with pytest.raises(BadRequestError, match="cannot be read"):
        binance_files.parse_trades("X", [trade(), broken(trade(), at, cell)])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6])
def test_a_broken_cell_of_an_aggregate_is_refused(at: int, cell: str) -> None:
    """Ids of aggregates are checked like everything else."""
    with pytest.raises(BadRequestError, match="cannot be read"):
        binance_files.parse_aggregates("X", [aggregate(), broken(aggregate(), at, cell)])


@pytest.mark.parametrize("cell", ["", "x", "1e", "nan", "inf", "-inf", "sNaN", "\ufffd"])
@pytest.mark.parametrize("at", [0, 1, 5, 6, 7, 8, 9, 10])
def test_a_broken_cell_of_a_kline_is_refused(at: int, cell: str) -> None:
    """No infinity and nothing that is not a number gets into a candle."""
    with pytest.raises(BadRequestError, match="cannot be read"):
        binance_files.parse_klines([kline(), broken(kline(), at, cell)])


@pytest.mark.parametrize("time", [0, -1, TIME // 1000, TIME * 10**6, 4_102_444_800_000])
def test_times_in_other_units_are_refused(time: int) -> None:
    """Seconds, nanoseconds and times beyond the century are an error, not another year."""
    with pytest.raises(BadRequestError, match="no time in ms or µs"):
        binance_files.parse_trades("X", [trade(time=time)])
    with pytest.raises(BadRequestError, match="no time in ms or µs"):
        binance_files.parse_aggregates("X", [aggregate(time=time)])
    with pytest.raises(BadRequestError, match="no time in ms or µs"):
        binance_files.parse_klines([broken(kline(), 0, str(time))])


def test_ragged_rows_are_refused_and_shown() -> None:
    """A row that has lost columns is shown, cut to a length that fits a line."""
    ragged = "77," + "8" * 200
    with pytest.raises(BadRequestError, match=r"^The row '77,8{77}' has too few columns"):
        binance_files.parse_trades("X", [trade(), ragged])
    with pytest.raises(BadRequestError, match="too few columns"):
        binance_files.parse_aggregates("X", [aggregate(), trade(tail="")])
    with pytest.raises(BadRequestError, match="too few columns"):
        binance_files.parse_klines([kline(), trade()])


def test_an_aggregate_that_ends_before_it_begins_is_refused() -> None:
    """The last id of an aggregate is not below its first."""
    with pytest.raises(BadRequestError, match=r"901.*ends before it begins"):
        binance_files.parse_aggregates("X", [aggregate(1, 4), aggregate(8, 7)])


def test_no_rows_are_refused() -> None:
    """Nothing at all is an error of the caller's, not a crash."""
    with pytest.raises(BadRequestError, match="no row"):
        binance_files.parse_trades("X", [])
    with pytest.raises(BadRequestError, match="no row"):
        binance_files.parse_aggregates("X", [])
    with pytest.raises(BadRequestError, match="no row"):
        binance_files.parse_klines([])


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("BTCUSDT-aggTrades-2024-08-08.csv", True),
        ("BTCUSDT-aggTrades-2024-08.zip", True),
        ("BTCUSDT-aggTrades.csv", False),
        ("2024-08-08-first-hour.csv", False),
    ],
)
def test_names_tell_files_of_whole_days(name: str, whole: bool) -> None:
    """A file that is named after a day or a month holds all of it."""
    assert binance_files.covers_whole_days(name) is whole
