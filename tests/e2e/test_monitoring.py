"""A whole system watched: every metric that dashboard and rules name, alerts, and the read replica."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import msgspec
import pytest
from aiohttp import web
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from openoutcry.config import Settings
from opskit import INDEXER, RULES, expressions, named
from replicakit import Standby

from .sandboxed import sandboxed
from .system import ALL_ROLES, System, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


class Watched(System):
    """A system with a standby of its PostgreSQL, which its API reads from."""

    standby: Standby

    async def add_standby(self) -> None:
        """Make the standby and let roles know."""
        sockets = parse_qs(urlsplit(self.database_url).query)["host"][0]
        self.standby = Standby(self.database_url, Path(sockets))
        self.standby.copy()
        await self.standby.start()
        self._settings = structs.replace(self._settings, database_read_url=self.standby.url)


async def scraped(url: str) -> dict[str, float]:
    """Return the metrics of an API by name, the largest of each."""

    def get() -> str:
        with urlopen(f"{url}/metrics", timeout=10) as answer:
            return str(answer.read(), "utf-8")

    text = await asyncio.to_thread(get)
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = max(sample.value, found.get(sample.name, sample.value))
    return found


async def test_monitoring(tmp_path: Path, free_port: int) -> None:
    """Metrics are as named; a role that dies is told and told to be back; the replica may go."""
    told: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        told.append(msgspec.json.decode(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", free_port).start()
    settings: Settings = sandboxed(
        "BTCUSDT",
        sandbox_rate=40,
        backfill=False,
        alert_webhook_url=f"http://127.0.0.1:{free_port}/hook",
        alert_check_seconds=0.5,
        alert_after_seconds=2,
    )
    async with Watched(settings, tmp_path) as system:
        await system.add_standby()
        try:
            await _watch(system, told)
        finally:
            system.standby.remove()
            await runner.cleanup()


async def _watch(system: Watched, told: list[dict[str, Any]]) -> None:
    system.start(*ALL_ROLES, "trader")

    async def all_there() -> bool:
        found = await scraped(system.url)
        wanted = named(RULES.read_text(encoding="utf-8")).union(*map(named, expressions()))
        missing = wanted - INDEXER - set(found)
        if missing:
            raise ValueError(f"not told: {sorted(missing)}")
        return found["outcry_replica_up"] == 1 and found["outcry_role_reads_by_replica_total"] >= 0

    await eventually("every metric that is named is told", all_there, 90)

    # What the start looked like is past: roles that came late may have been missed for a moment.
    async def quiet() -> bool:
        return (await scraped(system.url)).get("outcry_role_alerts_firing", 1) == 0

    await eventually("no alert", quiet)
    told.clear()

    system.kill("recorder")

    async def heard(event: str, rule: str) -> bool:
        return any(each["event"] == event and each["rule"] == rule for each in told)

    await eventually("the dead recorder is told", lambda: heard("firing", "role_missing"))

    async def counted() -> bool:
        return (await scraped(system.url))["outcry_role_alerts_firing"] >= 1

    await eventually("metrics count it", counted)
    system.start("recorder")
    await eventually("it is back", lambda: heard("resolved", "role_missing"))

    system.standby.kill()
    await eventually("the lost replica is told", lambda: heard("firing", "replica_lost"))
    ready = await asyncio.to_thread(system.get, "/health/ready")
    assert (ready["ready"], ready["degraded"]) == (True, ["read replica: cannot be reached"])
    await system.standby.start()
    await eventually("it is back", lambda: heard("resolved", "replica_lost"))
    firing = [(each["rule"], each["subject"]) for each in told if each["event"] == "firing"]
    assert len(firing) == len(set(firing)), "an alert was told twice"
