"""Every interval against a naive version that counts in datetimes."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openoutcry.core.intervals import BASES, INTERVALS, Interval, parse_interval

NAMES = [
    "1s", "30s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h",
    "1d", "3d", "1w", "1M",
]  # fmt: skip
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MONDAY = dt.datetime(1970, 1, 5, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)

times = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=dt.UTC)
)
intervals = st.sampled_from(list(INTERVALS.values()))


def us(moment: dt.datetime) -> int:
    """Return a datetime in µs since 1970."""
    return (moment - EPOCH) // MICROSECOND


def at(text: str) -> int:
    """Return an ISO time in µs since 1970."""
    return us(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC))


def step(name: str) -> dt.timedelta:
    """Return the length of an interval other than the month."""
    if name == "1w":
        return dt.timedelta(days=7)
    return dt.timedelta(**{UNITS[name[-1]]: int(name[:-1])})


def naive_floor(name: str, moment: dt.datetime) -> dt.datetime:
    """Return the bucket of `moment`, by counting."""
    if name == "1M":
        return dt.datetime(moment.year, moment.month, 1, tzinfo=dt.UTC)
    if name == "1w":
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return day - dt.timedelta(days=day.weekday())
    return moment - (moment - EPOCH) % step(name)


def naive_next(name: str, bucket: dt.datetime) -> dt.datetime:
    """Return the bucket after `bucket`."""
    if name == "1M":
        return naive_floor("1M", bucket + dt.timedelta(days=31))
    return bucket + step(name)


def test_all_seventeen_are_there() -> None:
    """The contract's intervals are ours, in its order; names are case-sensitive."""
    assert list(INTERVALS) == NAMES
    assert parse_interval("1m") is not parse_interval("1M")
    assert parse_interval("7m") is None


@given(intervals, times)
@example(INTERVALS["1M"], dt.datetime(2024, 2, 29, 23, 59, 59, 999_999, dt.UTC))
@example(INTERVALS["1M"], dt.datetime(2023, 12, 31, 23, 59, 59, 999_999, dt.UTC))
@example(INTERVALS["1M"], dt.datetime(2024, 1, 31, tzinfo=dt.UTC))
@example(INTERVALS["1w"], dt.datetime(2024, 12, 30, tzinfo=dt.UTC))
def test_floor_and_next_agree_with_the_calendar(interval: Interval, moment: dt.datetime) -> None:
    """The bucket of a time and the one after it are what the calendar says."""
    bucket = naive_floor(interval.name, moment)
    assert interval.floor(us(moment)) == us(bucket)
    assert interval.next(us(bucket)) == us(naive_next(interval.name, bucket))
    assert us(bucket) <= us(moment) < interval.next(us(bucket))
    assert interval.floor(us(bucket)) == us(bucket)


@given(intervals, times, st.integers(0, 40))
def test_back_undoes_next(interval: Interval, moment: dt.datetime, count: int) -> None:
    """Going back so many buckets is the start from which as many steps forward lead here."""
    bucket = interval.floor(us(moment))
    reached = interval.back(bucket, count)
    assert interval.floor(reached) == reached
    for _ in range(count):
        reached = interval.next(reached)
    assert reached == bucket


@pytest.mark.parametrize(
    ("name", "time", "bucket"),
    [
        ("1w", "2024-08-11T23:59:59.999999", "2024-08-05"),  # a Sunday belongs to the Monday before
        ("1w", "2024-08-12", "2024-08-12"),
        ("1w", "2025-01-01", "2024-12-30"),
        ("1M", "2024-02-29T12:00", "2024-02-01"),
        ("1M", "2100-02-28T23:59:59", "2100-02-01"),
        ("3d", "1970-01-03T23:59:59", "1970-01-01"),
        ("12h", "2024-08-08T23:59", "2024-08-08T12:00"),
    ],
)
def test_known_buckets(name: str, time: str, bucket: str) -> None:
    """Weeks start on Monday, months on the 1st, three days count from 1970 as Binance's do."""
    assert INTERVALS[name].floor(at(time)) == at(bucket)


@pytest.mark.parametrize(
    ("month", "after"),
    [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01"), ("2024-12-01", "2025-01-01")],
)
def test_months_have_their_own_lengths(month: str, after: str) -> None:
    """A month ends where the next one starts, leap years and Decembers included."""
    assert INTERVALS["1M"].next(at(month)) == at(after)
    assert INTERVALS["1M"].back(at(after), 1) == at(month)


@given(intervals, times)
def test_rolling_up_from_the_base_is_possible(interval: Interval, moment: dt.datetime) -> None:
    """A bucket starts and ends on bounds of its stored base, so no base row straddles two."""
    base = INTERVALS[interval.base]
    bucket = interval.floor(us(moment))
    assert base.stored
    assert base.floor(bucket) == bucket
    assert base.floor(interval.next(bucket)) == interval.next(bucket)


def test_each_base_divides_the_next() -> None:
    """Stored candles fold into the next longer ones."""
    for shorter, longer in itertools.pairwise(BASES):
        assert longer.length % shorter.length == 0
