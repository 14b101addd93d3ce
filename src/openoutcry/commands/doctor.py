"""`outcry doctor`: checks this machine and the running system; each finding says what to do."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import typer
from msgspec import Struct
from redis.exceptions import RedisError, ResponseError
from rich.console import Console
from rich.text import Text

from openoutcry import config, engines, logs
from openoutcry.adapters.postgres import readiness
from openoutcry.adapters.postgres.replica import Replica
from openoutcry.adapters.valkey.client import connect, servers
from openoutcry.adapters.valkey.readiness import check_kind
from openoutcry.adapters.valkey.topology import is_cluster
from openoutcry.commands import ports
from openoutcry.commands.context import data_dir
from openoutcry.config import Settings
from openoutcry.errors import ConfigError, EngineError

STATIC = Path(__file__).parent.parent / "web" / "static"
_OLDEST_PYTHON = (3, 11)
_LOW_SPACE = 5 << 30
_NO_SPACE = 512 << 20
_SKEW_MS = 500
_VENUE_SECONDS = 5
_LOOKS = 4
_BETWEEN_LOOKS = 0.3


class Level(StrEnum):
    """How bad a finding is; only BROKEN makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


class Finding(Struct, frozen=True):
    """One thing that was looked at, and what to do about it if it is not well."""

    level: Level
    subject: str
    found: str
    remedy: str = ""


def doctor(overrides: dict[str, Any]) -> None:
    """Print every finding; exit code 1 if something is broken."""
    findings = asyncio.run(_collect(config.load(overrides=overrides)))
    console = Console(highlight=False, soft_wrap=True)
    style = {Level.OK: "green", Level.WARNING: "yellow", Level.BROKEN: "red"}
    for each in findings:
        console.print(Text(f"{each.level:<8}", style=style[each.level]), end="")
        console.print(Text(f"{each.subject}: {each.found}"))
        if each.remedy:
            console.print(Text(f"        → {each.remedy}"))
    raise typer.Exit(1 if any(each.level is Level.BROKEN for each in findings) else 0)


async def _collect(settings: Settings) -> list[Finding]:
    found = [check_python(), *check_programs(settings), *check_directory(settings)]
    running = engines.attach(data_dir(settings))
    found += check_ports(settings, running=running is not None)
    database = settings.database_url or (running.database_url if running else "")
    valkey = settings.valkey_url or (running.valkey_url if running else "")
    found += [each async for each in check_database(database)]
    found += await check_replica(settings, database)
    found += [each async for each in check_valkey(valkey)]
    found += [await check_clock(settings.binance_rest_url), check_front_end()]
    if settings.chain_rpc_urls:
        from openoutcry.commands.doctor_chain import check_chain

        found += [each async for each in check_chain(settings, database)]
    return found


def check_python() -> Finding:
    """Look at the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:  # pragma: no cover - it would not even import
        return Finding(Level.BROKEN, "Python", version, "Use Python 3.11 or later.")
    return Finding(Level.OK, "Python", version)


def check_programs(settings: Settings) -> list[Finding]:
    """Look for the engines' programs, where no URL is given."""
    found = []
    searches = (
        ("PostgreSQL", settings.database_url, engines.find_postgres),
        ("Valkey", settings.valkey_url, engines.find_valkey),
    )
    for name, url, find in searches:
        if url:
            found.append(Finding(Level.OK, name, f"as configured: {logs.mask(url)}"))
            continue
        try:
            found.append(Finding(Level.OK, name, f"{find()}, which `outcry up` starts"))
        except EngineError as error:
            found.append(Finding(Level.BROKEN, name, "no program", str(error)))
    return found


def check_directory(settings: Settings) -> list[Finding]:
    """Look at the data directory's permissions and the room on its disk."""
    if settings.database_url and settings.valkey_url:
        return []
    root = data_dir(settings).absolute()
    try:
        engines.check_data_dir(root)
    except EngineError as error:
        return [Finding(Level.BROKEN, "data directory", str(root), str(error))]
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    space = shutil.disk_usage(there).free
    text = f"{root}, {space / (1 << 30):.1f} GiB free"
    if space < _NO_SPACE:
        return [Finding(Level.BROKEN, "data directory", text, "Make room, or use --data-dir.")]
    if space < _LOW_SPACE:
        return [Finding(Level.WARNING, "data directory", text, "Make room before it runs full.")]
    return [Finding(Level.OK, "data directory", text)]


def check_ports(settings: Settings, *, running: bool) -> list[Finding]:
    """Look whether API and hub can listen; a running system holds its ports rightly."""
    found = []
    for name in ("port", "ws_port"):
        number = getattr(settings, name)
        if ports.free(settings.host, number):
            found.append(Finding(Level.OK, f"port {number}", "free"))
            continue
        text = f"taken by {ports.holder(number)}"
        if running:
            found.append(Finding(Level.OK, f"port {number}", text))
        else:
            remedy = f"Stop it, or set OUTCRY_{name.upper()} to another port."
            found.append(Finding(Level.BROKEN, f"port {number}", text, remedy))
    return found


async def check_database(url: str) -> AsyncIterator[Finding]:
    """Ask PostgreSQL for an answer and for its schema."""
    if not url:
        yield Finding(Level.WARNING, "database", "not running", "Start it with `outcry up`.")
        return
    if not await readiness.answers(url):
        remedy = "Start PostgreSQL, or correct OUTCRY_DATABASE_URL."
        yield Finding(Level.BROKEN, "database", f"{logs.mask(url)} does not answer", remedy)
        return
    yield Finding(Level.OK, "database", "answers")
    revision, newest = await readiness.revision(url), readiness.newest_revision()
    if revision == newest:
        yield Finding(Level.OK, "schema", f"at {revision}, the newest")
    else:
        remedy = "Run `outcry db upgrade`; `outcry up` does it by itself."
        if revision and revision not in readiness.known_revisions():
            remedy = "A later version of OpenOutcry made it: install that version."
        yield Finding(Level.BROKEN, "schema", f"at {revision or 'none'}, not {newest}", remedy)


async def check_replica(settings: Settings, database_url: str) -> list[Finding]:
    """Look whether the read replica, if there is one, is a standby of the primary and keeps up."""
    if not settings.database_read_url or not database_url:
        return []
    replica = await Replica.open(
        settings.database_read_url, database_url, most_lag=settings.database_read_lag_seconds
    )
    try:
        for _ in range(_LOOKS):
            await replica.look()
            if replica.usable:
                lag = replica.status().lag_seconds or 0.0
                return [Finding(Level.OK, "read replica", f"answers, {lag:.1f} s behind")]
            await asyncio.sleep(_BETWEEN_LOOKS)
    finally:
        await replica.close()
    remedy = "Start it, make it anew (docs/scaling.md), or correct OUTCRY_DATABASE_READ_URL."
    return [Finding(Level.WARNING, "read replica", replica.status().reason, remedy)]


async def check_valkey(url: str) -> AsyncIterator[Finding]:
    """Ask Valkey for an answer and for the settings that keep the tape whole."""
    if not url:
        yield Finding(Level.WARNING, "Valkey", "not running", "Start it with `outcry up`.")
        return
    client = connect(url, retries=0)
    try:
        await client.ping()
        await check_kind(url)
        nodes = await servers(client)
        cluster = f", a cluster of {len(nodes)} primaries" if is_cluster(url) else ""
        yield Finding(Level.OK, "Valkey", f"answers{cluster}")
        try:
            answers = [await node.config_get("*") for node in nodes]
        except ResponseError:  # some hosted ones keep CONFIG to themselves
            wanted = ", ".join(f"{name} {right}" for name, right, _ in _VALKEY_SETTINGS)
            remedy = f"See to it with whoever runs it that it has {wanted}."
            yield Finding(Level.WARNING, "Valkey's settings", "cannot be read", remedy)
            return
    except ConfigError as error:
        yield Finding(Level.BROKEN, "Valkey", "another kind of server", str(error))
        return
    except (RedisError, OSError) as error:
        remedy = "Start Valkey, or correct OUTCRY_VALKEY_URL."
        yield Finding(Level.BROKEN, "Valkey", logs.mask(str(error)), remedy)
        return
    finally:
        await client.aclose()
    said = [{_text(name): value for name, value in answer.items()} for answer in answers]
    for name, right, why in _VALKEY_SETTINGS:
        values = [_text(each.get(name) or "") for each in said]
        value = next((one for one in values if one != right), right)
        level = Level.OK if value == right else Level.WARNING
        remedy = "" if value == right else f"CONFIG SET {name} {right}: {why}"
        yield Finding(level, f"Valkey's {name}", value or "unknown", remedy)


async def check_clock(rest_url: str) -> Finding:
    """Compare our clock with the venue's; half the way there and back is taken off."""
    timeout = aiohttp.ClientTimeout(total=_VENUE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            before = time.time()
            async with session.get(f"{rest_url}/api/v3/time") as answer:
                body = msgspec.json.decode(await answer.read())
            after = time.time()
        skew = (before + after) / 2 * 1000 - int(body["serverTime"])
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError, KeyError, TypeError):
        remedy = "Without an exchange, try `outcry up --sandbox`."
        return Finding(Level.WARNING, "exchange", f"{rest_url} cannot be reached", remedy)
    text = f"{skew:+.0f} ms against {rest_url}"
    if abs(skew) > _SKEW_MS:
        return Finding(Level.WARNING, "clock", text, "Turn on time synchronisation (NTP).")
    return Finding(Level.OK, "clock", text)


def check_front_end() -> Finding:
    """Look whether the dashboard was built into the package."""
    if (STATIC / "index.html").is_file():
        return Finding(Level.OK, "dashboard", "built")
    return Finding(Level.WARNING, "dashboard", "not built", "Run `make setup` in the checkout.")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_VALKEY_SETTINGS = (
    ("appendonly", "yes", "without it a restart loses trades that are not stored yet."),
    ("maxmemory-policy", "noeviction", "anything else may drop part of the tape."),
)
