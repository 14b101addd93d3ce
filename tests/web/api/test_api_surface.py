"""Errors, headers, configuration, the gap ledger, the document and the dashboard's files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from fixtures_api import client_of
from market import add_gap, add_instrument, cover
from openoutcry.config import Settings
from openoutcry.core.intervals import INTERVALS, SECOND
from openoutcry.web.api.app import create_app

START = 1_767_225_600 * SECOND
OTHERS = ("/api/v3/", "/fapi/", "/dapi/", "/udf/")
PATHS = ["/candles", "/api/v1/config", "/api/v1/gaps", "/api/v1/status", "/metrics", "/schema"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/api/v1/nope", 404),
        ("GET", "/assets/old-hash.js", 404),
        ("POST", "/nope", 404),
        ("DELETE", "/", 404),
        ("POST", "/candles", 405),
        ("PUT", "/health/live", 405),
        ("GET", "/candles", 400),
        ("GET", "/api/v1/gaps?state=lost", 400),
        ("GET", "/api/v1/gaps?limit=0", 400),
        ("GET", "/api/v1/gaps?limit=1001", 400),
        ("GET", "/api/v1/gaps?limit=ten", 400),
        ("GET", "/api/v1/gaps?symbol=NOPE", 400),
        ("GET", "/%ff%fe", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/candles?asset=%ff%00", 400),
    ],
)
async def test_every_failure_has_one_shape(
    api: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Unknown paths, wrong methods and bad input answer alike and show nothing of the inside."""
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert (set(body), body["success"]) == ({"success", "message"}, False)
    assert body["message"]
    assert "Traceback" not in answer.text


async def test_a_wrong_method_names_the_right_ones(api: httpx.AsyncClient) -> None:
    """A 405 carries Allow."""
    answer = await api.post("/candles")
    assert "GET" in answer.headers["allow"]


async def test_a_bug_is_a_plain_500(
    store: asyncpg.Pool, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody expected is logged and told without a word about the inside."""
    from openoutcry.web.api import system

    async def broken(*_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(system, "read_gaps", broken)
    app = create_app(store, valkey, Settings(), version="1", ttl=0)
    async with client_of(app) as client:
        answer = await client.get("/api/v1/gaps")
    assert answer.status_code == 500
    assert answer.json()["success"] is False
    assert "secret" not in answer.text


async def test_config(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """The front end learns markets, intervals and the hub's port."""
    await add_instrument(store, "BTCUSDT", "BTC")
    assert (await api.get("/api/v1/config")).json() == {
        "symbols": [
            {"symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "priceScale": 2, "sizeScale": 5}
        ],
        "intervals": list(INTERVALS),
        "wsUrl": "",
        "wsPort": 8123,
        "version": "1.2.3",
        "publicMarketData": True,
        "liveExchanges": [],
        "signUp": False,
        "tokens": False,
    }


async def test_gaps(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """The ledger is shown newest first and can be asked by symbol and state."""
    btc = await add_instrument(store, "BTCUSDT", "BTC")
    eth = await add_instrument(store, "ETHUSDT", "ETH")
    first = await add_gap(store, btc, START, START + SECOND)
    second = await add_gap(store, eth, START, START + SECOND, "filled")

    async def ids(query: str) -> list[int]:
        return [gap["id"] for gap in (await api.get(f"/api/v1/gaps{query}")).json()["gaps"]]

    assert await ids("") == [second, first]
    assert await ids("?limit=1") == [second]
    assert await ids("?symbol=btc") == [first]
    assert await ids("?state=filled") == [second]
    gap = (await api.get("/api/v1/gaps?symbol=BTCUSDT")).json()["gaps"][0]
    assert gap | {"detectedAt": ""} == {
        "id": first,
        "symbol": "BTCUSDT",
        "fromId": 11,
        "toId": 15,
        "fromTime": "2026-01-01T00:00:00Z",
        "toTime": "2026-01-01T00:00:01Z",
        "missing": 3,
        "absent": 0,
        "detectedAt": "",
        "resolvedAt": None,
        "state": "suspected",
    }


async def test_cors_for_listed_origins_only(api: httpx.AsyncClient) -> None:
    """A listed origin may read, also a failure; another gets no header; caches are told."""
    good, bad = {"Origin": "https://charts.example"}, {"Origin": "https://evil.example"}
    for path in ("/api/v1/config", "/nope"):
        answer = await api.get(path, headers=good)
        assert answer.headers["access-control-allow-origin"] == "https://charts.example"
        refused = await api.get(path, headers=bad)
        assert not [name for name in refused.headers if name.startswith("access-control")]
        assert "Origin" in refused.headers["vary"]
    asked = {**good, "Access-Control-Request-Method": "GET"}
    preflight = await api.options("/candles", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-max-age"] == "86400"
    assert "GET" in preflight.headers["access-control-allow-methods"]


async def test_nothing_is_sniffed(api: httpx.AsyncClient) -> None:
    """Every answer tells browsers to believe its content type."""
    for path in [*PATHS, "/", "/nope"]:
        answer = await api.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path


async def test_large_bodies_are_refused(api: httpx.AsyncClient) -> None:
    """A body that nobody asked for is not read into memory, nor does it do harm."""
    answer = await api.post("/candles", content=b"x" * 2_000_000)
    assert answer.status_code in {405, 413}


async def test_document_describes_every_route(api: httpx.AsyncClient) -> None:
    """The OpenAPI document is whole: titles, descriptions, parameters, examples, references."""
    document: dict[str, Any] = (await api.get("/schema")).json()
    assert document["openapi"].startswith("3.1")
    assert "/api/v3/klines" in document["paths"]
    assert {path for path in document["paths"] if not path.startswith(OTHERS)} == {
        *("/candles", "/api/v1/config", "/api/v1/gaps", "/api/v1/status"),
        *("/health/live", "/health/ready", "/metrics", "/api/v1/markets"),
        *("/api/prices/aggregated", "/api/prices/symbol/{symbol}"),
        *("/api/admin/price-cache-stats", "/api/public/stats/trades"),
        *(f"/api/admin/{name}" for name in ("alerts", "database", "volume-trend")),
        *(f"/api/v1/auth/{name}" for name in ("token", "refresh", "me", "keys", "sessions")),
        *(f"/api/v1/auth/{name}" for name in ("sign-out", "sign-out-everywhere")),
        *("/api/v1/auth/keys/{prefix}", "/api/v1/auth/sessions/{session}", "/api/v1/auth/sign-up"),
        *("/api/v1/auth/password", "/api/v1/users"),
        *(
            f"/api/v1/users/{{user_id}}/{name}"
            for name in ("disable", "enable", "password", "role")
        ),
        *("/api/v1/bots", "/api/v1/bots/{bot_id}", "/api/v1/strategies", "/api/v1/kill-switch"),
        *(
            f"/api/v1/bots/{{bot_id}}/{name}"
            for name in ("start", "stop", "toggle", "close", "clone")
        ),
        *("/api/v1/orders", "/api/v1/orders/{client_order_id}", "/api/v1/fills", "/api/v1/logs"),
        "/api/v1/orders/{client_order_id}/cancel",
        *(f"/api/v1/analytics/{name}" for name in ("summary", "bots", "pnl")),
        *("/api/v1/portfolio", "/api/v1/portfolio/funds"),
        *("/api/v1/exchange-keys", "/api/v1/exchange-keys/{key_id}"),
        *("/api/tokens/top", "/api/tokens/search", "/api/tokens/{address}", "/api/stats/volume"),
        *(
            f"/api/tokens/{{address}}/{name}"
            for name in ("candles", "volume/distribution", "holders", "trades")
        ),
        *("/api/trades/confirm", "/api/trades/price/{address}", "/api/admin/token-cache-stats"),
    }
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert {"200", "201"} & set(operation["responses"]), path
    parameters = {each["name"]: each for each in document["paths"]["/candles"]["get"]["parameters"]}
    assert [name for name, each in parameters.items() if each["required"]] == [
        *("asset", "duration", "startTime", "endTime"),
    ]
    assert all(each["description"] and each["examples"] for each in parameters.values())
    names = set(document["components"]["schemas"])
    assert (
        set(re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"'))) <= names
    )
    assert (await api.get("/schema/openapi.yaml")).status_code == 200


async def test_page_without_a_dashboard(api: httpx.AsyncClient) -> None:
    """Without a built front end the page says how to build it."""
    answer = await api.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "make" in answer.text


async def test_dashboard_files(store: asyncpg.Pool, valkey: Redis, tmp_path: Path) -> None:
    """Hashed files are kept for good, the index is checked each time, pages lead to the index."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<h1>dashboard</h1>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("let x = 1;" * 200)
    (tmp_path / ".secret").write_text("no")
    app = create_app(store, valkey, Settings(), version="1", static=tmp_path, ttl=0)
    async with client_of(app) as client:
        index = await client.get("/")
        assert "dashboard" in index.text
        assert index.headers["cache-control"] == "no-cache"
        assert "ws:" in index.headers["content-security-policy"]
        again = await client.get("/", headers={"If-None-Match": index.headers["etag"]})
        assert again.status_code == 304
        script = await client.get("/assets/app-1a2b.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-encoding"] == "gzip"
        assert "javascript" in script.headers["content-type"]
        assert (await client.head("/")).status_code == 200
        page = await client.get("/bots", headers={"Accept": "text/html"})
        assert "dashboard" in page.text
        assert (await client.get("/bots")).status_code == 404
        assert (await client.get("/.secret")).status_code == 404
        assert (await client.get("/assets/../.secret")).status_code == 404


async def test_a_dashboard_built_later_is_found(
    store: asyncpg.Pool, valkey: Redis, tmp_path: Path
) -> None:
    """Building the front end needs no restart."""
    app = create_app(store, valkey, Settings(), version="1", static=tmp_path, ttl=0)
    async with client_of(app) as client:
        assert "make" in (await client.get("/")).text
        (tmp_path / "index.html").write_text("<h1>dashboard</h1>")
        assert "dashboard" in (await client.get("/")).text


async def test_status_shows_symbols(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """The status names each symbol's last trade and what is open."""
    btc = await add_instrument(store, "BTCUSDT", "BTC")
    await cover(store, btc, START, START + SECOND)
    await add_gap(store, btc, START, START + SECOND)
    status = (await api.get("/api/v1/status")).json()
    assert status["symbols"] == [
        {
            "symbol": "BTCUSDT",
            "lastTradeId": 99,
            "lastTradeTime": START + SECOND,
            "heardUntil": START + SECOND,
        }
    ]
    assert (status["gapsOpen"], status["tradesMissing"]) == (1, 3)
