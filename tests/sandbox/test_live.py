"""The made-up market's streams, with a floor that only listens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.sandbox.faults import Fault, Faults
from openoutcry.sandbox.floor import Floor
from openoutcry.sandbox.live import LiveFeed
from openoutcry.sandbox.market import MadeUpMarket
from openoutcry.sandbox.tape import BLOCK
from openoutcry.venues.binance_server import Stream, parse_stream
from sandbox.support import Clock

START = 1_790_000_000 * BLOCK + 250_000


class Ear:
    """Stands in for a floor: hears the named streams and keeps what they say."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.said: list[tuple[str, dict[str, Any]]] = []

    def heard(self, name: str) -> bool:
        """Return whether the stream is one of ours."""
        return name in self.names

    def streams(self) -> list[Stream]:
        """Return our streams."""
        return [stream for name in self.names if (stream := parse_stream(name))]

    def publish(self, name: str, write: Callable[[bool], list[bytes]]) -> None:
        """Keep the messages, times in µs."""
        self.said += [(name, json.loads(payload)) for payload in write(True)]

    def flush(self) -> None:
        """Do nothing: there is nobody to write to."""


def listen(*names: str, faults: Faults | None = None) -> tuple[LiveFeed, Ear, Clock, MadeUpMarket]:
    """Return a feed, what hears it, its clock, its market."""
    clock, ear = Clock(START), Ear(*names)
    market = MadeUpMarket(["btcusdt"], 7, 40.0, clock)
    feed = LiveFeed(market, cast("Floor", ear), faults or Faults(), START)
    return feed, ear, clock, market


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=20))
def test_every_trade_goes_out_once_when_its_time_has_come(steps: list[int]) -> None:
    """However the clock is looked at, the stream is the tape, and nothing comes early."""
    feed, ear, clock, market = listen("btcusdt@trade")
    for step in steps:
        clock.now += step
        before = len(ear.said)
        feed.tick(clock.now)
        assert all(message["T"] <= clock.now for _, message in ear.said[before:])
    trades = market.tapes["BTCUSDT"].make(START // BLOCK, clock.now // BLOCK + 1)
    inside = trades[(trades["time"] > START) & (trades["time"] <= clock.now)]
    assert [message["t"] for _, message in ear.said] == inside["id"].tolist()


def test_aggregates_are_whole() -> None:
    """Aggregates on the stream cover every trade once, in order."""
    feed, ear, clock, _ = listen("btcusdt@trade", "btcusdt@aggTrade")
    for _ in range(4000):
        clock.now += 5000
        feed.tick(clock.now)
    trades = [message["t"] for name, message in ear.said if name == "btcusdt@trade"]
    groups = [message for name, message in ear.said if name == "btcusdt@aggTrade"]
    assert [n for group in groups for n in range(group["f"], group["l"] + 1)] == trades
    assert [group["a"] for group in groups] == list(
        range(groups[0]["a"], groups[0]["a"] + len(groups))
    )


def test_a_clock_set_back_sends_nothing_twice() -> None:
    """When the clock goes back the stream waits, and then goes on."""
    feed, ear, clock, _ = listen("btcusdt@trade")
    for move in (5_400_000, -300_000, -2_000_000, 100_000, 4_000_000):
        clock.now += move
        feed.tick(clock.now)
    ids = [message["t"] for _, message in ear.said]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_after_a_long_sleep_the_present_counts() -> None:
    """A process that slept for a day does not send the day's trades."""
    feed, ear, clock, _ = listen("btcusdt@trade")
    clock.now += 86_400 * BLOCK
    feed.tick(clock.now)
    assert all(message["T"] >= clock.now - BLOCK for _, message in ear.said)


@pytest.mark.parametrize("interval", ["1s", "1m"])
async def test_each_candle_is_closed_once(interval: str) -> None:
    """Once a second a candle tells its state; each ends with exactly one message that says so."""
    feed, ear, clock, _ = listen(f"btcusdt@kline_{interval}")
    clock.now = (START // BLOCK) * BLOCK + 2000
    for _ in range(150):
        clock.now += BLOCK
        await feed.second(clock.now)
    klines = [message["k"] for _, message in ear.said]
    closed = [kline["t"] for kline in klines if kline["x"]]
    assert len(closed) == {"1s": 149, "1m": 2}[interval]
    assert closed == sorted(set(closed))
    assert [kline["t"] for kline in klines] == sorted(kline["t"] for kline in klines)


async def test_a_stall_closes_every_candle() -> None:
    """Candles that ended while nothing was sent are closed in order afterwards."""
    feed, ear, clock, _ = listen("btcusdt@kline_1s")
    await feed.second(clock.now)
    clock.now += 7 * BLOCK
    await feed.second(clock.now)
    closed = [message["k"]["t"] for _, message in ear.said if message["k"]["x"]]
    assert closed == [(START // BLOCK + at) * BLOCK for at in range(7)]


def test_silence_of_one_symbol_stops_its_streams() -> None:
    """A silent symbol says nothing."""
    faults = Faults()
    faults.add(Fault(kind="silence", seconds=60, symbol="BTCUSDT"), START)
    feed, ear, clock, _ = listen("btcusdt@trade", "btcusdt@bookTicker", faults=faults)
    clock.now += 5 * BLOCK
    feed.tick(clock.now)
    assert ear.said == []
