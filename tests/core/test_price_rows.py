"""Prices as they are shown, and which answers of an upstream are believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.coins import Coin, parse_coins
from openoutcry.core.prices import (
    Snapshot,
    believable,
    change,
    change_percent,
    compact_text,
    price_rows,
    shown_text,
)
from openoutcry.core.tickers import Ticker
from openoutcry.errors import ProtocolError

BTC = Ticker("BTCUSDT", "68234.50000000", "66673.34", "69000", "66000.1", "12.5", "1234500000", 1)
ETH = Ticker("ETHUSDT", "3500.00", "3500", "3600", "3400", "1", "12345.6", 1)


def variant(ticker: Ticker, **changes: Any) -> Ticker:
    """Return a ticker with other numbers."""
    return msgspec.structs.replace(ticker, **changes)


def test_the_row_has_the_contracts_shape() -> None:
    """Five fields, strings, as `GET /api/prices/aggregated` promises them."""
    snapshot = Snapshot({"BTCUSDT": BTC}, 0.0, "rest")
    rows = price_rows([Coin("BTCUSDT", "Bitcoin"), Coin("ADAUSDT", "Cardano")], snapshot, None)
    assert msgspec.json.decode(msgspec.json.encode(rows)) == [
        {
            "symbol": "BTCUSDT",
            "name": "Bitcoin",
            "price": "68234.50",
            "priceChangePercent": "2.342",
            "volume": "1234.5M",
        }
    ]


def test_stale_rows_say_so() -> None:
    """Two fields more, and nothing else changes."""
    coins = [Coin("BTCUSDT", "Bitcoin")]
    snapshot = Snapshot({"BTCUSDT": BTC}, 0.0, "rest")
    fresh, stale = (msgspec.to_builtins(price_rows(coins, snapshot, age)[0]) for age in (None, 37))
    assert stale == fresh | {"stale": True, "age": 37}


def test_change_is_last_less_open() -> None:
    """Exact, and in percent with three places as Binance rounds."""
    assert change(BTC) == Decimal("1561.16")
    assert change_percent(variant(BTC, price="1.0005", open="1")) == Decimal("0.050")
    assert change_percent(variant(BTC, price="99.9996", open="100")) == Decimal("0.000")
    assert str(change_percent(variant(BTC, price="99.99999", open="100"))) == "0.000"
    assert change_percent(variant(BTC, price="0.00000001", open="0.00000002")) == -50


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("68234.50000000", "68234.50"),
        ("3500", "3500.00"),
        ("0.12345000", "0.12345"),
        ("0.00000812", "0.00000812"),
        ("2.340", "2.34"),
        ("-0.1", "-0.10"),
        ("1E+2", "100.00"),
    ],
)
def test_prices_keep_their_digits(number: str, text: str) -> None:
    """No trailing zeros past the second place, no digit lost, no exponent."""
    assert shown_text(Decimal(number)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1234500000", "1234.5M"),
        ("1234549999", "1234.5M"),
        ("1234550000", "1234.6M"),
        ("999950", "1.0M"),
        ("1000000", "1.0M"),
        ("950000", "950.0K"),
        ("12345.6", "12.3K"),
        ("950", "950.0"),
        ("0.04", "0.0"),
        ("0", "0.0"),
    ],
)
def test_volumes_are_short(amount: str, text: str) -> None:
    """One decimal and a unit; billions stay M, as in the contract."""
    assert compact_text(Decimal(amount)) == text


@given(st.decimals(min_value=0, max_value=10**13, places=4))
def test_a_short_volume_is_near_the_real_one(amount: Decimal) -> None:
    """It differs by half of its last digit at most."""
    text = compact_text(amount)
    unit = {"M": 10**6, "K": 10**3}.get(text[-1], 1)
    shown = Decimal(text.rstrip("MK")) * unit
    assert abs(shown - amount) * 20 <= unit


def test_a_good_answer_is_believed_and_dead_markets_left_out() -> None:
    """A row of zeros costs only itself, if nobody asks for it."""
    dead = variant(ETH, symbol="OLDUSDT", price="0.00000000", open="0.00000000")
    assert believable([BTC, dead], ["BTCUSDT", "ADAUSDT"]) == {"BTCUSDT": BTC}


def test_nonsense_about_a_wanted_coin_spoils_the_answer() -> None:
    """The last good snapshot must go on instead of a list without it."""
    with pytest.raises(ProtocolError, match="BTCUSDT makes no sense"):
        believable([variant(BTC, price="0"), ETH], ["BTCUSDT"])


@pytest.mark.parametrize("rows", [[], [variant(BTC, price="0")], [variant(BTC, high="x")]])
def test_an_answer_without_a_good_row_is_refused(rows: list[Ticker]) -> None:
    """Empty lists and nothing but nonsense are no snapshot."""
    with pytest.raises(ProtocolError):
        believable(rows, [])


def test_coins_are_read() -> None:
    """Any case, with a name or without; twice or odd is refused."""
    assert parse_coins(["btcusdt=Bitcoin", " ETHUSDT = Ether ", "SOLUSDT"]) == (
        Coin("BTCUSDT", "Bitcoin"),
        Coin("ETHUSDT", "Ether"),
        Coin("SOLUSDT", "SOLUSDT"),
    )
    for wrong in (["BTC/USDT=x"], [""], ["BTCUSDT", "btcusdt=b"]):
        with pytest.raises(ValueError, match=r"no coin|twice"):
            parse_coins(wrong)
