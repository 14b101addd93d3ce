"""The platform's volume by hour, beside the day before."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.tokens.trend import HOUR, change, ether, trend
from openoutcry.tokens import DAY, WEI, VolumeBucket

NOW = 1_780_000_000_000_000 // DAY * DAY + 12 * HOUR + HOUR // 2
GOING_ON = NOW - HOUR // 2


def bucket(hours_ago: int, eth: float, trades: int = 1) -> VolumeBucket:
    """Return an hour, so many before the one that is going on."""
    volume = int(eth * WEI)
    return VolumeBucket(GOING_ON - hours_ago * HOUR, volume, trades, trades, volume // 2)


def test_hours_without_trades_are_there() -> None:
    """As many hours as were asked for, ascending, up to the one that is going on."""
    made = trend([bucket(1, 2.5, 3)], NOW, 3)
    assert [each.time for each in made.hours] == [
        (GOING_ON - back * HOUR) // 1000 for back in (2, 1, 0)
    ]
    assert [each.volume for each in made.hours] == ["0", "2.5", "0"]
    assert (made.hours[1].trades, made.hours[1].buy_volume) == (3, "1.25")
    assert made.busiest == made.hours[1].time


def test_each_hour_beside_the_day_before() -> None:
    """In percent; nothing where there was nothing to compare with."""
    made = trend([bucket(25, 2), bucket(24, 8), bucket(1, 3)], NOW, 3)
    assert [each.change for each in made.hours] == [None, 50.0, -100.0]


def test_whole_days_are_compared() -> None:
    """24 whole hours with the 24 before them: the hour that is going on would be unfair."""
    hours = [bucket(48, 1), bucket(25, 1), bucket(24, 4), bucket(1, 5), bucket(0, 1000)]
    made = trend(hours, NOW, 48)
    assert (made.day_before, made.last_day, made.change) == ("2", "9", 350.0)


def test_nothing_at_all() -> None:
    """A platform without trades has hours of nothing, and none was the busiest."""
    made = trend([], NOW, 2)
    assert (made.last_day, made.change, made.busiest) == ("0", None, None)


@given(st.integers(0, 10**40))
def test_ether_is_exact(wei: int) -> None:
    """Every wei is there, and no zero that says nothing."""
    text = ether(wei)
    assert Fraction(text) * WEI == wei
    assert "." not in text or not text.endswith(("0", "."))


@given(st.integers(1, 10**30), st.integers(0, 10**30))
def test_change_is_what_percent_means(before: int, now: int) -> None:
    """To two decimals."""
    found = change(before, now)
    assert found is not None
    exact = (Decimal(now) - before) * 100 / before
    assert abs(Decimal(found) - exact) <= Decimal("0.006") + abs(exact) * Decimal("1e-12")
