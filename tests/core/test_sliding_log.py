"""At most so many in any window: the exact log, and what several processes make of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.sliding_log import Rule, SlidingLog

RULES = st.builds(Rule, st.integers(1, 8), st.integers(1, 60))
PAUSES = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), min_size=1, max_size=80)


def most_in_a_window(times: list[int], window: int) -> int:
    """Return how many of the times lie in the fullest half-open window of that length."""
    return max((sum(t <= u < t + window for u in times) for t in times), default=0)


@given(RULES, PAUSES)
def test_never_more_in_any_window_and_never_fewer_than_there_are(
    rule: Rule, asked: list[tuple[int, int]]
) -> None:
    """Wherever the window is laid there are at most `most` in it; and nobody is refused one of them."""
    log, now, granted = SlidingLog(), 1_000, list[int]()
    for pause, wanted in asked:
        now += pause
        out = sum(now - rule.window < at <= now for at in granted)
        taken = log.take(now, wanted, rule)
        assert taken.granted == min(wanted, rule.most - out)
        granted += [now] * taken.granted
        assert taken.left == rule.most - out - taken.granted
    assert most_in_a_window(granted, rule.window) <= rule.most


@given(RULES, PAUSES)
def test_the_wait_is_the_right_one(rule: Rule, asked: list[tuple[int, int]]) -> None:
    """Where none is left, there is one after exactly that time and none a moment before."""
    log, now = SlidingLog(), 1_000
    for pause, wanted in asked:
        now += pause
        taken = log.take(now, wanted, rule)
        assert 0 <= taken.wait <= rule.window
        if not taken.left:
            assert log.take(now + taken.wait - 1, 1, rule).granted == 0
            now += taken.wait
            assert log.take(now, 1, rule).granted == 1


@given(
    RULES,
    st.lists(st.tuples(st.integers(-40, 40), st.integers(1, 3)), min_size=1, max_size=60),
)
def test_a_clock_that_goes_back(rule: Rule, asked: list[tuple[int, int]]) -> None:
    """By a clock that ran on there are never more in a window either; the wait stays bounded."""
    log, now, true_now, granted = SlidingLog(), 10_000, 0, list[int]()
    for step, wanted in asked:
        now += step
        true_now += max(0, step)
        taken = log.take(now, wanted, rule)
        granted += [true_now] * taken.granted
        assert taken.wait <= rule.window
    assert most_in_a_window(granted, rule.window) <= rule.most


class Process:
    """A process as `services.request_limits` is one: refusals are remembered for the wait told."""

    def __init__(self) -> None:
        self.refused_until = 0
        self.waiting = 0


@given(
    RULES,
    st.lists(
        st.tuples(st.integers(0, 10), st.integers(0, 2), st.sampled_from(["ask", "trip"])),
        min_size=1,
        max_size=120,
    ),
)
def test_many_processes_share_one_log(rule: Rule, events: list[tuple[int, int, str]]) -> None:
    """Requests gather in three processes and travel to the log in any order: together never too many.

    And a refusal that a process remembers is one that the log would have given.
    """
    shared, processes = SlidingLog(), [Process() for _ in range(3)]
    now, granted = 1_000, list[int]()
    for pause, number, what in events:
        now += pause
        process = processes[number]
        if what == "ask" and now < process.refused_until:
            assert sum(now - rule.window < at <= now for at in granted) == rule.most
        elif what == "ask":
            process.waiting += 1
        elif process.waiting:
            taken = shared.take(now, process.waiting, rule)
            granted += [now] * taken.granted
            process.waiting = 0
            if not taken.left:
                process.refused_until = now + taken.wait
    assert most_in_a_window(granted, rule.window) <= rule.most
