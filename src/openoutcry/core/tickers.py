"""Tickers and best prices as they travel between our processes. Pure.

Numbers stay the venue's own decimal text, digit for digit: thousands of symbols change every second,
and only the few that somebody asks for are worth a `Decimal`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

_POSITIVE: Final = r"(?=[0-9.]*[1-9])[0-9]{1,30}(?:\.[0-9]{1,30})?"
_NUMBER: Final = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_SENSIBLE: Final = re.compile(
    rf"[^\s\"\\\x00-\x1f]{{1,40}} (?:{_POSITIVE} ){{4}}{_NUMBER} {_NUMBER}"
).fullmatch

MOST_SYMBOLS: Final = 20_000
"""Symbols that are kept of one venue; the largest has about 4,000."""


class Ticker(Struct, frozen=True, gc=False, rename="camel"):
    """A symbol's last 24 hours: the message element of `tickers` and `{tickers}:snapshot`.

    `price` is the last one, `open` that of 24 hours ago; `volume` is in base units, `quote_volume`
    in quote units. Decimal text as the venue wrote it. `time` is the venue's, in µs.
    """

    symbol: str
    price: str
    open: str
    high: str
    low: str
    volume: str
    quote_volume: str
    time: int


class BookTop(Struct, frozen=True, gc=False, rename="camel"):
    """A symbol's real best bid and ask: the message of `book:<SYMBOL>`.

    Decimal text as the venue wrote it; `update` is the venue's and grows, `time` is when we
    received it, in µs.
    """

    symbol: str
    update: int
    bid: str
    bid_size: str
    ask: str
    ask_size: str
    time: int


def is_sensible(ticker: Ticker) -> bool:
    """Return whether its numbers can be: plain decimals, prices above zero, volumes not below."""
    text = (
        f"{ticker.symbol} {ticker.price} {ticker.open} {ticker.high} {ticker.low}"
        f" {ticker.volume} {ticker.quote_volume}"
    )
    return _SENSIBLE(text) is not None and ticker.time >= 0


def merged(whole: Mapping[str, Ticker], changed: Iterable[Ticker]) -> dict[str, Ticker]:
    """Return the tickers of `whole` with those that changed; past MOST_SYMBOLS none is added."""
    result = dict(whole)
    for ticker in changed:
        if ticker.symbol in result or len(result) < MOST_SYMBOLS:
            result[ticker.symbol] = ticker
    return result
