"""Channel names."""

from __future__ import annotations

import pytest

from openoutcry.web.hub.channels import KINDS, Channel, NoChannel, Policy, parse_channel

SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("price:BTCUSDT", Channel("price", "BTCUSDT")),
        ("trade:ETHUSDT", Channel("trade", "ETHUSDT")),
        ("tickers", Channel("tickers")),
        ("candle:BTCUSDT:1M", Channel("candle", "BTCUSDT", "1M")),
    ],
)
def test_names(text: str, channel: Channel) -> None:
    """A channel's name is read and written the same way."""
    assert parse_channel(text, SYMBOLS) == channel
    assert channel.name == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unknown_channel"),
        ("price", "unknown_channel"),
        ("price:BTCUSDT:1m", "unknown_channel"),
        ("candle:BTCUSDT", "unknown_channel"),
        ("user:7", "unknown_channel"),
        ("tickers:BTCUSDT", "unknown_channel"),
        ("user:1", "unknown_channel"),
        ("stats", "unknown_channel"),
        ("stats:trades:1d", "unknown_channel"),
        ("price:", "unknown_symbol"),
        ("price:btcusdt", "unknown_symbol"),
        ("candle:DOGEUSDT:1m", "unknown_symbol"),
        ("candle:BTCUSDT:", "unknown_interval"),
        ("candle:BTCUSDT:1H", "unknown_interval"),
    ],
)
def test_no_channels(text: str, code: str) -> None:
    """A name that is no channel gets the code of what is wrong, and the choices."""
    found = parse_channel(text, SYMBOLS)
    assert isinstance(found, NoChannel)
    assert found.code == code
    assert {"unknown_channel": "price:<SYMBOL>", "unknown_symbol": "BTCUSDT"}.get(
        code, "4h"
    ) in found.message


def test_policies() -> None:
    """Prices and candles conflate to the latest, trades to the newest; nothing private is left out."""
    assert {name: kind.policy for name, kind in KINDS.items()} == {
        "price": Policy.LATEST,
        "candle": Policy.LATEST,
        "trade": Policy.NEWEST,
        "tickers": Policy.LATEST,
        "stats:trades": Policy.LATEST,
        "user": Policy.EVERY,
    }
    assert [kind.name for kind in KINDS.values() if kind.private] == ["user"]
