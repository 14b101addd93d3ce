"""Minutes out of a file of aggregates: the same as out of the trades that it hides."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.intervals import MINUTE
from openoutcry.errors import BadRequestError
from openoutcry.model import Candle, Instrument
from openoutcry.services.minutes import MinuteFolder

T0 = 1_723_161_600_000_000
BTC = Instrument(1, "binance", "BTCUSDT", "BTC", "USDT", 2, 5)

Aggregate = tuple[int, int, int, int, int, bool]
"""First id, last id, time (µs), price (cents), size (1e-5), whether the buyer made it."""


def line_of(aggregate: Aggregate) -> str:
    first, last, time, price, size, maker = aggregate
    value, amount = Decimal(price).scaleb(-2), Decimal(size).scaleb(-5)
    return f"{first},{value},{amount},{first},{last},{time},{maker},True\n"


@st.composite
def tapes(draw: st.DrawFn) -> list[Aggregate]:
    """Return aggregates, often on a minute's bound, sometimes minutes or ids apart."""
    made: list[Aggregate] = []
    trade_id, time = draw(st.integers(0, 5)), T0 + draw(st.sampled_from([0, 1, 30_000_000]))
    steps = st.sampled_from([0, 1, 9_000_000, 30_000_000, MINUTE - 1, MINUTE, 3 * MINUTE])
    for _ in range(draw(st.integers(1, 25))):
        last = trade_id + draw(st.integers(0, 3))
        price, size = draw(st.integers(1, 10**7)), draw(st.integers(1, 10**6))
        made.append((trade_id, last, time, price, size, draw(st.booleans())))
        trade_id = last + 1 + draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 7]))
        time += draw(steps)
    return made


def cut(draw: st.DataObject, lines: list[str]) -> list[list[str]]:
    """Cut lines into chunks of any sizes, empty ones among them."""
    bounds = sorted(draw.draw(st.lists(st.integers(0, len(lines)), max_size=6)))
    return [lines[a:b] for a, b in zip([0, *bounds], [*bounds, len(lines)], strict=True)]


def fold_file(chunks: list[list[str]], *, whole_days: bool) -> list[Candle]:
    folder = MinuteFolder(BTC, whole_days=whole_days)
    return [candle for chunk in chunks for candle in folder.take(chunk)] + folder.end()


def plain_minutes(tape: list[Aggregate], *, whole_days: bool) -> list[Candle]:
    """Fold the trades by the simplest means: all minutes, then without those that may lack some."""
    minutes = {
        bucket: list(rows) for bucket, rows in groupby(tape, key=lambda a: a[2] // MINUTE * MINUTE)
    }
    spoiled = set() if whole_days else {min(minutes), max(minutes)}
    silences = set()
    for before, after in pairwise(tape):
        low, high = before[2] // MINUTE * MINUTE, after[2] // MINUTE * MINUTE
        if before[1] + 1 != after[0]:
            spoiled |= {low, high}
        elif low != high:
            silences |= set(range(low + MINUTE, high, MINUTE))
    whole = [candle_of(bucket, minutes[bucket]) for bucket in minutes if bucket not in spoiled]
    for bucket in silences:
        low = max(m for m in minutes if m < bucket)
        high = min(m for m in minutes if m > bucket)
        if not {low, high} & spoiled:
            whole.append(flat(bucket, candle_of(low, minutes[low]).close))
    return sorted(whole, key=lambda candle: candle.bucket)


def candle_of(bucket: int, rows: list[Aggregate]) -> Candle:
    prices = [Decimal(row[3]).scaleb(-2) for row in rows]
    sizes = [Decimal(row[4]).scaleb(-5) for row in rows]
    bought = [Decimal(0) if row[5] else size for row, size in zip(rows, sizes, strict=True)]
    zero = Decimal(0)
    return Candle(
        bucket=bucket,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(sizes, zero),
        quote_volume=sum((p * s for p, s in zip(prices, sizes, strict=True)), zero),
        trades=sum(row[1] - row[0] + 1 for row in rows),
        taker_buy_volume=sum(bought, zero),
        taker_buy_quote_volume=sum((p * s for p, s in zip(prices, bought, strict=True)), zero),
    )


def flat(bucket: int, close: Decimal) -> Candle:
    zero = Decimal(0)
    return Candle(bucket, close, close, close, close, zero, zero, 0, zero, zero)


@given(tape=tapes(), whole_days=st.booleans(), data=st.data())
def test_any_cut_gives_the_minutes_of_the_trades(
    tape: list[Aggregate], whole_days: bool, data: st.DataObject
) -> None:
    """However a file is cut, its whole minutes equal a plain fold, and no spoiled one is given."""
    chunks = cut(data, [line_of(aggregate) for aggregate in tape])
    expected = plain_minutes(tape, whole_days=whole_days)
    assert fold_file(chunks, whole_days=whole_days) == expected


@given(tape=tapes(), data=st.data())
def test_the_order_of_lines_within_a_chunk_does_not_matter(
    tape: list[Aggregate], data: st.DataObject
) -> None:
    """Lines are put in order by id before anything is folded or kept for the next chunk."""
    lines = [line_of(aggregate) for aggregate in tape]
    middle = data.draw(st.integers(0, len(lines)))
    parts = [data.draw(st.permutations(part)) for part in (lines[:middle], lines[middle:])]
    assert fold_file(parts, whole_days=True) == plain_minutes(tape, whole_days=True)


def row(number: int, minute: float, ids: int = 1, step: int = 1) -> Aggregate:
    first = 100 + number * step
    return (first, first + ids - 1, T0 + int(minute * MINUTE), 6_000_000 + number, 7, False)


def buckets(tape: list[Aggregate], *, whole_days: bool) -> list[tuple[int, int]]:
    """Return minute (counted from the first) and trades of what a file gives, line by line."""
    candles = fold_file([[line_of(aggregate)] for aggregate in tape], whole_days=whole_days)
    return [((candle.bucket - T0) // MINUTE, candle.trades) for candle in candles]


def test_the_first_and_the_last_minute_need_whole_days() -> None:
    """Where a file may begin and end anywhere, its outer minutes are left out."""
    tape = [row(0, 0.1), row(1, 1.1), row(2, 1.9), row(3, 2.5)]
    assert buckets(tape, whole_days=True) == [(0, 1), (1, 2), (2, 1)]
    assert buckets(tape, whole_days=False) == [(1, 2)]


def test_a_file_of_one_minute_is_whole_only_as_a_whole_day() -> None:
    """A minute that is first and last at once is both or neither."""
    assert buckets([row(0, 0.2), row(1, 0.4)], whole_days=True) == [(0, 2)]
    assert buckets([row(0, 0.2), row(1, 0.4)], whole_days=False) == []


def test_quiet_minutes_are_flat() -> None:
    """Minutes between consecutive ids stand at the last close, without volume."""
    tape = [row(0, 0.5), row(1, 3.5)]
    candles = fold_file([[line_of(aggregate) for aggregate in tape]], whole_days=True)
    assert [(c.bucket - T0) // MINUTE for c in candles] == [0, 1, 2, 3]
    for candle in candles[1:3]:
        assert candle == flat(candle.bucket, candles[0].close)


@pytest.mark.parametrize(
    ("minutes", "kept"),
    [
        ((0.1, 1.2, 1.3, 2.5, 3.5), [0, 2, 3]),  # within minute 1
        ((0.1, 1.2, 2.3, 3.5, 4.5), [0, 3, 4]),  # between minutes 1 and 2
        ((0.1, 1.2, 5.3, 6.5, 7.5), [0, 6, 7]),  # over the silence of minutes 2, 3 and 4
    ],
)
def test_a_jump_in_the_ids_spoils_what_is_around_it_and_nothing_else(
    minutes: tuple[float, ...], kept: list[int]
) -> None:
    """The minutes of the two trades around a jump go, with all between them; the others stay."""
    tape = [row(n + (10 if n >= 2 else 0), minute) for n, minute in enumerate(minutes)]
    assert [minute for minute, _ in buckets(tape, whole_days=True)] == kept


def test_hidden_trades_are_counted() -> None:
    """An aggregate of five trades is five trades, and no jump for the next one."""
    assert buckets([row(0, 0.1, 5, 5), row(1, 0.2, 5, 5)], whole_days=True) == [(0, 10)]


def test_a_minute_that_was_given_does_not_come_again() -> None:
    """A line from a minute that is already folded is an error, not a second half-empty candle."""
    folder = MinuteFolder(BTC, whole_days=True)
    assert len(folder.take([line_of(row(5, 0.5)), line_of(row(6, 1.5))])) == 1
    with pytest.raises(BadRequestError, match="not in the order of time"):
        folder.take([line_of(row(4, 0.4))])


def test_ids_against_the_time_are_refused() -> None:
    """A file in which later ids have earlier minutes is not one of the exchange's."""
    folder = MinuteFolder(BTC, whole_days=True)
    with pytest.raises(BadRequestError, match="not in the order of time"):
        folder.take([line_of(row(1, 2.5)), line_of(row(2, 1.5))])


def test_an_empty_file_gives_nothing() -> None:
    """No lines, no minutes."""
    assert fold_file([[]], whole_days=True) == []
