"""What is due on timed streams, and the messages as Binance documents them."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.intervals import INTERVALS, SECOND
from openoutcry.venues.binance_server import Stream, parse_stream
from openoutcry.venues.binance_server_data import Bar, Book, Print
from openoutcry.venues.binance_stream_events import (
    KlineLine,
    Ticker,
    TickerLine,
    write_book,
    write_kline,
    write_tickers,
)
from openoutcry.venues.binance_stream_writer import TradeWriter, frames

D = Decimal


def bar(start: int, trades: int = 1, length: int = SECOND) -> Bar:
    return Bar(
        start=start * length,
        end=(start + 1) * length,
        open=D("2"),
        high=D("4"),
        low=D("1"),
        close=D("3"),
        volume=D("10"),
        quote_volume=D("25"),
        trades=trades,
        bought_volume=D("4"),
        bought_quote_volume=D("12"),
        first_id=100,
        last_id=100 + trades - 1,
    )


def stream(name: str) -> Stream:
    found = parse_stream(name)
    assert found is not None
    return found


def ticker(last: int, symbol: str = "BTCUSDT") -> Ticker:
    book = Book(7, D("2.9"), D("5"), D("3.1"), D("6"))
    return Ticker(symbol, bar(0, last - 99), Print(last, D("3"), D("0.5"), 1, True), book)


def test_a_candle_tells_its_changes_and_then_its_end() -> None:
    """Unchanged candles are silent; a candle that is over says so once, and never again."""
    line = KlineLine(INTERVALS["1s"])
    assert line.due([(bar(4), True), (bar(5), False)], 0) == [(bar(5), False)]
    assert line.due([(bar(5), False)], 1) == []
    assert line.due([(bar(5, 2), False)], 2) == [(bar(5, 2), False)]
    assert line.due([(bar(5, 3), True), (bar(6), False)], 3) == [
        (bar(5, 3), True),
        (bar(6), False),
    ]
    assert line.due([(bar(5, 4), True), (bar(6), False)], 4) == []


def test_longer_candles_tell_every_other_second() -> None:
    """A minute's changes wait for an even second; its begin and its end do not."""
    line = KlineLine(INTERVALS["1m"])
    assert line.due([(bar(1), False)], 1) == [(bar(1), False)]
    assert line.due([(bar(1, 2), False)], 3) == []
    assert line.due([(bar(1, 3), False)], 4) == [(bar(1, 3), False)]
    assert line.due([(bar(1, 4), True), (bar(2), False)], 5) == [
        (bar(1, 4), True),
        (bar(2), False),
    ]


def test_what_was_over_before_is_not_told() -> None:
    """Who comes when the last candle is over hears the next one first."""
    line = KlineLine(INTERVALS["1s"])
    assert line.due([(bar(5), True)], 0) == []
    assert line.due([(bar(5), True), (bar(6), True)], 1) == [(bar(6), True)]


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30))
def test_each_candle_ends_once_and_in_order(steps: list[tuple[int, int]]) -> None:
    """However candles move on, ends are told once each, ascending, after all else of the candle."""
    line = KlineLine(INTERVALS["1s"])
    at, trades, heard = 0, 1, []
    line.due([(bar(0), False)], 0)
    for beat, (moves, more) in enumerate(steps):
        states = [(bar(start, trades), True) for start in range(at, at + moves)]
        at, trades = at + moves, trades + more
        heard += line.due([*states, (bar(at, trades), False)], beat)
    ends = [one.start for one, over in heard if over]
    assert ends == [start * SECOND for start in range(at)]
    assert [one.start for one, _ in heard] == sorted(one.start for one, _ in heard)


def test_tickers_are_told_when_they_have_traded() -> None:
    """A symbol without a new trade is left out."""
    line = TickerLine()
    assert line.due([ticker(5), ticker(9, "ETHUSDT")]) == [ticker(5), ticker(9, "ETHUSDT")]
    assert line.due([ticker(6), ticker(9, "ETHUSDT")]) == [ticker(6)]
    assert line.due([ticker(6)]) == []


def test_messages_are_binances() -> None:
    """Every key of the documented messages, times in ms or µs, numbers with eight decimals."""
    kline = json.loads(
        write_kline(stream("btcusdt@kline_1s"), (bar(7), True), 8_000_123, micro=False)
    )
    assert kline == {
        "e": "kline",
        "E": 8000,
        "s": "BTCUSDT",
        "k": {
            "t": 7000,
            "T": 7999,
            "s": "BTCUSDT",
            "i": "1s",
            "f": 100,
            "L": 100,
            "o": "2.00000000",
            "c": "3.00000000",
            "h": "4.00000000",
            "l": "1.00000000",
            "v": "10.00000000",
            "n": 1,
            "x": True,
            "q": "25.00000000",
            "V": "4.00000000",
            "Q": "12.00000000",
            "B": "0",
        },
    }
    mini = json.loads(
        write_tickers(stream("btcusdt@miniTicker"), [ticker(5)], 9_000_123, micro=True)
    )
    assert (mini["e"], mini["E"], mini["s"]) == ("24hrMiniTicker", 9_000_123, "BTCUSDT")
    assert set(mini) == set("eEscohlvq")
    array = json.loads(write_tickers(stream("!miniTicker@arr"), [ticker(5)], 9_000_123, micro=True))
    assert array == [mini]
    full = json.loads(
        write_tickers(stream("btcusdt@ticker"), [ticker(199)], 9_000_123, micro=False)
    )
    assert set(full) == set("eEspPwxcQbBaAohlvqOCFLn")
    assert (full["p"], full["P"], full["w"]) == ("1.00000000", "50.000", "2.50000000")
    assert (full["O"], full["C"], full["F"], full["L"], full["n"]) == (0, 999, 100, 199, 100)
    book = Book(7, D("2.9"), D("5"), D("3.1"), D("6"))
    assert json.loads(write_book("BTCUSDT", book)) == {
        "u": 7,
        "s": "BTCUSDT",
        "b": "2.90000000",
        "B": "5.00000000",
        "a": "3.10000000",
        "A": "6.00000000",
    }


def test_trades_and_aggregates_are_binances() -> None:
    """`m` says that the buyer was the maker; ids, sizes and times are the trade's own."""
    writer = TradeWriter("BTCUSDT", 2, 5)
    (trade,) = writer.trades(
        [(12, 1_723_161_255_342_001, 6_183_763, 2_000, 0, False)], 5_000, micro=False
    )
    assert json.loads(trade) == {
        "e": "trade",
        "E": 5,
        "s": "BTCUSDT",
        "t": 12,
        "p": "61837.63000000",
        "q": "0.02000000",
        "T": 1_723_161_255_342,
        "m": True,
        "M": True,
    }
    (aggregate,) = writer.aggregates([(12, 1_001, 1, 1, 12, 14, True)], 5_000, micro=True)
    assert json.loads(aggregate) == {
        "e": "aggTrade",
        "E": 5000,
        "s": "BTCUSDT",
        "a": 12,
        "p": "0.01000000",
        "q": "0.00001000",
        "f": 12,
        "l": 14,
        "T": 1001,
        "m": False,
        "M": True,
    }


def test_fine_numbers_are_never_rounded() -> None:
    """Past eight decimals only zeros are left out."""
    writer = TradeWriter("X", 12, 0)
    (trade,) = writer.trades([(1, 1, 1_000_000_000_001, 7, 0, True)], 1, micro=True)
    assert json.loads(trade)["p"] == "1.000000000001"
    (trade,) = writer.trades([(1, 1, 1_500_000_000_000, 7, 0, True)], 1, micro=True)
    assert (json.loads(trade)["p"], json.loads(trade)["q"]) == ("1.50000000", "7.00000000")


def test_a_combined_connection_gets_messages_wrapped() -> None:
    """The stream's name goes around each message; frames follow one another."""
    assert frames("a@trade", [b"1", b"22"], combined=False) == b"\x81\x011\x81\x0222"
    wrapped = b'{"stream":"a@trade","data":1}'
    assert frames("a@trade", [b"1"], combined=True) == b"\x81" + bytes([len(wrapped)]) + wrapped
