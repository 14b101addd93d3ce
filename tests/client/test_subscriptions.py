"""Where a client is in its channels: what it passes on, and what it asks for, by values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.client.messages import Message
from openoutcry.client.subscriptions import Subscriptions


def change(offset: int, epoch: str = "e") -> Message:
    """Return a message of the private channel."""
    return Message("bot_update", "user", offset=offset, epoch=epoch, data=offset)


def answer(offset: int, epoch: str = "e", *, recovered: bool = False) -> Message:
    """Return the answer to a subscription."""
    return Message("subscribed", "user", offset=offset, epoch=epoch, recovered=recovered)


def test_from_the_start_and_again() -> None:
    """The first time a channel is asked for whole, later from the last offset."""
    book = Subscriptions()
    assert book.add("user") == {"type": "subscribe", "channel": "user"}
    assert book.take(answer(3)) == (True, None)
    assert book.take(change(4)) == (True, None)
    book.add("price:BTCUSDT")
    assert book.connected() == [
        {"type": "subscribe", "channel": "user", "offset": 4, "epoch": "e"},
        {"type": "subscribe", "channel": "price:BTCUSDT"},
    ]
    assert book.take(change(5)) == (False, None), "of the connection before"
    assert book.take(answer(4, recovered=True)) == (True, None)
    assert book.take(change(5)) == (True, None)


def test_holes_repeats_and_epochs() -> None:
    """What is repeated is left out; after a hole, or in another epoch, the channel is asked again."""
    book = Subscriptions()
    book.add("user")
    book.take(answer(3))
    assert book.take(change(3)) == (False, None)
    passed, request = book.take(change(5))
    assert (passed, request) == (
        False,
        {"type": "subscribe", "channel": "user", "offset": 3, "epoch": "e"},
    )
    assert book.take(change(6)) == (False, None), "once is enough"
    book.take(answer(6))
    assert book.take(change(7, "other"))[1]


def test_other_channels_pass() -> None:
    """Prices have no offsets; what was left is not passed on; errors and news are."""
    book = Subscriptions()
    book.add("price:BTCUSDT")
    price = Message("price_update", "price:BTCUSDT")
    assert book.take(price) == (True, None)
    book.remove("price:BTCUSDT")
    assert book.take(price) == (False, None)
    assert book.take(Message("error", "price:BTCUSDT", code="unavailable")) == (True, None)
    assert book.take(Message("system")) == (True, None)


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(0, 5))
def test_whatever_comes(offsets: list[int], start: int) -> None:
    """Whatever the order of what comes, what is passed on has no hole and no repeat."""
    book = Subscriptions()
    book.add("user")
    book.take(answer(start))
    at = start
    for offset in offsets:
        passed, request = book.take(change(offset))
        if passed:
            assert offset == at + 1
            at = offset
        if request is not None:
            assert request["offset"] == at
            book.take(answer(at, recovered=True))
