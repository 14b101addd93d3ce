"""`outcry status`: the whole system on one screen, the same that the API tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeAlias

import msgspec
import typer
from redis.asyncio import Redis
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openoutcry import config, logs
from openoutcry.adapters.postgres.pool import Pool, open_pool
from openoutcry.adapters.postgres.replica import Replica, ReplicaStatus
from openoutcry.adapters.valkey.client import connect
from openoutcry.commands.context import finish, reached
from openoutcry.commands.up import ROLES, roles_of
from openoutcry.config import Settings
from openoutcry.services.status import EngineStatus, RoleReport, SystemStatus, collect

_OLD_US = 3_000_000  # everybody reports once a second
_LATE_SECONDS = 5.0
_PERIOD = 1.0
_SECOND_LOOK = 0.3
_SHOWN = {
    "feed": ("trades_per_second", "connections", "age_seconds", "stream_entries"),
    "recorder": ("trades_per_second", "lag_seconds", "shards_owned", "dead_letters"),
    "hub": ("clients", "clients_slow", "loop_lag_seconds"),
    "trader": ("accounts", "behind", "fills"),
    "indexer": ("block", "lag_blocks", "lag_seconds", "logs_refused", "blocks_undone"),
    "api": ("requests",),
}


_Look: TypeAlias = Callable[[], Awaitable[ReplicaStatus | None]]


def status(overrides: dict[str, Any], *, as_json: bool, watch: bool) -> None:
    """Print the status once, or every second; exit code 1 if what should be up is down."""
    settings = config.load(overrides=overrides)
    logs.configure("error", settings.log_format)
    with suppress(KeyboardInterrupt):  # the way to end watching
        down = finish(_show(settings, as_json=as_json, watch=watch))
        raise typer.Exit(1 if down else 0)


def down(found: SystemStatus, roles: Sequence[str] = ROLES) -> list[str]:
    """Return the engines that do not answer, and of the roles that `outcry up` runs those missing.

    What cannot be known while Valkey is out counts as missing.
    """
    silent = [engine.name for engine in found.engines if not engine.ok]
    seen = {each.role for each in found.roles}
    return [*silent, *(role for role in roles if role not in seen)]


def encode(found: SystemStatus, roles: Sequence[str] = ROLES) -> str:
    """Return the status as the API writes it, and what is down as `down`."""
    body = {**msgspec.to_builtins(found), "down": down(found, roles)}
    return msgspec.json.encode(body).decode()


def render(found: SystemStatus, roles: Sequence[str] = ROLES) -> Group:
    """Return the status as tables: what runs, how far the store is, what each symbol did last."""
    processes = _processes(found, roles)
    return Group(processes, Text(), _streams(found), Text(), _symbols(found), _gaps(found))


async def _show(settings: Settings, *, as_json: bool, watch: bool) -> list[str]:
    console = Console(highlight=False, soft_wrap=as_json)
    roles = roles_of(settings)
    async with _stores(settings) as (pool, valkey, look):
        found = await collect(pool, valkey, settings, await look())
        if not watch:
            if as_json:
                typer.echo(encode(found, roles))
            else:
                console.print(render(found, roles))
            return down(found, roles)
        # Drawn over the old picture, never cleared in between: nothing flickers.
        with Live(console=console, auto_refresh=False) as live:
            while True:
                if as_json:
                    typer.echo(encode(found, roles))
                else:
                    live.update(render(found, roles), refresh=True)
                await asyncio.sleep(_PERIOD)
                found = await collect(pool, valkey, settings, await look())


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple[Pool, Redis, _Look]]:
    async with reached(settings) as found, AsyncExitStack() as stack:
        pool = await open_pool(
            found.database_url, application_name="outcry status", max_size=2, connect_timeout=2.0
        )
        stack.callback(pool.terminate)
        valkey = connect(found.valkey_url, retries=0)
        stack.push_async_callback(valkey.aclose)
        replica = None
        if found.database_read_url:
            most = found.database_read_lag_seconds
            replica = await Replica.open(found.database_read_url, found.database_url, most_lag=most)
            stack.push_async_callback(replica.close)
        yield pool, valkey, partial(_look, replica)


async def _look(replica: Replica | None) -> ReplicaStatus | None:
    """Return how the read replica is, None without one."""
    if replica is None:
        return None
    await replica.look()
    if not replica.usable:
        # The first look remembers where the primary is, the second sees whether that was reached.
        await asyncio.sleep(_SECOND_LOOK)
        await replica.look()
    return replica.status()


def _processes(found: SystemStatus, roles: Sequence[str]) -> Table:
    table = Table("", "state", "pid", "up", "reported", "figures", box=None)
    for engine in found.engines:
        table.add_row(engine.name, _answer(engine), "", "", "", _latency(engine))
    if found.replica is not None:
        used = Text("up", style="green") if found.replica.ok else Text("lost", style="bold yellow")
        table.add_row("replica", used, "", "", "", _behind(found.replica))
    for role in roles:
        if not any(each.role == role for each in found.roles):
            table.add_row(role, Text("not running", style="bold red"))
    order = {role: number for number, role in enumerate(roles)}
    for each in sorted(found.roles, key=lambda report: order.get(report.role, len(order))):
        old = found.time - each.updated_time > _OLD_US
        state = Text("silent" if old else each.state, style="bold red" if old else "green")
        reported = f"{age(found.time - each.updated_time)} ago"
        up = age(found.time - each.started_time)
        table.add_row(each.role, state, str(each.pid), up, reported, _figures(each))
    return table


def _answer(engine: EngineStatus) -> Text:
    return Text("up", style="green") if engine.ok else Text("down", style="bold red")


def _latency(engine: EngineStatus) -> str:
    return f"answers in {engine.latency_ms:.1f} ms" if engine.ok else engine.reason


def _behind(replica: ReplicaStatus) -> str:
    if not replica.ok:
        return replica.reason
    return f"{replica.lag_seconds or 0:.1f} s and {replica.lag_bytes or 0:,} bytes behind"


def _figures(report: RoleReport) -> str:
    known = {**report.counters, **report.gauges}
    wanted = [name for name in _SHOWN.get(report.role, ()) if name in known]
    said = [f"{name.replace('_', ' ')} {_number(known[name])}" for name in wanted]
    return ", ".join([*said, *(f"{name} {text}" for name, text in report.notes.items())])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"


def _streams(found: SystemStatus) -> Table | Text:
    if not found.streams:
        return Text("No trade stream yet.", style="dim")
    table = Table("stream", "entries", "behind", "trades stored", box=None)
    for each in found.streams:
        if each.seconds_behind is None:
            behind = Text("nothing stored", style="yellow")
        else:
            late = each.seconds_behind > _LATE_SECONDS
            behind = Text(f"{each.seconds_behind:,.2f} s", style="bold red" if late else "")
        table.add_row(each.stream, f"{each.entries:,}", behind, f"{each.trades_committed:,}")
    return table


def _symbols(found: SystemStatus) -> Table | Text:
    if not found.symbols:
        return Text("No symbol has traded yet.", style="dim")
    table = Table("symbol", "last trade", "id", "whole until", box=None)
    for each in found.symbols:
        last = f"{age(found.time - each.last_trade_time)} ago"
        heard = f"{age(found.time - each.heard_until)} ago"
        table.add_row(each.symbol, last, str(each.last_trade_id), heard)
    return table


def _gaps(found: SystemStatus) -> Text:
    text = f"\n{found.trades_per_second:,.1f} trades/s stored, {found.gaps_open:,} gaps open"
    if not found.gaps_open:
        return Text(text)
    return Text(f"{text}, {found.trades_missing:,} trades missing", style="yellow")


def age(microseconds: int) -> str:
    """Return a length of time for people: 950ms, 12s, 3m, 5h, 2d."""
    seconds = max(microseconds, 0) / 1e6
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // unit:.0f}{name}"
    return f"{seconds // 86_400:.0f}d"
