"""A streaming replica, watched: whether it follows our primary, and how far behind it is."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final, Self

import asyncpg
import structlog
from msgspec import Struct

from openoutcry.adapters.postgres.pool import Connection, Pool, connection, open_pool
from openoutcry.adapters.tasks import sleep
from openoutcry.errors import StoreUnavailableError

PERIOD: Final = 0.5
"""Seconds between two looks at the replica."""

_PATIENCE: Final = 2.0
_HELD: Final = 1200
"""Positions that are remembered while the replica has not reached them: ten minutes of them."""

# What is on the primary's disk, not what is in its buffers: nobody sees a commit before it is on the
# disk (commits are synchronous, ADR 7), and what is not on the disk is not sent to replicas either.
_POSITION: Final = "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint"
_SYSTEM: Final = "(SELECT system_identifier FROM pg_control_system())"
_PRIMARY: Final = f"SELECT pg_is_in_recovery(), ({_POSITION}), {_SYSTEM}"
_REPLAYED: Final = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint"
_STANDBY: Final = f"SELECT pg_is_in_recovery(), ({_REPLAYED}), {_SYSTEM}"

_log = structlog.get_logger(__name__)


class ReplicaStatus(Struct, frozen=True, rename="camel"):
    """Whether a replica is read from, and if not, why; how old its picture is, and what it lacks.

    `lag_seconds` and `lag_bytes` are None where they are not known. Never an address or a secret.
    """

    ok: bool
    reason: str = ""
    lag_seconds: float | None = None
    lag_bytes: int | None = None


class Replica:
    """Knows, while `watch` runs, whether a replica may be read from; closes what it opened.

    It may as long as it is a standby of our primary and at most `most_lag` seconds behind. Lag is
    measured by our own clock: how long ago the primary was where the replica is now. So it is next to
    nothing while nothing is written, and no clock of another machine is believed.
    """

    def __init__(self, pool: Pool, probe: Pool, primary: Pool, *, most_lag: float) -> None:
        self.pool = pool
        self._probe = probe
        self._primary = primary
        self._most_lag = most_lag
        # (when it was asked, position): what the primary had at that moment, at least.
        self._positions: deque[tuple[float, int]] = deque(maxlen=_HELD)
        self._reached: tuple[float, int] | None = None
        self._system: int | None = None
        self._looked = float("-inf")
        self._status = ReplicaStatus(ok=False, reason="has not been looked at yet")

    @classmethod
    async def open(
        cls, read_url: str, database_url: str, *, most_lag: float, size: int = 8
    ) -> Self:
        """Return a replica that nobody has connected to yet.

        Readers use `size` connections; the questions about positions have one of their own to each
        server, so that they do not wait behind readers.
        """
        pool = await open_pool(
            read_url, application_name="outcry reads", max_size=size, stateless=True
        )
        lines = [
            await open_pool(
                url,
                application_name="outcry replica watch",
                max_size=1,
                connect_timeout=_PATIENCE,
                command_timeout=_PATIENCE,
                stateless=True,
            )
            for url in (read_url, database_url)
        ]
        return cls(pool, *lines, most_lag=most_lag)

    async def close(self) -> None:
        """Close all connections at once: readers have been answered, or will be by the primary."""
        for pool in (self.pool, self._probe, self._primary):
            pool.terminate()

    @property
    def usable(self) -> bool:
        """Whether it is worth trying; an old opinion does not count."""
        return self._status.ok and time.monotonic() - self._looked < 2 * (PERIOD + _PATIENCE)

    def status(self) -> ReplicaStatus:
        """Return what was seen last."""
        if self._status.ok and not self.usable:
            return ReplicaStatus(ok=False, reason="is not watched any more")
        return self._status

    async def watch(self, stop: asyncio.Event) -> None:
        """Look again and again until `stop`; never raises for what the servers do."""
        told: ReplicaStatus | None = None
        while not stop.is_set():
            await self.look()
            status = self._status
            if told is None or told.ok != status.ok:
                tell = _log.info if status.ok else _log.warning
                tell("read replica", ok=status.ok, reason=status.reason)
            told = status
            await sleep(PERIOD, stop)

    async def look(self) -> None:
        """Ask both servers where they are."""
        await self._note_position()
        try:
            async with connection(self._probe, _PATIENCE) as lent:
                standby, at, system = await lent.fetchrow(_STANDBY)
        except StoreUnavailableError:
            self._status = ReplicaStatus(ok=False, reason="cannot be reached")
        except asyncpg.TransactionRollbackError:
            # It ends a question that stands in the way of what it has to replay, even a connect. That
            # is no opinion: the last one grows old meanwhile.
            return
        except asyncpg.PostgresError as error:
            self._status = ReplicaStatus(ok=False, reason=f"does not answer: {error}")
        else:
            self._status = self._judge(standby, at, system)
        self._looked = time.monotonic()

    def lost(self) -> None:
        """Note that it has just failed: nobody tries again before the next look."""
        self._status = ReplicaStatus(ok=False, reason="went away")

    async def position(self) -> int:
        """Return where the primary is: all that is committed is before it.

        Raises StoreUnavailableError.
        """
        async with connection(self._primary) as lent:
            found: int = await lent.fetchval(_POSITION)
            return found

    async def _note_position(self) -> None:
        asked = time.monotonic()
        try:
            async with connection(self._primary, _PATIENCE) as lent:
                standby, at, system = await lent.fetchrow(_PRIMARY)
        except StoreUnavailableError:
            # The picture of the replica grows old meanwhile, as far as anybody can know.
            return
        if not standby:
            self._system = system
            self._positions.append((asked, at))

    def _judge(self, standby: bool, at: int | None, system: int) -> ReplicaStatus:
        if not standby or at is None:
            return ReplicaStatus(ok=False, reason="is no replica: it takes writes")
        if self._system is None:
            return ReplicaStatus(ok=False, reason="cannot be compared: the primary is out")
        if system != self._system:
            return ReplicaStatus(ok=False, reason="is a replica of another cluster")
        if self._reached and at < self._reached[1]:
            self._reached = None  # made anew from an older copy
        while self._positions and self._positions[0][1] <= at:
            self._reached = self._positions.popleft()
        lacks = max(0, self._positions[-1][1] - at) if self._positions else 0
        if self._reached is None:
            return ReplicaStatus(ok=False, reason="is catching up", lag_bytes=lacks)
        lag = time.monotonic() - self._reached[0]
        reason = ""
        if lag > self._most_lag:
            reason = f"is {lag:.1f} s behind, more than {self._most_lag:g} s"
        return ReplicaStatus(not reason, reason, round(lag, 3), lacks)


async def replayed(lent: Connection) -> int:
    """Return up to which position a replica shows what was written; -1 where it is no replica."""
    found: int | None = await lent.fetchval(_REPLAYED)
    return -1 if found is None else found
