"""What is spoken on the hub's own paths: every quote at the root, channels beside it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

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


class Unhurried:
    """What most talks have in common: no limit to messages, empty pings, no farewell."""

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


class PlainTalk(Unhurried):
    """The root path: the client only listens."""

    def __init__(self, client: Client, fanout: Fanout, market: Market, pace: Pace) -> None:
        super().__init__(pace)
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


class AppTalk(Unhurried):
    """The channels' path."""

    def __init__(self, session: Session, pace: Pace) -> None:
        super().__init__(pace)
        self._session = session
        self.receive = session.receive
        self.stop = session.stop

    def start(self) -> None:
        """Say who we are and what there is."""
        self._session.start(NAME, self.ping_seconds)
