"""`GET /candles` over the whole application on real engines."""

from __future__ import annotations

import datetime as dt
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from market import add_candles, add_gap, add_instrument, cover, random_candles
from openoutcry.core.intervals import HOUR, INTERVALS, MINUTE, SECOND

START = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp()) * SECOND
ASK = {
    "asset": "BTC",
    "duration": "1m",
    "startTime": "2026-01-01T00:00:00Z",
    "endTime": "2026-01-01T00:09:00Z",
}


async def market(store: asyncpg.Pool, count: int = 30, density: float = 1.0) -> int:
    """Make a market with so many minutes of candles, all of them known."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    candles = random_candles(5, START, count, MINUTE, density)
    await add_candles(store, instrument, "1m", candles)
    await cover(store, instrument, START, START + count * MINUTE)
    return instrument


async def test_shape_and_exact_numbers(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """The answer has the contract's keys, and numbers are the store's own digits."""
    await market(store)
    answer = await api.get("/candles", params=ASK)
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["asset", "duration", "startTime", "endTime", "candles"]
    assert (body["asset"], body["duration"]) == ("BTCUSDT", "1m")
    assert (body["startTime"], body["endTime"]) == (ASK["startTime"], ASK["endTime"])
    assert [c["time"] for c in body["candles"]] == [START // SECOND + 60 * n for n in range(10)]
    raw = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])["candles"]
    first = msgspec.json.decode(raw, type=list[dict[str, msgspec.Raw]])[0]
    stored = random_candles(5, START, 1, MINUTE, 1)[0]
    assert bytes(first["open"]).decode() == str(stored.open)
    assert bytes(first["quoteVolume"]).decode() == f"{stored.quote_volume:f}"
    assert first.keys() == {
        *("time", "open", "high", "low", "close"),
        *("volume", "quoteVolume", "trades", "complete"),
    }


@pytest.mark.parametrize("asset", ["BTC", "btc", "BTCUSDT", "btcusdt", "BtcUsdt"])
async def test_asset_names(api: httpx.AsyncClient, store: asyncpg.Pool, asset: str) -> None:
    """A base means its USDT market, symbols are taken in any case."""
    await add_instrument(store, "BTCEUR", "BTC", "EUR")
    await market(store)
    answer = await api.get("/candles", params={**ASK, "asset": asset})
    assert answer.json()["asset"] == "BTCUSDT"


@pytest.mark.parametrize(
    "start",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00",
        "2026-01-01",
        "2026-01-01 00:00",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T01:00:00 01:00",
        "2025-12-31T19:00:00-0500",
    ],
)
async def test_times_in_any_zone(api: httpx.AsyncClient, store: asyncpg.Pool, start: str) -> None:
    """Offsets are honoured, a time without one is UTC, an unescaped plus sign is understood."""
    await market(store)
    answer = await api.get("/candles", params={**ASK, "startTime": start})
    assert answer.json()["startTime"] == "2026-01-01T00:00:00Z"
    assert len(answer.json()["candles"]) == 10


BAD: list[tuple[dict[str, str | None], list[str]]] = [
    ({"asset": None}, ["asset is missing", "BTCUSDT"]),
    ({"asset": "DOGE"}, ["'DOGE'", "BTCUSDT"]),
    ({"duration": None}, ["duration is missing", *INTERVALS]),
    ({"duration": "7m"}, ["'7m'", *INTERVALS]),
    ({"duration": "1h "}, ["'1h '", "1M"]),
    ({"startTime": None}, ["startTime is missing", "2026-01-01T00:00:00Z"]),
    ({"endTime": None}, ["endTime is missing", "2026-01-01T00:00:00Z"]),
    ({"startTime": "yesterday"}, ["startTime is 'yesterday'", "ISO 8601"]),
    ({"startTime": "1767225600000"}, ["Unix times are not taken", "ISO 8601"]),
    ({"endTime": "2026-13-01T00:00:00Z"}, ["endTime is '2026-13-01T00:00:00Z'", "ISO 8601"]),
    ({"endTime": "9999-12-31T23:59:59-23:00"}, ["endTime"]),
    ({"startTime": "0001-01-01T00:00:00+23:00"}, ["startTime"]),
    ({"startTime": "1969-12-31T23:59:59Z"}, ["outside of 1970"]),
    ({"startTime": "2026-01-01T00:10:00Z"}, ["startTime is after endTime"]),
    ({"fill": "zero"}, ["'zero'", "none, previous"]),
    ({"asset": "x" * 5000}, ["is not recorded"]),
    ({"asset": "\x00'; DROP TABLE trades"}, ["is not recorded"]),
]


@pytest.mark.parametrize(("change", "said"), BAD)
async def test_bad_questions(
    api: httpx.AsyncClient,
    store: asyncpg.Pool,
    change: dict[str, str | None],
    said: list[str],
) -> None:
    """Each mistake is a 400 in the one error shape that names it and what would be right."""
    await market(store, 2)
    params = {key: value for key, value in {**ASK, **change}.items() if value is not None}
    answer = await api.get("/candles", params=params)
    body = answer.json()
    assert answer.status_code == 400
    assert body["success"] is False
    assert all(words in body["message"] for words in said), body
    assert len(body["message"]) < 400


async def test_at_most_a_thousand_oldest_first(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A longer range gives its oldest thousand candles, as Binance does."""
    await market(store, 1100)
    for fill in ("none", "previous"):
        answer = await api.get(
            "/candles", params={**ASK, "endTime": "2026-02-01T00:00:00Z", "fill": fill}
        )
        times = [candle["time"] for candle in answer.json()["candles"]]
        assert times == [START // SECOND + 60 * n for n in range(1000)]


async def test_nothing_between_two_buckets(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A range without a bucket's start in it is an empty list, not an error."""
    await market(store)
    ask = {**ASK, "startTime": "2026-01-01T00:00:01Z", "endTime": "2026-01-01T00:00:59Z"}
    answer = await api.get("/candles", params=ask)
    assert (answer.status_code, answer.json()["candles"]) == (200, [])


async def test_fill_previous(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Minutes without trades become flat, but none in a suspected gap nor after it."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    candles = random_candles(5, START, 20, MINUTE, 1)
    kept = [candles[n] for n in (2, 3, 10, 15)]
    await add_candles(store, instrument, "1m", kept)
    await cover(store, instrument, START, START + 18 * MINUTE)
    await add_gap(store, instrument, START + 6 * MINUTE, START + 7 * MINUTE - 1)
    ask = {**ASK, "endTime": "2026-01-01T00:30:00Z", "fill": "previous"}
    found = (await api.get("/candles", params=ask)).json()["candles"]
    minutes = [(candle["time"] - START // SECOND) // 60 for candle in found]
    # 6 is in the gap; after it the price is unknown until 10; after 18 nothing was heard.
    assert minutes == [2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16, 17]
    flat: dict[str, Any] = found[2]
    assert {flat[name] for name in ("open", "high", "low", "close")} == {found[1]["close"]}
    assert (flat["volume"], flat["quoteVolume"], flat["trades"]) == (0, 0, 0)
    assert flat["complete"] is True


async def test_settled_ranges_are_cached_and_validated(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """A range that is known whole may be kept for long; asking again with its ETag is a 304."""
    await market(store)
    first = await api.get("/candles", params=ASK)
    assert "max-age=86400" in first.headers["cache-control"]
    tag = first.headers["etag"]
    assert not tag.startswith("W/")
    for asked in (tag, f'"other", {tag}', "*"):
        again = await api.get("/candles", params=ASK, headers={"If-None-Match": asked})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    changed = await api.get("/candles", params=ASK, headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200


async def test_open_ranges_are_not_kept(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A range that reaches beyond what is known is fresh for a second only."""
    await market(store, 5)
    answer = await api.get("/candles", params=ASK)
    assert answer.headers["cache-control"] == "public, max-age=1"


async def test_compression_has_its_own_validator(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """Large answers are packed for those who can unpack them, under another strong ETag."""
    await market(store, 100)
    ask = {**ASK, "endTime": "2026-01-01T01:40:00Z"}
    packed = await api.get("/candles", params=ask)
    plain = await api.get("/candles", params=ask, headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"].startswith("Accept-Encoding")


async def test_one_day_of_six_hours(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """An interval that is not stored is rolled up the same over HTTP."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    rows = random_candles(5, START, 12, 2 * HOUR, 1)
    await add_candles(store, instrument, "2h", rows)
    ask = {**ASK, "duration": "6h", "endTime": "2026-01-01T23:59:59Z"}
    found = (await api.get("/candles", params=ask)).json()["candles"]
    assert [candle["trades"] for candle in found] == [
        sum(row.trades for row in rows[n : n + 3]) for n in range(0, 12, 3)
    ]
