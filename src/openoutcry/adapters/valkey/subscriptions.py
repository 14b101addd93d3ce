"""Listens to channels of Valkey for as long as it is asked to, through every outage.

On one server that is one connection. On a cluster each channel is heard from the node that carries its
slot, on one connection a node; when a node is lost, or slots move, those channels are asked for
where they are next, and the others go on meanwhile.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog
from redis.exceptions import RedisError

from openoutcry.adapters.tasks import end
from openoutcry.adapters.valkey.line import PLAIN, SHARDED, Line, Listener, Words
from openoutcry.adapters.valkey.topology import Topology, is_cluster, slot_of
from openoutcry.core.backoff import Backoff

BACKOFF_SECONDS: Final = (0.1, 5.0)
"""Shortest and longest wait before connecting again."""

log = structlog.get_logger(__name__)


class Servers(Protocol):
    """Where channels are heard."""

    words: Words
    look_seconds: tuple[float, float]
    """How often to look while all is well, and while it is not."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The servers there are, as URLs."""

    async def look(self) -> None:
        """See which servers there are. Raises redis-py's errors."""

    def home(self, channel: str) -> str:
        """Return the server that carries a channel. Raises redis-py's errors."""


class Subscriptions:
    """What one process listens to; each `want` needs its `unwant`."""

    def __init__(self, url: str) -> None:
        self._servers: Servers = _Cluster(url) if is_cluster(url) else _One(url)
        self._wanted: dict[str, int] = {}
        self._lines: dict[str, Line] = {}
        self._keeping: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._look_at = -math.inf
        self._blind = False
        self._heard = asyncio.Event()
        self._tasks: asyncio.TaskGroup
        self._telling: asyncio.Task[None] | None = None
        self._on_connected: Callable[[], Awaitable[None]]
        self._listener: Listener
        self.connected = False
        """Whether everything wanted could be heard when it was last looked at."""
        self.reconnects = 0

    def want(self, channel: str) -> None:
        """Start listening to a channel."""
        self._wanted[channel] = self._wanted.get(channel, 0) + 1
        self._changed.set()

    def unwant(self, channel: str) -> None:
        """Stop listening when nobody else wants the channel."""
        self._wanted[channel] -= 1
        if not self._wanted[channel]:
            del self._wanted[channel]
            self._changed.set()

    async def heard(self, channel: str) -> None:
        """Return when everything that is published from now on will be heard."""
        while not self._is_heard(channel):
            await self._heard.wait()

    async def caught_up(self) -> None:
        """Return when everything said before has been taken, whichever server said it.

        What one server says arrives in its order anyhow. Raises redis-py's ConnectionError.
        """
        if len(self._lines) > 1:
            await asyncio.gather(*(line.echo() for line in self._lines.values()))

    async def run(
        self, on_message: Callable[[str, bytes], None], on_connected: Callable[[], Awaitable[None]]
    ) -> None:
        """Call `on_message` with what the channels say, until cancelled.

        `on_connected` is called when everything is heard, at first and after each loss: messages may
        have been missed. It is called again if it finds an engine away.
        """
        self._on_connected = on_connected
        self._listener = Listener(on_message, self._on_change, self._on_gone)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while True:
                    await self._look()
                    await self._place()
                    wait = self._look_at - time.monotonic()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(None if wait == math.inf else wait):
                            await self._changed.wait()
        finally:
            self._lose()
            lines, self._lines = self._lines, {}
            for line in lines.values():
                await line.aclose()

    async def _look(self) -> None:
        """See which servers there are, if it is time."""
        if time.monotonic() < self._look_at:
            return
        try:
            await self._servers.look()
        except (RedisError, OSError) as error:
            if not self._blind:
                log.warning("the cluster cannot be asked", reason=str(error))
            self._blind = True
        else:
            self._blind = False
        rarely, often = self._servers.look_seconds
        self._look_at = time.monotonic() + (rarely if self.connected else often)

    async def _place(self) -> None:
        """Let each server's line carry what is wanted of that server."""
        self._changed.clear()
        nodes = self._servers.nodes
        homes: dict[str, set[str]] = {}
        if nodes:
            for channel in self._wanted:
                homes.setdefault(self._servers.home(channel), set()).add(channel)
        for node in homes:
            if node not in self._lines:
                line = self._lines[node] = Line(node, self._servers.words, self._listener)
                self._keeping[node] = self._tasks.create_task(self._keep(line))
        for node in [one for one in self._lines if one not in nodes]:
            self._lose()
            await end(self._keeping.pop(node))
            await self._lines.pop(node).aclose()
        for node, line in self._lines.items():
            channels = homes.get(node, set())
            if any(channel in self._wanted for channel in line.carried - channels):
                self._lose()  # it is another's now, and what was said meanwhile was missed
            line.carry(channels)
        self._on_change()

    async def _keep(self, line: Line) -> None:
        """Keep a line up."""
        backoff = Backoff(*BACKOFF_SECONDS)
        while True:
            try:
                await line.run()
            except* (RedisError, OSError, TimeoutError) as errors:
                log.warning("bus lost", error=str(errors.exceptions[0]))
            if line.was_whole:
                backoff.reset()
            self.reconnects += 1
            self._lose()
            self._doubt()
            await asyncio.sleep(backoff.next())

    def _on_change(self) -> None:
        self._heard.set()
        self._heard.clear()
        if self.connected or self._changed.is_set() or not self._lines:
            return
        if all(line.whole for line in self._lines.values()):
            self.connected = True
            self._telling = self._tasks.create_task(self._tell())

    async def _tell(self) -> None:
        backoff = Backoff(*BACKOFF_SECONDS)
        while True:
            try:
                await self._on_connected()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("the present state cannot be read", reason=str(error))
                await asyncio.sleep(backoff.next())
            else:
                return

    def _on_gone(self, channel: str) -> None:
        log.info("a channel moves to another node", channel=channel)
        self._lose()
        self._doubt()

    def _doubt(self) -> None:
        """Look at the servers now, unless there is but one."""
        if self._look_at != math.inf:
            self._look_at = -math.inf
            self._changed.set()

    def _lose(self) -> None:
        self.connected = False
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def _is_heard(self, channel: str) -> bool:
        if channel not in self._wanted or self._changed.is_set():
            return False
        try:
            line = self._lines.get(self._servers.home(channel))
        except RedisError:
            return False
        return line is not None and line.hears(channel)


class _One:
    """One server carries everything."""

    words = PLAIN
    look_seconds = (math.inf, math.inf)

    def __init__(self, url: str) -> None:
        self.nodes = (url,)

    async def look(self) -> None:
        """There is nothing else to see."""

    def home(self, channel: str) -> str:  # noqa: ARG002  (any channel)
        """Return the server."""
        return self.nodes[0]


class _Cluster(Topology):
    """Each channel is carried by the node that has its slot."""

    words = SHARDED
    look_seconds = (5.0, 0.5)

    def home(self, channel: str) -> str:
        """Return the node that carries a channel. Raises redis-py's errors."""
        return self.owner(slot_of(channel))
