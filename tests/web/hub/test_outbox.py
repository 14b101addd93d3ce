"""What a slow client is owed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.web.hub.outbox import (
    ArrayTopic,
    LatestTopic,
    NewestTopic,
    Outbox,
    TooFarBehindError,
)


def _compose(items: list[bytes], skipped: int) -> bytes:
    return b",".join(items) + b"|%d" % skipped


def test_latest_wins() -> None:
    """Of each key the latest is owed, in the order of the last changes; the rest is left out."""
    topic = LatestTopic()
    topic.note(b"before", "a")
    cursor = topic.cursor()
    for frame, key in ((b"a1", "a"), (b"b1", "b"), (b"a2", "a")):
        topic.note(frame, key)
    owed = topic.owed(cursor)
    assert (owed.frames, owed.left_out) == ([b"b1", b"a2"], 1)
    assert topic.owed(topic.cursor()).frames == []


def test_forgotten_keys_are_too_far_behind() -> None:
    """A client that missed a key which is no longer remembered is not told half of it."""
    topic = LatestTopic(keys=2)
    start = topic.cursor()
    for key in range(3):
        topic.note(b"x", key)
    with pytest.raises(TooFarBehindError):
        topic.owed(start)
    assert topic.owed(start + 1).frames == [b"x", b"x"]


def test_an_array_of_the_latest_of_each_key() -> None:
    """What a client missed comes in one frame: each key once, as it now is."""
    topic = ArrayTopic(b",".join)
    cursor = topic.cursor()
    for item, key in ((b"a1", "a"), (b"b1", "b"), (b"a2", "a")):
        topic.note(item, key)
    owed = topic.owed(cursor)
    assert (owed.frames, owed.left_out) == ([b"b1,a2"], 1)
    assert topic.owed(topic.cursor()).frames == []


def test_newest_items() -> None:
    """The newest items are owed in one frame that says how many were skipped."""
    topic = NewestTopic(_compose, size=3)
    topic.note([b"0"])
    cursor = topic.cursor()
    topic.note([b"1", b"2"])
    assert topic.owed(cursor).frames == [b"1,2|0"]
    topic.note([b"3", b"4"])
    assert topic.owed(cursor).frames == [b"2,3,4|1"]
    assert topic.owed(topic.cursor()).frames == []


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99))),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99))),
)
def test_latest_topic_equals_a_dictionary(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    """What is owed is what a dictionary filled since then would hold, whatever came before."""
    topic = LatestTopic()
    for key, value in before:
        topic.note(b"%d:%d" % (key, value), key)
    cursor = topic.cursor()
    for key, value in after:
        topic.note(b"%d:%d" % (key, value), key)
    owed = topic.owed(cursor)
    assert {f.split(b":")[0]: f.split(b":")[1] for f in owed.frames} == {
        b"%d" % key: b"%d" % value for key, value in after
    }
    assert owed.left_out == len(after) - len(owed.frames)


@given(st.lists(st.lists(st.binary(min_size=1, max_size=3), max_size=5)), st.data())
def test_newest_topic_accounts_for_every_item(
    batches: list[list[bytes]], data: st.DataObject
) -> None:
    """Items told and items skipped add up to the items missed, and the told ones are the newest."""
    topic = NewestTopic(lambda items, skipped: bytes([len(items), skipped]), size=4)
    at = data.draw(st.integers(0, len(batches)))
    for batch in batches[:at]:
        topic.note(batch)
    cursor = topic.cursor()
    for batch in batches[at:]:
        topic.note(batch)
    missed = sum(map(len, batches[at:]))
    frames = topic.owed(cursor).frames
    assert frames == ([bytes([min(missed, 4), max(missed - 4, 0)])] if missed else [])


@given(st.lists(st.binary(max_size=40)), st.integers(0, 400), st.integers(1, 100))
def test_own_messages_are_all_there_or_the_client_is_closed(
    messages: list[bytes], limit: int, budget: int
) -> None:
    """No message of a client's own is lost before the bound, and none is held past it."""
    outbox = Outbox(limit)
    kept: list[bytes] = []
    for message in messages:
        try:
            outbox.put(message)
        except TooFarBehindError:
            assert sum(map(len, kept)) + len(message) > limit
            break
        kept.append(message)
        assert outbox.size <= limit
    taken: list[bytes] = []
    while outbox:
        taken += outbox.take(budget).frames
    assert taken == kept
    assert outbox.size == 0


def test_taking_in_turns() -> None:
    """A budget splits what is owed; a topic waits its turn and is then told as it is by then."""
    first, second, outbox = LatestTopic(), LatestTopic(), Outbox()
    outbox.fall_behind([first, second])
    first.note(b"first")
    second.note(b"old")
    assert outbox.take(1).frames == [b"first"]
    second.note(b"new")
    assert outbox
    assert outbox.take(1).frames == [b"new"]
    assert not outbox


def test_a_topic_that_was_left() -> None:
    """Nothing is owed of a topic that the client has left."""
    topic, outbox = LatestTopic(), Outbox()
    outbox.fall_behind([topic])
    topic.note(b"x")
    outbox.forget(topic)
    assert outbox.take(1).frames == []
