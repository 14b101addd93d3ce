"""The hub's sockets: picows listens, and the pure parts decide.

permessage-deflate is offered on the channels' path only: elsewhere messages are small.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct, structs
from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from openoutcry.venues.binance_server import parse_target
from openoutcry.web.hub import deflate, protocol, upgrade
from openoutcry.web.hub.binance import MAX_MESSAGE, PING_SECONDS, PONG_SECONDS, BinanceTalk
from openoutcry.web.hub.binance_market import BinanceMarket
from openoutcry.web.hub.connection import CLOSE_SECONDS, Connection, Talk
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.guard import Access, Badge, Guard
from openoutcry.web.hub.locked import LockedTalk
from openoutcry.web.hub.market import Market
from openoutcry.web.hub.meter import Meter
from openoutcry.web.hub.no_accounts import NoAccounts
from openoutcry.web.hub.outbox import OWN_BYTES
from openoutcry.web.hub.private import History, Private, PrivateStore
from openoutcry.web.hub.protocol import CloseCode
from openoutcry.web.hub.session import Desk, Rules, Session
from openoutcry.web.hub.sources import Bus, Snapshots
from openoutcry.web.hub.talks import Allowance, AppTalk, Pace, PlainTalk
from openoutcry.web.hub.tokens import TokenStore

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
    public_origins: tuple[str, ...] = ()
    max_clients: int = 20_000
    max_message: int = protocol.MAX_MESSAGE
    max_subscriptions: int = protocol.MAX_SUBSCRIPTIONS
    allowance: Allowance = Allowance()
    outbox_bytes: int = OWN_BYTES
    ping_seconds: float = 25.0
    pong_seconds: float = 10.0
    binance_messages: int = BINANCE_MESSAGES
    binance_ping_seconds: float = PING_SECONDS
    binance_pong_seconds: float = PONG_SECONDS
    replay: bool = False
    public_market_data: bool = True


class Accounts(Struct, frozen=True):
    """What a hub needs for its signed-in clients."""

    access: Access
    history: History
    store: PrivateStore


class Server:
    """A hub: its connections and its parts."""

    def __init__(
        self,
        options: HubOptions,
        bus: Bus,
        store: Snapshots,
        meter: Meter,
        accounts: Accounts | None = None,
        *,
        tokens: TokenStore | None = None,
    ) -> None:
        self.options = options
        self.meter = meter
        self.fanout = Fanout(asyncio.get_running_loop().call_soon)
        self.outbox_bytes = options.outbox_bytes
        self.market = Market(options.symbols, self.fanout, bus, store, self.clock, tokens=tokens)
        self.binance = BinanceMarket(
            self.fanout, self.market, bus, store, self.clock, replay=options.replay
        )
        accounts = accounts or Accounts(NoAccounts(), NoAccounts(), NoAccounts())
        self.guard = Guard(accounts.access)
        self.private = Private(self.fanout, bus, accounts.history, accounts.store, self.clock)
        self.market.hearers["user"] = self.private.hear
        self._desk = Desk(
            self.fanout,
            self.market,
            self.private,
            self.guard,
            self.clock,
            Rules(options.max_subscriptions, options.public_market_data),
        )
        rules = structs.replace(self._desk.rules, guest=True)
        self._guest_desk = structs.replace(self._desk, rules=rules)
        self._connections: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._bus = bus
        self.on_message = self.market.on_message
        meter.watch(self.fanout, self.market, bus, self.private, self.guard)

    @staticmethod
    def clock() -> int:
        """Return the time in µs since 1970."""
        return time.time_ns() // 1000

    async def on_connected(self) -> None:
        """Messages of the bus may have been missed: read the present state."""
        await self.private.on_connected()
        await self.binance.on_connected()

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
        bus = asyncio.create_task(self._bus.run(self))
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
            await self.guard.aclose()
            await self.private.aclose()
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
            self.guard.tick(now)
            self.market.tick()
            self.binance.second()

    def _route(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        headers = request.headers
        target = request.path.decode("latin-1")
        app = target.partition("?")[0] == APP_PATH
        origin, options = headers.get("Origin"), self.options
        guest = not upgrade.is_allowed(origin, headers.get("Host"), options.allowed_origins)
        if guest and not (app and upgrade.is_listed(origin, options.public_origins)):
            return self._refuse(403, "This origin may not connect; see allowed_origins.")
        try:
            credential = upgrade.credential(headers)
        except ValueError as error:
            return self._refuse(400, str(error))
        begin = self._talk(target, credential, guest=guest)
        if begin is None:
            return self._refuse(404, f"There is nothing here; try /, {APP_PATH}, /ws or /stream.")
        if not app and not self.options.public_market_data:
            if credential is None:
                return self._refuse(401, "Connect with a token or an API key.")
            begin = self._locked(begin, credential)
        if len(self._connections) >= self.options.max_clients:
            return self._refuse(503, "The hub is full; try again or try another one.")
        # Firefox sends `keep-alive, Upgrade`, which is right; picows compares the whole value.
        tokens = headers.get("Connection", "").lower().replace(" ", "").split(",")
        if "upgrade" in tokens:
            headers["Connection"] = "Upgrade"
        answers = {}
        if upgrade.SUBPROTOCOL in upgrade.subprotocols(headers):
            answers["Sec-WebSocket-Protocol"] = upgrade.SUBPROTOCOL
        offers = ",".join(headers.getall("Sec-WebSocket-Extensions", ())) if app else ""
        agreed = deflate.negotiate(offers)
        if agreed:
            answers["Sec-WebSocket-Extensions"] = agreed
        listener = Connection(self, begin, deflate=agreed is not None)
        response = WSUpgradeResponse.create_101_response(answers)
        return WSUpgradeResponseWithListener(response, listener)

    def _locked(
        self, begin: Callable[[Connection, Client], Talk], credential: str
    ) -> Callable[[Connection, Client], Talk]:
        return lambda connection, client: LockedTalk(
            begin(connection, client), Badge(connection.close), self.guard, credential
        )

    def _talk(
        self, target: str, credential: str | None, *, guest: bool
    ) -> Callable[[Connection, Client], Talk] | None:
        """Return what makes the talk of a path; None: there is nothing."""
        if guest:
            return self._app_talk(self._guest_desk, None)
        path = target.partition("?")[0]
        options = self.options
        if path == "/":
            pace = Pace(options.ping_seconds, options.pong_seconds, options.max_message)
            return lambda _, client: PlainTalk(
                client, self.fanout, self.market, pace, options.allowance
            )
        if path == APP_PATH:
            return self._app_talk(self._desk, credential)
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

    def _app_talk(self, desk: Desk, credential: str | None) -> Callable[[Connection, Client], Talk]:
        options = self.options
        pace = Pace(options.ping_seconds, options.pong_seconds, options.max_message)
        return lambda connection, client: AppTalk(
            Session(client, desk, close=connection.close, credential=credential),
            pace,
            options.allowance,
        )

    def _refuse(self, status: int, reason: str) -> WSUpgradeResponseWithListener:
        self.meter.refused += 1
        response = WSUpgradeResponse.create_error_response(status, reason.encode())
        return WSUpgradeResponseWithListener(response, None)


async def serve(
    options: HubOptions,
    bus: Bus,
    store: Snapshots,
    meter: Meter,
    stop: asyncio.Event,
    *,
    accounts: Accounts | None = None,
    tokens: TokenStore | None = None,
) -> None:
    """Run a hub until `stop` is set. `meter.status` tells how it is doing."""
    await Server(options, bus, store, meter, accounts, tokens=tokens).run(stop)
