"""The endpoints of the prices: their exact shapes, caching, sign-in, and what an outage looks like."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from msgspec import Struct
from redis.asyncio import Redis

from accounts import make_user, sign_in
from fixtures_api import client_of
from market import add_candles, add_instrument
from openoutcry.adapters.valkey.price_board import PriceBoard
from openoutcry.adapters.valkey.weight import SteadyBudget, WeightBudget
from openoutcry.config import Settings
from openoutcry.core.breaker import BreakerRules
from openoutcry.core.intervals import HOUR
from openoutcry.core.keys import TICKERS
from openoutcry.core.tickers import Ticker
from openoutcry.errors import VenueUnavailableError
from openoutcry.model import Candle, Role
from openoutcry.services.price_asker import PriceRules
from openoutcry.services.prices import Prices
from openoutcry.web.api.app import create_app
from openoutcry.web.api.metrics import RequestMetrics

BTC = Ticker(
    "BTCUSDT", "68234.50000000", "66673.34", "69000.10", "66000.1", "12.50000000", "1234500000.00", 5_000
)  # fmt: skip
ADA = Ticker("ADAUSDT", "0.00000812", "0.00000812", "0.0001", "0.00000001", "0", "0.00", 6_000)
OTHER = Ticker("XYZBTC", "3", "4", "5", "2", "1", "3", 7_000)


class Script:
    """An upstream in the test's hands."""

    def __init__(self) -> None:
        self.asked = 0
        self.rows = [BTC, ADA, OTHER]
        self.error: Exception | None = None

    async def tickers(self) -> list[Ticker]:
        """Return the rows, or raise."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.rows


class House(Struct):
    """An application with prices whose clock is the test's."""

    api: httpx.AsyncClient
    script: Script
    prices: Prices
    metrics: RequestMetrics
    now: list[float]


@pytest.fixture
async def house(store: asyncpg.Pool, valkey: Redis, tmp_path: Path) -> AsyncIterator[House]:
    """The application with an upstream of the test's."""
    script, now, metrics = Script(), [1_000_000.0], RequestMetrics()
    rules = PriceRules(timeout=1.0, retries=0, backoff=0.01, breaker=BreakerRules(3, 1.0))
    prices = Prices(script, PriceBoard(valkey), rules, ["BTCUSDT"], clock=lambda: now[0])
    settings = Settings(price_symbols=["ADAUSDT=Cardano", "BTCUSDT=Bitcoin", "NOPEUSDT=Nothing"])
    app = create_app(
        store, valkey, settings, version="1", static=tmp_path, ttl=0, metrics=metrics,
        prices=prices, budget=SteadyBudget(WeightBudget(valkey, "binance", 6000, 0.5)),
    )  # fmt: skip
    async with client_of(app) as api:
        yield House(api, script, prices, metrics, now)


async def test_the_list_is_exactly_the_contracts(house: House) -> None:
    """Five fields each, the configured order, coins that are not listed left out."""
    answer = await house.api.get("/api/prices/aggregated")
    assert answer.status_code == 200
    assert answer.json() == [
        {"symbol": "ADAUSDT", "name": "Cardano", "price": "0.00000812",
         "priceChangePercent": "0.00", "volume": "0.0"},
        {"symbol": "BTCUSDT", "name": "Bitcoin", "price": "68234.50",
         "priceChangePercent": "2.342", "volume": "1234.5M"},
    ]  # fmt: skip
    assert answer.headers["cache-control"] == "public, s-maxage=10, stale-while-revalidate=5"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["age"] == "0"
    assert "x-prices-stale" not in answer.headers
    assert house.script.asked == 1


async def test_who_has_it_gets_a_304(house: House) -> None:
    """The validator is the same from the framework and from the hot path, and holds."""
    first = await house.api.get("/api/prices/aggregated")
    tag = first.headers["etag"]
    for told in (tag, f'"other", W/{tag}', "*"):
        again = await house.api.get("/api/prices/aggregated", headers={"If-None-Match": told})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    other = await house.api.get("/api/prices/aggregated", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_requests_are_counted_by_route(house: House) -> None:
    """What the hot path answers is in the metrics like everything else."""
    for _ in range(3):
        await house.api.get("/api/prices/aggregated")
    counted = house.metrics.registry.get_sample_value(
        "outcry_http_requests_total",
        {"method": "GET", "route": "/api/prices/aggregated", "status": "200"},
    )
    assert counted == 3


async def test_an_outage_is_marked_with_its_age(house: House) -> None:
    """Header, rows and age say so; the age grows; upstream back, all of it is gone."""
    await house.api.get("/api/prices/aggregated")
    house.script.error = VenueUnavailableError("out")
    house.now[0] += 40.7
    answer = await house.api.get("/api/prices/aggregated")
    assert answer.status_code == 200
    assert (answer.headers["x-prices-stale"], answer.headers["age"]) == ("true", "40")
    assert [(row["stale"], row["age"]) for row in answer.json()] == [(True, 40)] * 2
    assert set(answer.json()[0]) == {
        "symbol", "name", "price", "priceChangePercent", "volume", "stale", "age",
    }  # fmt: skip
    house.now[0] += 1.0
    assert (await house.api.get("/api/prices/aggregated")).json()[0]["age"] == 41
    house.script.error = None
    house.now[0] += 60.0

    async def back() -> bool:
        answer = await house.api.get("/api/prices/aggregated")
        return "x-prices-stale" not in answer.headers and "stale" not in answer.json()[0]

    for _ in range(200):
        if await back():
            break
        await asyncio.sleep(0.02)
    assert await back()


async def test_without_prices_there_is_a_message(house: House) -> None:
    """Only who starts into an outage answers 503, and says when to try again."""
    house.script.error = VenueUnavailableError("out of order")
    answer = await house.api.get("/api/prices/aggregated")
    assert answer.status_code == 503
    assert answer.json()["success"] is False
    assert "out of order" in answer.json()["message"]
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"


async def test_one_symbol(house: House, store: asyncpg.Pool) -> None:
    """Numbers with exact digits for who is signed in; 401 without, 404 for what is not there."""
    assert (await house.api.get("/api/prices/symbol/BTCUSDT")).status_code == 401
    await make_user(store)
    signed = await sign_in(house.api)
    answer = await house.api.get("/api/prices/symbol/btcusdt", headers=signed)
    assert answer.text == (
        '{"symbol":"BTCUSDT","price":68234.5,"priceChange":1561.16,"priceChangePercent":2.342,'
        '"high24h":69000.1,"low24h":66000.1,"volume":12.5,"timestamp":5}'
    )
    tiny = await house.api.get("/api/prices/symbol/ADAUSDT", headers=signed)
    assert '"price":0.00000812,' in tiny.text
    for wrong in ("NOPE", "BTCUSDT%20", "%22"):
        missing = await house.api.get(f"/api/prices/symbol/{wrong}", headers=signed)
        assert missing.status_code == 404
        assert missing.json()["success"] is False
    house.now[0] += 5.5
    await house.api.get("/api/prices/symbol/BTCUSDT", headers=signed)
    assert house.script.asked == 2
    house.script.error = VenueUnavailableError("out")
    house.now[0] += 5.5
    late = (await house.api.get("/api/prices/symbol/BTCUSDT", headers=signed)).json()
    assert (late["stale"], late["age"]) == (True, 5)


async def test_the_figures_are_for_admins(house: House, store: asyncpg.Pool) -> None:
    """401 without sign-in, 403 for users; an admin sees the contract's fields and ours."""
    path = "/api/admin/price-cache-stats"
    await make_user(store)
    await make_user(store, "root", Role.ADMIN)
    user, admin = await sign_in(house.api), await sign_in(house.api, "root")
    for method in ("GET", "POST"):
        assert (await house.api.request(method, path)).status_code == 401
        assert (await house.api.request(method, path, headers=user)).status_code == 403
    empty = (await house.api.get(path, headers=admin)).json()
    assert (empty["cacheSize"], empty["activeFetches"], empty["entries"]) == (0, 0, [])
    for _ in range(4):
        await house.api.get("/api/prices/aggregated")
    house.now[0] += 8.4
    full = (await house.api.get(path, headers=admin)).json()
    assert full["entries"] == [
        {"key": "tickers", "age": "8s", "requestsServed": 4, "symbolCount": 3}
    ]
    assert (full["cacheSize"], full["source"], full["breaker"]) == (1, "rest", "closed")
    assert (full["weightLimit"], full["lastError"]) == (3000, None)
    cleared = (await house.api.post(path, headers=admin)).json()
    assert cleared["success"] is True
    assert cleared["cleared"]["entries"][0]["symbolCount"] == 3
    assert (await house.api.get(path, headers=admin)).json()["cacheSize"] == 0
    asked = house.script.asked
    await house.api.get("/api/prices/aggregated")
    assert house.script.asked == asked + 1


async def test_a_clear_in_an_outage_costs_nobody_his_prices(
    house: House, store: asyncpg.Pool
) -> None:
    """What was cleared is served as a last resort, marked."""
    await make_user(store, "root", Role.ADMIN)
    admin = await sign_in(house.api, "root")
    await house.api.get("/api/prices/aggregated")
    house.script.error = VenueUnavailableError("out")
    await house.api.post("/api/admin/price-cache-stats", headers=admin)
    answer = await house.api.get("/api/prices/aggregated")
    assert (answer.status_code, answer.headers["x-prices-stale"]) == (200, "true")


async def test_all_markets(house: House, store: asyncpg.Pool) -> None:
    """Every ticker as a row; what we record is marked and has its sparkline."""
    btc = await add_instrument(store, "BTCUSDT", "BTC")
    flat = dict.fromkeys(Candle.__struct_fields__, "1") | {"complete": False}
    hours = [
        msgspec.convert(flat | {"bucket": n * HOUR, "close": str(n)}, Candle, strict=False)
        for n in (480_000, 480_002)
    ]
    await add_candles(store, btc, "1h", hours)
    answer = await house.api.get("/api/v1/markets")
    body = answer.json()
    assert (body["source"], body["age"], body["stale"]) == ("rest", 0.0, False)
    rows = {row["symbol"]: row for row in body["markets"]}
    assert rows["BTCUSDT"] == {
        "symbol": "BTCUSDT", "base": "BTC", "quote": "USDT", "price": "68234.50",
        "change": "1561.16", "changePercent": "2.342", "high": "69000.10", "low": "66000.10",
        "volume": "12.5", "quoteVolume": "1234500000", "carried": True,
        "sparkline": [480_000.0] * 23 + [480_002.0],
    }  # fmt: skip
    assert (rows["XYZBTC"]["base"], rows["XYZBTC"]["carried"]) == ("XYZ", False)
    again = await house.api.get(
        "/api/v1/markets", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


async def test_no_prices_are_an_empty_list(house: House) -> None:
    """The overview has something to show in any case."""
    house.script.error = VenueUnavailableError("out")
    assert (await house.api.get("/api/v1/markets")).json() == {
        "source": "none", "age": None, "stale": True, "markets": [],
    }  # fmt: skip


async def test_the_stream_is_served_without_any_call(house: House) -> None:
    """Tickers that the feed tells are prices at once."""
    house.prices.on_message(TICKERS, msgspec.json.encode([BTC]))
    answer = await house.api.get("/api/prices/aggregated")
    assert [row["symbol"] for row in answer.json()] == ["BTCUSDT"]
    assert house.script.asked == 0
    assert (await house.api.get("/api/v1/markets")).json()["source"] == "stream"


async def test_the_document_describes_it(api: httpx.AsyncClient) -> None:
    """The hot path is in the OpenAPI document with its shape; protected paths say so."""
    paths: dict[str, Any] = json.loads((await api.get("/schema")).text)["paths"]
    assert {"200", "503"} <= set(paths["/api/prices/aggregated"]["get"]["responses"])
    assert "401" in paths["/api/prices/symbol/{symbol}"]["get"]["responses"]
    assert "403" in paths["/api/admin/price-cache-stats"]["post"]["responses"]
