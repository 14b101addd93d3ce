"""What is spoken on the hub's own paths: every quote at the root, channels beside it."""

from __future__ import annotations

import time
from typing import Final

from msgspec import Struct

from openoutcry.core import tries
from openoutcry.web.hub import protocol, wire
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.session import Session

NAME: Final = "OpenOutcry"


class Pace(Struct, frozen=True):
    """How often a client is pinged, how long it may take to answer (s), how much it may say."""

    ping_seconds: float
    pong_seconds: float
    max_message: int


class Allowance(Struct, frozen=True):
    """How many frames a client may send at once; they come back at so many a second."""

    at_once: int = protocol.MESSAGES_AT_ONCE
    a_second: int = protocol.MESSAGES_A_SECOND


class Unhurried:
    """What all talks have in common: empty pings, no farewell; frames are not counted here."""

    def __init__(self, pace: Pace) -> None:
        self.ping_seconds = pace.ping_seconds
        self.pong_seconds = pace.pong_seconds
        self.max_message = pace.max_message

    def admits(self) -> bool:
        """Return that any frame is welcome."""
        return True

    def ping(self) -> bytes:
        """Return no payload."""
        return b""

    def farewell(self) -> None:
        """Say nothing: the close code tells."""


class Measured(Unhurried):
    """A talk whose client has an allowance of frames: messages, and pings and pongs too."""

    def __init__(self, pace: Pace, allowance: Allowance) -> None:
        super().__init__(pace)
        self._most = allowance.at_once
        self._step = tries.step_of(allowance.a_second, 1_000_000)
        self._due = 0

    def admits(self) -> bool:
        """Count a frame of the client; return whether it was within the allowance."""
        now = time.monotonic_ns() // 1000
        self._due, wait = tries.take(self._due, now, self._most, self._step)
        return wait == 0


class PlainTalk(Measured):
    """The root path: the client only listens."""

    def __init__(
        self, client: Client, fanout: Fanout, market: Market, pace: Pace, allowance: Allowance
    ) -> None:
        super().__init__(pace, allowance)
        self._client = client
        self._fanout = fanout
        self._market = market

    def start(self) -> None:
        """Say who we are, then send every quote."""
        hello = protocol.connected_plain(NAME, self._market.symbols)
        self._fanout.send(self._client, wire.text_frame(hello))
        self._fanout.join(self._client, self._market.quotes.every)

    def receive(self, message: bytes) -> None:
        """Do nothing: nothing can be asked here."""

    def stop(self) -> None:
        """Do nothing: the fan-out forgets the client."""


class AppTalk(Measured):
    """The channels' path."""

    def __init__(self, session: Session, pace: Pace, allowance: Allowance) -> None:
        super().__init__(pace, allowance)
        self._session = session
        self.receive = session.receive
        self.stop = session.stop

    def start(self) -> None:
        """Say who we are and what there is."""
        self._session.start(NAME, self.ping_seconds)
