"""Positions, prices and windows: small rules that everything else stands on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.tokens.order import (
    LOGS,
    block_of,
    index_of,
    market_cap,
    position,
    progress,
    trade_price,
)
from openoutcry.core.tokens.windows import slip
from openoutcry.tokens import PRICE_UNIT, WEI

numbers = st.integers(0, 2**40)
indexes = st.integers(0, LOGS - 1)


@given(numbers, indexes, numbers, indexes)
def test_positions_are_in_the_order_of_the_chain(a: int, i: int, b: int, j: int) -> None:
    """By block, then by log index; both can be told from it, and it fits 64 bits."""
    assert (position(a, i) < position(b, j)) == ((a, i) < (b, j))
    assert (block_of(position(a, i)), index_of(position(a, i))) == (a, i)
    assert position(a, i) < 2**63


def test_a_log_index_has_a_bound() -> None:
    """What does not fit is an error, not another block's position."""
    for index in (-1, LOGS):
        with pytest.raises(OverflowError):
            position(1, index)


def test_a_price_is_that_of_a_whole_token() -> None:
    """Three ether for two tokens are 1.5 each, whatever a token's decimals; none have no price."""
    assert trade_price(3 * WEI, 2 * 10**18) == 3 * PRICE_UNIT // 2
    assert trade_price(3 * WEI, 2 * 10**6, 6) == 3 * PRICE_UNIT // 2
    assert trade_price(5, 0) == 0
    assert market_cap(3 * PRICE_UNIT // 2, 10 * 10**6, 6) == 15 * WEI


def test_progress_ends_at_its_target() -> None:
    """A part in hundredths of a percent; never more than all, and none without a target."""
    assert [progress(r, 400) for r in (0, 1, 399, 400, 900)] == [0, 25, 9975, 10_000, 10_000]
    assert progress(5, 0) == 0


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9))), *[st.integers(0, 60)] * 3)
def test_a_stored_sum_and_its_slip_are_the_window(
    trades: list[tuple[int, int]], through: int, now: int, length: int
) -> None:
    """Wherever the sum had been moved to, before or after, what it is off by makes it exact."""
    off = slip(through, now, length)
    stored = sum(eth for time, eth in trades if time > through)
    more = sum(eth for time, eth in trades if off.after < time <= off.until)
    assert stored + off.sign * more == sum(eth for time, eth in trades if time > now - length)
