"""A scripted API and hub with a made-up market: forces the states a healthy system rarely shows.

Run as a script it serves the built dashboard on port 8000 for a look at the page.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import math
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import WSMsgType, web

from browser.backoffice import BackOffice
from browser.floor import Floor, furnish
from browser.launchpad import Launchpad
from browser.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

STATIC = Path(__file__).parents[2] / "src/openoutcry/web/static"
INTERVALS = (
    "1s 30s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M".split()  # noqa: SIM905 - as in the docs
)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000}
MARKETS = {
    "BTCUSDT": ("BTC", 61_837.0, 2, 5),
    "ETHUSDT": ("ETH", 3_412.0, 2, 4),
    "SOLUSDT": ("SOL", 148.0, 2, 3),
    "PEPEUSDT": ("PEPE", 0.0000114, 10, 0),
}

Mode = Literal["ok", "empty", "error", "slow"]


def length_of(interval: str) -> int:
    """Return the interval's length in seconds (a month as 30 days: nobody here looks closer)."""
    return int(interval[:-1]) * UNITS[interval[-1]]


def price_at(symbol: str, moment: float) -> float:
    """Return a smooth, repeatable price for a Unix time."""
    noise = math.sin(moment * 12.9898) * 43758.5453
    waves = (
        0.05 * math.sin(moment / 900_000)
        + 0.02 * math.sin(moment / 80_000)
        + 0.006 * math.sin(moment / 5_400)
        + 0.0025 * math.sin(moment / 760)
        + 0.0009 * (noise - math.floor(noise) - 0.5)
    )
    return MARKETS[symbol][1] * (1 + waves)


def make_candle(symbol: str, interval: str, bucket: int, now: float) -> dict[str, Any]:
    """Return one bucket in the hub's shape, as far as it has got by `now`."""
    _, _, scale, size_scale = MARKETS[symbol]
    length = length_of(interval)
    end = min(bucket + length, now)
    prices = [price_at(symbol, bucket + (end - bucket) * step / 12) for step in range(13)]
    swing = max(prices) - min(prices)
    volume = (2 + abs(math.sin(bucket)) * 9) * max(0.05, (end - bucket) / length) * length / 60
    closed = bucket + length <= now
    return {
        "symbol": symbol,
        "interval": interval,
        "time": bucket,
        "open": f"{prices[0]:.{scale}f}",
        "high": f"{max(prices) + swing * 0.15:.{scale}f}",
        "low": f"{min(prices) - swing * 0.15:.{scale}f}",
        "close": f"{prices[-1]:.{scale}f}",
        "volume": f"{volume:.{size_scale}f}",
        "quoteVolume": f"{volume * prices[0]:.{scale}f}",
        "trades": int(volume * 40) + 1,
        "takerBuyVolume": f"{volume / 2:.{size_scale}f}",
        "takerBuyQuoteVolume": f"{volume / 2 * prices[0]:.{scale}f}",
        "closed": closed,
        "complete": closed and not 24 <= (now - bucket) / length < 26,
    }


class StandIn:
    """The server. Attributes may be changed from any thread at any time; methods too."""

    def __init__(self, port: int = 0, markets: int = 60, tokens: int = 24) -> None:
        self.port = port
        self.listing = Listing(markets)
        self.office = BackOffice()
        self.floor = Floor()
        self.launchpad = Launchpad(tokens)
        self.source: Literal["stream", "rest", "none"] = "stream"
        self.markets_age: float = 0.4
        self.live_exchanges: list[str] = []
        self.ticking = True
        self.hub_port = 0
        self.mode: Mode = "ok"
        self.silent = False
        self.public = True
        self.history_start = time.time() - 400 * 86400
        self.holes: list[tuple[float, float]] = []
        self.requests: list[str] = []
        self._loop = asyncio.new_event_loop()
        # A long frame is packed in a thread: without this it could be sent after the close.
        self._sending = asyncio.Lock()
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._known: set[web.WebSocketResponse] = set()
        self.told: list[dict[str, Any]] = []
        self._hub: web.AppRunner | None = None
        self._trade_id = 1_000
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return where the dashboard is."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Serve from a thread of its own."""
        self._thread.start()
        self._do(self._start())

    def stop(self) -> None:
        """Stop serving."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def kill(self) -> None:
        """Take the hub away: connections are cut, new ones refused."""
        self._do(self._kill())

    def revive(self) -> None:
        """Bring the hub back on the same port."""
        self._do(self._serve_hub())

    def close_all(self, code: int) -> None:
        """Close every connection with a code."""
        self._do(self._close_all(code))

    def publish(self, channel: str, data: Any) -> None:
        """Send a change to whoever has subscribed the channel."""
        self._do(self._publish(channel, data))

    def publish_raw(self, text: str) -> None:
        """Send any text to everybody."""
        self._do(self._publish_raw(text))

    def on_floor(self, work: Callable[[Floor], Coroutine[Any, Any, Any]]) -> Any:
        """Let something happen to the account, in the server's own thread."""
        return asyncio.run_coroutine_threadsafe(work(self.floor), self._loop).result(30)

    def trade(self, address: str, side: str = "buy", eth: float = 0.25) -> dict[str, Any]:
        """Let a token be traded, and the hub tell of it; return the trade."""
        told = self.launchpad.trade(address, side, eth)
        self.publish(f"token:{address}", told)
        self.publish("tokens:top", self.launchpad.top())
        return dict(told["trades"][0])

    def undo(self, address: str) -> None:
        """Take a token's newest trade back, as a chain that was reorganised does."""
        self.publish(f"token:{address}", self.launchpad.undo(address))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._index)
        app.router.add_get("/api/v1/config", self._config)
        app.router.add_get("/candles", self._candles)
        app.router.add_get("/api/v1/markets", self._markets)
        app.router.add_routes(self.office.routes())
        app.router.add_routes(self.floor.routes(self.office.who))
        app.router.add_routes(self.launchpad.routes(self._locked))
        self.floor.publish = self._publish_user
        app.router.add_static("/", STATIC)
        self._api = web.AppRunner(app, shutdown_timeout=0.1)
        await self._api.setup()
        site = web.TCPSite(self._api, "127.0.0.1", self.port)
        await site.start()
        self.port = self._api.addresses[0][1]
        await self._serve_hub()
        ticks = (self._tick(), self._tick_listing(), self._tick_tokens())
        self._tickers = [asyncio.create_task(one) for one in ticks]

    async def _stop(self) -> None:
        for ticker in self._tickers:
            ticker.cancel()
        await self._kill()
        await self._api.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve_hub(self) -> None:
        app = web.Application()
        app.router.add_get("/api/v1/ws/app", self._socket)
        self._hub = web.AppRunner(app, shutdown_timeout=0.1)
        await self._hub.setup()
        await web.TCPSite(self._hub, "127.0.0.1", self.hub_port, reuse_address=True).start()
        self.hub_port = self._hub.addresses[0][1]

    async def _kill(self) -> None:
        await self._close_all(3001)
        if self._hub:
            await self._hub.cleanup()
            self._hub = None

    async def _close_all(self, code: int) -> None:
        async with self._sending:
            for socket in list(self._sockets):
                await socket.close(code=code)

    async def _index(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _config(self, _: web.Request) -> web.Response:
        symbols = [
            {"symbol": s, "base": b, "quote": "USDT", "priceScale": p, "sizeScale": z}
            for s, (b, _, p, z) in MARKETS.items()
        ]
        body = {"symbols": symbols, "intervals": INTERVALS, "wsUrl": "", "wsPort": self.hub_port}
        body |= {"publicMarketData": self.public, "liveExchanges": self.live_exchanges}
        body["tokens"] = self.launchpad.enabled
        return web.json_response({**body, "version": "0.1.0"})

    def _locked(self, request: web.Request) -> web.Response | None:
        """Return the refusal of market data that is for users only."""
        if self.public or self.office.who(request) is not None:
            return None
        return web.json_response({"success": False, "message": "Sign in."}, status=401)

    async def _markets(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs)
        if (refusal := self._locked(request)) is not None:
            return refusal
        if self.mode == "slow":
            await asyncio.sleep(3)
        if self.mode == "error":
            message = "Prices cannot be read. Try again in a moment."
            return web.json_response({"success": False, "message": message}, status=503)
        return web.json_response(self._list())

    def _list(self) -> dict[str, Any]:
        if self.mode == "empty":
            return {"source": "none", "age": None, "stale": True, "markets": []}
        age = self.markets_age
        fresh = {"source": self.source, "age": age, "stale": age > 30}
        return {**fresh, "markets": self.listing.markets()}

    async def _candles(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs)
        if (refusal := self._locked(request)) is not None:
            return refusal
        if self.mode == "slow":
            await asyncio.sleep(3)
        if self.mode == "error":
            message = "The store does not answer. Try again in a moment."
            return web.json_response({"success": False, "message": message}, status=503)
        query = request.query
        symbol, interval = query["asset"], query["duration"]
        length, now = length_of(interval), time.time()
        start, end = (
            dt.datetime.fromisoformat(query[name]).timestamp() for name in ("startTime", "endTime")
        )
        first = math.ceil(max(start, self.history_start) / length) * length
        buckets = range(first, int(min(end, now)) + 1, length) if self.mode != "empty" else ()
        rows = [
            make_candle(symbol, interval, bucket, now)
            for bucket in buckets
            if not any(low <= bucket < high for low, high in self.holes)
        ]
        numbers = ("open", "high", "low", "close", "volume", "quoteVolume")
        keep = ("time", *numbers, "trades", "complete")
        candles = [{k: float(row[k]) if k in numbers else row[k] for k in keep} for row in rows]
        body = {"asset": symbol, "duration": interval, "candles": candles[:1000]}
        times = {"startTime": query["startTime"], "endTime": query["endTime"]}
        return web.json_response({**body, **times})

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[socket] = set()
        await self._send(socket, type="system", data={"message": "Connected to a stand-in"})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT and not self.silent:
                    await self._answer(socket, json.loads(message.data))
        finally:
            self._sockets.pop(socket, None)
            self._known.discard(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        channel, said = message.get("channel"), message["type"]
        self.told.append(message)
        if said == "auth":
            await self._authenticate(socket, message)
        elif channel == "user" and said == "subscribe":
            await self._start_user(socket, message)
        elif said == "ping":
            await self._send(socket, type="pong", id=message.get("id"))
        elif said == "unsubscribe" and channel:
            self._sockets.get(socket, set()).discard(channel)
            await self._send(socket, type="unsubscribed", channel=channel, id=message.get("id"))
        elif said == "subscribe" and channel and not (self.public or socket in self._known):
            error = {"code": "unauthorized", "message": "Sign in first.", "channel": channel}
            await self._send(socket, type="error", id=message.get("id"), **error)
        elif said == "subscribe" and channel:
            self._sockets.get(socket, set()).add(channel)
            if channel.startswith("token"):
                data: Any = self.launchpad.snapshot(channel)
            else:
                data = self._snapshot(channel)
            answer = {"channel": channel, "id": message.get("id"), "data": data}
            await self._send(socket, type="subscribed", **answer)

    async def _authenticate(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        if message["token"] in self.office.access:
            self._known.add(socket)
            await self._send(socket, type="authenticated", id=message.get("id"), data={})
            return
        error = {"code": "unauthorized", "message": "The token is not valid."}
        await self._send(socket, type="error", id=message.get("id"), **error)
        await socket.close(code=3500)

    async def _start_user(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        about = {"channel": "user", "id": message.get("id")}
        if socket not in self._known:
            error = {"code": "unauthorized", "message": "Sign in first."}
            await self._send(socket, type="error", **about, **error)
            return
        answer, missed = self.floor.start(message.get("offset"), message.get("epoch"))
        await self._send(socket, type="subscribed", **about, **answer)
        for one in missed:
            await self._send(socket, **one)
        self._sockets[socket].add("user")

    async def _publish_user(self, message: dict[str, Any]) -> None:
        for socket, channels in list(self._sockets.items()):
            if "user" in channels:
                await self._send(socket, **message)

    def _snapshot(self, channel: str) -> dict[str, Any] | None:
        if channel == "tickers":
            listed = self._list()
            rows = [{**row, "sparkline": None} for row in listed["markets"]]
            return {**listed, "markets": rows} if rows else None
        kind, symbol, *rest = channel.split(":")
        empty = self.mode == "empty"
        now = time.time()
        if kind == "price":
            return None if empty else self._quote(symbol)
        if kind == "trade":
            trades = [self._trade(symbol, now - ago / 3) for ago in range(30, 0, -1)]
            return {"trades": [] if empty else trades}
        length = length_of(rest[0])
        bucket = int(now) // length * length
        pair = [make_candle(symbol, rest[0], time_, now) for time_ in (bucket - length, bucket)]
        return {"candles": [] if empty else pair}

    def _quote(self, symbol: str) -> dict[str, Any]:
        scale = MARKETS[symbol][2]
        price = price_at(symbol, time.time())
        return {
            "symbol": symbol,
            "originalPrice": f"{price:.{scale}f}",
            "bidPrice": f"{price * 0.999:.{scale + 3}f}",
            "askPrice": f"{price * 1.001:.{scale + 3}f}",
            "timestamp": int(time.time() * 1000),
        }

    def _trade(self, symbol: str, moment: float) -> dict[str, Any]:
        self._trade_id += 1
        _, _, scale, size_scale = MARKETS[symbol]
        return {
            "id": self._trade_id,
            "price": f"{price_at(symbol, moment):.{scale}f}",
            "size": f"{abs(math.sin(self._trade_id * 7.7)) * 0.9 + 10**-size_scale:.{size_scale}f}",
            "side": "buy" if math.sin(self._trade_id * 3.3) > 0 else "sell",
            "time": int(moment * 1000),
        }

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if self.silent or self.mode == "empty":
                continue
            now = time.time()
            for channel in set().union(*self._sockets.values()):
                if channel in {"tickers", "user"} or channel.startswith("token"):
                    continue
                kind, symbol, *rest = channel.split(":")
                if kind == "price":
                    await self._publish(channel, self._quote(symbol))
                elif kind == "trade":
                    trades = [self._trade(symbol, now)]
                    await self._publish(channel, {"symbol": symbol, "trades": trades, "skipped": 0})
                else:
                    length = length_of(rest[0])
                    bucket = int(now) // length * length
                    for start in (bucket - length, bucket):
                        if start == bucket or now - bucket < 1:
                            await self._publish(channel, make_candle(symbol, rest[0], start, now))

    async def _tick_listing(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self.ticking and not self.silent and self.mode != "empty":
                await self._publish("tickers", self.listing.tick())

    async def _tick_tokens(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self.ticking and self.launchpad.enabled and not self.silent:
                for channel, data in self.launchpad.tick():
                    await self._publish(channel, data)

    async def _publish(self, channel: str, data: Any) -> None:
        said = f"{channel.split(':', maxsplit=1)[0]}_update"
        for socket, channels in list(self._sockets.items()):
            if channel in channels:
                await self._send(socket, type=said, channel=channel, data=data)

    async def _publish_raw(self, text: str) -> None:
        for socket in list(self._sockets):
            async with self._sending:
                await socket.send_str(text)

    async def _send(self, socket: web.WebSocketResponse, **message: Any) -> None:
        stamp = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        async with self._sending:
            if not socket.closed:
                with contextlib.suppress(ConnectionError):
                    await socket.send_json({"timestamp": stamp, **message})


if __name__ == "__main__":
    server = StandIn(8000, markets=3_000, tokens=140)
    server.launchpad.enabled = True
    server.start()
    server.on_floor(furnish)
    print(server.url)  # noqa: T201 - it is a script here
    threading.Event().wait()
