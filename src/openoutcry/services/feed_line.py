"""A line to the venue: keeps one group of symbols connected, whatever happens."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, Generic, TypeVar

import structlog
from msgspec import Struct

from openoutcry.adapters.websocket import VenueSocket
from openoutcry.core.backoff import Backoff
from openoutcry.errors import VenueUnavailableError
from openoutcry.venues.interface import Control, ControlKind, LineProtocol, VenueLimits

log = structlog.get_logger(__name__)

_SUBSCRIBE_SECONDS: Final = 15.0
_OVERLAP_SECONDS: Final = 1.0
_ROTATE_AT: Final = 0.97
_HEALTHY_SECONDS: Final = 30.0

P = TypeVar("P", bound=LineProtocol)
"""The protocol that is spoken on a line."""


class Reason(Enum):
    """Why a connection is given up."""

    STOPPED = auto()
    LOST = auto()
    SILENT = auto()
    AGED = auto()
    SHUTDOWN = auto()


class ConnectionGate:
    """Lets connection attempts through within the venue's limit, for all lines of a process.

    A third of what the venue allows: other programs may share the address.
    """

    def __init__(self, limits: VenueLimits) -> None:
        self._most = max(1, limits.connections_per_window // 3)
        self._window = limits.window_seconds
        self._attempts: deque[float] = deque()

    async def enter(self) -> None:
        """Wait until another attempt is allowed, and count it."""
        while True:
            now = time.monotonic()
            while self._attempts and self._attempts[0] <= now - self._window:
                self._attempts.popleft()
            if len(self._attempts) < self._most:
                self._attempts.append(now)
                return
            await asyncio.sleep(self._attempts[0] + self._window - now)


class Link(Generic[P]):
    """One connection of a line, with the protocol that speaks on it.

    `event_time` is the venue's clock (µs) as last heard; `since` what it was when everything had been
    subscribed, None until a message has told it. `newest` maps a symbol to its newest id here.
    """

    def __init__(self, protocol: P) -> None:
        self.protocol = protocol
        self.socket: VenueSocket | None = None
        self.opened = time.monotonic()
        self.event_time = 0
        self.since: int | None = None
        self.subscribed = asyncio.Event()
        self.shutdown = asyncio.Event()
        self.newest: dict[str, int] = {}
        self._awaited = 0

    def expect(self, answers: int) -> None:
        """So many subscriptions have been sent."""
        self._awaited = answers

    def control(self, control: Control) -> None:
        """Take in a message that is no trade."""
        if control.kind is ControlKind.SUBSCRIBED:
            self._awaited -= 1
            if self._awaited == 0:
                self.subscribed.set()
        elif control.kind is ControlKind.SHUTDOWN:
            self.shutdown.set()
        elif control.kind is ControlKind.REFUSED:
            log.error("the venue refuses a subscription", answer=control.detail)

    def tick(self, event_time: int) -> None:
        """The venue's clock says `event_time` (µs)."""
        self.event_time = max(self.event_time, event_time)
        if self.since is None and self.subscribed.is_set():
            self.since = self.event_time


class LineStats(Struct):
    """What a line has lived through."""

    connects: int = 0
    losses: int = 0
    rotations: int = 0
    connected: int = 0


class Line(Generic[P]):
    """Keeps one group of symbols subscribed: connects, watches, rotates, reconnects.

    Rotation is make-before-break: the new connection is subscribed before the old one goes, so no
    trade falls between them; what both deliver is told apart by id. Attempts are jittered, capped and
    within the venue's limits.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        url: str,
        make_protocol: Callable[[], P],
        gate: ConnectionGate,
        silence_seconds: float,
        on_data: Callable[[Link[P]], None],
        on_ping: Callable[[Link[P], bytes], None],
        carries: str = "trades",
    ) -> None:
        self.symbols = list(symbols)
        self.links: list[Link[P]] = []
        self.stats = LineStats()
        self._url = url
        self._make_protocol = make_protocol
        self._gate = gate
        self._silence = silence_seconds
        self._on_data = on_data
        self._on_ping = on_ping
        self._log = log.bind(carries=carries)
        self.heard_since: int | None = None
        self._overlap_until = 0.0

    @property
    def overlapping(self) -> bool:
        """Whether two connections deliver the same trades, or did a moment ago.

        What the old one has delivered may still be on its way on the new one.
        """
        return len(self.links) > 1 or time.monotonic() < self._overlap_until

    async def run(self, stop: asyncio.Event) -> None:
        """Stay connected until `stop`."""
        backoff = Backoff(first=0.25, most=30.0)
        while not stop.is_set():
            try:
                link = await self._open(stop)
            except VenueUnavailableError as error:
                delay = backoff.next()
                self._log.warning("venue unreachable", reason=str(error), again_in=round(delay, 2))
                await _first(stop.wait(), timeout=delay)
                continue
            self.heard_since = None
            self._log.info("connected to the venue", symbols=len(self.symbols))
            lasted = await self._keep(link, stop)
            if lasted > _HEALTHY_SECONDS:
                backoff.reset()
            if not stop.is_set():
                await _first(stop.wait(), timeout=backoff.next())
        for link in list(self.links):
            self._drop(link)

    def heard(self) -> tuple[int, int] | None:
        """Return the venue times (µs) in which nothing can have been missed so far, if known."""
        link = self.links[0] if self.links else None
        if link is None or link.since is None:
            return None
        if self.heard_since is None:
            self.heard_since = link.since
        return self.heard_since, link.event_time

    async def _keep(self, link: Link[P], stop: asyncio.Event) -> float:
        """Watch over `link` and its successors until one is lost; return how long that took (s)."""
        started = time.monotonic()
        while True:
            reason = await self._watch(link, stop)
            if reason in (Reason.AGED, Reason.SHUTDOWN):
                successor = await self._rotate(link, stop)
                if successor is not None:
                    link = successor
                    continue
                reason = Reason.LOST
            if reason is not Reason.STOPPED:
                self.stats.losses += 1
                self._log.warning("connection to the venue is gone", why=reason.name.lower())
            self._drop(link)
            return time.monotonic() - started

    async def _watch(self, link: Link[P], stop: asyncio.Event) -> Reason:
        socket = link.socket
        assert socket is not None  # noqa: S101 - an open link has one
        lifetime = link.protocol.limits.lifetime_seconds * _ROTATE_AT
        while True:
            silent_at = socket.last_heard + self._silence
            aged_at = link.opened + lifetime
            now = time.monotonic()
            if socket.closed.is_set():
                return Reason.LOST
            if stop.is_set():
                return Reason.STOPPED
            if link.shutdown.is_set():
                return Reason.SHUTDOWN
            if now >= silent_at:
                return Reason.SILENT
            if now >= aged_at:
                return Reason.AGED
            await _first(
                socket.closed.wait(),
                stop.wait(),
                link.shutdown.wait(),
                timeout=min(silent_at, aged_at) - now,
            )

    async def _rotate(self, old: Link[P], stop: asyncio.Event) -> Link[P] | None:
        """Return a subscribed successor of `old`, or None if `old` was lost before there was one."""
        self.stats.rotations += 1
        backoff = Backoff(first=0.25, most=10.0)
        assert old.socket is not None  # noqa: S101 - an open link has one
        while not (old.socket.closed.is_set() or stop.is_set()):
            try:
                new = await self._open(stop)
            except VenueUnavailableError as error:
                self._log.warning("no successor for a connection yet", reason=str(error))
                await _first(stop.wait(), old.socket.closed.wait(), timeout=backoff.next())
                continue
            alive = not old.socket.closed.is_set()
            await _first(stop.wait(), old.socket.closed.wait(), timeout=_OVERLAP_SECONDS)
            if not alive:
                self.heard_since = None
            self._drop(old)
            self._overlap_until = time.monotonic() + _OVERLAP_SECONDS
            self._log.info("connection rotated", symbols=len(self.symbols))
            return new
        return None

    async def _open(self, stop: asyncio.Event) -> Link[P]:
        """Return a connection on which everything is subscribed."""
        await self._gate.enter()
        link = Link(self._make_protocol())

        def on_data(socket: VenueSocket) -> None:
            link.socket = socket
            self._on_data(link)

        link.socket = await VenueSocket.open(
            link.protocol.url(self._url),
            on_data,
            lambda _, payload: self._on_ping(link, payload),
        )
        self.links.append(link)
        self.stats.connects += 1
        self.stats.connected = len(self.links)
        try:
            await asyncio.wait_for(self._subscribe(link, stop), _SUBSCRIBE_SECONDS)
        except TimeoutError:
            self._drop(link)
            raise VenueUnavailableError(f"{self._url} does not answer subscriptions") from None
        except BaseException:
            self._drop(link)
            raise
        return link

    async def _subscribe(self, link: Link[P], stop: asyncio.Event) -> None:
        messages = list(link.protocol.subscribe(self.symbols))
        link.expect(len(messages))
        pause = 1.25 / link.protocol.limits.messages_per_second
        assert link.socket is not None  # noqa: S101 - just opened
        for at, message in enumerate(messages):
            if at:
                await asyncio.sleep(pause)
            link.socket.send(message)
        await _first(link.subscribed.wait(), link.socket.closed.wait(), stop.wait())
        if not link.subscribed.is_set():
            raise VenueUnavailableError(f"{self._url} closed the connection during subscription")

    def _drop(self, link: Link[P]) -> None:
        if link.socket is not None:
            link.socket.close()
        if link in self.links:
            self.links.remove(link)
        self.stats.connected = len(self.links)


async def _first(*waits: object, timeout: float | None = None) -> None:
    """Wait for the first of several events, or `timeout` seconds."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
