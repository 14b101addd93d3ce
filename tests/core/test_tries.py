"""How often something may be tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.tries import give_back, step_of, take

COUNTS = st.integers(1, 20)
STEPS = st.integers(1, 100_000)


@given(COUNTS, STEPS, st.lists(st.integers(0, 50_000), min_size=1, max_size=60))
def test_never_more_than_allowed(tries: int, step: int, pauses: list[int]) -> None:
    """Whenever they come: so many at once, plus one for every step that has passed."""
    due, now, taken = 0, 1_000_000, 0
    began = now
    for pause in pauses:
        now += pause
        due, wait = take(due, now, tries, step)
        taken += not wait
        assert taken <= tries + (now - began) // step


@given(COUNTS, STEPS)
def test_all_at_once_then_one_a_step(tries: int, step: int) -> None:
    """A full bucket lets exactly `tries` through; the wait it tells is the right one."""
    due, now = 0, 1_000_000
    for _ in range(tries):
        due, wait = take(due, now, tries, step)
        assert wait == 0
    kept, wait = take(due, now, tries, step)
    assert (kept, 0 < wait <= step) == (due, True)
    assert take(due, now + wait - 1, tries, step)[1] > 0
    assert take(due, now + wait, tries, step)[1] == 0


@given(COUNTS, STEPS, st.integers(0, 30))
def test_given_back_is_as_if_not_taken(tries: int, step: int, before: int) -> None:
    """After taking and giving back, as many are left as before."""
    due, now = 0, 1_000_000
    for _ in range(before):
        due, _ = take(due, now, tries, step)
    taken, wait = take(due, now, tries, step)
    back = give_back(taken, now, step) if not wait else due
    assert take(back, now, tries, step) == take(due, now, tries, step)


def test_steps() -> None:
    """The tries of a period come back evenly over it, never all the time."""
    assert step_of(10, 900_000) == 90_000
    assert step_of(7, 100) == 15
    assert step_of(100, 10) == 1
