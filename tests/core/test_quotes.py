"""Quotes are exact."""

from __future__ import annotations

from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.quotes import make_quote, to_message
from openoutcry.core.scales import plain


@given(
    st.decimals(min_value=0, max_value=10**15, places=12),
    st.decimals(min_value=0, max_value=1, places=18),
)
def test_bid_and_ask_are_exact(price: Decimal, spread: Decimal) -> None:
    """Bid and ask are the price times one less and one plus the spread, to the last digit."""
    quote = make_quote("BTCUSDT", price, spread, 1)
    with localcontext(prec=200):
        assert quote.bid == price * (1 - spread)
        assert quote.ask == price * (1 + spread)
        assert quote.price == price
        assert quote.bid + quote.ask == 2 * price


def test_a_quote_reads_as_the_contract_says() -> None:
    """Camel-case names, decimal strings without padding, the venue's milliseconds."""
    quote = make_quote("BTCUSDT", Decimal("61837.63000000"), Decimal("0.001"), 1723161255342999)
    assert msgspec.json.decode(msgspec.json.encode(to_message(quote))) == {
        "symbol": "BTCUSDT",
        "originalPrice": "61837.63",
        "bidPrice": "61775.79237",
        "askPrice": "61899.46763",
        "timestamp": 1723161255342,
    }


def test_tiny_prices_go_out_without_an_exponent() -> None:
    """A reader of decimal strings need not know what 1E-10 means."""
    quote = make_quote("PEPEUSDT", Decimal("0.0000000001"), Decimal("0.001"), 0)
    message = to_message(quote)
    assert message.original_price == "0.0000000001"
    assert message.bid_price == "0.0000000000999"
    assert message.ask_price == "0.0000000001001"


@pytest.mark.parametrize(
    ("number", "text"),
    [("100", "100"), ("1E+2", "100"), ("0.10", "0.1"), ("0E-8", "0"), ("1E+40", "1" + "0" * 40),
     ("0.0000000001", "1E-10")],
)  # fmt: skip
def test_plain_numbers_keep_their_worth(number: str, text: str) -> None:
    """No trailing zeros, no positive exponent, the same number."""
    assert str(plain(Decimal(number))) == text
    assert plain(Decimal(number)) == Decimal(number)
