"""Frames and market data as bytes."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.frames import MARK, SCALE, TRADE, Frame, FrameKind, empty
from openoutcry.model import Candle
from openoutcry.web.hub import wire

D = Decimal


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_text_frames(size: int, header: bytes) -> None:
    """A frame is its header in the shortest form, then the payload, unmasked."""
    assert wire.text_frame(b"x" * size) == header + b"x" * size


def test_timestamps() -> None:
    """Timestamps are UTC with three decimals."""
    assert wire.timestamp(1_767_225_600_000_000) == "2026-01-01T00:00:00.000Z"
    assert wire.timestamp(1_767_225_600_987_654) == "2026-01-01T00:00:00.987Z"


def test_candle() -> None:
    """A candle is the documented message: seconds, plain decimal strings, two flags."""
    row = Candle(
        1723161240_000_000, D("61837.6300"), D("61840.00"), D("61830.1"), D("61837.64"),
        D("1.20311"), D("74397.1"), 57, D("1E-8"), D("0E-10"),
    )  # fmt: skip
    live = wire.LiveCandle(row, closed=True, complete=False)
    assert wire.candle_data("BTCUSDT", "1m", live) == (
        b'{"symbol":"BTCUSDT","interval":"1m","time":1723161240,"open":"61837.63","high":"61840",'
        b'"low":"61830.1","close":"61837.64","volume":"1.20311","quoteVolume":"74397.1",'
        b'"trades":57,"takerBuyVolume":"0.00000001","takerBuyQuoteVolume":"0",'
        b'"closed":true,"complete":false}'
    )


def test_trades_of_a_frame() -> None:
    """A frame's trades become JSON with the frame's own scales, sides and milliseconds."""
    scales = np.array([(7, 2, 5)], SCALE)
    trades = np.array(
        [(1723161255342_999, 0, 3735683259, 6183763, 2000, 7, -1), (1, 0, 4, 100, 1, 7, 1)], TRADE
    )
    frame = Frame(FrameKind.TRADES, 0, scales, empty(MARK), trades)
    first, second = wire.tape_trades(frame)
    assert first == wire.TapeTrade(
        3735683259,
        b'{"id":3735683259,"price":"61837.63","size":"0.02","side":"sell","time":1723161255342}',
    )
    assert json.loads(second.text) == {
        "id": 4,
        "price": "1",
        "size": "0.00001",
        "side": "buy",
        "time": 0,
    }
    assert wire.trades_data("X", [first.text, second.text], 3).endswith(b'],"skipped":3}')


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 18))
def test_scaled_numbers_are_exact(value: int, scale: int) -> None:
    """A scaled integer's text is the same number as the decimal, and as short as can be."""
    text = wire.scaled_text(value, scale)
    assert Decimal(text) == Decimal(value).scaleb(-scale)
    assert "E" not in text
    assert text == wire.decimal_text(Decimal(value).scaleb(-scale)) or value == 0
