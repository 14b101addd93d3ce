"""The list of all markets: rows made of tickers, and pictures of a day."""

from __future__ import annotations

import msgspec

from openoutcry.core.markets import MarketRows, figures_of, row_of, sparkline_of
from openoutcry.core.tickers import Ticker

BTC = Ticker("BTCUSDT", "99.50", "100", "101.000", "98", "12.50", "1250.0", 1)
ETH = Ticker("ETHBTC", "0.05", "0.04", "0.06", "0.03", "1", "2", 1)


def test_figures_are_exact_text() -> None:
    """Camel case, decimal strings, the change against the open."""
    assert msgspec.to_builtins(figures_of(BTC)) == {
        "symbol": "BTCUSDT", "price": "99.50", "change": "-0.50", "changePercent": "-0.500",
        "high": "101.00", "low": "98.00", "volume": "12.5", "quoteVolume": "1250",
    }  # fmt: skip
    row = msgspec.to_builtins(row_of(ETH, carried=False))
    assert (row["base"], row["quote"], row["carried"], row["sparkline"]) == (
        "ETH",
        "BTC",
        False,
        None,
    )


def test_only_changed_rows_are_made_anew() -> None:
    """The same ticker, line and mark give the same row object; a change of any gives a new one."""
    rows, line = MarketRows(), [1.0, 2.0]
    first = rows.of([BTC, ETH], {"BTCUSDT"}, {"BTCUSDT": line})
    again = rows.of([BTC, ETH], {"BTCUSDT"}, {"BTCUSDT": line})
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True]
    dearer = msgspec.structs.replace(BTC, price="100")
    changed = rows.of([dearer, ETH], {"BTCUSDT", "ETHBTC"}, {"BTCUSDT": line})
    assert (changed[0].price, changed[1].carried) == ("100.00", True)
    assert rows.of([ETH], set(), {}) == [row_of(ETH, carried=False)]


def test_a_sparkline_fills_its_holes() -> None:
    """A quiet hour keeps the close before; hours before the first take its; one point is no line."""
    assert sparkline_of({8: 1.0, 10: 3.0}, 10, hours=5) == [1.0, 1.0, 1.0, 1.0, 3.0]
    assert sparkline_of({6: 5.0, 7: 1.0, 9: 2.0}, 10, hours=4) == [1.0, 1.0, 2.0, 2.0]
    assert sparkline_of({10: 1.0, 2: 7.0}, 10, hours=4) is None
