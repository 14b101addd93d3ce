"""Alerts from real engines to a real HTTP server, whatever goes away in between."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from aiohttp import web
from msgspec import structs
from redis.asyncio import Redis
from test_alert_rules import system

from openoutcry.adapters.valkey import alert_board
from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.webhook import DELIVERY, SIGNATURE, Webhook
from openoutcry.config import Settings
from openoutcry.core.keys import ALERTS, ALERTS_LEASE
from openoutcry.engines import Engines
from openoutcry.services import alerts as alerts_module
from openoutcry.services.alert_rules import Limits, Picture
from openoutcry.services.alerts import AlertWatch
from openoutcry.services.slow_queries import SlowQueries
from openoutcry.services.status import collect

PATIENCE = 30.0
SECRET = "sixteen characters at least"  # noqa: S105
EVERY = 0.05
LIMITS = structs.replace(Limits.of(Settings()), after=0.2)


class Receiver:
    """A webhook's other side: what came, and what it answers (0: it hangs up)."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.tries = 0
        self.retry_after = ""
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        """Take a message, or refuse it."""
        self.tries += 1
        body = await request.read()
        if self.status == 0:
            assert request.transport is not None
            request.transport.abort()
        if self.status == 200:
            self.got.append(msgspec.json.decode(body))
            self.bodies.append(body)
            self.headers.append(dict(request.headers))
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.Response(status=self.status or 200, headers=headers)

    def heard(self) -> list[tuple[str, str]]:
        """Return what was told, in order."""
        return [(each["event"], each["rule"]) for each in self.got]


@pytest.fixture
async def receiver(free_port: int) -> AsyncIterator[Receiver]:
    """A server that takes messages."""
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook/with-a-secret", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", free_port).start()
    made.url = f"http://127.0.0.1:{free_port}/hook/with-a-secret"
    yield made
    await runner.cleanup()


class Scene:
    """A system whose picture a test paints, and processes that look at it."""

    def __init__(self, valkey: Redis, session: aiohttp.ClientSession, receiver: Receiver) -> None:
        self.picture = Picture(system(), 50.0, [])
        self.looks = 0
        self._valkey, self._session, self._receiver = valkey, session, receiver
        self._tasks: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    def watch(self, name: str = "one", *, webhook: bool = True, repeat: float = 0.0) -> AlertWatch:
        """Start a process that looks."""

        async def look() -> Picture:
            self.looks += 1
            return self.picture

        hook = Webhook(self._session, self._receiver.url, SECRET) if webhook else None
        board = AlertBoard(self._valkey, name)
        made = AlertWatch(look, LIMITS, board, hook, every=EVERY, repeat=repeat, source="here")
        stop = asyncio.Event()
        self._tasks[name] = asyncio.create_task(made.run(stop)), stop
        return made

    async def stop(self, name: str = "one") -> None:
        """End a process as a signal does."""
        task, stop = self._tasks.pop(name)
        stop.set()
        await asyncio.wait_for(task, PATIENCE)

    async def kill(self, name: str = "one") -> None:
        """End a process without its noticing."""
        task, _ = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """End all processes."""
        for name in list(self._tasks):
            await self.stop(name)

    def full(self) -> None:
        """Fill the disk."""
        self.picture = Picture(system(), 1.0, [])

    def well(self) -> None:
        """Let all be well."""
        self.picture = Picture(system(), 50.0, [])


@pytest.fixture
async def scene(valkey: Redis, receiver: Receiver) -> AsyncIterator[Scene]:
    """A system in which all is well and nobody looks yet."""
    async with aiohttp.ClientSession() as session:
        made = Scene(valkey, session, receiver)
        yield made
        await made.close()


async def until(check: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            held = check()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


async def looked(scene: Scene, times: int = 5) -> None:
    """Wait until somebody has looked so often."""
    wanted = scene.looks + times
    await until(lambda: scene.looks >= wanted)


async def told(valkey: Redis) -> bool:
    """Return whether it is noted that all that fires was told: until then it may be told again."""
    data: Any = await valkey.get(ALERTS)
    known = msgspec.json.decode(data) if data else {}
    return bool(known) and all(each["told"] for each in known.values())


async def test_told_once_and_over_once(scene: Scene, receiver: Receiver) -> None:
    """It fires, goes on without another word, and is told to be over."""
    watch = scene.watch()
    scene.full()
    await until(lambda: len(receiver.got) == 1)
    await looked(scene, 20)
    assert watch.figures()[1] == {"alerts_firing": 1, "alerts_critical": 1}
    scene.well()
    await until(lambda: len(receiver.got) == 2)
    await looked(scene, 20)
    assert receiver.heard() == [("firing", "disk_low"), ("resolved", "disk_low")]
    first, last = receiver.got
    assert first["text"] == "[here] critical: 1.0 % of the disk with the data directory are free"
    assert (first["value"], first["threshold"], first["until"]) == (1.0, 10, None)
    assert last["until"] > last["since"] == first["since"]
    assert watch.figures() == (
        {"alerts_delivered": 2, "alerts_not_delivered": 0},
        {"alerts_firing": 0, "alerts_critical": 0},
    )


async def test_the_signature_can_be_checked(scene: Scene, receiver: Receiver) -> None:
    """Who knows the secret can tell that the very bytes are ours, and when they were sent."""
    scene.watch()
    scene.full()
    await until(lambda: len(receiver.got) == 1)
    (headers,), (body,) = receiver.headers, receiver.bodies
    sent, told = (part.split("=")[1] for part in headers[SIGNATURE].split(","))
    made = hmac.new(SECRET.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert told == made
    assert len(headers[DELIVERY]) == 32


async def test_a_webhook_that_is_away(
    scene: Scene, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with pauses that grow, and the message comes once it is back."""
    monkeypatch.setattr(alerts_module, "SOONEST", 0.05)
    watch = scene.watch()
    for status in (503, 0):
        receiver.status = status
        scene.full()
        tries = receiver.tries
        await until(lambda tries=tries: receiver.tries > tries)  # type: ignore[misc]
    assert receiver.got == []
    receiver.status = 200
    await until(lambda: len(receiver.got) == 1)
    assert watch.failed >= 2
    scene.well()
    await until(lambda: receiver.heard()[1:] == [("resolved", "disk_low")])


async def test_a_webhook_that_wants_peace(scene: Scene, receiver: Receiver) -> None:
    """`Retry-After` is kept to."""
    receiver.status, receiver.retry_after = 429, "2"
    loop = asyncio.get_running_loop()
    scene.watch()
    scene.full()
    await until(lambda: receiver.tries == 1)
    began, receiver.status = loop.time(), 200
    await until(lambda: len(receiver.got) == 1)
    assert loop.time() - began > 1.8


async def test_what_goes_on_is_told_again(scene: Scene, receiver: Receiver) -> None:
    """With a time to repeat it, each message a new one with its number."""
    scene.watch(repeat=0.3)
    scene.full()
    await until(lambda: len(receiver.got) >= 3)
    assert [each["repeat"] for each in receiver.got[:3]] == [0, 1, 2]
    assert len({each[DELIVERY] for each in receiver.headers}) == len(receiver.headers)


async def test_one_of_many_processes_tells(scene: Scene, receiver: Receiver) -> None:
    """Three processes look after the same system: one message."""
    watches = [scene.watch(name) for name in ("one", "two", "three")]
    scene.full()
    await until(lambda: len(receiver.got) == 1)
    await looked(scene, 30)
    assert len(receiver.got) == 1
    assert sum(bool(each.figures()[1]) for each in watches) == 1


async def test_another_process_takes_over(scene: Scene, receiver: Receiver, valkey: Redis) -> None:
    """It knows what was told: nothing is told twice, and the end is."""
    scene.watch("one")
    await looked(scene)
    scene.watch("two")
    scene.full()
    await until(lambda: told(valkey))
    await scene.stop("one")
    await looked(scene, 20)
    scene.well()
    await until(lambda: len(receiver.got) == 2)
    assert receiver.heard() == [("firing", "disk_low"), ("resolved", "disk_low")]


async def test_a_process_that_was_killed(
    scene: Scene, receiver: Receiver, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease runs out and another goes on."""
    monkeypatch.setattr(alert_board, "LEASE", 0.5)
    scene.watch("one")
    scene.full()
    await until(lambda: told(valkey))
    # A killed process lets nothing go: as if it could not reach Valkey any more.
    await scene._valkey.set(ALERTS_LEASE, "gone", px=500)
    await scene.kill("one")
    scene.watch("two")
    scene.well()
    await until(lambda: len(receiver.got) == 2)
    assert receiver.heard()[1] == ("resolved", "disk_low")


async def test_without_a_webhook(scene: Scene, receiver: Receiver, valkey: Redis) -> None:
    """The log has it, nothing is sent, and nothing is kept for later."""
    scene.watch(webhook=False)
    scene.full()

    async def forgotten() -> bool:
        return bool(msgspec.json.decode(await valkey.get(ALERTS) or b"{}") == {})

    await until(lambda: told(valkey))
    scene.well()
    await until(forgotten)
    assert receiver.tries == 0


async def test_alerts_while_valkey_is_out(
    alive: Engines, store: asyncpg.Pool, receiver: Receiver
) -> None:
    """The alert that Valkey is out is told although the lease is in Valkey, and so is its end."""
    valkey = connect(alive.valkey_url, retries=0)
    limits = structs.replace(LIMITS, roles=())

    async def look() -> Picture:
        return Picture(await collect(store, valkey, Settings()), 50.0, [])

    stop = asyncio.Event()
    async with aiohttp.ClientSession() as session:
        hook = Webhook(session, receiver.url)
        board = AlertBoard(valkey, "one")
        watch = AlertWatch(look, limits, board, hook, every=EVERY, repeat=0, source="here")
        running = asyncio.create_task(watch.run(stop))
        await until(lambda: bool(watch.figures()[1]))
        alive.kill_valkey()
        await until(lambda: len(receiver.got) == 1)
        await alive.restart_valkey()
        await until(lambda: len(receiver.got) == 2)
        stop.set()
        await asyncio.wait_for(running, PATIENCE)
    await valkey.aclose()
    assert receiver.heard() == [("firing", "engine_down"), ("resolved", "engine_down")]
    assert [each["subject"] for each in receiver.got] == ["valkey", "valkey"]


async def test_nothing_secret_is_logged(
    scene: Scene, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure names the host of the webhook, not its path."""
    receiver.status = 500
    scene.watch()
    scene.full()
    await until(lambda: receiver.tries == 1)
    said = ""

    def told() -> bool:
        nonlocal said
        said += "".join(capsys.readouterr())
        return "127.0.0.1 answered 500" in said

    await until(told)
    assert "with-a-secret" not in said


async def test_slow_statements_are_found(store: asyncpg.Pool) -> None:
    """Of what was called since the last look, with the mean of these calls; old slowness is past."""
    if not await store.fetchval("SELECT to_regclass('pg_stat_statements') IS NOT NULL"):
        pytest.skip("this PostgreSQL does not count statements")
    slow = SlowQueries(store)
    for _ in range(3):
        await store.execute("SELECT pg_sleep($1)", 0.1)
    assert await slow.read() == []
    assert [each for each in await slow.read() or () if "pg_sleep" in each.text] == []
    for _ in range(3):
        await store.execute("SELECT pg_sleep($1)", 0.05)
    (found,) = [each for each in await slow.read() or () if "pg_sleep" in each.text]
    assert (found.calls, found.text) == (3, "SELECT pg_sleep($1)")
    assert 50 <= found.mean_ms < 1000
