"""The limit of requests as an API process keeps it: shared, remembered, and alone without Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyConnectionError

from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.shared_logs import SharedLogs
from openoutcry.core.sliding_log import Rule, Taken
from openoutcry.services import request_limits
from openoutcry.services.request_limits import RequestLimits, Verdict, public_rule

SECOND = 1_000_000


class Broken(SharedLogs):
    """Shared logs whose server can be taken away, or made to hang."""

    how = ""

    async def take(self, wanted: Mapping[str, int]) -> dict[str, Taken]:
        """Answer, fail or hang."""
        if self.how == "lost":
            raise ValkeyConnectionError("gone")
        if self.how == "hangs":
            await asyncio.sleep(3600)
        if self.how == "faulty":
            raise ZeroDivisionError
        return await super().take(wanted)


async def ask(limits: RequestLimits, client: str = "x") -> Verdict:
    """Ask as the API does."""
    return limits.known(client) or await limits.take(client)


async def test_processes_share_the_limit(valkey: Redis) -> None:
    """Of three processes asked at once, all together let exactly so many through."""
    processes = [RequestLimits(SharedLogs(valkey, public_rule(120))) for _ in range(3)]
    found = await asyncio.gather(*(ask(one) for one in processes for _ in range(150)))
    assert sum(verdict.allowed for verdict in found) == 120
    assert all(verdict.left == 0 for verdict in found if not verdict.allowed)
    for process in processes:
        assert not (await ask(process)).allowed


async def test_what_is_left_counts_down(valkey: Redis) -> None:
    """Who asks in turn sees one less each time, also when several share a round trip."""
    limits = RequestLimits(SharedLogs(valkey, public_rule(10)))
    assert [(await ask(limits)).left for _ in range(3)] == [9, 8, 7]
    together = await asyncio.gather(*(ask(limits) for _ in range(9)))
    assert [verdict.left for verdict in together] == [6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert [verdict.allowed for verdict in together] == [True] * 7 + [False] * 2


async def test_clients_do_not_touch_each_other(valkey: Redis) -> None:
    """One over the limit leaves another everything."""
    limits = RequestLimits(SharedLogs(valkey, public_rule(2)))
    await asyncio.gather(*(ask(limits, "a") for _ in range(5)))
    assert not (await ask(limits, "a")).allowed
    assert (await ask(limits, "b")).left == 1


async def test_many_share_a_round_trip(valkey: Redis) -> None:
    """A thousand at once are a few trips; a remembered refusal is none."""
    limits = RequestLimits(SharedLogs(valkey, public_rule(3)))
    await asyncio.gather(*(ask(limits, f"c{n}") for n in range(1000)))
    assert limits.round_trips <= 3
    await asyncio.gather(*(ask(limits, "c0") for _ in range(4)))
    before = limits.round_trips
    for _ in range(50):
        assert not (await ask(limits, "c0")).allowed
    assert limits.round_trips == before


async def test_a_refusal_is_over_when_it_said(valkey: Redis) -> None:
    """After the wait that was told the next request is let through."""
    limits = RequestLimits(SharedLogs(valkey, Rule(2, SECOND // 5)))
    await asyncio.gather(ask(limits), ask(limits))
    refused = await ask(limits)
    assert not refused.allowed
    await asyncio.sleep(refused.wait / SECOND + 0.001)
    assert (await ask(limits)).allowed


@pytest.mark.parametrize("how", ["lost", "hangs"])
async def test_without_valkey_each_counts_alone(valkey: Redis, how: str) -> None:
    """Nobody is refused for want of Valkey, nor let through without end; nobody waits twice for it."""
    shared = Broken(valkey, public_rule(5))
    shared.how = how
    limits = RequestLimits(shared, clock=lambda: 0)
    assert (await ask(limits)).allowed
    found = [await ask(limits) for _ in range(8)]
    assert limits.round_trips == 1
    assert [verdict.allowed for verdict in found] == [True] * 4 + [False] * 4
    assert limits.alone == 9
    other = RequestLimits(shared)
    assert (await ask(other)).allowed


async def test_valkey_is_asked_again_when_it_is_back(valkey: Redis) -> None:
    """A second after a failure the shared log decides again."""
    now = [0]
    shared = Broken(valkey, public_rule(5))
    limits = RequestLimits(shared, clock=lambda: now[0])
    shared.how = "lost"
    await ask(limits)
    shared.how = ""
    assert await valkey.dbsize() == 0
    now[0] += SECOND + 1
    assert (await ask(limits)).left == 4
    assert await valkey.dbsize() == 1


async def test_a_server_that_is_not_there() -> None:
    """With nobody listening at Valkey's address, verdicts come all the same, and soon."""
    valkey = connect("redis://127.0.0.1:1")
    limits = RequestLimits(SharedLogs(valkey, public_rule(2)))
    async with asyncio.timeout(30):
        found = [await ask(limits) for _ in range(3)]
    assert [verdict.allowed for verdict in found] == [True, True, False]
    await valkey.aclose()


async def test_memory_is_bounded(valkey: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of refused clients the oldest is forgotten first: it costs a round trip, and stays refused."""
    monkeypatch.setattr(request_limits, "MOST_CLIENTS", 3)
    limits = RequestLimits(SharedLogs(valkey, public_rule(1)))
    for name in "abcde":
        await ask(limits, name)
    before = limits.round_trips
    assert not (await ask(limits, "e")).allowed
    assert limits.round_trips == before
    assert not (await ask(limits, "a")).allowed
    assert limits.round_trips == before + 1


async def test_who_gives_up_waiting_harms_nobody(valkey: Redis) -> None:
    """A request whose client has gone does not keep the others from their verdicts."""
    limits = RequestLimits(SharedLogs(valkey, public_rule(5)))
    gone = asyncio.create_task(limits.take("x"))
    other = asyncio.create_task(limits.take("x"))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await other).allowed


async def test_nobody_waits_for_an_answer_that_cannot_come(valkey: Redis) -> None:
    """A fault of ours is raised at whoever asked, and the next one is answered again."""
    shared = Broken(valkey, public_rule(120))
    limits = RequestLimits(shared)
    shared.how = "faulty"
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(ask(limits), 30)
    shared.how = ""
    assert (await asyncio.wait_for(ask(limits), 30)).allowed
