"""Which states of its candles a kline stream is made of."""

from __future__ import annotations

from decimal import Decimal

from openoutcry.core.coverage import Coverage, Span
from openoutcry.core.intervals import INTERVALS, MINUTE, SECOND
from openoutcry.model import Candle
from openoutcry.web.hub.binance_klines import PATIENCE, Doubt, KlineSource, roll
from openoutcry.web.hub.wire import LiveCandle

D = Decimal
KNOWN = Coverage((Span(0, 0, 10**15),))
NOTHING = Coverage()


def row(bucket: int, trades: int = 1, close: str = "2") -> Candle:
    return Candle(
        bucket, D(1), D(9), D(1), D(close), D(trades), D(trades), trades, D(0), D(0), False, 5, 6
    )


def live(
    second: int, *, closed: bool = False, complete: bool = False, close: str = "2"
) -> LiveCandle:
    return LiveCandle(row(second * SECOND, close=close), closed, complete)


def seen(
    source: KlineSource, start: int | None, coverage: Coverage, now: float
) -> list[tuple[int, bool, int]]:
    states = source.states(None if start is None else start * SECOND, coverage, int(now * SECOND))
    return [(bar.start // SECOND, over, bar.trades) for bar, over in states]


def test_a_candle_carries_everything() -> None:
    """Ids, times and the taker's share come from the stored row."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4)])
    ((bar, over),) = source.states(None, KNOWN, 4 * SECOND)
    assert not over
    assert (bar.start, bar.end, bar.first_id, bar.last_id) == (4 * SECOND, 5 * SECOND, 5, 6)
    assert (bar.open, bar.high, bar.low, bar.close) == (D(1), D(9), D(1), D(2))


def test_a_candle_that_lacks_something_waits_a_little() -> None:
    """It is over when it is complete, or after some patience; nothing newer overtakes it."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4, closed=True), live(5)])
    assert seen(source, 4, NOTHING, 5.5) == [(4, False, 1)]
    source.take([live(4, closed=True, complete=True)])
    assert seen(source, 4, NOTHING, 5.5) == [(4, True, 1), (5, False, 1)]
    source.take([live(4, closed=True)])
    late = 5 + PATIENCE / SECOND
    assert seen(source, 4, NOTHING, late) == [(4, True, 1), (5, False, 1)]


def test_the_clock_alone_ends_no_candle() -> None:
    """While nothing is committed up to its end, the newest candle stays open, however late it is."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4, closed=True)])
    behind = Coverage((Span(0, 0, 4 * SECOND + 1),))
    assert seen(source, 4, behind, 500) == [(4, False, 1)]
    assert seen(source, 4, Coverage((Span(0, 0, 5 * SECOND),)), 500)[0] == (4, True, 1)


def test_a_newer_candle_ends_the_one_before() -> None:
    """In a market that runs fast nobody says of each candle that it is over."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4), live(5), live(6)])
    assert seen(source, 4, KNOWN, 5) == [(4, True, 1), (5, True, 1), (6, False, 1)]


def test_quiet_seconds_are_flat_where_nothing_can_be_missing() -> None:
    """A bucket without trades repeats the close before, as the exchange's own candles do."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4, closed=True, complete=True, close="7"), live(7)])
    known = Coverage((Span(0, 0, 7 * SECOND),))
    states = source.states(4 * SECOND, known, 7 * SECOND)
    assert [(bar.start // SECOND, over) for bar, over in states] == [
        (4, True),
        (5, True),
        (6, True),
        (7, False),
    ]
    flat = states[1][0]
    assert {flat.open, flat.high, flat.low, flat.close} == {D(7)}
    assert (flat.trades, flat.volume, flat.first_id, flat.last_id) == (0, D(0), -1, -1)


def test_no_flat_candle_where_the_feed_was_away() -> None:
    """Of a time that nobody listened to, nothing is said, and the close before it means nothing."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4, closed=True, complete=True), live(7)])
    holes = Coverage((Span(0, 0, 5 * SECOND), Span(0, 6 * SECOND, 8 * SECOND)))
    assert seen(source, 4, holes, 7.5) == [(4, True, 1), (7, False, 1)]


def test_the_future_is_not_told() -> None:
    """Flat seconds follow only as far as is known."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4, closed=True, complete=True)])
    known = Coverage((Span(0, 0, 6 * SECOND),))
    assert seen(source, 4, known, 9) == [(4, True, 1), (5, True, 0)]


def test_a_jump_in_long_candles_asks_the_store() -> None:
    """Changes of longer candles may be told late: before one is called flat the store is read."""
    source = KlineSource(INTERVALS["3m"])
    step = 3 * MINUTE
    source.take([LiveCandle(row(0), True, True), LiveCandle(row(2 * step), False, False)])
    known = Coverage((Span(0, 0, 2 * step),))
    assert [bar.start for bar, _ in source.states(0, known, 2 * step)] == [0]
    assert source.doubt == Doubt(step, 2 * step)
    assert source.states(step, known, 2 * step) == []
    source.mend([row(step, 3), row(step + MINUTE, 4)], known, 2 * step)
    states = source.states(step, known, 2 * step)
    assert [(bar.start, bar.trades, over) for bar, over in states] == [
        (step, 7, True),
        (2 * step, 1, False),
    ]


def test_a_jump_that_the_store_knows_to_be_quiet() -> None:
    """What the store has nothing of, and knows, is flat."""
    source = KlineSource(INTERVALS["3m"])
    step = 3 * MINUTE
    source.take([LiveCandle(row(0), True, True), LiveCandle(row(2 * step), False, False)])
    known = Coverage((Span(0, 0, 2 * step),))
    source.states(0, known, 2 * step)
    source.mend([], known, 2 * step)
    states = source.states(step, known, 2 * step)
    assert [(bar.trades, over) for bar, over in states] == [(0, True), (1, False)]


def test_after_the_bus_was_lost_the_store_is_asked_even_for_seconds() -> None:
    """Until it has answered nothing is told; a row that was heard since is newer than the answer."""
    source = KlineSource(INTERVALS["1s"])
    source.take([live(4), LiveCandle(row(6 * SECOND, trades=5), False, False)])
    source.distrust(4 * SECOND, 6 * SECOND)
    assert seen(source, 4, KNOWN, 6.5) == []
    source.mend([row(4 * SECOND, 3), row(5 * SECOND, 8), row(6 * SECOND, 2)], KNOWN, 6_500_000)
    assert seen(source, 4, KNOWN, 6.5) == [(4, True, 3), (5, True, 8), (6, False, 5)]


def test_rows_are_rolled_up() -> None:
    """Base rows become candles; all but the newest are over."""
    step = 15 * MINUTE
    rows = [row(step + 5 * MINUTE, 2, "4"), row(step, 1, "3"), row(2 * step, 4, "5")]
    first, second = roll(INTERVALS["15m"], rows, NOTHING, 2 * step)
    assert (first.candle.trades, first.candle.close, first.closed) == (3, D(4), True)
    assert (second.candle.trades, second.closed, second.complete) == (4, False, False)
