"""Who gets which frames, in which writes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.outbox import EveryTopic, LatestTopic, NewestTopic, Outbox


class Loop:
    """Runs what was scheduled when told to."""

    def __init__(self) -> None:
        self.scheduled: list[Callable[[], None]] = []

    def schedule(self, work: Callable[[], None]) -> None:
        """Run `work` in the next turn."""
        self.scheduled.append(work)

    def turn(self) -> None:
        """Run what is scheduled."""
        scheduled, self.scheduled = self.scheduled, []
        for each in scheduled:
            each()

    def end(self) -> None:
        """Run until nothing is scheduled any more."""
        while self.scheduled:
            self.turn()


class Peer:
    """A client whose socket is full after `room` writes."""

    def __init__(self, fanout: Fanout, limit: int = 1 << 20) -> None:
        self.writes: list[bytes] = []
        self.room: int | None = None
        self.closed = False
        self.fanout = fanout
        self.client = Client(self.write, self.close, Outbox(limit))
        fanout.add(self.client)

    def write(self, data: bytes) -> None:
        """Take bytes as a transport does."""
        assert not self.closed
        self.writes.append(data)
        if self.room is not None:
            self.room -= 1
            if self.room <= 0:
                self.fanout.pause(self.client)

    def close(self) -> None:
        """Be closed."""
        self.closed = True
        self.fanout.remove(self.client)

    def resume(self, room: int | None = None) -> None:
        """Have drained, with room for so many writes."""
        self.room = room
        self.fanout.resume(self.client)


def _new() -> tuple[Loop, Fanout]:
    loop = Loop()
    return loop, Fanout(loop.schedule)


def test_one_write_of_the_same_bytes_for_each_client_of_a_turn() -> None:
    """Frames of one turn are joined once, and every client of the group gets that very object."""
    loop, fanout = _new()
    topics = [LatestTopic() for _ in range(3)]
    peers = [Peer(fanout) for _ in range(4)]
    for peer in peers:
        for topic in topics:
            fanout.join(peer.client, topic)
    loop.turn()
    for number, topic in enumerate(topics):
        fanout.publish_latest(topic, b"%d" % number)
    assert not any(peer.writes for peer in peers)
    loop.turn()
    assert [peer.writes for peer in peers] == [[b"012"]] * 4
    assert len({id(peer.writes[0]) for peer in peers}) == 1
    assert (fanout.messages, fanout.bytes) == (12, 12)


def test_joining_within_a_turn() -> None:
    """A client gets what was published before it left and after it joined, and no more."""
    loop, fanout = _new()
    topic, other = LatestTopic(), LatestTopic()
    old, new = Peer(fanout), Peer(fanout)
    fanout.join(old.client, topic)
    fanout.publish_latest(topic, b"1")
    fanout.send(new.client, b"hello")
    fanout.join(new.client, topic)
    fanout.publish_latest(topic, b"2")
    fanout.join(old.client, other)
    fanout.leave(new.client, topic)
    fanout.send(new.client, b"bye")
    fanout.publish_latest(topic, b"3")
    loop.turn()
    assert old.writes == [b"123"]
    assert new.writes == [b"hello2bye"]


def test_a_slow_client_gets_the_latest_and_the_others_everything() -> None:
    """While a socket is full its client is passed over; then it gets the latest only."""
    loop, fanout = _new()
    price, trades = LatestTopic(), NewestTopic(lambda i, n: b"<" + b"".join(i) + b"-%d>" % n, 2)
    slow, fast = Peer(fanout), Peer(fanout)
    for peer in (slow, fast):
        fanout.join(peer.client, price)
        fanout.join(peer.client, trades)
    slow.room = 1
    for number in range(4):
        fanout.publish_latest(price, b"p%d " % number)
        fanout.publish_newest(trades, b"t%d " % number, [b"%d" % number])
        loop.turn()
    assert slow.writes == [b"p0 t0 "]
    assert fanout.paused == 1
    fanout.publish_latest(price, b"p4 ")
    slow.resume()
    loop.turn()
    assert sorted(slow.writes[1:]) == [b"p4 <23-1>"] or slow.writes[1:] == [b"<23-1>p4 "]
    assert fast.writes == [b"p0 t0 ", b"p1 t1 ", b"p2 t2 ", b"p3 t3 ", b"p4 "]
    assert fanout.paused == 0
    assert fanout.conflated == 3 + 1
    fanout.publish_latest(price, b"p5 ")
    loop.turn()
    assert slow.writes[-1] == b"p5 "


def test_nothing_of_every_is_lost_before_the_client_is_closed() -> None:
    """Messages that must not be lost wait for a slow client up to its bound, then it is closed."""
    loop, fanout = _new()
    orders = EveryTopic()
    patient, doomed = Peer(fanout, limit=10), Peer(fanout, limit=3)
    for peer in (patient, doomed):
        fanout.join(peer.client, orders)
        peer.room = 1
    for number in range(5):
        fanout.publish_every(orders, b"%d" % number)
        loop.turn()
    assert doomed.closed
    assert not patient.closed
    patient.resume()
    assert b"".join(patient.writes) == b"01234"


def test_too_far_behind() -> None:
    """A client that missed more than a topic remembers is closed when its socket has drained."""
    loop, fanout = _new()
    candles = LatestTopic(keys=2)
    peer = Peer(fanout)
    fanout.join(peer.client, candles)
    peer.room = 1
    for bucket in range(5):
        fanout.publish_latest(candles, b"x", bucket)
        loop.turn()
    peer.resume()
    assert peer.closed


def test_what_can_wait_goes_out_in_shares_and_orders_go_between() -> None:
    """While a price is on its way to a crowd, an order reaches its owner in the next turn."""
    loop = Loop()
    fanout = Fanout(loop.schedule, crowd=2, share=2)
    price, orders = LatestTopic(), EveryTopic()
    crowd = [Peer(fanout) for _ in range(7)]
    for peer in crowd:
        fanout.join(peer.client, price)
    fanout.join(crowd[-1].client, orders)
    loop.turn()
    fanout.publish_latest(price, b"p1 ")
    loop.turn()
    assert [len(peer.writes) for peer in crowd] == [1, 1, 0, 0, 0, 0, 0]
    fanout.publish_latest(price, b"p2 ")
    fanout.publish_every(orders, b"order ")
    loop.turn()
    assert crowd[-1].writes == [b"p1 p2 order "]
    assert [len(peer.writes) for peer in crowd] == [1, 1, 1, 1, 0, 0, 1]
    for _ in range(2):
        loop.turn()
    assert not loop.scheduled
    assert [b"".join(peer.writes) for peer in crowd[:-1]] == [b"p1 p2 "] * 6
    assert [len(peer.writes) for peer in crowd] == [2, 2, 1, 1, 1, 1, 1]


class Deliveries(RuleBasedStateMachine):
    """Any interleaving: what clients get is checked against a model of what they are due."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop()
        self.fanout = self.fan_out()
        self.topics = [LatestTopic() for _ in range(3)]
        self.peers = [Peer(self.fanout) for _ in range(3)]
        self.number = 0
        self.joined: list[list[int | None]] = [[None] * 3 for _ in self.peers]
        self.latest = [0] * 3
        self.seen = [0] * 3

    def fan_out(self) -> Fanout:
        """Return what is looked at."""
        return Fanout(self.loop.schedule)

    def _read(self, who: int) -> list[tuple[int, ...]]:
        peer = self.peers[who]
        messages = [m for write in peer.writes for m in write.split(b";") if m]
        return [tuple(map(int, m.split(b":"))) for m in messages]

    @rule(topic=st.integers(0, 2))
    def publish(self, topic: int) -> None:
        """Say something on a topic."""
        self.number += 1
        self.latest[topic] = self.number
        self.fanout.publish_latest(self.topics[topic], b"%d:%d;" % (topic, self.number))

    @rule(who=st.integers(0, 2), topic=st.integers(0, 2))
    def join(self, who: int, topic: int) -> None:
        """Join a topic."""
        if self.joined[who][topic] is None:
            self.joined[who][topic] = self.number
        self.fanout.join(self.peers[who].client, self.topics[topic])

    @rule(who=st.integers(0, 2), topic=st.integers(0, 2))
    def leave(self, who: int, topic: int) -> None:
        """Leave a topic."""
        self.fanout.leave(self.peers[who].client, self.topics[topic])
        self.joined[who][topic] = None

    @rule(who=st.integers(0, 2), topics=st.sets(st.integers(0, 2)))
    def rejoin(self, who: int, topics: set[int]) -> None:
        """Listen to exactly these topics."""
        chosen = frozenset(self.topics[topic] for topic in topics)
        self.fanout.rejoin(self.peers[who].client, chosen)
        for topic in range(3):
            if topic not in topics:
                self.joined[who][topic] = None
            elif self.joined[who][topic] is None:
                self.joined[who][topic] = self.number

    @rule(who=st.integers(0, 2), room=st.integers(1, 2))
    def fill(self, who: int, room: int | None) -> None:
        """Have room for so many writes only."""
        self.peers[who].room = room

    @rule(who=st.integers(0, 2), room=st.none() | st.integers(1, 2))
    def drain(self, who: int, room: int | None) -> None:
        """Have drained."""
        self.peers[who].resume(room)

    @rule()
    def turn(self) -> None:
        """End the turn."""
        self.loop.turn()

    @invariant()
    def in_order_and_once(self) -> None:
        """See that each client got a topic in order, without repeats."""
        for who in range(3):
            for topic in range(3):
                numbers = [n for t, n in self._read(who) if t == topic]
                assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        """See that every client ends with the latest of its topics."""
        self.loop.end()
        for peer in self.peers:
            peer.resume()
        self.loop.end()
        for who in range(3):
            got = self._read(who)
            for topic in range(3):
                since = self.joined[who][topic]
                if since is not None and self.latest[topic] > since:
                    assert (topic, self.latest[topic]) in got
        assert self.fanout.paused == 0


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


class InShares(Deliveries):
    """The same where each turn writes to one client, and two make a crowd."""

    def fan_out(self) -> Fanout:
        """Return what is looked at."""
        return Fanout(self.loop.schedule, crowd=2, share=1)


TestInShares = InShares.TestCase
TestInShares.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
