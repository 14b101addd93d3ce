"""The channel `user` over a real cluster: whole and in order, also when a node of it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from clusterkit import Cluster, cluster, valkey, valkey_url, whole_cluster
from openoutcry.core.keys import user_channel
from openoutcry.model import User
from privatekit import Floor, Tab

__all__ = ["cluster", "valkey", "valkey_url", "whole_cluster"]
pytest_plugins = ["hubkit", "privatekit"]


async def test_a_node_dies(
    floor: Floor, cluster: Cluster, free_ports: Callable[[int], list[int]]
) -> None:
    """Users of a lost node miss nothing, in open tabs or coming back; others go on meanwhile."""
    hubs = [await floor.hub(port=port) for port in free_ports(2)]
    ada, bob = await _on_two_nodes(floor, cluster)
    keys = [{"X-API-Key": await floor.key(user)} for user in (ada, bob)]
    async with (
        hubs[0].talk(headers=keys[0]) as first,
        hubs[1].talk(headers=keys[0]) as second,
        hubs[0].talk(headers=keys[1]) as third,
    ):
        one, two, other = Tab(first), Tab(second), Tab(third)
        for each in (one, two, other):
            await each.subscribe()
        await floor.commit(ada, *range(10))
        await floor.commit(bob, "here")
        for tab in (one, two):
            await tab.reach(10)
        await other.reach(1)
        await two.talk.ask("unsubscribe", "user")
        await two.talk.until("unsubscribed")

        (await cluster.primary_of(user_channel(ada.id))).kill()
        await floor.commit(bob, "still here")
        for number in range(10, 60):
            await floor.commit(ada, number)
            await asyncio.sleep(0.02)

        await one.reach(60, 60)
        await other.reach(2, 60)
        assert one.known == list(range(60))
        assert other.known == ["here", "still here"]
        await two.again()
        await two.reach(60, 60)
        assert two.known == list(range(60))
        await floor.commit(ada, 60)
        for tab in (one, two):
            await tab.reach(61, 60)
            assert tab.known == list(range(61))


async def _on_two_nodes(floor: Floor, cluster: Cluster) -> tuple[User, User]:
    """Return two users whose channels are on different nodes."""
    ada = await floor.user("ada")
    home = await cluster.primary_of(user_channel(ada.id))
    for number in range(20):
        bob = await floor.user(f"bob{number}")
        if await cluster.primary_of(user_channel(bob.id)) is not home:
            return ada, bob
    raise AssertionError("everybody is on one node")
