"""The public counter over HTTP: its exact shape, caching, the limit's headers, CORS, outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from fixtures_api import client_of
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.trade_counts import TradeCounts
from openoutcry.config import Settings
from openoutcry.core.trade_stats import last_days
from openoutcry.web.api.app import create_app
from openoutcry.web.api.metrics import RequestMetrics

PATH = "/api/public/stats/trades"
SHOP = "https://shop.example"

Open = Callable[..., Any]


@pytest.fixture
def application(store: asyncpg.Pool, valkey: Redis, tmp_path: Path) -> Open:
    """A function that opens an API process with some settings."""

    @asynccontextmanager
    async def opened(
        bus: Redis = valkey, metrics: RequestMetrics | None = None, **settings: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(
            store, bus, Settings(**settings), version="1", static=tmp_path / "none", metrics=metrics
        )
        async with client_of(app) as client:
            yield client

    return opened


async def test_the_answer_is_exactly_the_contracts(application: Open, valkey: Redis) -> None:
    """Today is the first of 7 and of 30 days; the day after them does not count."""
    counts = TradeCounts(valkey)
    days = last_days((await counts.read(1)).today, 31)
    await counts.add({days[0]: 3, days[6]: 20, days[7]: 100, days[29]: 1000, days[30]: 50_000})
    async with application() as api:
        answer = await api.get(PATH)
    assert answer.status_code == 200
    updated = answer.json()["data"]["last_updated"]
    assert answer.json() == {
        "success": True,
        "data": {"trades_7d": 23, "trades_30d": 1123, "last_updated": updated},
        "message": "trade stats retrieved",
    }
    assert updated.endswith("Z")
    assert updated[:10] == days[0].isoformat()
    assert answer.headers["cache-control"] == "public, max-age=5, s-maxage=5"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"].startswith('"')


async def test_without_any_trade_it_says_nought(application: Open) -> None:
    """A platform on its first day has a counter too."""
    async with application() as api:
        data = (await api.get(PATH)).json()["data"]
    assert (data["trades_7d"], data["trades_30d"]) == (0, 0)
    assert data["last_updated"].endswith("T00:00:00.000Z")


async def test_who_has_it_gets_a_304_until_a_trade_comes(application: Open, valkey: Redis) -> None:
    """The validator is the same in every process and changes with the counts, within seconds."""
    counts = TradeCounts(valkey)
    today = (await counts.read(1)).today
    await counts.add({today: 1})
    async with application() as api, application() as other:
        tag = (await api.get(PATH)).headers["etag"]
        assert (await other.get(PATH)).headers["etag"] == tag
        again = await api.get(PATH, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ratelimit-remaining"] == "117"
        assert again.headers["cache-control"] == "public, max-age=5, s-maxage=5"
        await counts.add({today: 1})
        for _ in range(80):
            answer = await api.get(PATH, headers={"If-None-Match": tag})
            if answer.status_code == 200:
                break
            await asyncio.sleep(0.1)
        assert answer.json()["data"]["trades_7d"] == 2


async def test_the_121st_of_a_minute_is_refused(application: Open) -> None:
    """Headers count down on every answer; then 429 with the contract's body, in all processes."""
    async with application() as api, application() as other:
        first = await api.get(PATH)
        assert first.headers["ratelimit-policy"] == "120;w=60"
        assert first.headers["ratelimit-limit"] == "120"
        assert first.headers["ratelimit-remaining"] == "119"
        assert 55 <= int(first.headers["ratelimit-reset"]) <= 61
        assert "retry-after" not in first.headers
        rest = await asyncio.gather(
            *(process.get(PATH) for process in (api, other) for _ in range(80))
        )
        assert [answer.status_code for answer in rest].count(200) == 119
        for process in (api, other):
            refused = await process.get(PATH)
            assert refused.status_code == 429
            assert refused.json() == {
                "success": False,
                "message": "Too many requests, please try again later",
            }
            assert refused.headers["ratelimit-remaining"] == "0"
            assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
            assert 50 <= int(refused.headers["retry-after"]) <= 61
            assert refused.headers["ratelimit-policy"] == "120;w=60"
            assert refused.headers["cache-control"] == "no-store"


async def test_everything_public_counts_and_nothing_else(application: Open) -> None:
    """What does not exist there counts as well; other paths know no limit, a preflight costs nothing."""
    async with application(public_requests=3) as api:
        missing = await api.get("/api/public/nothing")
        assert (missing.status_code, missing.headers["ratelimit-remaining"]) == (404, "2")
        wrong = await api.post(PATH)
        assert (wrong.status_code, wrong.headers["ratelimit-remaining"]) == (405, "1")
        await api.options(PATH)
        assert (await api.get(PATH)).headers["ratelimit-remaining"] == "0"
        assert (await api.get(PATH)).status_code == 429
        head = await api.head(PATH)
        assert (head.status_code, head.content) == (429, b"")
        for _ in range(5):
            answer = await api.get("/api/v1/config")
            assert answer.status_code == 200
            assert "ratelimit-limit" not in answer.headers


async def test_the_clients_own_address_counts(application: Open) -> None:
    """Behind a trusted proxy each client has a limit; who is no such proxy cannot choose an address."""
    proxied = [{"X-Forwarded-For": f"198.51.100.{n}"} for n in (1, 2)]
    async with application(public_requests=1, trusted_proxies=["127.0.0.0/8"]) as api:
        for headers in proxied:
            assert (await api.get(PATH, headers=headers)).status_code == 200
            assert (await api.get(PATH, headers=headers)).status_code == 429
        lied = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}
        assert (await api.get(PATH, headers=lied)).status_code == 429
        same = [{"X-Forwarded-For": f"2001:db8:0:1{n:02x}::{n}"} for n in (1, 2)]
        codes = [(await api.get(PATH, headers=headers)).status_code for headers in same]
        assert codes == [200, 429]  # one /56 is one subscriber
    async with application(public_requests=2) as api:
        codes = [(await api.get(PATH, headers=headers)).status_code for headers in proxied]
        assert codes == [200, 200]
        assert (await api.get(PATH, headers={"X-Forwarded-For": "9.9.9.9"})).status_code == 429


async def test_listed_origins_may_read(application: Open) -> None:
    """The headers of CORS on every answer for a listed origin, none at all for another or elsewhere."""
    async with application(public_origins=[SHOP], public_requests=2) as api:
        for status in (200, 200, 429):
            answer = await api.get(PATH, headers={"Origin": SHOP})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == SHOP
            exposed = answer.headers["access-control-expose-headers"]
            assert "RateLimit-Remaining" in exposed
            assert "Retry-After" in exposed
            assert answer.headers["vary"] == "Origin"
        for path, origin in ((PATH, "https://other.example"), ("/api/v1/config", SHOP)):
            answer = await api.get(path, headers={"Origin": origin})
            assert not [name for name in answer.headers if name.startswith("access-control")]
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "GET"}
        preflight = await api.options(PATH, headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-max-age"] == "86400"
        assert "GET" in preflight.headers["access-control-allow-methods"]
        refused = await api.options(PATH, headers={**asked, "Origin": "https://other.example"})
        assert not [name for name in refused.headers if name.startswith("access-control")]
    async with application() as api:
        answer = await api.get(PATH, headers={"Origin": SHOP})
        assert not [name for name in answer.headers if name.startswith("access-control")]
    async with application(public_origins=["*"], allowed_origins=["https://own.example"]) as api:
        answer = await api.get(PATH, headers={"Origin": SHOP})
        assert answer.headers["access-control-allow-origin"] == "*"
        answer = await api.get("/api/v1/config", headers={"Origin": SHOP})
        assert "access-control-allow-origin" not in answer.headers


async def test_valkey_away(application: Open) -> None:
    """Who never knew the counts says 503 and counts requests alone; its limit holds."""
    gone = connect("redis://127.0.0.1:1", retries=0)
    async with application(bus=gone, public_requests=2) as api:
        codes = [(await api.get(PATH)).status_code for _ in range(3)]
        answer = await api.get(PATH)
    assert codes == [503, 503, 429]
    assert answer.json()["success"] is False
    await gone.aclose()


async def test_an_outage_shows_the_last_figures(application: Open, valkey: Redis) -> None:
    """Counts that Valkey has forgotten do not become noughts on everybody's page."""
    counts = TradeCounts(valkey)
    today = (await counts.read(1)).today
    await counts.add({today: 5, today - timedelta(days=1): 7})
    async with application(public_requests=100_000) as api:
        assert (await api.get(PATH)).json()["data"]["trades_7d"] == 12
        await valkey.flushall()
        for _ in range(12):
            await asyncio.sleep(0.1)
            assert (await api.get(PATH)).json()["data"]["trades_7d"] == 12


async def test_requests_are_counted_by_route(application: Open) -> None:
    """Refusals are in the metrics too."""
    metrics = RequestMetrics()
    async with application(metrics=metrics, public_requests=2) as api:
        for _ in range(5):
            await api.get(PATH)

    def counted(route: str, status: str) -> float | None:
        labels = {"method": "GET", "route": route, "status": status}
        return metrics.registry.get_sample_value("outcry_http_requests_total", labels)

    assert (counted(PATH, "200"), counted("/api/public/*", "429")) == (2, 3)
