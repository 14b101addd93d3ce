"""All markets in one list: tickers in the numbers that people read, changed ones made anew. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from openoutcry.core.prices import Source, change, change_percent, plain_text, shown_text
from openoutcry.core.symbols import split_symbol
from openoutcry.core.tickers import Ticker


class MarketFigures(Struct, frozen=True, rename="camel"):
    """One market's 24 hours as exact decimal strings: the element of a `tickers_update`."""

    symbol: str
    price: str
    change: str
    change_percent: str
    high: str
    low: str
    volume: str
    quote_volume: str


class MarketRow(MarketFigures, frozen=True, rename="camel"):
    """The same with what does not change by the second: the element of the list.

    `carried` says that it is recorded here, `sparkline` are its 24 hourly closes, oldest first.
    """

    base: str
    quote: str
    carried: bool
    sparkline: list[float] | None = None


class MarketList(Struct, frozen=True):
    """All markets, where their prices come from, and how old these are (s)."""

    source: Source
    age: float | None
    stale: bool
    markets: list[MarketRow]


def figures_of(ticker: Ticker) -> MarketFigures:
    """Return what people read of a ticker."""
    return MarketFigures(*_texts(ticker))


def row_of(ticker: Ticker, *, carried: bool, sparkline: list[float] | None = None) -> MarketRow:
    """Return a market's row."""
    base, quote = split_symbol(ticker.symbol)
    return MarketRow(*_texts(ticker), base=base, quote=quote, carried=carried, sparkline=sparkline)


def _texts(ticker: Ticker) -> tuple[str, str, str, str, str, str, str, str]:
    return (
        ticker.symbol,
        shown_text(Decimal(ticker.price)),
        shown_text(change(ticker)),
        f"{change_percent(ticker):f}",
        shown_text(Decimal(ticker.high)),
        shown_text(Decimal(ticker.low)),
        plain_text(Decimal(ticker.volume)),
        plain_text(Decimal(ticker.quote_volume)),
    )


class MarketRows:
    """The rows of a list that is asked for again and again: a row is made when its ticker changes."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Ticker, list[float] | None, MarketRow]] = {}

    def of(
        self,
        tickers: Iterable[Ticker],
        carried: Collection[str],
        sparklines: Mapping[str, list[float]],
    ) -> list[MarketRow]:
        """Return the rows of `tickers`, in their order."""
        made: dict[str, tuple[Ticker, list[float] | None, MarketRow]] = {}
        for ticker in tickers:
            line = sparklines.get(ticker.symbol)
            known = self._made.get(ticker.symbol)
            here = ticker.symbol in carried
            if known and known[0] is ticker and known[1] is line and known[2].carried == here:
                made[ticker.symbol] = known
            else:
                row = row_of(ticker, carried=here, sparkline=line)
                made[ticker.symbol] = (ticker, line, row)
        self._made = made
        return [row for _, _, row in made.values()]


def sparkline_of(closes: Mapping[int, float], newest: int, hours: int = 24) -> list[float] | None:
    """Return `hours` hourly closes up to the hour `newest`, holes filled with the close before.

    `closes` maps hours (whole numbers) to closes. Hours before the first known one get that one's;
    None if fewer than two are known.
    """
    window = range(newest - hours + 1, newest + 1)
    known = [closes[hour] for hour in window if hour in closes]
    if len(known) < 2:
        return None
    line, last = [], known[0]
    for hour in window:
        last = closes.get(hour, last)
        line.append(last)
    return line
