"""The ledger against a model that keeps a plain set of ids.

The venue of the model has made its trades beforehand: ids from 0 up, times that never go back, and
some ids that it never used. Rules bring any of them to the ledger, in any order, and make only
statements that are true of this venue.
"""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from openoutcry.core.ledger import Gap, Island, Ledger
from openoutcry.core.ranges import Ranges
from openoutcry.model import GapState

IDS = 40


def members(ranges: Ranges) -> set[int]:
    """Return the ids in ranges."""
    return {one for low, high in ranges for one in range(low, high + 1)}


def absorb(ledger: Ledger, trades: dict[int, int]) -> list[int]:
    """Give trades (time by id) to a ledger; return the ids that it calls new."""
    ids = np.array(sorted(trades), np.int64)
    times = np.array([trades[int(one)] for one in ids], np.int64)
    fresh = ledger.absorb(ids, times)
    new: list[int] = ids[fresh].tolist()
    return new


class LedgerMachine(RuleBasedStateMachine):
    """What the recorder may do to a ledger, and what must be true after it."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        """Make up the venue's trades: times repeat often, a few ids are never used."""
        rng = random.Random(seed)
        time = 100
        self.venue: dict[int, int] = {}
        for trade_id in range(IDS):
            time += rng.choice([0, 0, 1, 2, 5])
            if rng.random() < 0.9:
                self.venue[trade_id] = time
        self.end = time + 10
        self.ledger = Ledger(1)
        self.stored: set[int] = set()
        self.passed_on: set[int] = set()

    def bring(self, ids: set[int]) -> None:
        """Absorb those of `ids` that exist; each id must be new exactly once."""
        chosen = {one: self.venue[one] for one in ids if one in self.venue}
        assert absorb(self.ledger, chosen) == sorted(set(chosen) - self.stored)
        self.stored |= set(chosen)
        self.passed_on |= set(chosen)

    @rule(ids=st.sets(st.integers(0, IDS - 1), max_size=8))
    def scattered(self, ids: set[int]) -> None:
        """Any trades, in any order, repeats included."""
        self.bring(ids)

    @rule(start=st.integers(0, IDS - 1), length=st.integers(1, 12))
    def consecutive(self, start: int, length: int) -> None:
        """A run of trades, as a feed delivers them."""
        self.bring(set(range(start, start + length)))

    @rule(start=st.integers(0, IDS - 1), length=st.integers(1, 12))
    def verified(self, start: int, length: int) -> None:
        """All that the venue has in a range, and the statement that it is all."""
        ids = set(range(start, start + length))
        self.bring(ids)
        times = [self.venue[one] for one in ids if one in self.venue]
        span = (min(times), max(times)) if times else None
        self.ledger.verified(start, start + length - 1, span)

    @rule(data=st.data())
    def head(self, data: st.DataObject) -> None:
        """What the venue's newest id was at some time."""
        as_of = data.draw(st.integers(90, self.end))
        self.ledger.head(max((i for i, t in self.venue.items() if t <= as_of), default=-1), as_of)

    @rule(data=st.data())
    def heard(self, data: st.DataObject) -> None:
        """The feed has listened for a while; all it heard was passed on, some of it lost after."""
        since, until = sorted(data.draw(st.integers(90, self.end)) for _ in range(2))
        heard = {i for i, t in self.venue.items() if since <= t <= until}
        lost = {i for i in heard if data.draw(st.booleans())}
        self.bring(heard - lost)
        self.passed_on |= heard
        newest = max((i for i in self.passed_on if self.venue[i] <= until), default=-1)
        self.ledger.heard(since, until, newest)

    @rule()
    def take(self) -> None:
        """The change tells the coverage of this moment, and tells each thing once."""
        before = self.ledger
        for gap in before.gaps:
            assert gap.changed or gap.missing or gap.absent
        change = before.take_change()
        assert change.coverage == before.coverage()
        assert before.take_change().gaps == ()

    @invariant()
    def missing_is_what_is_not_there(self) -> None:
        """Gaps list first..watermark without what is stored and what the venue never had."""
        live = self.ledger.live
        if live is None:
            assert not self.stored
            return
        missing: list[int] = []
        absent: set[int] = set()
        for gap in self.ledger.gaps:
            missing += members(gap.missing)
            absent |= members(gap.absent)
            assert not members(gap.missing) & members(gap.absent)
        assert len(missing) == len(set(missing))
        assert not absent & set(self.venue)
        own = set(range(live.from_id, live.to_id + 1))
        assert set(missing) == own - self.stored - absent
        assert max(self.stored) <= live.to_id

    @invariant()
    def islands_hold_only_what_is_known(self) -> None:
        """Older islands are whole, apart from each other and before the live one."""
        live = self.ledger.live
        if live is None:
            return
        islands = self.ledger.islands
        for island in islands:
            ids = set(range(island.from_id, island.to_id + 1))
            assert ids & set(self.venue) <= self.stored
            assert island.to_id < live.from_id - 1
        for one, other in pairwise(islands):
            assert one.to_id + 1 < other.from_id
        below = {one for one in self.stored if one < live.from_id}
        assert below <= {i for one in islands for i in range(one.from_id, one.to_id + 1)}

    @invariant()
    def nothing_covered_is_missing(self) -> None:
        """A stretch of time that is called covered lacks none of the venue's trades."""
        coverage = self.ledger.coverage()
        lacking = {self.venue[one] for one in set(self.venue) - self.stored}
        for start in range(95, self.end):
            for length in (1, 3, 10):
                if coverage.covers(start, start + length, 0):
                    assert not lacking & set(range(start, start + length))

    @invariant()
    def quiet_ends_in_coverage(self) -> None:
        """What lies between the first and the newest of a whole live island is covered."""
        live = self.ledger.live
        if live is None or self.ledger.open_gaps():
            return
        start, end = live.from_time + 1, self.ledger.heard_until
        assert start >= end or self.ledger.coverage().covers(start, end, 0)

    @precondition(lambda self: len(self.stored) == len(self.venue))
    @rule()
    def all_there(self) -> None:
        """When everything is stored, no gap lists an id that the venue has."""
        for gap in self.ledger.open_gaps():
            assert not members(gap.missing) & set(self.venue)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def live_ledger(*ids: int) -> Ledger:
    """Return a ledger that has absorbed `ids`; the time of each is ten times the id."""
    ledger = Ledger(1)
    absorb(ledger, {one: 10 * one for one in ids})
    return ledger


def states(ledger: Ledger) -> list[GapState]:
    """Return the states of the ledger's gaps."""
    return [gap.state for gap in ledger.gaps]


def test_a_gap_goes_from_suspected_to_filled() -> None:
    """A jump is suspected, closes trade by trade, and is reported once as filled, then forgotten."""
    ledger = live_ledger(1, 2, 5)
    assert [(gap.from_id, gap.to_id, gap.from_time, gap.to_time) for gap in ledger.gaps] == [
        (3, 4, 20, 50)
    ]
    ledger.take_change()
    assert absorb(ledger, {3: 30}) == [3]
    assert states(ledger) == [GapState.SUSPECTED]
    assert absorb(ledger, {4: 40}) == [4]
    change = ledger.take_change()
    assert [gap.state for gap in change.gaps] == [GapState.FILLED]
    assert ledger.gaps == []


def test_what_the_venue_never_had_is_absent() -> None:
    """Ids that a verified range does not have are absent; should one come, it counts as new."""
    ledger = live_ledger(1, 2, 6)
    absorb(ledger, {4: 40})
    ledger.verified(3, 5, (40, 40))
    assert states(ledger) == [GapState.ABSENT]
    assert ledger.coverage().gaps == ()
    assert absorb(ledger, {5: 50}) == [5]
    assert absorb(ledger, {5: 50}) == []
    assert members(ledger.gaps[0].absent) == {3}


def test_absent_ids_before_the_first_trade_still_count_as_new_if_they_come() -> None:
    """An import's missing ids are remembered as absent, like those of a live gap."""
    ledger = live_ledger(100)
    absorb(ledger, {10: 100, 12: 120})
    ledger.verified(10, 12, (100, 120))
    assert ledger.islands == [Island(10, 12, 100, 120)]
    assert states(ledger) == [GapState.ABSENT]
    assert absorb(ledger, {11: 110}) == [11]
    assert absorb(ledger, {11: 110}) == []


def test_silence_is_a_hole_until_it_is_explained() -> None:
    """A feed that was deaf leaves a hole; a consecutive trade or a look at the venue closes it."""
    ledger = live_ledger(1, 2)
    ledger.heard(15, 30, 2)
    assert (ledger.heard_until, ledger.hole_since) == (30, None)
    ledger.heard(50, 60, -1)
    assert (ledger.heard_until, ledger.hole_since) == (30, 50)
    ledger.head(2, 50)
    assert (ledger.heard_until, ledger.hole_since) == (50, None)
    ledger.heard(50, 70, -1)
    assert (ledger.heard_until, ledger.hole_since) == (70, None)
    ledger.heard(90, 95, -1)
    absorb(ledger, {3: 96})
    assert (ledger.heard_until, ledger.hole_since, ledger.gaps) == (96, None, [])


def test_what_was_passed_on_but_never_stored_is_suspected() -> None:
    """A HEARD mark that names a newer id than the store has reveals what the bus has lost."""
    ledger = live_ledger(1, 2)
    ledger.heard(15, 40, 4)
    assert [gap.missing for gap in ledger.gaps] == [((3, 4),)]
    assert not ledger.coverage().covers(30, 35, 0)
    assert absorb(ledger, {3: 30, 4: 40}) == [3, 4]
    assert ledger.coverage().covers(30, 35, 0)


def test_a_trade_at_the_first_ones_time_may_be_missing() -> None:
    """The bucket that starts with our first trade is not whole: its twin may have come before."""
    ledger = live_ledger(5, 6)
    assert not ledger.coverage().covers(50, 60, 0)
    assert ledger.coverage().covers(51, 60, 0)


def test_old_statements_change_nothing() -> None:
    """A mark that comes a second time, after newer ones, takes nothing back."""
    ledger = live_ledger(1, 2, 3)
    ledger.heard(20, 90, 3)
    before = ledger.coverage()
    ledger.heard(20, 40, 2)
    ledger.head(2, 25)
    assert ledger.coverage() == before


def test_changes_stay_as_they_were_taken() -> None:
    """A change in the writer's hands does not move while the next batch is worked out."""
    ledger = live_ledger(1, 2, 5)
    change = ledger.take_change()
    absorb(ledger, {3: 30, 6: 60, 9: 90})
    assert change.live == Island(1, 5, 10, 50)
    assert [gap.missing for gap in change.gaps] == [((3, 4),)]
    assert isinstance(change.gaps[0].gap, Gap)


def test_a_gap_behind_a_head_reaches_to_the_newest_trade() -> None:
    """What was missed while deaf may be as late as the venue's newest trade: no bucket until then."""
    ledger = Ledger(1)
    ledger.absorb(np.array([1, 2]), np.array([10, 20]))
    ledger.heard(50, 60, -1)
    ledger.head(5, 50, 75)
    assert [(gap.from_id, gap.to_id, gap.from_time, gap.to_time) for gap in ledger.gaps] == [
        (3, 5, 20, 75)
    ]
    assert not ledger.coverage().covers(60, 70, 10)


def test_a_minute_is_whole_from_where_the_venue_says_nothing_happened_before() -> None:
    """The venue's first trade since a time, absorbed or already known, makes that time whole."""
    ledger = Ledger(1)
    ledger.absorb(np.array([7, 8]), np.array([130, 140]))
    assert not ledger.coverage().covers(100, 140, 10)
    ledger.absorb(np.array([5, 6]), np.array([110, 120]))
    ledger.verified(5, 6, (110, 120), since=100)
    assert ledger.coverage().covers(100, 140, 10)
    other = Ledger(2)
    other.absorb(np.array([7, 8]), np.array([130, 140]))
    other.verified(7, 7, None, since=100)
    assert other.coverage().covers(100, 140, 10)
    assert not other.coverage().covers(90, 140, 10)
