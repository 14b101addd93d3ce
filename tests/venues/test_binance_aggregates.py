"""Trades gathered into aggregates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.venues.binance_aggregates import Aggregator, Row, gather

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 2), st.integers(1, 9), st.booleans()))


def made(drawn: list[tuple[int, int, int, bool]]) -> list[Row]:
    """Return trades with ids from 10 on whose times never go back."""
    rows: list[Row] = []
    time = 1000
    for at, (step, price, size, bought) in enumerate(drawn):
        time += step
        rows.append((10 + at, time, price, size, 0, bought))
    return rows


def test_neighbours_of_one_order_are_one_aggregate() -> None:
    """Time, price and taker decide; the first trade's id is the aggregate's."""
    rows: list[Row] = [
        (10, 1000, 5, 1, 0, True),
        (11, 1000, 5, 2, 0, True),
        (12, 1000, 6, 4, 0, True),
        (13, 1001, 6, 8, 0, True),
        (14, 1001, 6, 16, 0, False),
    ]
    aggregator = Aggregator()
    assert aggregator.take(rows) == [
        (10, 1000, 5, 3, 10, 11, True),
        (12, 1000, 6, 4, 12, 12, True),
        (13, 1001, 6, 8, 13, 13, True),
    ]
    assert aggregator.flush() == [(14, 1001, 6, 16, 14, 14, False)]
    assert aggregator.flush() == []


def test_a_hole_in_the_ids_ends_an_aggregate() -> None:
    """An aggregate covers the ids first..last, so it never spans trades that are not there."""
    aggregator = Aggregator()
    assert aggregator.take([(10, 1, 5, 1, 0, True), (12, 1, 5, 1, 0, True)]) == [
        (10, 1, 5, 1, 10, 10, True)
    ]


@given(drawn=ROWS, cut=st.integers(0, 100))
def test_cuts_do_not_show(drawn: list[tuple[int, int, int, bool]], cut: int) -> None:
    """However the trades are cut into batches, the aggregates are those of the whole."""
    rows = made(drawn)
    whole, parts = Aggregator(), Aggregator()
    expected = whole.take(rows) + whole.flush()
    found = parts.take(rows[:cut]) + parts.take(rows[cut:]) + parts.flush()
    assert found == expected
    assert [n for a in found for n in range(a[4], a[5] + 1)] == [row[0] for row in rows]
    assert sum(a[3] for a in found) == sum(row[3] for row in rows)


@given(drawn=ROWS)
def test_trades_that_know_their_aggregate_are_gathered_alike(
    drawn: list[tuple[int, int, int, bool]],
) -> None:
    """Given the ids that an `Aggregator` finds, `gather` makes the same aggregates."""
    rows = made(drawn)
    aggregator = Aggregator()
    expected = aggregator.take(rows) + aggregator.flush()
    heads = {n: a[0] for a in expected for n in range(a[4], a[5] + 1)}
    assert gather((*row[:4], heads[row[0]], row[5]) for row in rows) == expected
