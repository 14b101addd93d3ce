"""`outcry status`: what running processes say of themselves."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openoutcry import config
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.status_board import read_statuses
from openoutcry.commands.context import finish, reached
from openoutcry.model import RoleStatus


def status(overrides: dict[str, Any], *, as_json: bool, watch: bool) -> None:
    """Print every process's status, once or every second."""
    settings = config.load(overrides=overrides)
    if watch and not as_json:
        with Live(console=Console(), auto_refresh=False) as live:
            while True:
                live.update(render(finish(_statuses(settings)), _now()), refresh=True)
                time.sleep(1)
    while True:
        found = finish(_statuses(settings))
        if as_json:
            typer.echo(msgspec.json.encode(found).decode())
        else:
            Console().print(render(found, _now()))
        if not watch:
            raise typer.Exit(0 if found else 1)
        time.sleep(1)


def render(found: list[RoleStatus], now: int) -> Group | Text:
    """Return the statuses as tables: processes, then symbols with the age of their last trade."""
    if not found:
        return Text("No process reports. Is anything running?")
    table = Table("role", "instance", "pid", "state", "up", "counters and gauges", box=None)
    for each in found:
        numbers = {**each.counters, **each.gauges}
        text = "  ".join(f"{name} {value:,.6g}" for name, value in numbers.items())
        up = age(now - each.started_time)
        table.add_row(each.role, each.instance, str(each.pid), each.state, up, text)
    last = {name: at for each in found for name, at in each.symbols.items()}
    symbols = Table("symbol", "last trade", box=None)
    for name in sorted(last):
        symbols.add_row(name, f"{age(now - last[name])} ago")
    return Group(table, symbols) if last else Group(table)


def age(microseconds: int) -> str:
    """Return a length of time for people: 950ms, 12s, 3m, 5h, 2d."""
    seconds = max(microseconds, 0) / 1e6
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // unit:.0f}{name}"
    return f"{seconds // 86_400:.0f}d"


async def _statuses(settings: config.Settings) -> list[RoleStatus]:
    async with reached(settings) as found:
        client = connect(found.valkey_url, retries=0)
        try:
            return await read_statuses(client)
        finally:
            await client.aclose()


def _now() -> int:
    return time.time_ns() // 1000
