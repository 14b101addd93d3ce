"""Commands, scripts and channels on a real cluster, also while it rearranges itself."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from test_shared_logs import most_in_a_window

from clusterkit import Cluster, cluster, valkey, valkey_url, whole_cluster
from openoutcry.adapters.valkey.client import connect, get_all, servers
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.adapters.valkey.status_board import read_statuses, write_status
from openoutcry.adapters.valkey.subscriptions import Subscriptions
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.keys import FRAME_FIELD, trades_stream
from openoutcry.core.trade_stats import TradeStats
from openoutcry.model import RoleStatus

__all__ = ["cluster", "valkey", "valkey_url", "whole_cluster"]

NAMES = [f"name-{number}" for number in range(60)]


class Ears:
    """Hears channels of the cluster, and remembers what they said."""

    def __init__(self, url: str) -> None:
        self.subscriptions = Subscriptions(url)
        self.said: list[tuple[str, bytes]] = []
        self.connects = 0

    def on_message(self, channel: str, data: bytes) -> None:
        self.said.append((channel, data))

    async def on_connected(self) -> None:
        self.connects += 1


@asynccontextmanager
async def listening(url: str, *channels: str) -> AsyncIterator[Ears]:
    """Listen to channels meanwhile, from when they are heard."""
    ears = Ears(url)
    for channel in channels:
        ears.subscriptions.want(channel)
    task = asyncio.create_task(ears.subscriptions.run(ears.on_message, ears.on_connected))
    try:
        async with asyncio.timeout(30):
            for channel in channels:
                await ears.subscriptions.heard(channel)
            await until(lambda: ears.connects == 1)
        yield ears
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], object], seconds: float = 45) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_pipeline_over_all_nodes(valkey: Redis) -> None:
    """Answers come in the order of the commands, each node does its part, errors keep their place."""
    pipeline = valkey.pipeline(transaction=False)
    for number, name in enumerate(NAMES):
        pipeline.set(name, number)
        pipeline.incr(name)
    assert (await pipeline.execute())[1::2] == list(range(1, len(NAMES) + 1))
    assert await get_all(valkey, NAMES) == [b"%d" % number for number in range(1, len(NAMES) + 1)]
    sizes = [await server.dbsize() for server in await servers(valkey)]
    assert sum(sizes) == len(NAMES)
    assert min(sizes) > 0
    pipeline.get(NAMES[0])
    pipeline.lpush(NAMES[1], "x")
    pipeline.get(NAMES[2])
    first, error, third = await pipeline.execute(raise_on_error=False)
    assert (first, third) == (b"1", b"3")
    assert isinstance(error, ResponseError)
    pipeline.lpush(NAMES[1], "x")
    with pytest.raises(ResponseError):
        await pipeline.execute()


async def test_a_transaction_is_refused(valkey: Redis) -> None:
    """What a cluster cannot promise is not promised; nor is a command sent to just any node."""
    with pytest.raises(ValueError, match="transaction"):
        valkey.pipeline()
    with pytest.raises(ValueError, match="names no key"):
        await valkey.dbsize()


async def test_a_slot_moves(valkey: Redis, cluster: Cluster) -> None:
    """Commands follow a slot while it moves (ASK) and after it (MOVED), each exactly once."""
    await valkey.set("moving", 1)
    source, target = await cluster.begin_move("moving")
    try:
        assert await valkey.incr("moving") == 2
        assert await valkey.incr("{moving}new") == 1, "not there: its new place is asked"
        pipeline = valkey.pipeline(transaction=False)
        for name in ("{moving}new", NAMES[0], "moving"):
            pipeline.incr(name)
        assert await pipeline.execute() == [2, 1, 3]
    finally:
        await cluster.end_move("moving", source, target)
    assert await valkey.incr("moving") == 4
    for name in ("moving", NAMES[0], "{moving}new"):
        pipeline.incr(name)
    assert await pipeline.execute() == [5, 2, 3]
    await cluster.settled()


async def test_a_stream_and_its_group(valkey: Redis) -> None:
    """A recorder's commands, whose keys are not in the usual place, find the stream."""
    stream = TradeStream(valkey, 1, "one")
    await stream.join()
    await stream.join()
    entry: Any = await valkey.xadd(trades_stream(1), {FRAME_FIELD: b"data"})
    assert [found.id for found in await stream.fresh(10, 1000)] == [entry]
    await stream.claim()
    assert await stream.left_over()
    await stream.done([entry])
    assert not await stream.left_over()
    assert await stream.newest() == entry
    assert await valkey.memory_usage(trades_stream(1))


async def test_the_status_board(valkey: Redis) -> None:
    """Whichever nodes the statuses are on, all of them are on the board."""
    statuses = [RoleStatus("hub", f"{n:02}", 1, "host", 1, 2, "running") for n in range(20)]
    for status in statuses:
        await write_status(valkey, status)
    assert await read_statuses(valkey) == statuses


async def test_counts_from_two_processes(valkey: Redis, valkey_url: str) -> None:
    """Days live on different nodes; every fill that anybody counts is in the sum."""
    today = datetime.now(UTC).date()
    other = connect(valkey_url)
    counts = [TradeCounts(valkey), TradeCounts(other)]
    days = [today.fromordinal(today.toordinal() - back) for back in range(30)]
    for _ in range(5):
        await asyncio.gather(*(count.add(dict.fromkeys(days, 2)) for count in counts))
    await other.aclose()
    counted = await counts[0].read()
    assert set(counted.counts.values()) == {20}
    assert counted.changed
    assert await counts[0].put(dict.fromkeys(days, 21)) == days


async def test_a_limit_over_two_processes(valkey_url: str) -> None:
    """Two processes hammer one address: no window has more than the limit, and the limit is reached."""
    programme = Path(__file__).with_name("hammer.py")
    hammers = [
        await asyncio.create_subprocess_exec(
            sys.executable, programme, valkey_url, "120", "1000000", "2.5",
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    told = [(await hammer.communicate())[0] for hammer in hammers]
    times = sorted(int(line) for text in told for line in text.split())
    assert all(told), "both got some"
    assert most_in_a_window(times, 1_000_000) == 120


async def test_one_leader(valkey: Redis, valkey_url: str) -> None:
    """Of many who want to ask the venue for prices one may, until it lets go."""
    other = connect(valkey_url)
    boards = [PriceBoard(valkey), PriceBoard(other)] * 10
    tokens = [token for token in await asyncio.gather(*(b.lead(30) for b in boards)) if token]
    assert len(tokens) == 1
    assert await boards[1].renew(tokens[0], 30)
    await boards[0].release("another's")
    assert await boards[1].lead(30) is None
    await boards[0].release(tokens[0])
    assert await boards[1].lead(30)
    await other.aclose()


async def test_channels_of_all_nodes(valkey: Redis, valkey_url: str) -> None:
    """Each channel is heard from its node alone, in its order; what is no more wanted is not."""
    async with listening(valkey_url, *NAMES) as ears:
        spread: list[Any] = [
            await server.pubsub_shardchannels() for server in await servers(valkey)
        ]
        assert all(spread)
        assert sorted(name.decode() for some in spread for name in some) == sorted(NAMES)
        for number in range(3):
            pipeline = valkey.pipeline(transaction=False)
            for name in NAMES:
                pipeline.publish(name, b"%d" % number)
            assert await pipeline.execute() == [1] * len(NAMES)
        await ears.subscriptions.caught_up()
        assert len(ears.said) == 3 * len(NAMES)
        for name in NAMES:
            assert [data for channel, data in ears.said if channel == name] == [b"0", b"1", b"2"]
        ears.subscriptions.unwant(NAMES[0])
        async with asyncio.timeout(30):
            while await valkey.publish(NAMES[0], b"still?"):
                await asyncio.sleep(0.02)
        assert (ears.connects, ears.subscriptions.reconnects) == (1, 0)


async def test_news_and_what_they_are_about(valkey: Redis, valkey_url: str) -> None:
    """Who hears of new figures finds them: both are on one node, in one order."""
    counts, found = TradeCounts(valkey), []
    reader = connect(valkey_url)
    async with listening(valkey_url, "stats:trades") as ears:
        for number in range(50):
            await counts.publish(TradeStats(number, number, "2024-01-01T00:00:00Z"))
            await until(partial(_more_than, ears.said, number))
            found.append(await reader.get("{stats:trades}:last"))
    assert found == [data for _, data in ears.said]
    await reader.aclose()


async def test_channels_follow_their_slot(valkey: Redis, valkey_url: str, cluster: Cluster) -> None:
    """A channel whose slot moves is heard from its new node, and the listener told to look again."""
    async with listening(valkey_url, "moving", *NAMES) as ears:
        await cluster.end_move("moving", *await cluster.begin_move("moving"))
        await until(lambda: ears.connects == 2)
        assert await valkey.publish("moving", b"here") == 1
        await until(lambda: ("moving", b"here") in ears.said)
        assert ears.subscriptions.reconnects == 0, "no connection was lost for it"
    await cluster.settled()


async def test_a_node_dies(valkey: Redis, valkey_url: str, cluster: Cluster) -> None:
    """Its replica takes over: commands wait for it, its channels come back, the others never went."""
    lost = "name-1"
    dead = await cluster.primary_of(lost)
    others = [name for name in NAMES if await cluster.primary_of(name) is not dead]
    async with listening(valkey_url, *NAMES) as ears:
        dead.kill()
        await until(lambda: not ears.subscriptions.connected)
        assert await valkey.publish(others[0], b"alive") == 1
        await until(lambda: (others[0], b"alive") in ears.said)
        await until(lambda: ears.connects == 2)
        async with asyncio.timeout(30):
            while True:
                try:
                    heard = [await valkey.publish(name, b"back") for name in NAMES]
                    break
                except (RedisError, OSError):
                    await asyncio.sleep(0.1)
        assert heard == [1] * len(NAMES)
        await until(lambda: Counter(data for _, data in ears.said)[b"back"] >= len(NAMES))
        assert await cluster.primary_of(lost) is not dead
    await cluster.settled()


def _more_than(said: list[Any], number: int) -> bool:
    return len(said) > number
