"""Faults as values: no sockets, no clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.errors import BadRequestError, ConfigError
from openoutcry.sandbox.faults import Fault, Faults, load_faults, parse_faults

SECOND = 1_000_000
NAME, SYMBOL = "btcusdt@trade", "BTCUSDT"


def with_fault(**fault: Any) -> Faults:
    faults = Faults(seed=1)
    faults.add(Fault(**fault), 0)
    return faults


def drain(
    faults: Faults, items: list[int], step: int = 100_000, until: int = 20 * SECOND
) -> list[int]:
    """Send items one at a time, then wait; return all that came out."""
    found: list[int] = []
    now = 0
    for item in items:
        found += faults.messages(NAME, SYMBOL, [item], now)
        now += step
    while now < until:
        found += faults.messages(NAME, SYMBOL, [], now)
        now += step
    return found


def test_without_faults_everything_passes() -> None:
    """No fault, no difference."""
    assert Faults().messages(NAME, SYMBOL, [1, 2, 3], 0) == [1, 2, 3]


def test_drop_takes_the_next_messages_and_then_ends() -> None:
    """A drop with a count swallows so many messages and is gone."""
    faults = with_fault(kind="drop", count=3)
    assert faults.messages(NAME, SYMBOL, list(range(5)), 0) == [3, 4]
    assert faults.active(0) == []


def test_drop_takes_a_fraction() -> None:
    """A drop with a fraction swallows about that part, and the same part with the same seed."""
    once = with_fault(kind="drop", fraction=0.3).messages(NAME, SYMBOL, list(range(1000)), 0)
    again = with_fault(kind="drop", fraction=0.3).messages(NAME, SYMBOL, list(range(1000)), 0)
    assert once == again
    assert 600 < len(once) < 800


def test_a_fault_for_one_symbol_leaves_others_alone() -> None:
    """The symbol limits a fault."""
    faults = with_fault(kind="drop", symbol="ethusdt")
    assert faults.messages(NAME, SYMBOL, [1], 0) == [1]
    assert faults.messages("ethusdt@trade", "ETHUSDT", [1], 0) == []


def test_a_fault_starts_and_ends_when_told() -> None:
    """`after` and `seconds` bound a fault in time."""
    faults = with_fault(kind="drop", after=2, seconds=3)
    times = [now for now in range(8) if not faults.messages(NAME, SYMBOL, [1], now * SECOND)]
    assert times == [2, 3, 4]


def test_repeat_sends_twice() -> None:
    """A repeated message comes right behind itself."""
    faults = with_fault(kind="repeat", count=1)
    assert faults.messages(NAME, SYMBOL, [1, 2], 0) == [1, 1, 2]


@given(items=st.lists(st.integers(), max_size=40), ms=st.integers(0, 3000))
def test_delay_keeps_order_and_loses_nothing(items: list[int], ms: int) -> None:
    """Delayed messages all come, in order."""
    assert drain(with_fault(kind="delay", ms=ms), items) == items


def test_delay_waits() -> None:
    """A delayed message is not there before its time, and is there then."""
    faults = with_fault(kind="delay", ms=300)
    assert faults.messages(NAME, SYMBOL, [1], 0) == []
    assert faults.holds(NAME)
    assert faults.messages(NAME, SYMBOL, [], 299_999) == []
    assert faults.messages(NAME, SYMBOL, [], 300_000) == [1]


@given(items=st.lists(st.integers(), max_size=60, unique=True), window=st.integers(2, 9))
def test_reorder_loses_nothing_and_stays_within_its_window(items: list[int], window: int) -> None:
    """Every message comes once, less than a window away from its place."""
    found = drain(with_fault(kind="reorder", window=window), items)
    assert sorted(found) == sorted(items)
    assert all(abs(found.index(item) - at) < window for at, item in enumerate(items))


def test_clearing_lets_out_what_was_held_back() -> None:
    """After a clear, held messages go out with the next call; none is lost."""
    faults = with_fault(kind="reorder", window=100, ms=60_000)
    assert faults.messages(NAME, SYMBOL, [1, 2, 3], 0) == []
    faults.clear()
    assert faults.messages(NAME, SYMBOL, [4], 1) == [1, 2, 3, 4]
    assert not faults.holds(NAME)


def test_deeds_fall_due_once() -> None:
    """Cut, shutdown and skip_ids are handed out once, when their time has come."""
    faults = with_fault(kind="cut", after=1)
    assert faults.due(0) == []
    assert [fault.kind for fault in faults.due(SECOND)] == ["cut"]
    assert faults.due(2 * SECOND) == []


def test_silence_and_refusal_end() -> None:
    """Silence covers every symbol, refusal every connection, both only for their seconds."""
    faults = with_fault(kind="silence", seconds=2)
    faults.add(Fault(kind="refuse", seconds=1), 0)
    assert faults.silent("", 0)
    assert faults.silent(SYMBOL, 0)
    assert faults.refusing(0)
    assert not faults.refusing(SECOND)
    assert not faults.silent("", 2 * SECOND)


def test_one_symbols_silence_leaves_connections_alone() -> None:
    """With a symbol, only its streams fall silent: pings still go."""
    faults = with_fault(kind="silence", seconds=2, symbol=SYMBOL)
    assert faults.silent(SYMBOL, 0)
    assert not faults.silent("ETHUSDT", 0)
    assert not faults.silent("", 0)


def test_rest_faults_hit_so_many_calls() -> None:
    """A count limits a REST fault to that many calls."""
    faults = with_fault(kind="rest_status", status=503, count=2)
    hits = [bool(faults.rest("", 0)) for _ in range(4)]
    assert hits == [True, True, False, False]


@pytest.mark.parametrize(
    "text",
    [
        b"not json",
        b'{"kind": "explode"}',
        b'{"kind": "drop", "fraction": 2}',
        b'{"kind": "drop", "colour": "red"}',
        b"17",
    ],
)
def test_a_wrong_fault_is_refused_with_a_reason(text: bytes) -> None:
    """What is not a fault raises, and says why."""
    with pytest.raises(BadRequestError, match="Not a fault"):
        parse_faults(text)


def test_faults_that_lack_something_are_refused() -> None:
    """Refuse and silence need an end, skip_ids a number."""
    for kind in ("refuse", "silence", "skip_ids"):
        with pytest.raises(BadRequestError, match="needs"):
            with_fault(kind=kind)


def test_a_fault_file_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    """The message of a bad file has its name."""
    path = tmp_path / "faults.json"
    path.write_text('[{"kind": "drop"}, {"kind": "cut", "after": 5}]')
    assert [fault.kind for fault in load_faults(path)] == ["drop", "cut"]
    path.write_text("{}")
    with pytest.raises(ConfigError, match=r"faults\.json"):
        load_faults(path)
