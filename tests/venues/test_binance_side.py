"""Binance's tickers and best prices on recorded bytes, and on bytes that are wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from openoutcry.core.tickers import BookTop, Ticker
from openoutcry.venues.binance import STREAMS_PER_MESSAGE
from openoutcry.venues.binance_side import BinanceSideProtocol, side_streams
from openoutcry.venues.interface import ControlKind

RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"


def mini(symbol: str, price: str = "68234.50000000", **changes: Any) -> dict[str, Any]:
    """Return an element of `!miniTicker@arr`."""
    return {
        "e": "24hrMiniTicker", "E": 1723161255343, "s": symbol, "c": price, "o": "66673.30",
        "h": "69000.00", "l": "66000.10", "v": "12.5", "q": "850000.00",
    } | changes  # fmt: skip


def book(update: int, bid: str = "61837.63", **changes: Any) -> bytes:
    """Return a `@bookTicker` message."""
    message = {"u": update, "s": "BTCUSDT", "b": bid, "B": "1.5", "a": "61837.64", "A": "0.2"}
    return json.dumps(message | changes).encode()


def test_streams_are_named_as_binance_does() -> None:
    """One stream for every ticker, one book for each symbol, each of them optional."""
    assert side_streams(["BTCUSDT", "ETHUSDT"], tickers=True, books=True) == [
        "!miniTicker@arr",
        "btcusdt@bookTicker",
        "ethusdt@bookTicker",
    ]
    assert side_streams(["BTCUSDT"], tickers=True, books=False) == ["!miniTicker@arr"]
    assert side_streams(["BTCUSDT"], tickers=False, books=False) == []


def test_subscriptions_go_out_in_batches() -> None:
    """Many streams are asked for in several numbered requests."""
    streams = [f"c{n}usdt@bookTicker" for n in range(STREAMS_PER_MESSAGE + 5)]
    asked = [json.loads(message) for message in BinanceSideProtocol().subscribe(streams)]
    assert [one["id"] for one in asked] == [1, 2]
    assert [name for one in asked for name in one["params"]] == streams


def test_tickers_keep_the_venues_digits() -> None:
    """Each array is one list of tickers; times are µs whatever unit the venue uses."""
    message = json.dumps([mini("BTCUSDT"), mini("ETHUSDT", E=1723161255343000)]).encode()
    events = BinanceSideProtocol().receive([message], 7)
    assert events.tickers == [
        [
            Ticker(symbol, "68234.50000000", "66673.30", "69000.00", "66000.10", "12.5",
                   "850000.00", 1_723_161_255_343_000)
            for symbol in ("BTCUSDT", "ETHUSDT")
        ]
    ]  # fmt: skip
    assert (events.books, events.controls, events.malformed) == ({}, [], 0)


def test_the_newest_book_of_each_symbol_remains() -> None:
    """Books are conflated by their update id, not by the order they came in."""
    messages = [book(5), book(7, "61838.00"), book(6), book(1, s="ETHUSDT")]
    events = BinanceSideProtocol().receive(messages, 7)
    assert events.books["BTCUSDT"] == BookTop("BTCUSDT", 7, "61838.00", "1.5", "61837.64", "0.2", 7)
    assert events.books["ETHUSDT"].update == 1


def test_the_recordings_books_are_read(test_data: Path) -> None:
    """Every recorded book comes out as it was."""
    with gzip.open(test_data / RECORDING, "rt") as file:
        wrapped = [json.loads(line)["m"] for line in file]
    recorded = [m["data"] for m in wrapped if m.get("stream", "").endswith("@bookTicker")]
    assert len(recorded) > 1000
    protocol = BinanceSideProtocol()
    for message in recorded:
        events = protocol.receive([json.dumps(message).encode()], 1)
        (found,) = events.books.values()
        assert (found.update, found.bid, found.ask_size) == (
            message["u"],
            message["b"],
            message["A"],
        )


def test_what_makes_no_sense_is_counted_and_the_rest_goes_on() -> None:
    """A zero price costs its row, a broken message itself; nothing raises."""
    messages = [
        json.dumps([mini("BTCUSDT", "0.00000000"), mini("ETHUSDT")]).encode(),
        b'[{"s":"BTCUSDT"}]',
        b"not json",
        b"\xff",
        b'{"u":1,"s":"","b":"1","a":"2"}',
        b'{"result":null,"id":1}',
        b'{"error":{"code":2,"msg":"no"},"id":1}',
        b'{"e":"serverShutdown","E":1}',
        b'{"e":"something","E":1}',
    ]
    events = BinanceSideProtocol().receive(messages, 1)
    assert [[ticker.symbol for ticker in one] for one in events.tickers] == [["ETHUSDT"]]
    assert events.malformed == 2
    assert [control.kind for control in events.controls] == [
        ControlKind.MALFORMED,
        ControlKind.MALFORMED,
        ControlKind.MALFORMED,
        ControlKind.SUBSCRIBED,
        ControlKind.REFUSED,
        ControlKind.SHUTDOWN,
        ControlKind.MALFORMED,
    ]
