"""The venue's own candles on their way through a frame."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from openoutcry.core.intervals import MINUTE
from openoutcry.core.klines import KLINE_BASES, Klines, decode_klines, encode_klines
from openoutcry.errors import FrameError
from openoutcry.model import Candle

CANDLE = Candle(
    bucket=60_000_000,
    open=Decimal("0.00000001"),
    high=Decimal("12345678901234567890.12345678"),
    low=Decimal("0.00000001"),
    close=Decimal("1.10"),
    volume=Decimal("1E-18"),
    quote_volume=Decimal("99999999999999999999999999999.999"),
    trades=2**40,
    taker_buy_volume=Decimal(0),
    taker_buy_quote_volume=Decimal("0E-16"),
)


def klines(base: str = "1m") -> Klines:
    """Return klines of one candle."""
    return Klines(instrument=3, base=base, start=MINUTE, end=2 * MINUTE, candles=[CANDLE])


def test_klines_survive_the_trip() -> None:
    """Decimals of any size come back as they went, digit for digit."""
    found = decode_klines(encode_klines([klines()]))
    assert found == [klines()]
    assert str(found[0].candles[0].quote_volume) == "99999999999999999999999999999.999"
    assert found[0].base_seconds == 60


@pytest.mark.parametrize("base", ["30s", "3m", "1M", "", "1 m"])
def test_klines_of_other_intervals_are_refused(base: str) -> None:
    """Only intervals that we store and venues publish can be sealed."""
    with pytest.raises(FrameError, match="stored are"):
        decode_klines(encode_klines([klines(base)]))
    assert base not in KLINE_BASES


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93", msgspec.msgpack.encode([{"base": "1m"}])])
def test_noise_is_a_frame_error(body: bytes) -> None:
    """A body that is no list of klines never raises anything else."""
    with pytest.raises(FrameError):
        decode_klines(body)
