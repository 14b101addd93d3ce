"""What the charting library's datafeed asks of us, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

import asyncpg
import httpx
import pytest

from market import add_candles, add_instrument, cover, random_candles
from openoutcry.core.intervals import DAY, INTERVALS, MINUTE, SECOND
from openoutcry.model import Candle
from openoutcry.web.api.udf import RESOLUTIONS

START = 1_767_225_600 * SECOND
FROM = START // SECOND


@pytest.fixture
async def minutes(store: asyncpg.Pool) -> list[Candle]:
    """The candles of BTCUSDT: 300 minutes, all but an hour in the middle."""
    instrument = await add_instrument(store, "BTCUSDT", "BTC")
    await add_instrument(store, "ETHBTC", "ETH", "BTC")
    made = random_candles(1, START, 300, MINUTE, density=1)
    made = made[:100] + made[160:]
    await add_candles(store, instrument, "1m", made)
    await add_candles(store, instrument, "1d", random_candles(2, START - 5 * DAY, 6, DAY, 1))
    return made


async def history(api: httpx.AsyncClient, **query: Any) -> Any:
    asked = {"symbol": "BTCUSDT", "resolution": "1", **query}
    if "from_" in asked:
        asked["from"] = asked.pop("from_")
    answer = await api.get("/udf/history", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_config_and_symbol(api: httpx.AsyncClient, minutes: list[Candle]) -> None:
    """The library learns what there is to ask for, and how prices are written."""
    config = (await api.get("/udf/config")).json()
    assert config["supported_resolutions"] == list(RESOLUTIONS)
    assert config["supports_search"]
    assert config["supports_time"]
    assert not config["supports_group_request"]
    assert {RESOLUTIONS[name] for name in RESOLUTIONS} == set(INTERVALS)
    for name in ("BTCUSDT", "BINANCE:BTCUSDT", "btcusdt"):
        symbol = (await api.get("/udf/symbols", params={"symbol": name})).json()
        assert symbol["ticker"] == "BTCUSDT"
        assert (symbol["pricescale"], symbol["minmov"]) == (100, 1)
        assert (symbol["session"], symbol["timezone"]) == ("24x7", "Etc/UTC")
    unknown = (await api.get("/udf/symbols", params={"symbol": "NOPE"})).json()
    assert unknown == {"s": "error", "errmsg": "unknown_symbol"}
    assert minutes


@pytest.mark.usefixtures("minutes")
async def test_search_is_a_bare_array(api: httpx.AsyncClient) -> None:
    """What begins with the text comes first; types and exchanges that we are not give nothing."""

    async def found(**query: Any) -> list[str]:
        rows = (await api.get("/udf/search", params=query)).json()
        return [row["symbol"] for row in rows]

    assert await found(query="btc", type="", exchange="", limit=30) == ["BTCUSDT", "ETHBTC"]
    assert await found(query="ETH") == ["ETHBTC"]
    assert await found(query="", limit=1) == ["BTCUSDT"]
    assert await found(query="btc", exchange="binance", type="crypto") == ["BTCUSDT", "ETHBTC"]
    assert await found(query="btc", exchange="NYSE") == []
    assert await found(query="btc", type="stock") == []


@pytest.mark.usefixtures("minutes")
async def test_time_is_a_bare_integer(api: httpx.AsyncClient) -> None:
    """As the library parses it."""
    assert (await api.get("/udf/time")).text.isdigit()


async def test_history_is_columns_of_numbers(api: httpx.AsyncClient, minutes: list[Candle]) -> None:
    """From `from` on, `to` excluded, each column as long as the others."""
    found = await history(api, from_=FROM, to=FROM + 10 * 60)
    assert found["s"] == "ok"
    assert found["t"] == [candle.bucket // SECOND for candle in minutes[:10]]
    for key, name in zip("ohlcv", ("open", "high", "low", "close", "volume"), strict=True):
        assert found[key] == [float(getattr(candle, name)) for candle in minutes[:10]]
    assert (await history(api, from_=FROM + 1, to=FROM + 61))["t"] == [FROM + 60]


async def test_countback_goes_before_from(api: httpx.AsyncClient, minutes: list[Candle]) -> None:
    """So many bars before `to`, whatever `from` is, also across a time without any."""
    to = FROM + 170 * 60
    found = await history(api, from_=FROM + 169 * 60, to=to, countback=50)
    before = [candle.bucket // SECOND for candle in minutes if candle.bucket < to * SECOND]
    assert found["t"] == before[-50:]
    assert (await history(api, to=FROM + 120, countback=9999))["t"] == [FROM, FROM + 60]


@pytest.mark.usefixtures("minutes")
async def test_no_data_says_where_there_is_some(api: httpx.AsyncClient) -> None:
    """In a hole the last bar before it is named; before all bars there is nothing to name."""
    hole = FROM + 120 * 60
    found = await history(api, from_=hole, to=hole + 600)
    assert found == {"s": "no_data", "nextTime": FROM + 99 * 60}
    assert await history(api, from_=0, to=FROM) == {"s": "no_data"}
    assert await history(api, to=FROM, countback=300) == {"s": "no_data"}


@pytest.mark.usefixtures("minutes")
@pytest.mark.parametrize(
    "query",
    [
        {"resolution": "7", "from_": 0, "to": 1},
        {"resolution": "", "from_": 0, "to": 1},
        {"symbol": "NOPE", "from_": 0, "to": 1},
        {"from_": 0},
        {"to": 5},
        {"from_": 9, "to": 5},
        {"from_": "x", "to": 5},
        {"from_": 1, "to": 5, "countback": "-1"},
        {"from_": 1, "to": 5, "countback": "9" * 30},
    ],
)
async def test_mistakes_are_told_in_udfs_shape(api: httpx.AsyncClient, query: Any) -> None:
    """Status 200, `s` error, and a text for the person at the chart."""
    found = await history(api, **query)
    assert found["s"] == "error"
    assert found["errmsg"]


@pytest.mark.usefixtures("minutes")
async def test_absurd_times_have_an_answer(api: httpx.AsyncClient) -> None:
    """The library asks for times before 1970 when a chart is scrolled back far."""
    for resolution in RESOLUTIONS:
        query = {"resolution": resolution, "from_": -(10**12), "to": 10**17}
        assert (await history(api, **query))["s"] in {"ok", "no_data"}
        assert (await history(api, **query, countback=10**17))["s"] in {"ok", "no_data"}


async def test_a_quiet_minute_is_flat(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Where it is known that nobody traded the chart goes on at the last price."""
    instrument = await add_instrument(store, "SOLUSDT", "SOL")
    (candle,) = random_candles(1, START, 1, MINUTE, density=1)
    await add_candles(store, instrument, "1m", [candle])
    await cover(store, instrument, START, START + 3 * MINUTE)
    found = await history(api, symbol="SOLUSDT", from_=FROM, to=FROM + 600)
    assert found["t"] == [FROM, FROM + 60, FROM + 120]
    assert found["v"][1:] == [0, 0]
    assert found["o"][1:] == [float(candle.close)] * 2
