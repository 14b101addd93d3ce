"""What a bonding curve sells and buys tokens for: the formulas of contracts/curve_token.vy.

Everything is an integer: ether in wei, tokens in units of 10**-18. Every division rounds in the
curve's favour, so what a curve has raised always covers the tokens that are out, and buying and
selling again never earns anything.

**Linear.** The price rises evenly: p(s) = base + slope·s, with s in whole tokens. Tokens from s to
s + d cost the area under it, base·d + slope·d·(2s + d)/2. With units instead of tokens and the slope
in thousandths of a wei, all of it is whole once it is multiplied by `HALF` = 2·10**39:

    HALF·cost = 2·n·d + slope·d²        n = slope·s + base·10**21, the price now, finely

Selling d units down to s pays ⌊cost⌋. Ether e buys the greatest d with HALF·e ≥ 2·n·d + slope·d²: times
slope and completed to a square, (slope·d + n)² ≤ n² + slope·HALF·e, so with the whole root

    d = ⌊(isqrt(n² + slope·HALF·e) - n) / slope⌋        exactly, no search needed

**Constant product.** A pool that pretends to have begun with some ether and tokens, x·y = k: e wei
buy ⌊y·e/(x + e)⌋ units, d units pay ⌊x·d/(y + d)⌋. Rounding only ever makes k grow, and from
k ≥ x₀·y₀ follows that what is raised, x - x₀, is never negative.
"""

from __future__ import annotations

from math import isqrt
from typing import Final

from msgspec import Struct

TOKEN: Final = 10**18
"""Units of one token of the sample launchpad."""

SLOPE_UNIT: Final = 1000
"""Slopes are in this part of a wei."""

BASIS: Final = 10_000
"""Fees are in this part of what is paid."""

FINE: Final = TOKEN * SLOPE_UNIT
HALF: Final = 2 * TOKEN * FINE


class Linear(Struct, frozen=True, tag=True):
    """A price that rises evenly.

    It is `base` at first, in wei for a whole token, and rises by `slope` thousandths of a wei with
    every whole token.
    """

    base: int
    slope: int


class ConstantProduct(Struct, frozen=True, tag=True):
    """A pool that pretends to have begun with `eth` (wei) and `tokens` (units)."""

    eth: int
    tokens: int


Curve = Linear | ConstantProduct


class State(Struct, frozen=True):
    """Where a curve stands: units in circulation, wei raised, wei of fees ever taken."""

    supply: int = 0
    reserve: int = 0
    fees: int = 0


class Terms(Struct, frozen=True):
    """What holds for a token for good: its curve, the wei it is to raise, its fee in 1/10000."""

    curve: Curve
    target: int
    fee_bps: int = 0


class Deal(Struct, frozen=True):
    """What a trade comes to: wei paid or got by the trader, units, the fee in it, the state after."""

    eth: int
    tokens: int
    fee: int
    after: State


class CurveError(ValueError):
    """The curve does not make this trade; the message says why, in the contract's words."""


def price(curve: Curve, state: State) -> int:
    """Return what the next bit costs, in wei for a whole token, rounded down, without fee."""
    if isinstance(curve, Linear):
        return curve.base + curve.slope * state.supply // FINE
    return (curve.eth + state.reserve) * TOKEN // (curve.tokens - state.supply)


def market_cap(curve: Curve, state: State) -> int:
    """Return price times circulating supply, in wei, rounded down."""
    return price(curve, state) * state.supply // TOKEN


def progress_percent(terms: Terms, state: State) -> int:
    """Return how much of the target is raised, in whole percent; 100 is graduated."""
    return state.reserve * 100 // terms.target


def graduated(terms: Terms, state: State) -> bool:
    """Return whether the target is raised, so that the curve is closed."""
    return state.reserve == terms.target


def units_for(curve: Curve, state: State, eth: int) -> int:
    """Return the most units whose cost, rounded up, is no more than so many wei; without fee."""
    if isinstance(curve, Linear):
        now = curve.slope * state.supply + curve.base * FINE
        if curve.slope == 0:
            return eth * (HALF // 2) // now
        return (isqrt(now * now + curve.slope * HALF * eth) - now) // curve.slope
    return (curve.tokens - state.supply) * eth // (curve.eth + state.reserve + eth)


def worth(curve: Curve, state: State, units: int) -> int:
    """Return what the curve pays for units in circulation, in wei, rounded down; without fee."""
    left = state.supply - units
    if isinstance(curve, Linear):
        return units * (2 * curve.base * FINE + curve.slope * (left + state.supply)) // HALF
    return (curve.eth + state.reserve) * units // (curve.tokens - left)


def buy(terms: Terms, state: State, eth: int, min_tokens: int = 0) -> Deal:
    """Return what sending so many wei comes to; what is above the target is not taken.

    Raises CurveError.
    """
    if graduated(terms, state):
        raise CurveError("graduated")
    fee, left = _fee(terms, eth), terms.target - state.reserve
    if eth - fee > left:
        fee = _up(left * terms.fee_bps, BASIS - terms.fee_bps)
        eth = left + fee
    units = units_for(terms.curve, state, eth - fee)
    if units == 0:
        raise CurveError("too little ether")
    if units < min_tokens:
        raise CurveError("fewer tokens than asked for")
    after = State(state.supply + units, state.reserve + eth - fee, state.fees + fee)
    return Deal(eth, units, fee, after)


def sell(terms: Terms, state: State, units: int, min_eth: int = 0) -> Deal:
    """Return what selling so many units, no more than circulate, comes to. Raises CurveError."""
    if graduated(terms, state):
        raise CurveError("graduated")
    if units > state.supply:
        raise CurveError("more than there is")
    value = worth(terms.curve, state, units)
    fee = _fee(terms, value)
    if value == fee:
        raise CurveError("too few tokens")
    if value - fee < min_eth:
        raise CurveError("less ether than asked for")
    after = State(state.supply - units, state.reserve - value, state.fees + fee)
    return Deal(value - fee, units, fee, after)


def check(terms: Terms) -> None:
    """Return if the contract would take these terms. Raises CurveError with its message."""
    _require(0 < terms.target <= _MAX_TARGET, "target out of range")
    _require(0 <= terms.fee_bps <= _MAX_FEE_BPS, "fee too high")
    if isinstance(terms.curve, Linear):
        _check_linear(terms.curve, terms.target)
    else:
        _check_constant_product(terms.curve, terms.target)


_MAX_FEE_BPS: Final = 1000
_MAX_TARGET: Final = 10**26
_MAX_TOKENS: Final = 10**32
_MAX_PRICE: Final = 2 * 10**17
_MAX_UINT256: Final = 2**256 - 1


def _check_linear(curve: Linear, target: int) -> None:
    _require(curve.base > 0 or curve.slope > 0, "the price is zero")
    _require(curve.base <= _MAX_PRICE, "price too high")
    if curve.slope == 0:
        _require(target * TOKEN // curve.base <= _MAX_TOKENS, "too many tokens")
        return
    _require(curve.slope <= _MAX_UINT256 // 2 // HALF // target, "price too high")
    start = curve.base * FINE
    end = isqrt(start * start + curve.slope * HALF * target)
    _require(end <= _MAX_PRICE * FINE, "price too high")
    _require((end - start) // curve.slope <= _MAX_TOKENS, "too many tokens")


def _check_constant_product(curve: ConstantProduct, target: int) -> None:
    _require(0 < curve.eth <= _MAX_TARGET, "virtual ether out of range")
    _require(curve.tokens <= _MAX_TOKENS, "too many tokens")
    _require(curve.eth * curve.tokens >= (curve.eth + target) ** 2, "price too high")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CurveError(otherwise)


def _fee(terms: Terms, eth: int) -> int:
    return _up(eth * terms.fee_bps, BASIS)


def _up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
