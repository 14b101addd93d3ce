"""A whole private push: accounts, outbox, publisher and hubs on real engines."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
from redis.asyncio import Redis

from accounts import make_identities, make_key, make_user
from hubkit import Hub, StartHub, Talk
from openoutcry.adapters.postgres.pool import fetch, open_pool
from openoutcry.adapters.postgres.private_reader import Snapshot
from openoutcry.adapters.postgres.sessions import begin_session
from openoutcry.adapters.postgres.users import find_user
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.user_history import UserHistory
from openoutcry.core.user_messages import Position
from openoutcry.model import Scope, User
from openoutcry.services.publisher import Publisher
from openoutcry.web.hub import guard, private
from openoutcry.web.hub.server import Accounts
from openoutcry.web.hub.sources import ValkeyBus
from outboxkit import commit, epoch_of

SNAPSHOT = """
SELECT position, epoch, coalesce((SELECT string_agg(data, ',' ORDER BY position) FROM outbox
    WHERE outbox.user_id = $1), '') AS all
FROM trading_accounts, trading_epoch WHERE user_id = $1
"""
_UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
PUBLISHED = """
SELECT coalesce((SELECT min(position) - 1 FROM outbox WHERE user_id = $1 AND published_at IS NULL),
    position), epoch
FROM trading_accounts, trading_epoch WHERE user_id = $1
"""


class EveryMessage:
    """A store whose snapshot of a user is all they were ever told: so what is missing shows."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.reads = 0
        self.gate: asyncio.Event | None = None

    async def snapshot(self, user_id: int) -> Snapshot:
        """Return the data of all messages."""
        self.reads += 1
        ((offset, epoch, said),) = await fetch(self._pool, SNAPSHOT, user_id)
        if self.gate is not None:
            await self.gate.wait()
        return Snapshot(f"[{said}]".encode(), Position(offset, epoch))

    async def published(self, user_id: int) -> Position:
        """Return how far the publisher is."""
        ((offset, epoch),) = await fetch(self._pool, PUBLISHED, user_id)
        return Position(offset, epoch)


class Floor:
    """Users, a publisher, and hubs in any number."""

    def __init__(
        self, pool: asyncpg.Pool, valkey: Redis, url: str, start: Callable[..., Awaitable[Hub]]
    ) -> None:
        self.pool, self.valkey, self._url, self._start = pool, valkey, url, start
        self.store = EveryMessage(pool)
        self.tokens, self.identities = make_identities(pool, ttl=0.2)
        self.publisher: Publisher | None = None

    async def hub(self, **options: Any) -> Hub:
        """Start a hub."""
        accounts = Accounts(self.identities, UserHistory(connect(self._url)), self.store)
        return await self._start(bus=ValkeyBus(self._url), accounts=accounts, **options)

    async def user(self, name: str) -> User:
        """Add a user with a trading account."""
        user = await make_user(self.pool, name)
        await fetch(self.pool, "INSERT INTO trading_accounts (user_id) VALUES ($1)", user.id)
        return user

    async def session(self, user: User) -> str:
        """Sign a user in and return the session's id."""
        stored = await find_user(self.pool, user.name)
        assert stored
        hashes = (secrets.token_bytes(32), secrets.token_bytes(32))
        session = await begin_session(
            self.pool, user.id, stored.password_changed_time, hashes, seen=("", ""), seconds=3600
        )
        assert session
        return session

    async def token(self, user: User) -> str:
        """Sign a user in and return an access token."""
        return await self.tokens.sign(user, await self.session(user))

    async def key(self, user: User) -> str:
        """Return a new API key."""
        return await make_key(self.pool, user, Scope.READ)

    async def commit(self, user: User, *data: Any, kind: str = "log_created") -> None:
        """Commit messages, as the trader does."""
        await commit(self.pool, user.id, *data, kind=kind)
        if self.publisher is not None:
            self.publisher.wake()

    async def published(self) -> None:
        """Wait until all that was committed is in the histories, and noted to be."""
        async with asyncio.timeout(45):
            while await self.pool.fetchval(_UNPUBLISHED):
                await asyncio.sleep(0.02)

    async def epoch(self) -> str:
        """Return the epoch."""
        return await epoch_of(self.pool)


@pytest.fixture
async def floor(
    database_url: str,
    valkey: Redis,
    valkey_url: str,
    start_hub: StartHub,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Floor]:
    """A floor whose publisher runs. Patience is for machines that do much else."""
    monkeypatch.setattr(private, "OPEN_SECONDS", 30.0)
    monkeypatch.setattr(guard, "PATIENCE_SECONDS", 30.0)
    pool = await open_pool(database_url, application_name="test")
    floor = Floor(pool, valkey, valkey_url, start_hub)

    async def dial() -> asyncpg.Connection:
        return await asyncpg.connect(database_url, timeout=5)

    floor.publisher = Publisher(dial, UserHistory(connect(valkey_url)))
    stop = asyncio.Event()
    running = asyncio.create_task(floor.publisher.run(stop))
    yield floor
    stop.set()
    await running
    await pool.close()


class Tab:
    """A client of the channel `user` that keeps what it knows, as a page would."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.known: list[Any] = []
        self.offset = -1
        self.epoch = ""
        self.recovered: list[bool] = []
        self.ids: list[int] = []

    async def subscribe(self, offset: int | None = None, epoch: str = "") -> Any:
        """Subscribe, from an offset on if there is one, and take the answer."""
        more = {} if offset is None else {"offset": offset, "epoch": epoch}
        await self.talk.ask("subscribe", "user", **more)
        return await self.take("subscribed")

    async def again(self) -> Any:
        """Subscribe from where this tab is."""
        return await self.subscribe(self.offset, self.epoch)

    async def take(self, until: str | None = None) -> Any:
        """Take the next message of the channel into account (or the next of a type); return it."""
        while True:
            message = await self.talk.next()
            if message.get("channel") != "user" or "data" not in message | {"data": None}:
                continue
            if message["type"] == "subscribed":
                self.recovered.append(message["recovered"])
                if not message["recovered"]:
                    self.known = list(message["data"])
                self.offset, self.epoch = message["offset"], message["epoch"]
            elif message["type"] == "error":
                return message
            else:
                assert message["offset"] == self.offset + 1, "no hole, and nothing twice"
                assert message["epoch"] == self.epoch
                self.offset = message["offset"]
                self.known.append(message["data"])
            if until is None or message["type"] == until:
                return message

    async def reach(self, offset: int, seconds: float = 45) -> None:
        """Take messages until an offset is reached."""
        async with asyncio.timeout(seconds):
            while self.offset < offset:
                await self.take()
        assert self.offset == offset


def stuck_upgrade(path: str, token: str) -> bytes:
    """Return an upgrade request with a token."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


def text_frame(message: Any) -> bytes:
    """Return a client's frame of a short JSON message."""
    payload = json.dumps(message).encode()
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


async def close_code(talk: Talk, seconds: float = 10) -> int | None:
    """Read until the connection is closed and return the code."""
    async with asyncio.timeout(seconds):
        while True:
            message = await talk.socket.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                return talk.socket.close_code
