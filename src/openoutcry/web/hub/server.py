"""The hub's sockets: picows listens, and the pure parts decide.

permessage-deflate is not offered: quotes are small, and a frame that is encoded once for everybody
could not be shared by clients with contexts of their own. A token on connect (private channels) is
checked in `Server._route`, which sees the whole upgrade request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import structlog
from msgspec import Struct
from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from openoutcry.venues.binance_server import parse_target
from openoutcry.web.hub import protocol
from openoutcry.web.hub.binance import MAX_MESSAGE, PING_SECONDS, PONG_SECONDS, BinanceTalk
from openoutcry.web.hub.binance_market import BinanceMarket
from openoutcry.web.hub.connection import CLOSE_SECONDS, Connection, Talk
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.meter import Meter
from openoutcry.web.hub.outbox import OWN_BYTES
from openoutcry.web.hub.protocol import CloseCode
from openoutcry.web.hub.session import Session
from openoutcry.web.hub.sources import Bus, Snapshots
from openoutcry.web.hub.talks import AppTalk, Pace, PlainTalk

APP_PATH: Final = "/api/v1/ws/app"
BINANCE_MESSAGES: Final = 50
"""Messages that a Binance client may send in one second; Binance itself takes five."""

log = structlog.get_logger(__name__)


class HubOptions(Struct, frozen=True, kw_only=True):
    """What can be configured of a hub."""

    symbols: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8001
    allowed_origins: tuple[str, ...] = ()
    max_clients: int = 20_000
    max_message: int = protocol.MAX_MESSAGE
    max_subscriptions: int = protocol.MAX_SUBSCRIPTIONS
    outbox_bytes: int = OWN_BYTES
    ping_seconds: float = 25.0
    pong_seconds: float = 10.0
    binance_messages: int = BINANCE_MESSAGES
    binance_ping_seconds: float = PING_SECONDS
    binance_pong_seconds: float = PONG_SECONDS
    replay: bool = False


class Server:
    """A hub: its connections and its parts."""

    def __init__(self, options: HubOptions, bus: Bus, store: Snapshots, meter: Meter) -> None:
        self.options = options
        self.meter = meter
        self.fanout = Fanout(asyncio.get_running_loop().call_soon)
        self.outbox_bytes = options.outbox_bytes
        self.market = Market(options.symbols, self.fanout, bus, store, self.clock)
        self.binance = BinanceMarket(
            self.fanout, self.market, bus, store, self.clock, replay=options.replay
        )
        self._connections: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._bus = bus
        meter.watch(self.fanout, self.market, bus)

    @staticmethod
    def clock() -> int:
        """Return the time in µs since 1970."""
        return time.time_ns() // 1000

    def opened(self, connection: Connection) -> None:
        """Count a new connection in."""
        connection.heard = asyncio.get_running_loop().time()
        self._connections.add(connection)
        self._emptied.clear()
        self.meter.opened += 1
        self.meter.clients = len(self._connections)

    def gone(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()
        self.meter.clients = len(self._connections)

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then close everybody with 3001."""
        # picows tells of every connection at `info`; the meter counts them.
        quiet = logging.getLogger("openoutcry.hub.sockets")
        quiet.setLevel(logging.WARNING)
        listener = await ws_create_server(
            self._route,
            self.options.host,
            self.options.port,
            max_frame_size=16 * self.options.max_message,
            enable_auto_pong=False,
            read_buffer_init_size=self.options.max_message,
            backlog=4096,
            logger_name=quiet,
        )
        bus = asyncio.create_task(self._bus.run(self.binance))
        watch = asyncio.create_task(self._watch())
        stopped = asyncio.create_task(stop.wait())
        log.info("hub.listening", host=self.options.host, port=self.options.port)
        try:
            done, _ = await asyncio.wait((bus, watch, stopped), return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            listener.close()
            for task in (bus, watch, stopped):
                task.cancel()
            await asyncio.gather(bus, watch, stopped, return_exceptions=True)
            await self.binance.aclose()
            await self.market.aclose()
            await self._close_all()

    async def _close_all(self) -> None:
        for connection in tuple(self._connections):
            connection.farewell()
        self.fanout.flush()
        for connection in tuple(self._connections):
            connection.close(CloseCode.SHUTDOWN)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS + 0.5):
                await self._emptied.wait()

    async def _watch(self) -> None:
        """Once a second: ping who is due, close who does not answer, let time close candles."""
        clock = asyncio.get_running_loop().time
        options = self.options
        step = min(1.0, options.ping_seconds / 4)
        due = clock() + step
        while True:
            await asyncio.sleep(max(due - clock(), 0))
            now = clock()
            # A decaying maximum: one late turn shows in the next few reports.
            self.meter.lag = max(now - due, self.meter.lag * 0.8)
            due = now + step
            for connection in tuple(self._connections):
                connection.watch(now)
            self.market.tick()
            self.binance.second()

    def _route(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        begin = self._talk(request.path.decode("latin-1"))
        if begin is None:
            return self._refuse(404, f"There is nothing here; try /, {APP_PATH}, /ws or /stream.")
        headers = request.headers
        if not is_allowed(headers.get("Origin"), headers.get("Host"), self.options.allowed_origins):
            return self._refuse(403, "This origin may not connect; see allowed_origins.")
        if len(self._connections) >= self.options.max_clients:
            return self._refuse(503, "The hub is full; try again or try another one.")
        # Firefox sends `keep-alive, Upgrade`, which is right; picows compares the whole value.
        tokens = headers.get("Connection", "").lower().replace(" ", "").split(",")
        if "upgrade" in tokens:
            headers["Connection"] = "Upgrade"
        return Connection(self, begin)

    def _talk(self, target: str) -> Callable[[Connection, Client], Talk] | None:
        """Return what makes the talk of a path; None: there is nothing."""
        path = target.partition("?")[0]
        options = self.options
        if path in ("/", APP_PATH):
            pace = Pace(options.ping_seconds, options.pong_seconds, options.max_message)
            if path == "/":
                return lambda _, client: PlainTalk(client, self.fanout, self.market, pace)
            return lambda connection, client: AppTalk(
                Session(
                    client,
                    self.fanout,
                    self.market,
                    clock=self.clock,
                    close=connection.close,
                    max_subscriptions=options.max_subscriptions,
                ),
                pace,
            )
        opening = parse_target(target)
        if opening is None:
            return None
        pace = Pace(options.binance_ping_seconds, options.binance_pong_seconds, MAX_MESSAGE)
        return lambda _, client: BinanceTalk(
            client,
            self.fanout,
            self.binance,
            opening,
            pace=pace,
            rate=options.binance_messages,
        )

    def _refuse(self, status: int, reason: str) -> WSUpgradeResponseWithListener:
        self.meter.refused += 1
        response = WSUpgradeResponse.create_error_response(status, reason.encode())
        return WSUpgradeResponseWithListener(response, None)


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Return whether a page of `origin` may open the hub at `host` (a Host header).

    Programs send no origin. The dashboard is on the same host, on another port.
    """
    if origin is None or "*" in allowed:
        return True
    if origin.lower().rstrip("/") in {each.lower().rstrip("/") for each in allowed}:
        return True
    try:
        theirs, ours = urlsplit(origin).hostname, urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return theirs is not None and theirs == ours


async def serve(
    options: HubOptions, bus: Bus, store: Snapshots, meter: Meter, stop: asyncio.Event
) -> None:
    """Run a hub until `stop` is set. `meter.status` tells how it is doing."""
    await Server(options, bus, store, meter).run(stop)
