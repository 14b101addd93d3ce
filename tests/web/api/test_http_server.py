"""The server on a real socket: it serves, stops when told to, and says when a port is taken."""

from __future__ import annotations

import asyncio
import signal
import socket

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.status_board import read_statuses
from openoutcry.config import Settings
from openoutcry.errors import EngineError
from openoutcry.web.api.role import serve


async def test_serves_reports_and_stops(
    store: asyncpg.Pool, valkey: Redis, valkey_url: str, free_port: int
) -> None:
    """The role answers on its port, is on the board, leaves our signal handlers, stops cleanly."""
    stop = asyncio.Event()
    before = signal.getsignal(signal.SIGTERM)
    settings = Settings(port=free_port, valkey_url=valkey_url)
    task = asyncio.create_task(serve(store, valkey, settings, stop, version="9"))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}") as client:
        for _ in range(100):
            await asyncio.sleep(0.02)
            try:
                live = await client.get("/health/live")
                break
            except httpx.TransportError:
                continue
        assert live.status_code == 200
        assert (await client.get("/api/v1/config")).json()["version"] == "9"
        assert signal.getsignal(signal.SIGTERM) is before
        roles = [status.role for status in await read_statuses(valkey)]
        assert roles == ["api"]
        stop.set()
        await asyncio.wait_for(task, 30)
        with pytest.raises(httpx.TransportError):
            await client.get("/health/live")
    assert await read_statuses(valkey) == []


async def test_a_taken_port_is_an_error_that_names_it(
    store: asyncpg.Pool, valkey: Redis, valkey_url: str, free_port: int
) -> None:
    """A port in use ends the role with a message, not a loop."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        settings = Settings(port=free_port, valkey_url=valkey_url)
        with pytest.raises(EngineError, match=str(free_port)):
            await asyncio.wait_for(serve(store, valkey, settings, asyncio.Event(), version="9"), 30)


async def test_more_connections_than_the_backlog_are_served(
    store: asyncpg.Pool, valkey: Redis, valkey_url: str, free_port: int
) -> None:
    """Readers that keep their connections alive do not shut others out."""
    stop = asyncio.Event()
    settings = Settings(port=free_port, valkey_url=valkey_url)
    task = asyncio.create_task(serve(store, valkey, settings, stop, version="9"))
    opened: list[asyncio.StreamWriter] = []
    try:
        for number in range(1100):
            async with asyncio.timeout(20):
                while True:
                    try:
                        reader, writer = await asyncio.open_connection("127.0.0.1", free_port)
                        break
                    except OSError:
                        await asyncio.sleep(0.05)
                opened.append(writer)
                writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b"200" in await reader.readline(), number
    finally:
        for writer in opened:
            writer.close()
        stop.set()
        await asyncio.wait_for(task, 20)
