"""The circuit breaker: values in, values out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.breaker import (
    CLOSED,
    Breaker,
    BreakerRules,
    State,
    admit,
    failed,
    succeeded,
    would_admit,
)

RULES = BreakerRules(failures=3, pause=10.0)


def after(failures: int, now: float = 0.0) -> Breaker:
    """Return a breaker after so many failures in a row at `now`."""
    breaker = CLOSED
    for _ in range(failures):
        breaker = failed(breaker, RULES, now)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """Two failures leave it closed, the third opens it; a success in between starts over."""
    assert after(2).state is State.CLOSED
    assert after(3) == Breaker(State.OPEN, 3, 10.0)
    assert failed(succeeded(after(2)), RULES, 0.0).state is State.CLOSED


def test_open_lets_nothing_through_until_its_pause_is_over() -> None:
    """Then exactly one probe goes out; others wait for it."""
    breaker = after(3)
    assert admit(breaker, RULES, 9.99) == (breaker, False)
    half, let = admit(breaker, RULES, 10.0)
    assert (half.state, let) == (State.HALF_OPEN, True)
    assert admit(half, RULES, 10.0) == (half, False)


def test_a_probe_decides() -> None:
    """Its success closes the breaker; its failure opens it for another pause."""
    half, _ = admit(after(3), RULES, 10.0)
    assert succeeded(half) == CLOSED
    assert failed(half, RULES, 12.0) == Breaker(State.OPEN, 4, 22.0)


def test_a_lost_probe_is_given_up() -> None:
    """A probe whose process died does not keep the breaker half-open for good."""
    half, _ = admit(after(3), RULES, 10.0)
    again, let = admit(half, RULES, 20.0)
    assert let
    assert again.until == 30.0


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 5))),
    st.integers(1, 5),
    st.floats(0.5, 20),
)
def test_it_never_lets_more_through_than_its_rules(
    events: list[tuple[bool, float]], limit: int, pause: float
) -> None:
    """While everything fails, after `failures` attempts at most one goes out in each pause."""
    rules = BreakerRules(limit, pause)
    breaker, now = CLOSED, 0.0
    in_a_row, last = 0, float("-inf")
    for good, step in events:
        now += step
        expected = would_admit(breaker, now)
        breaker, let = admit(breaker, rules, now)
        assert let is expected
        if not let:
            assert breaker.state is not State.CLOSED
            continue
        if in_a_row >= limit:
            assert now - last >= pause - 1e-6
        last = now
        if good:
            breaker, in_a_row = succeeded(breaker), 0
        else:
            breaker, in_a_row = failed(breaker, rules, now), in_a_row + 1
        assert (breaker.state is State.CLOSED) == (in_a_row < limit)
