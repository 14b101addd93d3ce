"""Folding trades into candles against a fold that a child could follow."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.candles import CandleColumns, fold_all
from openoutcry.core.frames import TRADE
from openoutcry.core.intervals import BASES, DAY, INTERVALS, SECOND

T0 = 1_723_161_255_342_000
Row = tuple[int, int, int, int, int, int, int]

FIELDS = (
    "open", "high", "low", "close", "volume", "quote_volume", "trades",
    "taker_buy_volume", "taker_buy_quote_volume", "first_id", "last_id",
)  # fmt: skip


@st.composite
def trades(draw: st.DrawFn, largest: int = 10**6) -> list[Row]:
    """Return rows of trades with distinct ids, in no order; times need not follow the ids."""
    keys = draw(st.sets(st.tuples(st.integers(1, 3), st.integers(0, 200)), max_size=25))
    near = st.sampled_from([0, 1, SECOND - 1, SECOND, 61 * SECOND, DAY])
    return [
        (
            T0 + draw(near) + draw(st.integers(-2, 2)) * SECOND,
            0,
            trade_id,
            draw(st.integers(0, largest)),
            draw(st.integers(0, largest)),
            instrument,
            draw(st.sampled_from([1, -1])),
        )
        for instrument, trade_id in draw(st.permutations(sorted(keys)))
    ]


def naive(rows: Sequence[Row], length: int) -> list[dict[str, Any]]:
    """Return the candles of `rows`, one dictionary each, by plain Python."""
    buckets: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        buckets.setdefault((row[5], row[0] // length * length), []).append(row)
    made = []
    for (instrument, bucket), inside in sorted(buckets.items()):
        inside.sort(key=lambda row: row[2])
        bought = [row for row in inside if row[6] == 1]
        made.append(
            {
                "instrument": instrument,
                "bucket": bucket,
                "open": inside[0][3],
                "high": max(row[3] for row in inside),
                "low": min(row[3] for row in inside),
                "close": inside[-1][3],
                "volume": sum(row[4] for row in inside),
                "quote_volume": sum(row[3] * row[4] for row in inside),
                "trades": len(inside),
                "taker_buy_volume": sum(row[4] for row in bought),
                "taker_buy_quote_volume": sum(row[3] * row[4] for row in bought),
                "first_id": inside[0][2],
                "last_id": inside[-1][2],
            }
        )
    return made


def as_dicts(candles: CandleColumns) -> list[dict[str, Any]]:
    """Return columns as one dictionary a row."""
    names = ("instrument", "bucket", *FIELDS)
    columns = [getattr(candles, name).tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@given(trades())
def test_folding_agrees_with_counting(rows: list[Row]) -> None:
    """All of every stored interval's candles are what a plain loop over the trades gives."""
    folded = fold_all(np.array(rows, TRADE))
    assert list(folded) == [base.name for base in BASES]
    for name, candles in folded.items():
        assert as_dicts(candles) == naive(rows, INTERVALS[name].length)


@given(trades(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[Row], rng: random.Random) -> None:
    """Any permutation of the trades gives the same candles."""
    shuffled = list(rows)
    rng.shuffle(shuffled)
    before, after = fold_all(np.array(rows, TRADE)), fold_all(np.array(shuffled, TRADE))
    for name in before:
        assert as_dicts(before[name]) == as_dicts(after[name])


@given(trades(largest=2**63 - 1))
def test_sums_beyond_64_bits_are_exact(rows: list[Row]) -> None:
    """Volumes and quote volumes that no 64-bit integer holds come out exact all the same."""
    for name, candles in fold_all(np.array(rows, TRADE)).items():
        assert as_dicts(candles) == naive(rows, INTERVALS[name].length)


def test_wide_sums_are_python_integers() -> None:
    """Where 64 bits are too few the column holds Python integers; elsewhere it stays int64."""
    huge = 2**62
    wide = fold_all(np.array([(T0, 0, n, huge, huge, 1, 1) for n in range(4)], TRADE))["1d"]
    assert wide.volume.tolist() == [4 * huge]
    assert wide.quote_volume.tolist() == [4 * huge * huge]
    assert wide.taker_buy_quote_volume.dtype == object
    slim = fold_all(np.array([(T0, 0, n, 5, 5, 1, 1) for n in range(4)], TRADE))["1d"]
    assert slim.volume.dtype == slim.quote_volume.dtype == np.int64


def test_open_and_close_follow_ids_not_times() -> None:
    """The lowest id opens and the highest closes, even where their times say the opposite."""
    rows = [(T0 + 2, 0, 1, 100, 1, 1, 1), (T0 + 1, 0, 2, 200, 1, 1, 1), (T0, 0, 3, 300, 1, 1, 1)]
    candle = as_dicts(fold_all(np.array(rows, TRADE))["1m"])[0]
    assert (candle["open"], candle["close"]) == (100, 300)


def test_nothing_folds_into_nothing() -> None:
    """No trades, no candles: nothing is made up."""
    assert all(len(candles) == 0 for candles in fold_all(np.empty(0, TRADE)).values())
