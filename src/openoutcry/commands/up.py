"""`outcry up`: starts everything and shows it until it is told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from msgspec import structs

from openoutcry import config, engines
from openoutcry.commands import ports
from openoutcry.commands.context import data_dir
from openoutcry.config import Settings
from openoutcry.errors import ConfigError, EngineError
from openoutcry.nursery import Nursery, supported

ROLES = ("feed", "recorder", "hub", "api", "trader")


def roles_of(settings: Settings) -> tuple[str, ...]:
    """Return the roles that these settings need, but for what stands in for the world outside."""
    return (*ROLES, "indexer") if settings.chain_rpc_urls else ROLES


def up(overrides: dict[str, Any], *, sandbox: bool, tokens: bool = False) -> None:
    """Run the whole system in the foreground; with `tokens` beside a chain on this machine."""
    began = time.perf_counter()
    settings = config.load(overrides=overrides)
    if not tokens:
        _up(settings, began, sandbox=sandbox, chain=False)
        return
    from openoutcry.commands.chain_demo import with_chain

    with with_chain(settings) as found:
        _up(found, began, sandbox=sandbox, chain=True)


def _up(settings: Settings, began: float, *, sandbox: bool, chain: bool) -> None:
    if sandbox:
        settings = towards_sandbox(settings)
    world = (*(["sandbox"] if sandbox else []), *(["chain"] if chain else []))
    roles = (*world, *roles_of(settings))
    _refuse_taken_ports(settings, world)
    nursery = Nursery() if supported() else None
    if nursery:
        nursery.open()  # it imports while we do, and while the engines' programs are looked for
    try:
        from openoutcry.commands.up_running import run

        running = engines.prepare(
            data_dir(settings), database_url=settings.database_url, valkey_url=settings.valkey_url
        )
        try:
            asyncio.run(run(settings, running, roles, nursery, began))
        finally:
            running.release()
    finally:
        if nursery:
            nursery.close()


def towards_sandbox(settings: Settings) -> Settings:
    """Return settings whose exchange is the sandbox on this machine."""
    if settings.sandbox_replay and not Path(settings.sandbox_replay).is_file():
        raise ConfigError(f"The recording {settings.sandbox_replay} does not exist.")
    host = ports.reachable(settings.sandbox_host)
    state = settings.sandbox_state or str(data_dir(settings) / "sandbox.json")
    return structs.replace(
        settings,
        sandbox_state=state,
        binance_ws_url=f"ws://{host}:{settings.sandbox_ws_port}",
        binance_rest_url=f"http://{host}:{settings.sandbox_port}",
        live_url=f"http://{host}:{settings.sandbox_port}",
    )


def _refuse_taken_ports(settings: Settings, world: Collection[str]) -> None:
    wanted = {"port": settings.host, "ws_port": settings.host}
    if "chain" in world:
        wanted["sandbox_chain_port"] = "127.0.0.1"
    if "sandbox" in world:
        wanted |= {"sandbox_port": settings.sandbox_host, "sandbox_ws_port": settings.sandbox_host}
    for name, host in wanted.items():
        number = getattr(settings, name)
        if not ports.free(host, number):
            option = f"--{name.replace('_', '-')}" if "sandbox" not in name else "OUTCRY_" + name
            raise EngineError(
                f"Port {number} is taken by {ports.holder(number)}. Stop it, or choose another "
                f"with {option.upper() if 'sandbox' in name else option}."
            )
