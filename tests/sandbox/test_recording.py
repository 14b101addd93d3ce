"""Recordings: a made-up small one, and the real one where it is at hand."""

from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from openoutcry.core.intervals import INTERVALS
from openoutcry.errors import ConfigError
from openoutcry.sandbox.recording import Recording, read
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server_data import Book, Span

TIME = 1_723_161_255_000


def trade(number: int, price: str, size: str, *, maker: bool = False) -> dict[str, Any]:
    data: dict[str, Any] = {
        "e": "trade",
        "E": TIME + number * 400,
        "s": "FOOUSDT",
        "t": 100 + number,
    }
    data |= {"p": price, "q": size, "T": TIME + number * 400 - 1, "m": maker, "M": True}
    return {
        "t": 1_723_161_254.5 + number,
        "k": "recv",
        "m": {"stream": "foousdt@trade", "data": data},
    }


BEST: dict[str, Any] = {"u": 9, "s": "FOOUSDT", "b": "0.35290000", "B": "7.00000000"}
BEST |= {"a": "0.35310000", "A": "2.50000000"}
LINES: list[dict[str, Any]] = [
    {"t": 1_723_161_254.0, "k": "connect", "m": None},
    trade(0, "0.35280000", "58.00000000"),
    {"t": 1_723_161_254.6, "k": "recv", "m": {"lastUpdateId": 1}},
    trade(1, "0.35300000", "1.50000000", maker=True),
    {"t": 1_723_161_255.6, "m": {"stream": "foousdt@bookTicker", "data": BEST}},
    trade(3, "0.35300000", "2.00000000"),
]


@pytest.fixture
def small(tmp_path: Path) -> Recording:
    path = tmp_path / "small.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LINES) + "\n")
    return Recording(read(path))


@pytest.fixture(scope="module")
def real(test_data: Path) -> Recording:
    """Ten minutes of Bitcoin, all played."""
    recording = Recording(read(test_data / "ws" / "binance_spot_btcusdt_20240808.jsonl.gz"))
    recording.position = len(recording.messages.wrapped)
    return recording


async def test_only_stream_messages_are_kept(small: Recording) -> None:
    """Requests, answers and snapshots are no messages of a stream."""
    assert len(small.messages.wrapped) == 4
    assert small.messages.names == ["foousdt@trade", "foousdt@bookTicker"]


async def test_ticks_and_steps_come_from_the_numbers(small: Recording) -> None:
    """Trailing zeros do not count: the grid is as fine as the trades need."""
    listing = (await small.listings())["FOOUSDT"]
    assert (listing.base, listing.quote) == ("FOO", "USDT")
    assert (listing.tick, listing.step) == (Decimal("0.0001"), Decimal("0.1"))


async def test_best_prices_are_the_recorded_ones_once_there_are_any(small: Recording) -> None:
    """Before the first of them, the book is made up around the last trade."""
    assert await small.book("FOOUSDT") is None
    small.position = 2
    made_up = await small.book("FOOUSDT")
    assert made_up is not None
    assert (made_up.bid, made_up.ask) == (Decimal("0.3530"), Decimal("0.3531"))
    small.position = 3
    assert await small.book("FOOUSDT") == Book(
        9, Decimal("0.3529"), Decimal(7), Decimal("0.3531"), Decimal("2.5")
    )


async def test_nothing_is_answered_before_it_was_played(small: Recording) -> None:
    """REST knows no more than the replay has come to."""
    assert await small.trades("FOOUSDT", None, 10) == []
    assert await small.bars("FOOUSDT", INTERVALS["1m"], Span(10)) == []
    small.position = 2
    assert [row.id for row in await small.trades("FOOUSDT", None, 10)] == [100, 101]
    assert small.now() == (TIME + 400) * 1000


async def test_frames_keep_the_recorded_text(small: Recording) -> None:
    """A combined client gets the recorded bytes, a raw one those of `data`."""
    message = json.dumps(LINES[1]["m"]).encode()
    assert small.messages.frames(combined=True)[0].endswith(message)
    data = json.dumps(LINES[1]["m"]["data"]).encode()
    assert small.messages.frames(combined=False)[0].endswith(data)


@pytest.mark.parametrize("text", ["", "not json\n", '{"t": 1, "m": {"no": "stream"}}\n'])
def test_a_useless_file_is_named(tmp_path: Path, text: str) -> None:
    """A file without messages stops the start."""
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.jsonl"):
        read(path)


async def test_the_real_recordings_trades_are_all_there(real: Recording) -> None:
    """19,904 trades with consecutive ids, prices as the exchange wrote them."""
    ids = [row.id for row in await real.trades("BTCUSDT", 0, 100_000)]
    assert ids == list(range(ids[0], ids[0] + 19_904))
    first = (await real.trades("BTCUSDT", ids[0], 1))[0]
    row = shapes.trade_row(first, micro=False)
    assert (row["price"], row["qty"]) == ("61837.63000000", "0.02000000")


async def test_the_real_recordings_minutes_are_binances(real: Recording, test_data: Path) -> None:
    """The ten whole minutes equal the klines that Binance itself published."""
    path = test_data / "candles" / "binance_spot_btcusdt_1m_20240808_20240809.csv.gz"
    with gzip.open(path, "rt") as file:
        published = {int(row["open_time_ms"]): row for row in csv.DictReader(file)}
    bars = (await real.bars("BTCUSDT", INTERVALS["1m"], Span(1000)))[1:-1]
    assert len(bars) == 10
    for bar in bars:
        row = published[bar.start // 1000]
        for name in ("open", "high", "low", "close", "volume"):
            assert getattr(bar, name) == Decimal(row[name]), (bar.start, name)


async def test_aggregates_of_a_recording_hide_no_trade(real: Recording) -> None:
    """Made from trades, aggregates cover every id once."""
    found = await real.aggregates("BTCUSDT", None, Span(30_000))
    ids = [number for row in found for number in range(row.first, row.last + 1)]
    assert len(ids) == 19_904
    assert ids == sorted(set(ids))


async def test_recorded_aggregates_are_answered_as_recorded(test_data: Path) -> None:
    """A recording of aggTrade streams answers with the exchange's own aggregates."""
    recording = Recording(read(test_data / "ws" / "recorded_2021_binance.jsonl.gz"))
    recording.position = len(recording.messages.wrapped)
    found = await recording.aggregates("NKNUSDT", 15683430, Span(1))
    row = shapes.aggregate_row(found[0], micro=False)
    assert (row["a"], row["p"], row["f"], row["l"]) == (15683430, "0.35280000", 19862790, 19862790)
    assert await recording.trades("NKNUSDT", None, 10) == []
