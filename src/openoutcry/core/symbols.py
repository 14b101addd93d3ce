"""What a symbol's name tells: its base and its quote."""

from __future__ import annotations

from typing import Final

QUOTES: Final = (
    *("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "DAI", "USD", "EUR", "GBP", "TRY", "BRL"),
    *("BTC", "ETH", "BNB"),
)
"""Quote assets that a symbol's name may end in, longest first where one ends in another."""


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return base and quote of a symbol; an unknown quote is taken to be the last three letters."""
    for quote in QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    return symbol[:-3], symbol[-3:]
