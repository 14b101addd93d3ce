"""The rate of a counter."""

from __future__ import annotations

from openoutcry.core.rates import Rate


def test_a_steady_counter_has_its_own_rate() -> None:
    """Whatever the distance of the readings, and from the second one on."""
    rate = Rate()
    assert rate.read(100.0, 7) == 0.0
    assert rate.read(100.5, 27) == 40.0
    assert rate.read(104.0, 167) == 40.0


def test_what_is_longer_ago_than_the_window_does_not_count() -> None:
    """A burst leaves the rate when it leaves the window."""
    rate = Rate(window=10.0)
    rate.read(0.0, 0)
    rate.read(1.0, 1000)
    assert rate.read(9.0, 1000) == 1000 / 9
    assert rate.read(11.0, 1000) == 0.0
    assert rate.read(12.0, 1022) == 2.0


def test_a_counter_that_begins_anew() -> None:
    """No negative rate after a restart."""
    rate = Rate()
    rate.read(0.0, 500)
    assert rate.read(1.0, 3) == 0.0
    assert rate.read(2.0, 8) == 5.0


def test_readings_of_one_moment() -> None:
    """No division by zero."""
    rate = Rate()
    rate.read(1.0, 1)
    assert rate.read(1.0, 2) == 0.0
