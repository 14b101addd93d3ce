"""The curves' formulas: nothing is earned by trading to and fro, and the reserve covers everything."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openoutcry.core.chain.curve import (
    TOKEN,
    ConstantProduct,
    Curve,
    CurveError,
    Linear,
    State,
    Terms,
    buy,
    check,
    graduated,
    market_cap,
    price,
    progress_percent,
    sell,
    units_for,
    worth,
)

ETHER = 10**18
LINEAR = Terms(Linear(base=10**9, slope=12_500), target=4 * ETHER)
PRODUCT = Terms(ConstantProduct(eth=30 * ETHER, tokens=1_073_000_000 * TOKEN), target=85 * ETHER)

TARGETS = st.one_of(st.integers(1, 1000), st.integers(1, 10**26))
FEES = st.one_of(st.just(0), st.integers(1, 1000))
CURVES: st.SearchStrategy[Curve] = st.one_of(
    st.builds(Linear, st.integers(0, 2 * 10**17), st.integers(0, 10**20)),
    st.builds(Linear, st.integers(0, 10**6), st.integers(0, 10**4)),
    st.builds(ConstantProduct, st.integers(1, 10**26), st.integers(1, 10**32)),
    st.builds(ConstantProduct, st.integers(1, 1000), st.integers(1, 10**6)),
)
PARTS = st.integers(1, 10**6)
"""A millionth part of whatever there is: amounts that fit any curve."""


@st.composite
def terms(draw: st.DrawFn, fees: st.SearchStrategy[int] = FEES) -> Terms:
    """Draw terms that the contract would take."""
    made = Terms(draw(CURVES), draw(TARGETS), draw(fees))
    try:
        check(made)
    except CurveError:
        assume(condition=False)
    return made


def traded(on: Terms, moves: list[tuple[bool, int]]) -> list[State]:
    """Return the states that trades lead through; each is of a part of what is left or there."""
    states = [State()]
    for buying, part in moves:
        now = states[-1]
        try:
            if buying:
                deal = buy(on, now, max(1, (on.target - now.reserve) * part // 10**6))
            else:
                deal = sell(on, now, now.supply * part // 10**6)
        except CurveError:
            continue
        states.append(deal.after)
    return states


MOVES = st.lists(st.tuples(st.booleans(), PARTS), max_size=20)


def area(curve: Linear, low: int, high: int) -> Fraction:
    """Return what units from `low` to `high` cost on paper, in wei, exactly."""
    base, slope = Fraction(curve.base), Fraction(curve.slope, 1000)
    s, d = Fraction(low, TOKEN), Fraction(high - low, TOKEN)
    return base * d + slope * d * (2 * s + d) / 2


@given(terms(), MOVES, PARTS)
def test_selling_again_what_was_just_bought_earns_nothing(
    on: Terms, moves: list[tuple[bool, int]], part: int
) -> None:
    """From wherever a curve stands: buy, sell all of it, and there is no wei more than before."""
    now = traded(on, moves)[-1]
    try:
        bought = buy(on, now, max(1, (on.target - now.reserve) * part // 10**6))
        sold = sell(on, bought.after, bought.tokens)
    except CurveError:
        return
    assert sold.eth <= bought.eth
    assert sold.after.supply == now.supply
    assert sold.after.reserve >= now.reserve


@given(terms(st.just(0)), MOVES, PARTS, st.integers(2, 5))
def test_cutting_a_trade_into_pieces_earns_nothing(
    on: Terms, moves: list[tuple[bool, int]], part: int, pieces: int
) -> None:
    """As many tokens as one sale pays for are never sold for more in several."""
    now = traded(on, [(True, part), *moves])[-1]
    if graduated(on, now):
        return
    piece = now.supply * part // 10**6 // pieces
    if not piece:
        return
    at_once = worth(on.curve, now, piece * pieces)
    one_by_one = 0
    state = now
    for _ in range(pieces):
        paid = worth(on.curve, state, piece)
        one_by_one += paid
        state = State(state.supply - piece, state.reserve - paid)
    assert one_by_one <= at_once


@given(terms(), MOVES)
def test_what_is_raised_covers_what_is_out(on: Terms, moves: list[tuple[bool, int]]) -> None:
    """At no moment could all holders together take out more than there is; it is never negative."""
    for state in traded(on, moves):
        assert 0 <= state.reserve <= on.target
        assert worth(on.curve, state, state.supply) <= state.reserve
        if isinstance(on.curve, Linear):
            assert area(on.curve, 0, state.supply) <= state.reserve
        else:
            x, y = on.curve.eth + state.reserve, on.curve.tokens - state.supply
            assert x * y >= on.curve.eth * on.curve.tokens
            assert y > 0


@given(terms(st.just(0)), MOVES)
def test_the_price_never_falls_by_buying_nor_rises_by_selling(
    on: Terms, moves: list[tuple[bool, int]]
) -> None:
    """Along any way the price goes where the supply goes."""
    states = traded(on, moves)
    for before, after in pairwise(states):
        change = price(on.curve, after) - price(on.curve, before)
        assert change >= 0 if after.supply > before.supply else change <= 0


@given(terms(st.just(0)), MOVES, st.integers(1, 10**26))
def test_one_buys_as_much_as_the_ether_pays_for_and_no_unit_less(
    on: Terms, moves: list[tuple[bool, int]], eth: int
) -> None:
    """On the linear curve: the area under what was bought is within the ether, one unit more is not."""
    now = traded(on, moves)[-1]
    if not isinstance(on.curve, Linear) or graduated(on, now):
        return
    eth = min(eth, on.target - now.reserve)
    units = units_for(on.curve, now, eth)
    assert area(on.curve, now.supply, now.supply + units) <= eth
    assert area(on.curve, now.supply, now.supply + units + 1) > eth


@given(terms(), MOVES)
def test_one_wei_buys_something_so_that_every_curve_can_graduate(
    on: Terms, moves: list[tuple[bool, int]]
) -> None:
    """Whatever is left to be raised, even if it is one wei, can be raised, to the wei."""
    now = traded(on, moves)[-1]
    if graduated(on, now):
        return
    assert units_for(on.curve, now, 1) >= 1
    last = buy(on, now, 10**30)
    assert graduated(on, last.after)
    assert progress_percent(on, last.after) == 100
    assert last.eth - last.fee == on.target - now.reserve


@given(terms(), MOVES, st.integers(1, 10**27))
def test_whoever_pays_more_than_is_left_pays_what_somebody_would_who_pays_that(
    on: Terms, moves: list[tuple[bool, int]], eth: int
) -> None:
    """What is taken is enough for the same purchase: no more is kept than it needs."""
    now = traded(on, moves)[-1]
    try:
        deal = buy(on, now, eth)
    except CurveError:
        return
    assert deal.eth <= eth
    assert buy(on, now, deal.eth) == deal


@given(terms(), MOVES)
def test_every_number_fits_the_contracts_256_bits(on: Terms, moves: list[tuple[bool, int]]) -> None:
    """Terms that pass the check never lead to an overflow, whatever is traded."""
    for state in traded(on, moves):
        left = on.target - state.reserve
        if isinstance(on.curve, Linear):
            now = on.curve.slope * state.supply + on.curve.base * 10**21
            assert now * now + on.curve.slope * 2 * 10**39 * left < 2**256
            assert left * 10**39 < 2**256
            assert state.supply * 2 * now < 2**256
        else:
            assert (on.curve.tokens - state.supply) * left < 2**256
            assert (on.curve.eth + state.reserve) * max(state.supply, TOKEN) < 2**256
        assert price(on.curve, state) * state.supply < 2**256


def test_figures_that_can_be_worked_out_by_hand() -> None:
    """One ether at a flat price, the first tokens of a line, half of a pool."""
    flat = Terms(Linear(base=ETHER // 100, slope=0), target=10 * ETHER)
    assert buy(flat, State(), ETHER).tokens == 100 * TOKEN
    # From nothing, rising by one wei a token: the first 2,000 tokens cost 2000**2 / 2 wei.
    line = Terms(Linear(base=0, slope=1000), target=ETHER)
    assert buy(line, State(), 2_000_000).tokens == 2000 * TOKEN
    assert price(line.curve, State(2000 * TOKEN, 2_000_000)) == 2000
    assert market_cap(line.curve, State(2000 * TOKEN, 2_000_000)) == 4_000_000
    pool = Terms(ConstantProduct(eth=ETHER, tokens=1000 * TOKEN), target=ETHER)
    bought = buy(pool, State(), 5 * ETHER)
    assert (bought.eth, bought.tokens) == (ETHER, 500 * TOKEN)
    assert graduated(pool, bought.after)


def test_fees_are_taken_from_what_is_paid_and_from_what_is_got() -> None:
    """One per cent of a round sum, both ways, and none of it enters the reserve."""
    on = Terms(Linear(base=ETHER // 100, slope=0), target=10 * ETHER, fee_bps=100)
    bought = buy(on, State(), ETHER)
    assert (bought.fee, bought.tokens) == (ETHER // 100, 99 * TOKEN)
    sold = sell(on, bought.after, bought.tokens)
    assert sold.eth == 99 * ETHER // 100 - 99 * ETHER // 10_000
    assert sold.after == State(0, 0, bought.fee + sold.fee)


@pytest.mark.parametrize("on", [LINEAR, PRODUCT], ids=["linear", "constant product"])
def test_what_is_refused_says_why(on: Terms) -> None:
    """Nothing for nothing, no more than there is, limits kept, and nothing after graduation."""
    check(on)
    some = buy(on, State(), ETHER)
    with pytest.raises(CurveError, match="too little ether"):
        buy(on, State(), 0)
    with pytest.raises(CurveError, match="fewer tokens"):
        buy(on, State(), ETHER, min_tokens=some.tokens + 1)
    with pytest.raises(CurveError, match="more than there is"):
        sell(on, some.after, some.tokens + 1)
    with pytest.raises(CurveError, match="too few tokens"):
        sell(on, some.after, 0)
    with pytest.raises(CurveError, match="less ether"):
        sell(on, some.after, some.tokens, min_eth=ETHER + 1)
    over = buy(on, some.after, 1000 * ETHER).after
    for trade in (buy, sell):
        with pytest.raises(CurveError, match="graduated"):
            trade(on, over, ETHER)


@pytest.mark.parametrize(
    ("on", "why"),
    [
        (Terms(Linear(1, 1), target=0), "target"),
        (Terms(Linear(1, 1), target=10**26 + 1), "target"),
        (Terms(Linear(1, 1), target=1, fee_bps=1001), "fee"),
        (Terms(Linear(0, 0), target=1), "zero"),
        (Terms(Linear(2 * 10**17 + 1, 0), target=1), "price too high"),
        (Terms(Linear(1, 10**30), target=10**20), "price too high"),
        (Terms(Linear(1, 10**20), target=10**20), "price too high"),
        (Terms(Linear(1, 0), target=10**26), "too many"),
        (Terms(Linear(0, 1), target=10**26), "too many"),
        (Terms(ConstantProduct(0, 1), target=1), "virtual ether"),
        (Terms(ConstantProduct(1, 10**32 + 1), target=1), "too many"),
        (Terms(ConstantProduct(10, 10), target=1), "price too high"),
    ],
)
def test_terms_that_no_contract_takes(on: Terms, why: str) -> None:
    """Each bound has its own message."""
    with pytest.raises(CurveError, match=why):
        check(on)
