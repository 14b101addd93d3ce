"""`outcry up`: starts everything and shows it until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import structs
from rich.console import Console

from openoutcry import config, engines
from openoutcry.commands import ports
from openoutcry.commands.context import data_dir
from openoutcry.commands.up_view import LiveView, PlainView
from openoutcry.config import Settings
from openoutcry.engines import Engines
from openoutcry.errors import ConfigError, EngineError
from openoutcry.nursery import Nursery, supported
from openoutcry.supervisor import Supervisor

ROLES = ("feed", "recorder", "hub", "api")
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def up(overrides: dict[str, Any], *, sandbox: bool) -> None:
    """Run the whole system in the foreground."""
    began = time.perf_counter()
    settings = config.load(overrides=overrides)
    if sandbox:
        settings = towards_sandbox(settings)
    roles = ("sandbox", *ROLES) if sandbox else ROLES
    _refuse_taken_ports(settings, sandbox=sandbox)
    nursery = Nursery() if supported() else None
    if nursery:
        nursery.open()  # it imports while the engines' programs are looked for
    try:
        running = engines.prepare(
            data_dir(settings), database_url=settings.database_url, valkey_url=settings.valkey_url
        )
        try:
            asyncio.run(_up(settings, running, roles, nursery, began))
        finally:
            running.release()
    finally:
        if nursery:
            nursery.close()


def towards_sandbox(settings: Settings) -> Settings:
    """Return settings whose exchange is the sandbox on this machine."""
    if settings.sandbox_replay and not Path(settings.sandbox_replay).is_file():
        raise ConfigError(f"The recording {settings.sandbox_replay} does not exist.")
    host = _reachable(settings.sandbox_host)
    state = settings.sandbox_state or str(data_dir(settings) / "sandbox.json")
    return structs.replace(
        settings,
        sandbox_state=state,
        binance_ws_url=f"ws://{host}:{settings.sandbox_ws_port}",
        binance_rest_url=f"http://{host}:{settings.sandbox_port}",
    )


async def _up(
    settings: Settings,
    running: Engines,
    roles: tuple[str, ...],
    nursery: Nursery | None,
    began: float,
) -> None:
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
            "Dashboard": f"http://{_reachable(settings.host)}:{settings.port}/",
            "WebSocket": f"ws://{_reachable(settings.host)}:{settings.ws_port}/",
            "Exchange": settings.binance_ws_url,
            "Symbols": ", ".join(settings.symbols),
            "Data": str(running.data_dir or "as OUTCRY_DATABASE_URL and OUTCRY_VALKEY_URL say"),
            "Logs": str(logs),
        }
    )
    ready = asyncio.create_task(_announce(settings, view, began))
    with view:
        await supervisor.run()
    ready.cancel()


async def _announce(settings: Settings, view: PlainView, began: float) -> None:
    """Say when the API reads the store and the hub can be reached."""
    host = _reachable(settings.host)
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
            writer.write(f"GET {path} HTTP/1.1\r\nHost: outcry\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
    except OSError:
        return False


def _refuse_taken_ports(settings: Settings, *, sandbox: bool) -> None:
    wanted = {"port": settings.host, "ws_port": settings.host}
    if sandbox:
        wanted |= {"sandbox_port": settings.sandbox_host, "sandbox_ws_port": settings.sandbox_host}
    for name, host in wanted.items():
        number = getattr(settings, name)
        if not ports.free(host, number):
            option = f"--{name.replace('_', '-')}" if "sandbox" not in name else "OUTCRY_" + name
            raise EngineError(
                f"Port {number} is taken by {ports.holder(number)}. Stop it, or choose another "
                f"with {option.upper() if 'sandbox' in name else option}."
            )


def _reachable(host: str) -> str:
    host = _WILDCARDS.get(host, host)
    return f"[{host}]" if ":" in host else host
