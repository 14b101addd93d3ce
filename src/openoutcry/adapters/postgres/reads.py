"""Reads that a replica may answer: exact ones, or the primary answers them.

A question to a replica is exact if the replica shows everything that was committed before the question
was asked. So the primary is asked where its log ends (one look at a variable, shared by all who ask at
that moment), and the replica whether it has come there. If it does not within a few milliseconds, or
fails, the primary answers. Whoever reads this way sees his own writes, and cannot tell who answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from openoutcry.adapters.postgres.pool import Connection, Pool, Reads, connection
from openoutcry.adapters.postgres.replica import Replica, ReplicaStatus, replayed
from openoutcry.errors import StoreUnavailableError

PAUSES: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.019)
"""Seconds between looks whether the replica has come far enough: 50 ms in all."""

_FREE: Final = 1.0
"""Longest wait for a connection to the replica, in seconds."""

T = TypeVar("T")


class RoutedReads(Reads):
    """Reads from a replica where that is exact, else from the primary; without one, always.

    Counts its answers: `by_replica`, `by_primary`, and of the latter those that the replica was too
    far behind for (`behind`) or failed at (`failed`).
    """

    def __init__(self, primary: Pool, replica: Replica | None = None) -> None:
        self._primary = primary
        self._replica = replica
        self._asking: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None
        self.by_replica = self.by_primary = self.behind = self.failed = 0

    def status(self) -> ReplicaStatus | None:
        """Return what is known of the replica, None without one."""
        return self._replica.status() if self._replica else None

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return counters and gauges of the replica, as a role reports them; empty without one."""
        if self._replica is None:
            return {}, {}
        counters: dict[str, float] = {
            "reads_by_replica": self.by_replica,
            "reads_by_primary": self.by_primary,
            "reads_replica_behind": self.behind,
            "reads_replica_failed": self.failed,
        }
        status = self._replica.status()
        gauges = {"replica_up": float(status.ok)}
        if status.lag_seconds is not None:
            gauges["replica_lag_seconds"] = status.lag_seconds
        if status.lag_bytes is not None:
            gauges["replica_lag_bytes"] = float(status.lag_bytes)
        return counters, gauges

    async def run(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what `read` returns; it is called with a connection of either server, or of both.

        It must only read, and may not open a serialisable transaction. Raises StoreUnavailableError.
        """
        replica = self._replica
        if replica is not None and replica.usable:
            needed = await self._position(replica)
            try:
                # The server that answers is the one that was asked how far it is: behind one address
                # there may be several.
                async with connection(replica.pool, _FREE) as lent:
                    if await _reaches(lent, needed):
                        found = await read(lent)
                        self.by_replica += 1
                        return found
                self.behind += 1
            except StoreUnavailableError as error:
                self.failed += 1
                # One that is slow, or has no connection free, is not lost: whoever watches it will say.
                if not isinstance(error.__cause__, TimeoutError):
                    replica.lost()
            except asyncpg.TransactionRollbackError:
                # It ends a question that stands in the way of what it has to replay.
                self.failed += 1
        self.by_primary += 1
        async with connection(self._primary) as lent:
            return await read(lent)

    async def _position(self, replica: Replica) -> int:
        """Return an answer to a question that was put after this call; who comes meanwhile shares."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask(replica, self._asking))
            self._next.add_done_callback(_retrieve)
        return await asyncio.shield(self._next)

    async def _ask(self, replica: Replica, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait({before})
        self._asking, self._next = self._next, None
        return await replica.position()


async def _reaches(lent: Connection, needed: int) -> bool:
    """Return whether the replica has come to a position, or does so soon."""
    for pause in PAUSES:
        if await replayed(lent) >= needed:
            return True
        await asyncio.sleep(pause)
    return await replayed(lent) >= needed


def _retrieve(task: asyncio.Task[int]) -> None:
    # Those who wait for it are told; that nobody does any more is no error.
    if not task.cancelled():
        task.exception()
