"""The channel `user` over real engines: whole, in order, one's own, whatever is interrupted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubkit import Hub
from openoutcry.core.keys import user_channel, user_history
from openoutcry.core.trading.wire import user_message
from openoutcry.engines import Engines
from openoutcry.model import User
from privatekit import Floor, Tab

pytest_plugins = ["hubkit", "privatekit"]


@asynccontextmanager
async def tab(floor: Floor, hub: Hub, user: User) -> AsyncIterator[Tab]:
    """Open a signed-in connection."""
    async with hub.talk(headers={"X-API-Key": await floor.key(user)}) as talk:
        yield Tab(talk)


async def test_snapshot_then_changes(floor: Floor) -> None:
    """A tab gets what there is, then each change once, under the next offset; so do its others."""
    hub, ada = await floor.hub(), await floor.user("ada")
    await floor.commit(ada, 1, 2)
    async with tab(floor, hub, ada) as one, tab(floor, hub, ada) as two:
        answer = await one.subscribe()
        assert (answer["recovered"], answer["data"], answer["offset"]) == (False, [1, 2], 2)
        assert answer["epoch"] == await floor.epoch()
        await floor.commit(ada, 3)
        await two.subscribe()
        await floor.commit(ada, {"four": 4})
        for each in (one, two):
            await each.reach(4)
            assert each.known == [1, 2, 3, {"four": 4}]
        await one.talk.ask("unsubscribe", "user")
        assert (await one.talk.next())["type"] == "unsubscribed"
        await floor.commit(ada, 5)
        await two.reach(5)
        await one.talk.ask("ping")
        assert (await one.talk.next())["type"] == "pong"


async def test_nobody_hears_of_anothers(floor: Floor) -> None:
    """Two users at once: each tab has exactly its own user's messages."""
    hub = await floor.hub()
    users = [await floor.user("ada"), await floor.user("bob")]
    async with tab(floor, hub, users[0]) as one, tab(floor, hub, users[1]) as two:
        tabs = [one, two]
        for each in tabs:
            await each.subscribe()
        for number in range(100):
            which = random.randrange(2)
            await floor.commit(users[which], f"{users[which].name} {number}")
        written = [await _written(floor, user) for user in users]
        for each, user, offset in zip(tabs, users, written, strict=True):
            await each.reach(offset)
            assert {str(text).split()[0] for text in each.known} == {user.name}


async def _written(floor: Floor, user: User) -> int:
    sql = "SELECT position FROM trading_accounts WHERE user_id = $1"
    position: int = await floor.pool.fetchval(sql, user.id)
    return position


async def test_resume(floor: Floor) -> None:
    """Who comes back with its offset gets what it missed, whole; nothing if it missed nothing."""
    hub, ada = await floor.hub(), await floor.user("ada")
    await floor.commit(ada, 1)
    async with tab(floor, hub, ada) as first:
        await first.subscribe()
        await first.reach(1)
    await floor.commit(ada, 2, 3)
    await floor.commit(ada, 4)
    await floor.published()
    async with tab(floor, hub, ada) as second:
        second.known, second.offset, second.epoch = first.known, first.offset, first.epoch
        reads = floor.store.reads
        answer = await second.again()
        assert (answer["recovered"], answer["offset"], "data" in answer) == (True, 1, False)
        await second.reach(4)
        assert second.known == [1, 2, 3, 4]
        assert (await second.again())["recovered"]
        await floor.commit(ada, 5)
        await second.reach(5)
        assert floor.store.reads == reads, "no snapshot was needed"


@pytest.mark.parametrize("why", ["hole", "trimmed", "epoch", "future"])
async def test_not_recovered(floor: Floor, why: str) -> None:
    """What cannot be resumed is said to be so, with a fresh snapshot."""
    hub, ada = await floor.hub(), await floor.user("ada")
    await floor.commit(ada, *range(1, 9))
    await floor.published()
    epoch = await floor.epoch()
    async with tab(floor, hub, ada) as one:
        await one.subscribe()
        await one.reach(8)
        if why == "hole":
            await floor.valkey.xdel(user_history(ada.id), "5-0")
        elif why == "trimmed":
            await floor.valkey.xtrim(user_history(ada.id), maxlen=2, approximate=False)
        offset = 99 if why == "future" else 3
        answer = await one.subscribe(offset, "another" if why == "epoch" else epoch)
        assert (answer["recovered"], answer["offset"]) == (False, 8)
        assert one.known == list(range(1, 9))
        await floor.commit(ada, 9)
        await one.reach(9)


async def test_bad_positions(floor: Floor) -> None:
    """An offset without an epoch, or one that is no offset, is refused; the connection stays."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with tab(floor, hub, ada) as one:
        bad: list[dict[str, Any]] = [
            {"offset": 1},
            {"epoch": "e"},
            {"offset": -1, "epoch": "e"},
            {"offset": True, "epoch": "e"},
            {"offset": "1", "epoch": "e"},
            {"offset": 1, "epoch": 7},
        ]
        for position in bad:
            await one.talk.ask("subscribe", "user", **position)
            assert (await one.talk.until("error"))["code"] == "bad_message"
        assert (await one.subscribe(2**60, "e"))["recovered"] is False


async def test_changes_while_the_snapshot_is_read(floor: Floor) -> None:
    """What is published between a snapshot and its answer follows it, once."""
    hub, ada = await floor.hub(), await floor.user("ada")
    await floor.commit(ada, 1)
    async with tab(floor, hub, ada) as one, tab(floor, hub, ada) as two:
        await two.subscribe()
        await two.reach(1)
        floor.store.gate = asyncio.Event()
        reads = floor.store.reads
        await one.talk.ask("subscribe", "user")
        while floor.store.reads == reads:
            await asyncio.sleep(0.01)
        await floor.commit(ada, 2, 3)
        await two.reach(3)
        floor.store.gate.set()
        await one.take("subscribed")
        assert one.offset == 1
        await one.reach(3)
        assert one.known == [1, 2, 3]


async def test_a_snapshot_ahead_of_the_publisher(floor: Floor) -> None:
    """What is committed but not published is in the snapshot, and does not come again."""
    hub, ada = await floor.hub(), await floor.user("ada")
    assert floor.publisher
    async with tab(floor, hub, ada) as one:
        append = floor.publisher._history.append
        floor.publisher._history.append = _never  # type: ignore[method-assign,assignment]
        await floor.commit(ada, 1, 2)
        answer = await one.subscribe()
        assert (answer["offset"], answer["data"]) == (2, [1, 2])
        floor.publisher._history.append = append  # type: ignore[method-assign]
        await floor.commit(ada, 3)
        await one.reach(3)
        assert one.known == [1, 2, 3]


async def _never(*_: Any) -> int:
    raise OSError("not now")


async def test_a_hole_in_what_is_heard(floor: Floor) -> None:
    """Messages that the bus lost are read from the history; a hole there means a snapshot for all."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with tab(floor, hub, ada) as one, tab(floor, hub, ada) as two:
        for each in (one, two):
            await each.subscribe()
        private = hub.server.private
        hear = hub.server.market.hearers["user"]
        hub.server.market.hearers["user"] = _deaf
        await floor.commit(ada, 1, 2)
        await _heard(floor, ada, 2)
        hub.server.market.hearers["user"] = hear
        await floor.commit(ada, 3)
        for each in (one, two):
            await each.reach(3)
        assert (private.holes, one.recovered) == (1, [False])
        hub.server.market.hearers["user"] = _deaf
        await floor.commit(ada, 4, 5)
        await _heard(floor, ada, 5)
        await floor.valkey.xdel(user_history(ada.id), "4-0")
        hub.server.market.hearers["user"] = hear
        await floor.commit(ada, 6)
        for each in (one, two):
            await each.reach(6)
            assert each.known == [1, 2, 3, 4, 5, 6]
            assert each.recovered == [False, False]
        await floor.commit(ada, 7)
        for each in (one, two):
            await each.reach(7)


def _deaf(name: str, data: bytes) -> None:
    """Hear nothing."""


async def _heard(floor: Floor, user: User, offset: int) -> None:
    """Wait until a message is in the history, and was published a moment ago."""
    while not await floor.valkey.xrange(user_history(user.id), f"{offset}-0"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


async def test_repeated_messages_are_left_out(floor: Floor) -> None:
    """What the bus says twice is told once."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with tab(floor, hub, ada) as one:
        await one.subscribe()
        await floor.commit(ada, 1, 2)
        await one.reach(2)
        for offset in (1, 2):
            said = user_message("log_created", "0", 0, offset, await floor.epoch())
            await floor.valkey.publish(user_channel(ada.id), said)
        await floor.commit(ada, 3)
        await one.reach(3)
        assert one.known == [1, 2, 3]


async def test_another_epoch(floor: Floor) -> None:
    """A database made anew counts anew: every tab gets a snapshot of it."""
    hub, ada = await floor.hub(), await floor.user("ada")
    await floor.commit(ada, 1, 2, 3)
    async with tab(floor, hub, ada) as one, tab(floor, hub, ada) as two:
        await one.subscribe()
        await one.reach(3)
        await floor.pool.execute("TRUNCATE outbox")
        await floor.pool.execute("UPDATE trading_accounts SET position = 0")
        await floor.pool.execute("UPDATE trading_epoch SET epoch = 'second'")
        await floor.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
        await floor.commit(ada, "anew")
        await one.take("subscribed")
        await two.subscribe()
        for each in (one, two):
            await each.reach(1)
            assert (each.epoch, each.known) == ("second", ["anew"])


async def test_valkey_restarts(floor: Floor, alive: Engines) -> None:
    """Valkey away, back and empty: no tab misses or repeats anything, and all go on."""
    hub, ada = await floor.hub(), await floor.user("ada")
    assert alive.valkey
    async with tab(floor, hub, ada) as one, tab(floor, hub, ada) as two:
        await one.subscribe()
        await floor.commit(ada, 1)
        await one.reach(1)
        await floor.valkey.flushall()
        await alive.valkey.stop()
        await floor.commit(ada, 2, 3)
        await alive.valkey.start()
        await one.reach(3, 30)
        await floor.commit(ada, 4)
        await one.reach(4, 30)
        await two.subscribe(1, one.epoch)
        await two.reach(4)
        assert one.known == [1, 2, 3, 4]
        assert two.known[-3:] == [2, 3, 4]


async def test_a_user_without_an_account_store(hub: Hub) -> None:
    """The rest of the hub does not care that there are no accounts."""
    async with hub.talk() as talk:
        await talk.ask("subscribe", "user")
        assert (await talk.next())["code"] == "unauthorized"
        assert not hub.server.private._feeds


async def test_what_is_left_is_let_go(floor: Floor) -> None:
    """When the last tab is gone the hub listens to that user no more, and keeps nothing."""
    hub, ada = await floor.hub(), await floor.user("ada")
    async with tab(floor, hub, ada) as one:
        await one.subscribe()
        assert ada.id in hub.server.private._feeds
    for _ in range(100):
        await asyncio.sleep(0.05)
        if not hub.server.private._feeds and not len(hub.server.guard):
            break
    assert not hub.server.private._feeds
    assert user_channel(ada.id) not in hub.bus._subscriptions._wanted
    assert not len(hub.server.guard)
