"""Binance's paths on our API: shapes, errors, weights, validators."""

from __future__ import annotations

import gzip
import json
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from fixtures_api import client_of
from market import add_candles, add_instrument, cover, random_candles
from openoutcry.config import Settings
from openoutcry.core.intervals import MINUTE, SECOND
from openoutcry.core.keys import LAST_QUOTES
from openoutcry.services.client_weight import ClientWeights
from openoutcry.venues import binance_server_shapes as shapes
from openoutcry.venues.binance_server_data import Bar
from openoutcry.web.api.app import create_app

START = 1_767_225_600 * SECOND


@pytest.fixture(name="btc")
async def _btc(store: asyncpg.Pool) -> int:
    """A market with 600 minutes."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    await add_candles(store, instrument, "1m", random_candles(1, START, 600, MINUTE, density=1))
    await cover(store, instrument, START, START + 600 * MINUTE)
    return instrument


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v3/klines", 400, -1102),
        ("GET", "/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("GET", "/api/v3/klines?symbol=NOPE&interval=1m", 400, -1121),
        ("GET", "/api/v3/klines?symbol=btcusdt&interval=1m", 400, -1100),
        ("GET", "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=0", 400, -1130),
        ("GET", "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=x", 400, -1100),
        ("GET", "/api/v3/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
        ("GET", "/api/v3/ticker/24hr?symbols=[]", 400, -1100),
        ("GET", "/api/v3/depth?symbol=NOPE", 400, -1121),
        ("GET", "/api/v3/ticker/tradingDay?symbol=BTCUSDT", 404, -1020),
        ("GET", "/api/v3", 404, -1020),
        ("GET", "/fapi/v1/klines", 404, -1020),
        ("POST", "/api/v3/order", 404, -1020),
        ("POST", "/api/v3/klines", 405, -1020),
        ("DELETE", "/api/v3/openOrders", 404, -1020),
    ],
)
@pytest.mark.usefixtures("btc")
async def test_failures_have_binances_shape(
    api: httpx.AsyncClient, method: str, path: str, status: int, code: int
) -> None:
    """Whatever is wrong below Binance's paths is told in Binance's way."""
    answer = await api.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["msg"]
    assert set(answer.json()) == {"code", "msg"}


@pytest.mark.usefixtures("btc")
async def test_klines(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A page of klines has its rows as stored; above 1000 the limit is 1000."""
    answer = await api.get("/api/v3/klines", params=_query(startTime=START // 1000, limit=3))
    rows = await store.fetch("SELECT * FROM candles_1m ORDER BY bucket LIMIT 3")
    assert [row[0] for row in answer.json()] == [row["bucket"] // 1000 for row in rows]
    assert [row[1] for row in answer.json()] == [f"{row['open']:.8f}" for row in rows]
    assert len(answer.json()[0]) == 12
    many = await api.get("/api/v3/klines", params=_query(startTime=0, limit=99_999))
    assert len(many.json()) == 600
    assert len((await api.get("/api/v3/klines", params=_query(startTime=0))).json()) == 500


async def test_random_candles_are_the_generic_rows_to_the_byte(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """The text that the database writes is what the shapes make of the same numbers."""
    for number, scale in enumerate((0, 2, 8, 11)):
        symbol = f"C{number}USDT"
        instrument = await add_instrument(store, symbol, f"C{number}")
        candles = [
            msgspec.structs.replace(
                row,
                **{
                    name: getattr(row, name).scaleb(-scale)
                    for name in ("open", "high", "low", "close", "volume", "quote_volume")
                },
            )
            for row in random_candles(number, START, 300, MINUTE, density=1)
        ]
        await add_candles(store, instrument, "1m", candles)
        answer = await api.get(
            "/api/v3/klines", params=_query(symbol=symbol, startTime=START // 1000, limit=300)
        )
        bars = [
            Bar(
                candle.bucket,
                candle.bucket + MINUTE,
                candle.open,
                candle.high,
                candle.low,
                candle.close,
                candle.volume,
                candle.quote_volume,
                candle.trades,
                candle.taker_buy_volume,
                candle.taker_buy_quote_volume,
                1,
                2,
            )
            for candle in candles
        ]
        expected = [shapes.kline_row(bar, micro=False) for bar in bars]
        assert answer.text == json.dumps(expected, separators=(",", ":"))


@pytest.mark.usefixtures("btc")
async def test_validators_and_compression(api: httpx.AsyncClient) -> None:
    """Large answers are packed for those who accept it, and each form has its own ETag."""
    query = _query(startTime=START // 1000)
    plain = await api.get("/api/v3/klines", params=query, headers={"Accept-Encoding": "identity"})
    packed = await api.get("/api/v3/klines", params=query, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert packed.headers["etag"] != plain.headers["etag"]
    same = {"If-None-Match": packed.headers["etag"], "Accept-Encoding": "gzip"}
    assert (await api.get("/api/v3/klines", params=query, headers=same)).status_code == 304
    assert gzip.compress(plain.content, 1, mtime=0)[:4] == b"\x1f\x8b\x08\x00"


@pytest.mark.usefixtures("btc")
async def test_microseconds_on_request(api: httpx.AsyncClient) -> None:
    """Binance's header makes every time one in µs."""
    headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    query = _query(startTime=START // 1000, limit=1)
    (row,) = (await api.get("/api/v3/klines", params=query, headers=headers)).json()
    assert (row[0], row[6]) == (START, START + MINUTE - 1)


@pytest.mark.parametrize("time", [-(10**19), -1, 10**14, 10**16, 10**19])
@pytest.mark.parametrize("interval", ["1s", "1m", "1w", "1M"])
@pytest.mark.usefixtures("btc")
async def test_absurd_times_have_an_answer(
    api: httpx.AsyncClient, time: int, interval: str
) -> None:
    """No time is so far away that the store or a calendar fails."""
    for name in ("startTime", "endTime"):
        for path in ("klines", "aggTrades"):
            query = _query(interval=interval) | {name: time}
            answer = await api.get(f"/api/v3/{path}", params=query)
            assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("btc")
async def test_ids_and_limits_at_their_ends(api: httpx.AsyncClient) -> None:
    """Ids beyond 64 bits are ids that nobody has."""
    for path in ("historicalTrades", "aggTrades"):
        for number in (-1, 0, 2**63 - 1, 2**63, 10**19):
            query = _query(fromId=number, limit=10**19)
            answer = await api.get(f"/api/v3/{path}", params=query)
            assert (answer.status_code, answer.json()) == (200, []), answer.text


@pytest.mark.usefixtures("btc")
async def test_every_endpoint_answers(api: httpx.AsyncClient, valkey: Redis) -> None:
    """Also where there are candles but no trades: nothing is an error."""
    quote = {"originalPrice": "10", "bidPrice": "9.99", "askPrice": "10.01", "timestamp": 5}
    await valkey.hset(LAST_QUOTES, "BTCUSDT", json.dumps({"symbol": "BTCUSDT", **quote}))
    for path in (
        *("ping", "time", "exchangeInfo", "trades?symbol=BTCUSDT", "avgPrice?symbol=BTCUSDT"),
        *("ticker?symbol=BTCUSDT", "ticker/24hr", "ticker/price", "ticker/bookTicker"),
        *("aggTrades?symbol=BTCUSDT", "uiKlines?symbol=BTCUSDT&interval=1M"),
    ):
        answer = await api.get(f"/api/v3/{path}")
        assert answer.status_code == 200, (path, answer.text)
    for kind in ("fapi", "dapi"):
        assert (await api.get(f"/{kind}/v1/exchangeInfo")).json()["symbols"] == []
    info = (await api.get("/api/v3/exchangeInfo")).json()
    assert info["rateLimits"][0]["limit"] == Settings().client_weight
    assert [one["symbol"] for one in info["symbols"]] == ["BTCUSDT"]
    book = (await api.get("/api/v3/ticker/bookTicker?symbol=BTCUSDT")).json()
    assert (book["bidPrice"], book["bidQty"]) == ("9.99000000", "0.00000000")
    depth = (await api.get("/api/v3/depth?symbol=BTCUSDT&limit=5")).json()
    assert depth["bids"] == [["9.99000000", "0.00000000"]]
    assert depth["asks"] == [[book["askPrice"], book["askQty"]]]


async def test_weight_is_counted_and_limited(store: asyncpg.Pool, valkey: Redis) -> None:
    """Answers tell the weight used; beyond the limit there is a 429 that says how long to wait."""
    await add_instrument(store, "BTCUSDT", "BTC")
    app = create_app(store, valkey, Settings(client_weight=45), version="1", ttl=0)
    async with client_of(app) as client:
        used = [(await client.get("/api/v3/exchangeInfo")).headers for _ in range(2)]
        if used[0]["x-mbx-used-weight-1m"] > used[1]["x-mbx-used-weight-1m"]:
            pytest.skip("a minute began in between")
        assert [one["x-mbx-used-weight"] for one in used] == ["20", "40"]
        refused = await client.get("/api/v3/exchangeInfo")
        assert refused.status_code == 429
        assert refused.json()["code"] == -1003
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert "45" in refused.json()["msg"]


async def test_processes_share_the_weight(valkey: Redis) -> None:
    """What one process counts the others know after settling; without Valkey each counts alone."""
    one, two = ClientWeights(valkey, 100), ClientWeights(valkey, 100)
    assert one.spend("a", 10, 60.0) == 10
    assert two.spend("a", 5, 60.0) == 5
    await one.settle()
    await two.settle()
    assert two.spend("a", 1, 60.0) == 16
    assert two.spend("b", 1, 60.0) == 1
    await two.settle()
    assert one.spend("a", 1, 60.0) == 11
    await one.settle()
    assert one.spend("a", 0, 60.0) == 17
    assert one.spend("a", 3, 120.0) == 3


async def test_an_outage_is_a_503_in_binances_shape(
    store: asyncpg.Pool, valkey: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients take it for what it is: try again."""
    app = create_app(store, valkey, Settings(), version="1", ttl=0)

    def gone(*_: object, **__: object) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(asyncpg.Pool, "acquire", gone)
    async with client_of(app) as client:
        answer = await client.get("/api/v3/ticker/price")
        assert (answer.status_code, answer.json()["code"]) == (503, -1001)
        assert answer.headers["retry-after"] == "1"
        assert (await client.get("/api/v3/ping")).status_code == 200


def _query(**more: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "interval": "1m", **more}
