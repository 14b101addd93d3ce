"""Symbols, known and made up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.symbols import split_symbol
from openoutcry.errors import ConfigError
from openoutcry.sandbox.listing import make_symbol, make_symbols


def test_known_symbols_have_binances_grids() -> None:
    """Bitcoin and a coin with many zeros have the ticks and steps they have at Binance."""
    bitcoin, pepe = make_symbols(["btcusdt", "PEPEUSDT"], 7)
    assert (bitcoin.price_scale, bitcoin.size_scale) == (2, 5)
    assert (pepe.price_scale, pepe.size_scale) == (8, 0)


@given(name=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=10))
def test_any_other_symbol_gets_a_price_on_its_grid(name: str) -> None:
    """A made-up symbol is always the same and its price has at least 100 ticks."""
    symbol = make_symbol(name + "USDT", 7)
    assert symbol == make_symbol(name.lower() + "usdt", 7)
    assert symbol.price / symbol.listing.tick >= 100
    assert symbol.price % symbol.listing.tick == 0
    assert symbol.listing.tick * symbol.listing.step >= Decimal("1e-8")


@pytest.mark.parametrize("name", ["", "BTC", "BTC/USDT", "BTC USDT", "X" * 21, "ÄÖÜUSDT"])
def test_what_is_no_symbol_is_refused(name: str) -> None:
    """A name that no exchange would list stops the start."""
    with pytest.raises(ConfigError, match="symbol"):
        make_symbol(name, 7)


def test_symbols_split_at_their_quote() -> None:
    """The longest known quote wins; an unknown one is three letters."""
    assert split_symbol("BTCFDUSD") == ("BTC", "FDUSD")
    assert split_symbol("ETHBTC") == ("ETH", "BTC")
    assert split_symbol("NKNXYZ") == ("NKN", "XYZ")
