"""Prices as they are shown: what to believe of an upstream's answer, and rows made of tickers. Pure.

An answer is refused as a whole when it is empty, or when a coin that is asked for is in it with numbers
that cannot be (a price of zero): the last good snapshot then goes on. Any other row that cannot be is
left out by itself: a venue lists dead markets with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Final, Literal

from msgspec import Struct

from openoutcry.core.coins import Coin
from openoutcry.core.scales import EXACT
from openoutcry.core.tickers import MOST_SYMBOLS, Ticker, is_sensible
from openoutcry.errors import ProtocolError

Source = Literal["stream", "rest", "none"]

_THREE: Final = Decimal("0.001")
_TENTH: Final = Decimal("0.1")
_UNITS: Final = ((Decimal(1), ""), (Decimal(10) ** 3, "K"), (Decimal(10) ** 6, "M"))


class Snapshot(Struct, frozen=True, eq=False):
    """Every ticker at one moment, shared by all readers; never changed.

    `time` is when it was true (s since 1970, our clock), `source` where it came from.
    """

    tickers: Mapping[str, Ticker]
    time: float
    source: Source


class PriceRow(Struct, frozen=True, rename="camel"):
    """A coin in the list of prices; exactly these five fields while the snapshot is fresh."""

    symbol: str
    name: str
    price: str
    price_change_percent: str
    volume: str


class StalePriceRow(PriceRow, frozen=True, rename="camel"):
    """The same while upstream is out: marked, with the snapshot's age in whole seconds."""

    stale: bool
    age: int


def believable(tickers: Sequence[Ticker], wanted: Iterable[str]) -> dict[str, Ticker]:
    """Return the rows of an upstream's answer that can be, by symbol.

    Raises ProtocolError when it is to be refused as a whole (see above).
    """
    good = {ticker.symbol: ticker for ticker in tickers[:MOST_SYMBOLS] if is_sensible(ticker)}
    listed = {ticker.symbol for ticker in tickers}
    if odd := sorted(symbol for symbol in wanted if symbol in listed and symbol not in good):
        raise ProtocolError(f"the venue's ticker of {', '.join(odd)} makes no sense")
    if not good:
        raise ProtocolError("no ticker in the venue's answer makes sense")
    return good


def change(ticker: Ticker) -> Decimal:
    """Return what the price has gained in 24 hours, exact."""
    return EXACT.subtract(Decimal(ticker.price), Decimal(ticker.open))


def change_percent(ticker: Ticker) -> Decimal:
    """Return the change in percent of the opening price, rounded to three places as Binance does."""
    percent = change(ticker) * 100 / Decimal(ticker.open)
    return percent.quantize(_THREE, ROUND_HALF_EVEN) + 0  # no negative zero


def plain_text(number: Decimal) -> str:
    """Return a number without exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown_text(number: Decimal) -> str:
    """Return a number with the digits it has, at least two behind the point: 68234.50, 0.12345."""
    whole, _, fraction = plain_text(number).partition(".")
    return f"{whole}.{fraction:0<2}"


def compact_text(amount: Decimal) -> str:
    """Return an amount as people read it: 1234.5M, 12.3K, 950.0; one decimal, never more than M."""
    for unit, letter in _UNITS:
        shown = (amount / unit).quantize(_TENTH, ROUND_HALF_UP)
        if shown < 1000:
            return f"{shown:f}{letter}"
    return f"{shown:f}M"


def price_row(coin: Coin, ticker: Ticker) -> PriceRow:
    """Return a coin's row; `volume` is the turnover in the quote asset."""
    return PriceRow(
        symbol=coin.symbol,
        name=coin.name,
        price=shown_text(Decimal(ticker.price)),
        price_change_percent=shown_text(change_percent(ticker)),
        volume=compact_text(Decimal(ticker.quote_volume)),
    )


def price_rows(coins: Iterable[Coin], snapshot: Snapshot, stale_age: int | None) -> list[PriceRow]:
    """Return the rows of the coins that upstream lists, in order; marked if `stale_age` is given."""
    rows = [
        price_row(coin, ticker)
        for coin in coins
        if (ticker := snapshot.tickers.get(coin.symbol)) is not None
    ]
    if stale_age is None:
        return rows
    return [
        StalePriceRow(
            row.symbol,
            row.name,
            row.price,
            row.price_change_percent,
            row.volume,
            stale=True,
            age=stale_age,
        )
        for row in rows
    ]
