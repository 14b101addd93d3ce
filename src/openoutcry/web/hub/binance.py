"""One Binance client's conversation: its requests in, replies and joined streams out."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import msgspec

from openoutcry.venues.binance_server import SHUTDOWN_STREAM, Opening, Stream
from openoutcry.venues.binance_server import Session as Requests
from openoutcry.venues.binance_server_shapes import shutdown_event
from openoutcry.venues.binance_stream_writer import wrap
from openoutcry.web.hub import wire
from openoutcry.web.hub.binance_market import BinanceMarket
from openoutcry.web.hub.binance_topics import Style
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.outbox import Topic
from openoutcry.web.hub.talks import Pace, Unhurried

PING_SECONDS: Final = 20.0
PONG_SECONDS: Final = 60.0
MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a request: the names of 1,024 streams fit."""


class BinanceTalk(Unhurried):
    """What one client listens to. `rate` is how many messages it may send in a second."""

    def __init__(
        self,
        client: Client,
        fanout: Fanout,
        market: BinanceMarket,
        opening: Opening,
        *,
        pace: Pace,
        rate: int,
    ) -> None:
        super().__init__(pace)
        self._client = client
        self._fanout = fanout
        self._market = market
        self._requests = Requests(opening)
        self._clock = time.monotonic
        self._heard: deque[float] = deque(maxlen=rate + 1)
        self._held: dict[tuple[str, Style], tuple[Stream, Topic | None]] = {}

    def start(self) -> None:
        """Join what the path asked for."""
        self._follow()

    def admits(self) -> bool:
        """Count a frame of the client; return whether it keeps to its rate."""
        now, heard = self._clock(), self._heard
        heard.append(now)
        return len(heard) < (heard.maxlen or 0) or now - heard[0] >= 1.0

    def receive(self, message: bytes) -> None:
        """Carry out a request: what it changes holds from the reply on."""
        reply = self._requests.receive(message)
        self._follow()
        self._send(reply)

    def ping(self) -> bytes:
        """Return a ping's payload: the market's time in ms."""
        return str(self._market.now() // 1000).encode()

    def farewell(self) -> None:
        """Tell the client to connect anew."""
        payload = msgspec.json.encode(shutdown_event(self._market.now(), micro=self._style[1]))
        self._send(wrap(SHUTDOWN_STREAM, payload) if self._style[0] else payload)

    def stop(self) -> None:
        """Let go of everything; the connection is gone."""
        for (_, style), (stream, _) in self._held.items():
            self._market.release(stream, style)
        self._held.clear()

    @property
    def _style(self) -> Style:
        return self._requests.combined, self._requests.micro

    def _follow(self) -> None:
        """Listen to just what the requests have come to."""
        style = self._style
        wanted = {(name, style): stream for name, stream in self._requests.streams.items()}
        if wanted.keys() == self._held.keys():
            return
        for key, stream in wanted.items():
            if key not in self._held:
                self._held[key] = stream, self._market.acquire(stream, style)
        for key in [key for key in self._held if key not in wanted]:
            stream, _ = self._held.pop(key)
            self._market.release(stream, key[1])
        topics = (topic for _, topic in self._held.values() if topic is not None)
        self._fanout.rejoin(self._client, frozenset(topics))

    def _send(self, message: bytes) -> None:
        self._fanout.send(self._client, wire.text_frame(message))
