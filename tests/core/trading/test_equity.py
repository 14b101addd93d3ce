"""What an account is worth, and when nobody can say."""

from __future__ import annotations

from decimal import Decimal

from openoutcry.core.trading.equity import EquityPoint, sample, worth
from openoutcry.trading import Account, Balance, Market

STEP = Decimal("0.01")
MARKETS = {
    "BTCUSDT": Market("BTCUSDT", "BTC", "USDT", STEP, STEP),
    "ETHBTC": Market("ETHBTC", "ETH", "BTC", STEP, STEP),
}
BALANCES = {
    "USDT": Balance(Decimal(100), Decimal(20)),
    "BTC": Balance(Decimal("0.5")),
    "ETH": Balance(Decimal(3)),
}
ACCOUNT = Account(1, 1, BALANCES, {}, {})


def test_what_has_no_market_is_named_and_not_counted() -> None:
    """Free and locked count at the last price; there is no market of ETH for USDT."""
    found = worth(ACCOUNT, MARKETS, {"BTCUSDT": Decimal(60_000)}, "USDT")
    assert (found.equity, found.unpriced) == (Decimal(30_120), ("ETH",))


def test_no_sample_while_a_price_is_missing() -> None:
    """Before the first trade of BTC that is heard, an account has not lost what its BTC are worth."""
    assert sample(ACCOUNT, MARKETS, {}, "USDT", 7) == []
    priced = sample(ACCOUNT, MARKETS, {"BTCUSDT": Decimal(60_000)}, "USDT", 7)
    zero = Decimal(0)
    assert priced == [EquityPoint(None, 7, Decimal(30_120), zero, zero, zero)]
