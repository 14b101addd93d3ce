"""End to end: from a trade's write to the exchange's socket to its frame in a browser's socket.

Quotes leave before the store, trades and candles after their commit. A frame is timed by the newest
trade in it. Exchange, client and all roles share this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
import picows
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from openoutcry import engines
from openoutcry.adapters.postgres import instruments, migrate
from openoutcry.model import Instrument
from scratch import scratch_engines

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
EXCHANGE, HUB = 18921, 18922
CHANNELS = {"price": "price:{}", "trade": "trade:{}", "candle": "candle:{}:1m"}


class Browser(WSListener):
    """Subscribes to everything and notes how old each message's newest trade is (ms)."""

    def __init__(self) -> None:
        self.ages: dict[str, list[float]] = {kind: [] for kind in CHANNELS}
        self.counting = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        for pattern in CHANNELS.values():
            for symbol in SYMBOLS:
                ask = {"type": "subscribe", "channel": pattern.format(symbol)}
                transport.send(WSMsgType.TEXT, json.dumps(ask).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        if frame.msg_type is not WSMsgType.TEXT or not self.counting:
            return
        now = time.time_ns() // 1000
        message = json.loads(frame.get_payload_as_bytes())
        data = message.get("data") or {}
        if message["type"] == "price_update":
            self._note("price", now, data["originalPrice"])
        elif message["type"] == "trade_update":
            self._note("trade", now, data["trades"][-1]["price"])
        elif message["type"] == "candle_update" and not data["closed"]:
            self._note("candle", now, data["close"])

    def _note(self, kind: str, now: int, price: str) -> None:
        sent = round(float(price) * 100)
        self.ages[kind].append((now % 10**10 - sent) / 1000)


async def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=10_000, help="trades a second")
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    async with scratch_engines() as running:
        await migrate.upgrade(running.database_url)
        connection = await asyncpg.connect(running.database_url)
        await instruments.register(
            connection, [Instrument(0, "binance", s, s[:-4], "USDT", 2, 5) for s in SYMBOLS]
        )
        await connection.close()
        await measure(options.rate, options.seconds, running)


async def measure(rate: int, seconds: float, running: engines.Engines) -> None:
    """Run the exchange and the roles, listen, and print."""
    environment = os.environ | {
        "OUTCRY_DATABASE_URL": running.database_url,
        "OUTCRY_VALKEY_URL": running.valkey_url,
        "OUTCRY_SYMBOLS": ",".join(SYMBOLS),
        "OUTCRY_BINANCE_WS_URL": f"ws://127.0.0.1:{EXCHANGE}",
        "OUTCRY_BINANCE_REST_URL": "http://127.0.0.1:9",
        "OUTCRY_BACKFILL": "false",
        "OUTCRY_WS_PORT": str(HUB),
    }
    here = Path(__file__).parent
    commands = [
        [
            str(here / "ticking.py"),
            "--port",
            str(EXCHANGE),
            "--rate",
            str(rate),
            "--symbols",
            ",".join(SYMBOLS),
        ],
        *(["-m", "openoutcry", "run", role] for role in ("recorder", "hub", "feed")),
    ]
    with tempfile.TemporaryFile() as log:
        processes = [
            subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)
            for command in commands
        ]
        try:
            browser = await open_browser()
            await asyncio.sleep(5)
            browser.counting = True
            await asyncio.sleep(seconds)
            browser.counting = False
            report(browser, rate, seconds)
        finally:
            for process in processes:
                process.kill()
                process.wait()


async def open_browser() -> Browser:
    """Return a connected client, waiting for the hub to come up."""
    while True:
        try:
            _, listener = await picows.ws_connect(
                Browser, f"ws://127.0.0.1:{HUB}/api/v1/ws/app", enable_auto_pong=False
            )
        except (OSError, picows.WSError):
            await asyncio.sleep(0.1)
        else:
            assert isinstance(listener, Browser)
            return listener


def report(browser: Browser, rate: int, seconds: float) -> None:
    """Print percentiles of each kind of message."""
    print(f"{rate:,} trades/s for {seconds:g} s, {len(SYMBOLS)} symbols; ms from send to receipt")
    for kind, ages in browser.ages.items():
        ages.sort()
        if not ages:
            print(f"{kind:<8} nothing came")
            continue
        figures = "  ".join(
            f"p{share:g} {ages[min(len(ages) - 1, int(len(ages) * share / 100))]:6.2f}"
            for share in (50, 90, 99, 99.9)
        )
        print(f"{kind:<8} {len(ages) / seconds:7.0f} messages/s   {figures}")


if __name__ == "__main__":
    uvloop.run(main())
