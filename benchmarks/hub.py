"""How many messages a second the hub sends to 1,000 clients on one core, beside its peers.

    python benchmarks/hub.py [--rounds 3] [--clients 1000] [--seconds 2]

Everything runs in the same minutes, in turns: the server pinned to one core, a load client in C
(wsload: `$OUTCRY_TEST_WSLOAD`, else ../shared/tools/wsload.c) to another. Peers: Node `ws`, installed
from npm into a temporary folder, and Starlette on uvicorn. The table has medians.

`a write a message`: the next message is said when the last one has been written to everybody. `a message
each turn`: one in every turn of the hub's loop, as Node and Starlette are told to do it here; the hub
writes to a share of its clients in a turn, and what came meanwhile goes along.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SERVER_CORE, LOAD_CORE = 0, 1
OFFERED = 2000
QUOTE = (
    '{"symbol":"%s","originalPrice":"61837.63","bidPrice":"61775.79237",'
    '"askPrice":"61899.46763","timestamp":1723161255342}'
)
MESSAGE = (
    '{"type":"price_update","channel":"price:S0","data":'
    + QUOTE % "S0"
    + ',"timestamp":"2026-01-01T00:00:00.000Z"}'
)
SUBSCRIBE = '{"type":"subscribe","channel":"price:S0"}'
APP = "/api/v1/ws/app"
SHARE = 256  # of clients that the hub writes to in a turn, see `web.hub.fanout`

CASES = {
    "hub-1": "OpenOutcry, 1 channel, a write a message",
    "hub-turn": "OpenOutcry, 1 channel, a message each turn",
    "hub-clock": f"OpenOutcry, 1 channel, {OFFERED} quotes/s offered",
    "hub-20": "OpenOutcry, 20 channels, coalesced",
    "node": "Node ws, 1 channel",
    "starlette": "Starlette on uvicorn, 1 channel",
}

NODE = """
const { WebSocketServer } = require('ws');
const [port, count, message] = process.argv.slice(2);
const server = new WebSocketServer({ port: +port, host: '127.0.0.1', perMessageDeflate: false,
                                     backlog: 4096 });
let begun = false;
function round() { for (const c of server.clients) c.send(message); setImmediate(round); }
server.on('connection', () => {
  if (server.clients.size >= +count && !begun) { begun = true; setTimeout(round, 300); }
});
"""


class Bus:
    """Says quotes from within the hub's process, once all clients are there."""

    connected = True

    def __init__(
        self, name: str, quotes: list[tuple[str, bytes]], clients: int, everybody: Any
    ) -> None:
        self.name = name
        self.quotes = quotes
        self.clients = clients
        self.everybody = everybody

    def want(self, channel: str) -> None: ...

    def unwant(self, channel: str) -> None: ...

    async def heard(self, channel: str) -> None: ...

    async def last_quotes(self) -> dict[str, bytes]:
        return {}

    async def last_books(self, symbols: Any) -> list[bytes]:
        del symbols
        return []

    async def known_tickers(self) -> None:
        return None

    async def last_stats(self) -> None:
        return None

    async def run(self, sink: Any) -> None:
        while not self.everybody():
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        # What can wait is written in shares: so many turns until everybody has it.
        turns = -(-self.clients // SHARE) if self.name == "hub-1" else 1
        begun, said = time.perf_counter(), 0
        while True:
            # By the clock: what came due while the hub was busy comes together, as on a socket.
            elapsed = time.perf_counter() - begun
            due = int(elapsed * OFFERED) if self.name == "hub-clock" else said + 1
            while said < due:
                for channel, quote in self.quotes:
                    sink.on_message(channel, quote)
                said += 1
            for _ in range(turns):
                await asyncio.sleep(0)


async def serve_hub(name: str, port: int, clients: int) -> None:
    """Run the real hub on a bus in the same process."""
    from openoutcry.web.hub.meter import Meter
    from openoutcry.web.hub.server import HubOptions, serve

    symbols = tuple(f"S{number}" for number in range(20 if name == "hub-20" else 1))
    quotes = [(f"market:{symbol}", (QUOTE % symbol).encode()) for symbol in symbols]
    meter = Meter()

    store: Any = None  # prices need none
    bus = Bus(name, quotes, clients, lambda: meter.clients >= clients)
    await serve(HubOptions(symbols=symbols, port=port), bus, store, meter, asyncio.Event())


def serve_starlette(port: int, clients: int) -> None:
    """Run the usual broadcast loop on Starlette and uvicorn."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket

    connected: list[WebSocket] = []
    tasks = []

    async def broadcast() -> None:
        await asyncio.sleep(0.3)
        while True:
            for client in connected:
                await client.send_text(MESSAGE)
            await asyncio.sleep(0)

    async def endpoint(client: WebSocket) -> None:
        await client.accept()
        connected.append(client)
        if len(connected) == clients:
            tasks.append(asyncio.create_task(broadcast()))
        await asyncio.Event().wait()

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="error",
        loop="uvloop",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        backlog=4096,
    )


def serve(name: str, port: int, clients: int) -> None:
    """Run one of our cases in this process until killed."""
    if name == "starlette":
        serve_starlette(port, clients)
        return
    import uvloop

    uvloop.run(serve_hub(name, port, clients))


def pin(core: int) -> Any:
    """Return a function for a child to run first."""
    return lambda: os.sched_setaffinity(0, {core})


def measure(name: str, tools: dict[str, Path], clients: int, seconds: float) -> float:
    """Return the messages a second that the load client received."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if name == "node":
        command = ["node", str(tools["node"]), str(port), str(clients), MESSAGE]
    else:
        command = [sys.executable, str(HERE), "--serve", name, str(port), "--clients", str(clients)]
    server = subprocess.Popen(command, preexec_fn=pin(SERVER_CORE), stdout=subprocess.DEVNULL)  # noqa: PLW1509
    try:
        wait_for(port)
        one = name in ("hub-1", "hub-turn", "hub-clock")
        load = [str(tools["wsload"]), str(port), APP if one else "/", str(clients), str(seconds)]
        done = subprocess.run(
            load + [SUBSCRIBE] * one,
            preexec_fn=pin(LOAD_CORE),
            capture_output=True,
            text=True,
            timeout=60 + seconds,
            check=False,
        )
    finally:
        server.kill()
        server.wait()
    found = re.search(r"closed (\d+) .*frames/s (\d+)", done.stdout)
    if found is None or found[1] != "0":
        raise SystemExit(f"{name}: {done.stdout} {done.stderr}")
    return float(found[2])


def wait_for(port: int) -> None:
    """Return when somebody listens on `port`."""
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit("the server did not start")


def prepare(folder: Path) -> dict[str, Path]:
    """Compile the load client, install Node's `ws`; say what is missing and leave that out."""
    places = [Path(os.environ["OUTCRY_TEST_WSLOAD"])] if "OUTCRY_TEST_WSLOAD" in os.environ else []
    places += [parent / "shared" / "tools" / "wsload.c" for parent in HERE.parents]
    source = next((place for place in places if place.is_file()), None)
    if source is None or shutil.which("gcc") is None:
        print("skipped: needs gcc and wsload.c (set OUTCRY_TEST_WSLOAD to it)")
        raise SystemExit(0)
    tools = {"wsload": folder / "wsload"}
    subprocess.run(["gcc", "-O2", "-o", tools["wsload"], source], check=True)
    if shutil.which("npm") is None:
        print("without Node ws: npm is not installed")
        return tools
    installed = subprocess.run(
        ["npm", "install", "--silent", "--prefix", str(folder), "ws"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    if installed.returncode:
        print("without Node ws: npm install failed")
        return tools
    tools["node"] = folder / "server.js"
    tools["node"].write_text(NODE)
    return tools


def main() -> None:
    """Measure every case in turns and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--serve", nargs=2, metavar=("CASE", "PORT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve[0], int(asked.serve[1]), asked.clients)
        return
    with tempfile.TemporaryDirectory() as folder:
        tools = prepare(Path(folder))
        results: dict[str, list[float]] = {}
        for number in range(asked.rounds):
            for name, title in CASES.items():
                if name != "node" or "node" in tools:
                    rate = measure(name, tools, asked.clients, asked.seconds)
                    results.setdefault(name, []).append(rate)
                    print(f"round {number + 1}  {title:44} {rate:12,.0f}", flush=True)
    medians = {name: statistics.median(rates) for name, rates in results.items()}
    print(f"\n{asked.clients} clients, messages/s, medians of {asked.rounds}; spread; ratios")
    peers = [name for name in ("node", "starlette") if name in medians]
    for name, median in medians.items():
        ratios = "  ".join(f"{median / medians[peer]:5.2f} x {peer}" for peer in peers)
        low, high = min(results[name]), max(results[name])
        print(f"{CASES[name]:44} {median:12,.0f}  ({low:,.0f}-{high:,.0f})  {ratios}")


if __name__ == "__main__":
    main()
