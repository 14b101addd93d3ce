"""Tokens as JSON: exact to the last digit."""

from __future__ import annotations

from decimal import Context, Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.tokens import amounts, cursors, shapes
from openoutcry.core.tokens.messages import is_newer
from openoutcry.errors import BadRequestError
from openoutcry.tokens import (
    NOBODY,
    PRICE_UNIT,
    WEI,
    CountedTrade,
    Ranked,
    SizeClass,
    Token,
    TokenCandle,
    TokenTrade,
    TradeSide,
    Volumes,
)

EXACT = Context(prec=400)
ADDRESS = bytes(range(20))


def token(**changed: object) -> Ranked:
    """Return a token with some figures."""
    made = Token(
        id=1, address=ADDRESS, launchpad="pad", creator=NOBODY, name="Token", symbol="TOK",
        decimals=18, target=4 * WEI, created_at=1_000_999, graduated_at=None, supply=10 * WEI,
        reserve=WEI, price=PRICE_UNIT // 8, holders=3, trades=5,
    )  # fmt: skip
    return Ranked(msgspec.structs.replace(made, **changed), Volumes(WEI // 2, 3 * WEI, 10**30))


@given(st.integers(-(10**90), 10**90), st.integers(0, 77))
def test_amounts_are_exact(amount: int, decimals: int) -> None:
    """The text is the same number, without exponent and without zeros that say nothing."""
    text = amounts.text(amount, decimals)
    assert Decimal(text).scaleb(decimals, EXACT) == amount
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))
    assert not text.endswith(".")


def test_a_token() -> None:
    """Every figure in its unit; the market cap is rounded down to the wei."""
    item = msgspec.to_builtins(shapes.token_item(token()))
    assert item == {
        "address": "0x" + ADDRESS.hex(), "name": "Token", "symbol": "TOK", "decimals": 18,
        "launchpad": "pad", "creator": "0x" + "00" * 20, "createdAt": 1000, "graduatedAt": None,
        "currentPrice": "0.125", "marketCap": "1.25", "supply": "10", "reserve": "1",
        "target": "4", "progressPercent": 25.0, "holderCount": 3, "tradeCount": 5,
        "volume24h": "0.5", "volume7d": "3", "volumeTotal": "1000000000000",
    }  # fmt: skip


def test_what_is_not_known_is_null() -> None:
    """No price, no market cap; no target, no progress; and one that has graduated is done."""
    item = shapes.token_item(token(price=None, target=0, created_at=None))
    assert (item.current_price, item.market_cap, item.target) == (None, None, None)
    assert (item.progress_percent, item.created_at) == (None, None)
    assert shapes.token_item(token(graduated_at=5, target=0)).progress_percent == 100.0


def test_the_chains_supply_counts() -> None:
    """A market cap is that of the supply that it is given."""
    assert shapes.token_item(token(), supply=WEI).market_cap == "0.125"
    assert shapes.token_item(token(), supply=0).market_cap == "0"


def test_a_trade_and_a_candle() -> None:
    """Amounts of a token with six decimals are in whole tokens."""
    trade = TokenTrade(
        3, bytes(32), ADDRESS, ADDRESS, TradeSide.SELL, WEI, 1_500_000, 2 * PRICE_UNIT
    )
    item = shapes.trade_item(CountedTrade(7, bytes(32), 5_999, trade), 6)
    assert (item.side, item.eth, item.tokens, item.price) == ("sell", "1", "1.5", "2")
    assert (item.time, item.block_number, item.log_index) == (5, 7, 3)
    candle = TokenCandle(60_000_000, PRICE_UNIT, PRICE_UNIT * 2, 1, PRICE_UNIT, 10, 1, 2, 1, 1)
    row = shapes.candle_row(candle, 6)
    assert row == (
        *(60_000, "1", "2", "0." + "0" * 35 + "1", "1"),
        *("0.00001", "0." + "0" * 17 + "1", 2, 1, "0." + "0" * 17 + "1"),
    )


@pytest.mark.parametrize(
    ("exponent", "least", "to"),
    [(-1, "0", "0.000000000000000001"), (17, "0.1", "1"), (18, "1", "10"), (20, "100", "1000")],
)
def test_sizes(exponent: int, least: str, to: str) -> None:
    """A class of sizes says from where to where it goes, in ETH."""
    item = msgspec.to_builtins(shapes.size_item(SizeClass(exponent, WEI, 2, 1, 5)))
    assert (item["from"], item["to"], item["volume"]) == (least, to, "1")


def test_percent() -> None:
    """Rounded down; of nothing there is no share."""
    assert amounts.percent(1, 3) == 33.33
    assert amounts.percent(1, 3, 4) == 33.3333
    assert amounts.percent(1, 0) is None


@given(st.integers(0, 10**17 - 1), st.integers(0, 2**40), st.integers(0, 2**20 - 1))
def test_cursors_of_trades(time: int, number: int, index: int) -> None:
    """A cursor is read as it was written."""
    text = cursors.trade_cursor(time, number, index)
    assert cursors.read_trade_cursor(text) == (time, number, index)


@given(st.integers(0, 10**78 - 1), st.binary(min_size=20, max_size=20))
def test_cursors_of_holders(balance: int, address: bytes) -> None:
    """A cursor is read as it was written."""
    text = cursors.holder_cursor(balance, address)
    assert cursors.read_holder_cursor(text) == (balance, address)


@pytest.mark.parametrize(
    "text", ["x", "1-2", "1-2-1048576", "-1-2-3", "1-2-3-4", "\u0661-2-3", "1" * 99]
)
def test_what_is_no_cursor(text: str) -> None:
    """Anything else is refused, whatever a database would have made of it."""
    with pytest.raises(BadRequestError):
        cursors.read_trade_cursor(text)
    with pytest.raises(BadRequestError):
        cursors.read_holder_cursor(text)


def test_versions_count_around() -> None:
    """After 2**32 they begin anew, and later is still newer."""
    assert is_newer(5, 4)
    assert not is_newer(4, 4)
    assert not is_newer(4, 5)
    assert is_newer(3, 2**32 - 2)
    assert not is_newer(2**32 - 2, 3)
