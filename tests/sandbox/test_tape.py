"""Trades as a pure function of seed, symbol and time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.sandbox.listing import make_symbol
from openoutcry.sandbox.tape import BLOCK, RateChange, Skip, Tape, Trades, aggregates_in
from sandbox.support import LENGTH, LISTED, RATES, make_tape


@pytest.fixture(scope="module")
def whole() -> Trades:
    return make_tape().make(LISTED, LISTED + LENGTH)


def test_ids_count_up_by_one_from_one(whole: Trades) -> None:
    """Every id from 1 on has exactly one trade."""
    assert whole["id"].tolist() == list(range(1, len(whole) + 1))


def test_times_never_go_back_and_stay_in_their_block(whole: Trades) -> None:
    """Trades are in the order of their times, and none strays out of its second."""
    assert (np.diff(whole["time"]) >= 0).all()
    counts = make_tape().counts(LISTED, LISTED + LENGTH)
    blocks, found = np.unique(whole["time"] // BLOCK, return_counts=True)
    assert found.tolist() == counts[blocks - LISTED].tolist()
    assert found.sum() == counts.sum()


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, LENGTH - 1), length=st.integers(1, 900))
def test_any_range_is_a_slice_of_the_whole(whole: Trades, start: int, length: int) -> None:
    """A range made alone, by an object that made nothing else, has the same trades to the digit."""
    end = min(start + length, LENGTH)
    part = make_tape().make(LISTED + start, LISTED + end)
    blocks = whole["time"] // BLOCK - LISTED
    assert part.tolist() == whole[(blocks >= start) & (blocks < end)].tolist()


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10**9))
def test_every_id_is_found_in_its_block(whole: Trades, at: int) -> None:
    """The block of an id holds it, and so does the block of an aggregate."""
    trade = whole[at % len(whole)]
    tape, last = make_tape(), LISTED + LENGTH
    block = int(trade["time"]) // BLOCK
    assert tape.block_of_id(int(trade["id"]), last) <= block
    assert trade["id"] in tape.make(tape.block_of_id(int(trade["id"]), last), block + 1)["id"]
    found = tape.block_of_aggregate(int(trade["aggregate"]), last)
    assert trade["aggregate"] in tape.make(found, block + 1)["aggregate"]


def test_aggregates_count_up_and_share_time_price_and_side(whole: Trades) -> None:
    """Aggregate ids have no holes; within one everything but id and size is equal."""
    steps = np.diff(whole["aggregate"])
    assert whole["aggregate"][0] == 1
    assert set(steps.tolist()) == {0, 1}
    same = np.flatnonzero(steps == 0)
    for column in ("time", "price", "bought"):
        assert (whole[column][same] == whole[column][same + 1]).all()


@given(count=st.integers(0, 5000))
def test_aggregates_of_a_block_can_be_counted_without_making_it(count: int) -> None:
    """There is an aggregate if there is a trade, and never more aggregates than trades."""
    found = int(aggregates_in(np.array([count]))[0])
    assert (found > 0) == (count > 0)
    assert found <= count


def test_prices_walk_without_jumps(whole: Trades) -> None:
    """From one trade to the next the price moves by less than half a percent."""
    price = whole["price"].astype(float)
    assert (abs(np.diff(price)) / price[1:] < 0.005).all()


def test_trading_has_runs_bursts_and_quiet_stretches(whole: Trades) -> None:
    """Orders print several trades at one time, counts vary a lot, sizes have a heavy tail."""
    assert (np.diff(whole["time"]) == 0).mean() > 0.2
    counts = make_tape().counts(LISTED + 4000, LISTED + LENGTH)
    assert counts.max() > 3 * counts.mean()
    assert (counts < 0.2 * counts.mean()).any()
    assert whole["size"].max() > 30 * np.median(whole["size"])


def test_the_rate_schedule_holds_on_average() -> None:
    """Over some hours the mean rate comes near to what was asked for."""
    tape = Tape(make_symbol("ETHUSDT", 1), 1, LISTED, [RateChange(LISTED, 5.0)])
    assert tape.counts(LISTED, LISTED + 200_000).mean() == pytest.approx(5.0, rel=0.1)


def test_a_skip_leaves_a_hole_and_changes_nothing_else(whole: Trades) -> None:
    """After a skip the same trades come with ids that are higher by the skipped number."""
    skipped = make_tape(skips=(Skip(LISTED + 4500, 17),)).make(LISTED, LISTED + LENGTH)
    shift = np.where(whole["time"] // BLOCK >= LISTED + 4500, 17, 0)
    assert (skipped["id"] == whole["id"] + shift).all()
    for column in ("time", "price", "size", "aggregate"):
        assert (skipped[column] == whole[column]).all()


def test_an_id_in_a_hole_leads_to_the_next_trade() -> None:
    """Asking for an id that never existed finds the block after the hole."""
    tape = make_tape(skips=(Skip(LISTED + 4500, 1000),))
    first_after = tape.first_id(LISTED + 4500)
    assert tape.block_of_id(first_after - 500, LISTED + LENGTH) < LISTED + 4500
    following = tape.make(tape.block_of_id(first_after - 500, LISTED + LENGTH), LISTED + 4502)
    later = following[following["id"] >= first_after - 500]
    assert later["id"][0] == first_after


def test_changing_the_rate_leaves_the_past_alone(whole: Trades) -> None:
    """A change made while running equals the same change known from the start."""
    change = RateChange(LISTED + 6000, 3.0)
    running = make_tape()
    running.make(LISTED, LISTED + 5990)
    running.change_rate(change)
    from_start = Tape(make_symbol("BTCUSDT", 7), 7, LISTED, [*RATES, change])
    made = running.make(LISTED, LISTED + LENGTH)
    assert made.tolist() == from_start.make(LISTED, LISTED + LENGTH).tolist()
    before = whole["time"] // BLOCK < LISTED + 6000
    assert made[: before.sum()].tolist() == whole[before].tolist()


def test_a_late_skip_equals_one_known_from_the_start() -> None:
    """A hole made while running is where it is after a restart."""
    skip = Skip(LISTED + 6000, 5)
    running = make_tape()
    running.make(LISTED, LISTED + 5990)
    running.add_skip(skip)
    restarted = make_tape(skips=(skip,))
    assert running.make(LISTED, LISTED + LENGTH).tolist() == (
        restarted.make(LISTED, LISTED + LENGTH).tolist()
    )


def test_seeds_and_symbols_make_different_markets(whole: Trades) -> None:
    """Another seed or another symbol has nothing in common but the rules."""
    other = make_tape(seed=8).make(LISTED, LISTED + 1000)
    assert other["time"][:50].tolist() != whole["time"][:50].tolist()
    ether = make_tape("ETHUSDT").make(LISTED, LISTED + 1000)
    assert ether["time"][:50].tolist() != whole["time"][:50].tolist()


def test_nothing_trades_before_the_listing() -> None:
    """Blocks before the listing are empty, whoever asks for them."""
    tape = make_tape()
    assert len(tape.make(LISTED - 5000, LISTED)) == 0
    assert tape.last_id(LISTED * BLOCK - 1) == 0


def test_the_newest_id_is_that_of_the_last_trade_so_far(whole: Trades) -> None:
    """At any moment the newest id is the last one whose time has come."""
    tape = make_tape()
    for at in (3, 500, len(whole) - 1):
        now = int(whole["time"][at])
        assert tape.last_id(now) == int(whole["id"][whole["time"] <= now][-1])
