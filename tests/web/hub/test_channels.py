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
        ("tokens:top", Channel("tokens:top")),
        (f"token:0x{'ab' * 20}", Channel("token", f"0x{'ab' * 20}")),
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
        ("tokens", "unknown_channel"),
        ("token", "unknown_channel"),
        ("token:", "unknown_token"),
        (f"token:0x{'AB' * 20}", "unknown_token"),
        (f"token:0x{'ab' * 21}", "unknown_token"),
    ],
)
def test_no_channels(text: str, code: str) -> None:
    """A name that is no channel gets the code of what is wrong, and the choices."""
    found = parse_channel(text, SYMBOLS)
    assert isinstance(found, NoChannel)
    assert found.code == code
    choices = {
        "unknown_channel": "price:<SYMBOL>",
        "unknown_symbol": "BTCUSDT",
        "unknown_token": "40 hexadecimal digits in lower case",
        "unknown_interval": "4h",
    }
    assert choices[code] in found.message


def test_policies() -> None:
    """Prices and candles conflate to the latest, trades to the newest; nothing private is left out."""
    assert {name: kind.policy for name, kind in KINDS.items()} == {
        "price": Policy.LATEST,
        "candle": Policy.LATEST,
        "trade": Policy.NEWEST,
        "tickers": Policy.LATEST,
        "stats:trades": Policy.LATEST,
        "token": Policy.NEWEST,
        "tokens:top": Policy.LATEST,
        "user": Policy.EVERY,
    }
    assert [kind.name for kind in KINDS.values() if kind.private] == ["user"]
