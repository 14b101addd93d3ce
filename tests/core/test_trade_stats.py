"""Which days count, and until when a day's count is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.trade_stats import add_up, day_of, expiry, last_days

TODAY = date(2026, 3, 1)
MIDNIGHT_MS = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)


def test_today_is_the_first_day() -> None:
    """Seven days end six days ago, over the end of a month too."""
    days = last_days(TODAY, 7)
    assert (days[0], days[1], days[-1]) == (TODAY, date(2026, 2, 28), date(2026, 2, 23))


@given(st.dictionaries(st.integers(-5, 40), st.integers(0, 10**9)))
def test_the_sums_are_those_of_the_days(by_age: dict[int, int]) -> None:
    """Days to come and days too old count for nothing; the rest exactly once."""
    counts = {TODAY - timedelta(days=age): count for age, count in by_age.items()}
    stats = add_up(counts, TODAY, MIDNIGHT_MS)
    assert stats.trades_7d == sum(count for age, count in by_age.items() if 0 <= age < 7)
    assert stats.trades_30d == sum(count for age, count in by_age.items() if 0 <= age < 30)


def test_it_was_updated_by_the_last_trade_or_at_midnight() -> None:
    """A quiet day's figures have changed at midnight, when a day went out of them."""
    assert add_up({}, TODAY, MIDNIGHT_MS + 3_723_004).last_updated == "2026-03-01T01:02:03.004Z"
    assert add_up({}, TODAY, MIDNIGHT_MS - 1).last_updated == "2026-03-01T00:00:00.000Z"


def test_a_day_is_kept_for_35_days_after_its_end() -> None:
    """By UTC, whatever the hour."""
    assert datetime.fromtimestamp(expiry(TODAY), UTC) == datetime(2026, 4, 6, tzinfo=UTC)


def test_the_day_of_a_time() -> None:
    """The last microsecond of a day belongs to it, the next one does not."""
    midnight = MIDNIGHT_MS * 1000
    assert (day_of(midnight - 1), day_of(midnight)) == (date(2026, 2, 28), TODAY)
