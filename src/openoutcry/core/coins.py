"""The coins whose prices are listed, as the settings name them. Pure, and without numpy: settings are.

Every command reads the settings, and numpy would be half of what the shortest of them import.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Coin(Struct, frozen=True):
    """A coin that is shown: its symbol and what people call it."""

    symbol: str
    name: str


def parse_coins(texts: Iterable[str]) -> tuple[Coin, ...]:
    """Return the coins written as `BTCUSDT=Bitcoin`; without a name the symbol is the name.

    Raises ValueError that names what is no coin, or is there twice.
    """
    coins: dict[str, Coin] = {}
    for text in texts:
        symbol, _, name = (part.strip() for part in text.partition("="))
        symbol = symbol.upper()
        if not (symbol.isascii() and symbol.isalnum()):
            raise ValueError(f"{text!r} is no coin, write BTCUSDT=Bitcoin")
        if symbol in coins:
            raise ValueError(f"{symbol} is listed twice")
        coins[symbol] = Coin(symbol, name or symbol)
    return tuple(coins.values())
