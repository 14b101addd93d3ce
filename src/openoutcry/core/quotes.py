"""Quotes: a bid and an ask around the last price. They never reach the charts' data."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from openoutcry.core.scales import EXACT, plain
from openoutcry.model import Quote


class QuoteMessage(Struct, frozen=True, rename="camel"):
    """A quote as it goes out: decimal strings without exponents, the venue's time in milliseconds."""

    symbol: str
    original_price: str
    bid_price: str
    ask_price: str
    timestamp: int


def make_quote(symbol: str, price: Decimal, spread: Decimal, venue_time: int) -> Quote:
    """Return the quote around `price`: bid = price x (1 - spread), ask = price x (1 + spread).

    Exact: trailing zeros go, digits never. `venue_time` in µs.
    """
    margin = EXACT.multiply(price, spread)
    return Quote(
        symbol=symbol,
        price=plain(price),
        bid=plain(EXACT.subtract(price, margin)),
        ask=plain(EXACT.add(price, margin)),
        venue_time=venue_time,
    )


def to_message(quote: Quote) -> QuoteMessage:
    """Return a quote in the shape of the `market:<SYMBOL>` channel."""
    return QuoteMessage(
        symbol=quote.symbol,
        original_price=f"{quote.price:f}",
        bid_price=f"{quote.bid:f}",
        ask_price=f"{quote.ask:f}",
        timestamp=quote.venue_time // 1000,
    )
