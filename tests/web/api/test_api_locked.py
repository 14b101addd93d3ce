"""Market data for users only: every route of the application, and whether it needs a sign-in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from redis.asyncio import Redis

from accounts import make_key, make_user, sign_in
from fixtures_api import client_of
from market import add_instrument
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.config import Settings
from openoutcry.core.tickers import Ticker
from openoutcry.services.price_asker import PriceRules
from openoutcry.services.prices import Prices
from openoutcry.web.api.app import create_app
from openoutcry.web.api.hot import serve_hot

# Nobody has to sign in for these, whatever the setting.
FOR_ALL = {
    *("GET /api/v1/config", "GET /api/v1/status", "GET /metrics", "GET /api/v1/strategies"),
    *("GET /health/live", "GET /health/ready", "GET /api/public/stats/trades"),
    *("POST /api/v1/auth/sign-up", "POST /api/v1/auth/token", "POST /api/v1/auth/refresh"),
    *("GET /api/v3/ping", "GET /api/v3/time", "GET /widget", "GET /widget/{file}"),
    *("GET /schema", "GET /schema/openapi.json", "GET /schema/{path}"),
    *("GET /schema/openapi.yaml", "GET /schema/openapi.yml"),
    *(f"{method} /" for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")),
    *(f"{method} /{{path}}" for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")),
}
# For everybody, or for users only: that is what the setting says.
MARKET = {
    *("GET /candles", "GET /api/v1/gaps", "GET /api/v1/markets", "GET /api/prices/aggregated"),
    *(f"GET /udf/{name}" for name in ("config", "symbols", "search", "history", "time")),
    *(
        f"GET /api/v3/{name}"
        for name in (
            *("exchangeInfo", "klines", "uiKlines", "trades", "historicalTrades", "aggTrades"),
            *("avgPrice", "depth", "ticker", "ticker/24hr", "ticker/price", "ticker/bookTicker"),
        )
    ),
    *("GET /fapi/v1/exchangeInfo", "GET /dapi/v1/exchangeInfo"),
    *("GET /api/tokens/top", "GET /api/tokens/search"),
    *("GET /api/tokens/{address}", "GET /api/stats/volume"),
    *(
        f"GET /api/tokens/{{address}}/{name}"
        for name in ("candles", "volume/distribution", "holders", "trades")
    ),
    *("POST /api/trades/confirm", "GET /api/trades/price/{address}"),
    *(
        f"{method} {path}"
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        for path in ("/api/v3", "/api/v3/{path}", "/fapi/{path}", "/dapi/{path}")
    ),
}
# Somebody's own, or an admin's: always behind a sign-in.
OWN = {
    *(f"GET /api/v1/auth/{name}" for name in ("me", "sessions", "keys")),
    *(f"POST /api/v1/auth/{name}" for name in ("sign-out", "sign-out-everywhere", "keys")),
    "POST /api/v1/auth/password",
    *("DELETE /api/v1/auth/sessions/{session}", "DELETE /api/v1/auth/keys/{prefix}"),
    *("GET /api/v1/users", "POST /api/v1/users"),
    *(
        f"POST /api/v1/users/{{user_id}}/{name}"
        for name in ("disable", "enable", "password", "role")
    ),
    *("GET /api/v1/bots", "POST /api/v1/bots"),
    *(f"{method} /api/v1/bots/{{bot_id}}" for method in ("GET", "PATCH", "PUT", "DELETE")),
    *(
        f"POST /api/v1/bots/{{bot_id}}/{name}"
        for name in ("start", "stop", "toggle", "close", "clone")
    ),
    *("GET /api/v1/orders", "GET /api/v1/orders/{client_order_id}", "GET /api/v1/fills"),
    *("POST /api/v1/orders/{client_order_id}/cancel", "GET /api/v1/logs", "POST /api/v1/logs"),
    *(f"GET /api/v1/analytics/{name}" for name in ("summary", "bots", "pnl")),
    *("GET /api/v1/portfolio", "POST /api/v1/portfolio/funds"),
    *("GET /api/v1/kill-switch", "POST /api/v1/kill-switch"),
    *("GET /api/v1/exchange-keys", "POST /api/v1/exchange-keys"),
    "DELETE /api/v1/exchange-keys/{key_id}",
    *("GET /api/prices/symbol/{symbol}", "GET /api/admin/price-cache-stats"),
    *("GET /api/admin/token-cache-stats", "POST /api/admin/token-cache-stats"),
    *("POST /api/admin/price-cache-stats", "GET /api/admin/alerts", "GET /api/admin/database"),
    "GET /api/admin/volume-trend",
}
BINANCE = ("/api/v3", "/fapi", "/dapi")


@contextmanager
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Litestar]]:
    """Note the applications that are made inside of `create_app`."""
    made: list[Litestar] = []

    def noted(app: Any, paths: Any) -> Any:
        made.append(app)
        return serve_hot(app, paths)

    monkeypatch.setattr("openoutcry.web.api.app.serve_hot", noted)
    yield made


def routes_of(app: Litestar) -> set[str]:
    """Return every method and path, such as `GET /api/v1/bots/{bot_id}`; preflights left out."""
    found: set[str] = set()
    for route in app.routes:
        assert isinstance(route, HTTPRoute), f"a route of another kind: {route.path}"
        path = re.sub(r"\{(\w+)(:\w+)?\}", r"{\1}", route.path)
        found |= {f"{method} {path}" for method in route.route_handler_map if method != "OPTIONS"}
    return found


async def ask(client: httpx.AsyncClient, route: str, **more: Any) -> httpx.Response:
    """Make the request of a route, with `1` in the place of its parameters."""
    method, _, path = route.partition(" ")
    return await client.request(method, re.sub(r"\{\w+\}", "1", path), **more)


@pytest.fixture
async def locked(
    store: asyncpg.Pool, valkey: Redis, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """An application whose market data is for users."""
    settings = Settings(public_market_data=False, allowed_origins=["https://charts.example"])
    app = create_app(store, valkey, settings, version="1", static=tmp_path / "none", ttl=0)
    async with client_of(app) as client:
        yield client


@pytest.mark.parametrize("public", [True, False])
async def test_every_route_and_who_may(
    store: asyncpg.Pool, valkey: Redis, monkeypatch: pytest.MonkeyPatch, *, public: bool
) -> None:
    """No route is missing from the three lists above, and each asks for a sign-in as its list says."""
    with seen(monkeypatch) as made:
        app = create_app(store, valkey, Settings(public_market_data=public), version="1", ttl=0)
    routes = routes_of(made[0])
    assert routes - FOR_ALL - MARKET - OWN == set(), "say in one of the lists who may"
    assert (FOR_ALL | MARKET | OWN) - routes == set(), "there is no such route any more"
    closed = OWN if public else OWN | MARKET
    async with client_of(app) as client:
        answers = {route: await ask(client, route) for route in sorted(routes)}
    assert {route for route, answer in answers.items() if answer.status_code == 401} == closed
    for route in closed:
        answer = answers[route]
        assert answer.headers["cache-control"] == "no-store", route
        assert answer.headers["www-authenticate"] == "Bearer", route


async def test_what_is_for_users_is_kept_from_shared_caches(
    locked: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """With a session or a key that reads, market data is answered, and no shared cache may keep it."""
    ada = await make_user(store)
    await add_instrument(store, "BTCUSDT", "BTC")
    session, key = await sign_in(locked), {"X-API-Key": await make_key(store, ada)}
    right = {
        "GET /candles": "?asset=BTC&duration=1m&startTime=2026-01-01&endTime=2026-01-02",
        "GET /api/v3/klines": "?symbol=BTCUSDT&interval=1m",
        "GET /udf/symbols": "?symbol=BTCUSDT",
    }
    answered = set()
    for route in sorted(MARKET):
        query = right.get(route, "")
        for headers in (session, key):
            method, _, path = route.partition(" ")
            url = re.sub(r"\{\w+\}", "1", path) + query
            answer = await locked.request(method, url, headers=headers)
            assert answer.status_code not in {401, 403}, route
            control = answer.headers.get("cache-control", "")
            assert control in {"private, no-cache", "no-store"}, (route, control)
            if answer.status_code == 200:
                answered.add(route)
    assert set(right) <= answered
    assert {"GET /api/v1/markets", "GET /api/v1/gaps", "GET /udf/config"} <= answered


async def test_an_unchanged_answer_is_a_304_for_users_only(
    locked: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """Validators go on working; without a sign-in nobody learns whether anything has changed."""
    await make_user(store)
    session = await sign_in(locked)
    etag = (await locked.get("/udf/config", headers=session)).headers["etag"]
    again = await locked.get("/udf/config", headers={**session, "If-None-Match": etag})
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")
    assert (await locked.get("/udf/config", headers={"If-None-Match": etag})).status_code == 401


async def test_refusals_have_the_shape_of_their_paths(locked: httpx.AsyncClient) -> None:
    """Clients of Binance read Binance's codes, everybody else the one shape of errors."""
    for route in sorted(MARKET):
        if route.startswith("HEAD"):
            continue
        body = (await ask(locked, route)).json()
        if route.partition(" ")[2].startswith(BINANCE):
            assert body == {"code": -2014, "msg": "API-key format invalid."}, route
        else:
            assert (set(body), body["success"]) == ({"success", "message"}, False), route
            assert "Sign in" in body["message"]


async def test_clients_of_binance_send_the_key_their_way(
    locked: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """`X-MBX-APIKEY` is our API key on Binance's paths and nothing elsewhere; a wrong one is -2015."""
    await add_instrument(store, "BTCUSDT", "BTC")
    key = await make_key(store, await make_user(store))
    theirs = {"X-MBX-APIKEY": key}
    info = await locked.get("/api/v3/exchangeInfo", headers=theirs)
    assert (info.status_code, info.json()["symbols"][0]["symbol"]) == (200, "BTCUSDT")
    assert info.headers["x-mbx-used-weight"] == "20"
    for wrong in ("ok_nobody_x", "x" * 64):
        answer = await locked.get("/api/v3/exchangeInfo", headers={"X-MBX-APIKEY": wrong})
        assert (answer.status_code, answer.json()["code"]) == (401, -2015)
    both = await locked.get("/api/v3/exchangeInfo", headers={**theirs, "X-API-Key": key})
    assert both.status_code == 401
    assert (await locked.get("/api/v1/markets", headers=theirs)).status_code == 401
    assert (await locked.get("/api/v1/auth/me", headers=theirs)).status_code == 401


async def test_a_key_of_binance_is_no_matter_while_data_is_public(api: httpx.AsyncClient) -> None:
    """A bot that was made for Binance goes on sending its key from there, and is answered."""
    answer = await api.get("/api/v3/exchangeInfo", headers={"X-MBX-APIKEY": "x" * 64})
    assert answer.status_code == 200


async def test_wrong_keys_are_limited_in_the_shape_of_binance(
    store: asyncpg.Pool, valkey: Redis
) -> None:
    """The limit on wrong keys holds here as well: 429 with -1003 and a time to come back."""
    settings = Settings(public_market_data=False, wrong_key_tries=2)
    async with client_of(create_app(store, valkey, settings, version="1", ttl=0)) as client:
        answers = [
            await client.get("/api/v3/depth", headers={"X-MBX-APIKEY": f"ok_nobody_{n}"})
            for n in range(5)
        ]
    assert [each.status_code for each in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].json()["code"] == -1003
    assert int(answers[-1].headers["retry-after"]) > 0


class Upstream:
    """A venue with one market."""

    asked = 0

    async def tickers(self) -> list[Ticker]:
        """Return its ticker."""
        return [Ticker("BTCUSDT", "2", "1", "3", "1", "5", "10", 5_000)]


@pytest.mark.parametrize("public", [True, False])
async def test_prices_that_are_ready_are_locked_too(
    store: asyncpg.Pool, valkey: Redis, *, public: bool
) -> None:
    """The list of coins, answered in front of the application while it is public, is not so then."""
    settings = Settings(public_market_data=public, price_symbols=["BTCUSDT=Bitcoin"])
    prices = Prices(Upstream(), PriceBoard(valkey), PriceRules(), ["BTCUSDT"])
    app = create_app(store, valkey, settings, version="1", ttl=0, prices=prices)
    await make_user(store)
    async with client_of(app) as client:
        session = await sign_in(client)
        for _ in range(2):  # the second finds them ready
            answer = await client.get("/api/prices/aggregated", headers=session)
            assert answer.json()[0]["symbol"] == "BTCUSDT"
            control = answer.headers["cache-control"]
            assert ("s-maxage" in control, control == "private, no-cache") == (public, not public)
        stranger = await client.get("/api/prices/aggregated")
    assert stranger.status_code == (200 if public else 401)


async def test_listed_pages_may_show_what_they_have(
    locked: httpx.AsyncClient, api: httpx.AsyncClient
) -> None:
    """A preflight needs no sign-in, and allows tokens and keys only where there is no other way."""
    asked = {"Origin": "https://charts.example", "Access-Control-Request-Method": "GET"}
    for client, allowed in ((locked, True), (api, False)):
        preflight = await client.options("/candles", headers=asked)
        assert preflight.status_code == 204
        told = preflight.headers["access-control-allow-headers"]
        assert ("authorization" in told, "x-api-key" in told) == (allowed, allowed)


async def test_the_document_says_what_is_locked(
    locked: httpx.AsyncClient, api: httpx.AsyncClient
) -> None:
    """Generated clients learn of the sign-in where there is one."""
    for client, closed in ((locked, True), (api, False)):
        paths = (await client.get("/schema")).json()["paths"]
        assert ("security" in paths["/candles"]["get"]) is closed
        assert ("401" in paths["/api/v3/klines"]["get"]["responses"]) is closed
        assert "security" not in paths["/api/v3/ping"]["get"]
        assert "security" not in paths["/health/live"]["get"]
        assert "security" in paths["/api/v1/bots"]["get"]


async def test_the_front_end_is_told(locked: httpx.AsyncClient) -> None:
    """The configuration is for everybody, and says that market data is not."""
    assert (await locked.get("/api/v1/config")).json()["publicMarketData"] is False
