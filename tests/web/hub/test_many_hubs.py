"""Several hubs behind one address: a client may come back to any of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from privatekit import Floor, Tab, close_code

pytest_plugins = ["hubkit", "privatekit"]


async def test_a_client_moves_between_hubs(
    floor: Floor, free_ports: Callable[[int], list[int]]
) -> None:
    """While messages flow, a client goes from hub to hub by its offset: nothing missed or twice."""
    hubs = [await floor.hub(port=port) for port in free_ports(2)]
    ada = await floor.user("ada")
    token = await floor.token(ada)

    async def work() -> None:
        for number in range(300):
            await floor.commit(ada, number)
            await asyncio.sleep(random.uniform(0, 0.02))

    working = asyncio.create_task(work())
    known: list[Any] = []
    moves, offset, epoch = 0, -1, ""
    while offset < 300:
        async with hubs[moves % 2].talk(headers={"X-API-Key": token}) as talk:
            tab = Tab(talk)
            if offset < 0:
                await tab.subscribe()
            else:
                tab.known, tab.offset, tab.epoch = known, offset, epoch
                assert (await tab.again())["recovered"]
            upto = min(300, tab.offset + random.randrange(1, 40))
            await tab.reach(upto)
            known, offset, epoch = tab.known, tab.offset, tab.epoch
        moves += 1
    await working
    assert known == list(range(300))
    assert moves > 5


async def test_both_tell_their_tabs(floor: Floor, free_ports: Callable[[int], list[int]]) -> None:
    """Tabs of one user on two hubs hear the same, under the same offsets."""
    hubs = [await floor.hub(port=port) for port in free_ports(2)]
    ada = await floor.user("ada")
    headers = {"X-API-Key": await floor.token(ada)}
    async with hubs[0].talk(headers=headers) as one, hubs[1].talk(headers=headers) as two:
        tabs = [Tab(one), Tab(two)]
        for tab in tabs:
            await tab.subscribe()
        for number in range(20):
            await floor.commit(ada, number)
        for tab in tabs:
            await tab.reach(20)
            assert tab.known == list(range(20))


async def test_a_hub_restarts(floor: Floor, free_port: int) -> None:
    """A hub that is stopped says 3001; its successor on the same port goes on from the offset."""
    first, ada = await floor.hub(), await floor.user("ada")
    headers = {"X-API-Key": await floor.token(ada)}
    async with first.talk(headers=headers) as talk:
        tab = Tab(talk)
        await tab.subscribe()
        await floor.commit(ada, 1)
        await tab.reach(1)
        ending = asyncio.create_task(first.end())
        assert await close_code(talk) == 3001
        await ending
    await floor.commit(ada, 2, 3)
    second = await floor.hub(port=free_port)
    async with second.talk(headers=headers) as talk:
        tab.talk = talk
        assert (await tab.again())["recovered"]
        await tab.reach(3)
        assert tab.known == [1, 2, 3]
