"""Request weight that clients spend with us: counted here at once, with all other processes soon."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from openoutcry.adapters.tasks import sleep
from openoutcry.core.keys import client_weight_key

log = structlog.get_logger(__name__)

SETTLE_SECONDS: Final = 0.25
_KEPT_SECONDS: Final = 120
_MOST_CLIENTS: Final = 50_000
_ALL_OTHERS: Final = "others"


class _Account(Struct):
    """`others`: what other processes have counted, as last heard; `unsent` is part of `own`."""

    own: int = 0
    unsent: int = 0
    others: int = 0


class ClientWeights:
    """Counts by client and minute of the wall clock.

    A request waits for nobody: it is counted in memory, and four times a second all processes add
    theirs up in Valkey. So together they may let a little more through than the limit, as much as
    comes in that time. While Valkey is away every process counts for itself. Clients beyond 50,000
    in one minute share one account.
    """

    def __init__(self, valkey: Redis, limit: int) -> None:
        self.limit = limit
        self._valkey = valkey
        self._minute = 0
        self._accounts: dict[str, _Account] = {}

    def spend(self, client: str, weight: int, now: float) -> int:
        """Count a request at `now` (s) and return what the client has spent in this minute."""
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._accounts = minute, {}
        account = self._accounts.get(client)
        if account is None:
            if len(self._accounts) >= _MOST_CLIENTS:
                client = _ALL_OTHERS
            account = self._accounts.setdefault(client, _Account())
        account.own += weight
        account.unsent += weight
        return account.own + account.others

    async def run(self, stop: asyncio.Event) -> None:
        """Settle with the other processes until `stop`."""
        while not stop.is_set():
            try:
                await self.settle()
            except (RedisError, OSError) as error:
                log.warning("weights are counted by each process alone", reason=str(error))
            await sleep(SETTLE_SECONDS, stop)

    async def settle(self) -> None:
        """Tell what was spent here and hear what was spent elsewhere; one round trip."""
        minute = self._minute
        spent = {client: one for client, one in self._accounts.items() if one.unsent}
        if not spent:
            return
        told = {client: (one.own, one.unsent) for client, one in spent.items()}
        pipeline = self._valkey.pipeline(transaction=False)
        for client, (_, unsent) in told.items():
            key = client_weight_key(client, minute)
            pipeline.incrby(key, unsent)
            pipeline.expire(key, _KEPT_SECONDS)
        totals = await pipeline.execute()
        for (client, one), total in zip(spent.items(), totals[::2], strict=True):
            own, unsent = told[client]
            one.unsent -= unsent
            one.others = max(0, int(total) - own)


def seconds_left(now: float) -> int:
    """Return after how many seconds (1 to 60) the next minute begins."""
    return max(1, 60 - int(now % 60))


def wall() -> float:
    """Return the wall clock's time in seconds."""
    return time.time()
