"""`outcry up` at work: a supervisor, what it shows, and the word that everything can be reached."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress

from msgspec import structs
from rich.console import Console

from openoutcry.commands.context import data_dir
from openoutcry.commands.ports import reachable
from openoutcry.commands.up_view import LiveView, PlainView
from openoutcry.config import Settings
from openoutcry.core.chain.jsonrpc import shown
from openoutcry.engines import Engines
from openoutcry.nursery import Nursery
from openoutcry.supervisor import Supervisor


async def run(
    settings: Settings,
    running: Engines,
    roles: tuple[str, ...],
    nursery: Nursery | None,
    began: float,
) -> None:
    """Supervise engines and roles until a signal; `began` is when the command did."""
    logs = data_dir(settings) / "logs"
    with suppress(FileExistsError):
        logs.mkdir(parents=True, mode=0o700)
    console = Console(highlight=False, soft_wrap=True)
    if settings.log_format == "auto":
        style = "console" if console.is_terminal else "json"
        settings = structs.replace(settings, log_format=style)
    view = LiveView(console) if console.is_terminal else PlainView(console)
    start = nursery.start if nursery else None
    supervisor = Supervisor(settings, running, roles, logs, view.say, start=start)
    view.children = supervisor.children
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, supervisor.stop)
    view.banner(
        {
            "Dashboard": f"http://{reachable(settings.host)}:{settings.port}/",
            "WebSocket": f"ws://{reachable(settings.host)}:{settings.ws_port}/",
            "Exchange": settings.binance_ws_url,
            "Symbols": ", ".join(settings.symbols),
            **_chain(settings),
            "Data": str(running.data_dir or "as OUTCRY_DATABASE_URL and OUTCRY_VALKEY_URL say"),
            "Logs": str(logs),
        }
    )
    ready = asyncio.create_task(_announce(settings, view, began))
    with view:
        await supervisor.run()
    ready.cancel()


def _chain(settings: Settings) -> dict[str, str]:
    """Return where the tokens come from; keys stand in a node's URL."""
    if not settings.chain_rpc_urls:
        return {}
    return {
        "Chain": ", ".join(map(shown, settings.chain_rpc_urls)),
        "Launchpads": ", ".join(settings.launchpads),
    }


async def _announce(settings: Settings, view: PlainView, began: float) -> None:
    """Say when the API reads the store and the hub can be reached."""
    host = reachable(settings.host)
    for port, path in ((settings.port, "/api/v1/config"), (settings.ws_port, "")):
        while not await _serves(host, port, path):
            await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    view.say("outcry", f"ready after {took:.1f} s: http://{host}:{settings.port}/")


async def _serves(host: str, port: int, path: str) -> bool:
    """Return whether something listens and, given a path, answers it with 200."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            if not path:
                return True
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: outcry\r\nConnection: close\r\n\r\n".encode()
            )
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
    except OSError:
        return False
