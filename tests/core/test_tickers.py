"""Tickers as they travel: what can be, and how changes are merged."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core import tickers
from openoutcry.core.tickers import Ticker, is_sensible, merged

GOOD = Ticker("BTCUSDT", "68234.50", "66673.3", "69000", "66000.1", "12.5", "850000.00", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"price": "0.00000000"},
        {"price": "-1"},
        {"open": "0"},
        {"high": "NaN"},
        {"low": "1e5"},
        {"price": ""},
        {"price": "1."},
        {"price": "1 2"},
        {"price": "\u0661"},
        {"volume": "-0.1"},
        {"quote_volume": "lots"},
        {"symbol": ""},
        {"symbol": 'A"B'},
        {"symbol": "A B"},
        {"time": -1},
    ],
)
def test_what_cannot_be_is_not_sensible(change: dict[str, object]) -> None:
    """Prices at or below zero, numbers that are none and odd names are told apart."""
    assert is_sensible(GOOD)
    assert not is_sensible(msgspec.structs.replace(GOOD, **change))


def test_nothing_has_to_have_traded() -> None:
    """A volume of zero is a quiet market, and a name may have letters of any script."""
    quiet = msgspec.structs.replace(GOOD, symbol="币安USDT", volume="0.00000000", quote_volume="0")
    assert is_sensible(quiet)


@given(st.decimals(min_value="0.00000001", max_value=10**12, places=8))
def test_every_positive_price_is_sensible(price: object) -> None:
    """Whatever the venue can quote passes."""
    assert is_sensible(msgspec.structs.replace(GOOD, price=f"{price:f}"))


def test_changes_win_and_the_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change replaces its symbol's ticker; past the bound new symbols are left out, not old ones."""
    monkeypatch.setattr(tickers, "MOST_SYMBOLS", 2)
    eth = msgspec.structs.replace(GOOD, symbol="ETHUSDT")
    sol = msgspec.structs.replace(GOOD, symbol="SOLUSDT")
    newer = msgspec.structs.replace(GOOD, price="70000")
    before = {"BTCUSDT": GOOD}
    assert merged(before, [eth, sol, newer]) == {"BTCUSDT": newer, "ETHUSDT": eth}
    assert before == {"BTCUSDT": GOOD}


def test_a_ticker_is_camel_case_on_the_wire() -> None:
    """The agreed names, decimal strings, microseconds."""
    assert msgspec.json.decode(msgspec.json.encode(GOOD)) == {
        "symbol": "BTCUSDT", "price": "68234.50", "open": "66673.3", "high": "69000",
        "low": "66000.1", "volume": "12.5", "quoteVolume": "850000.00", "time": 1,
    }  # fmt: skip
