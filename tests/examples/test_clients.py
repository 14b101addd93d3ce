"""The client quick starts run against a whole system; each changes nothing but the client's URL."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from functools import partial
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import pytest

from e2e.system import wait
from examples.kit import EXAMPLES, Running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def lines(printed: str, kind: str) -> list[str]:
    """Return the printed lines that begin with a word."""
    return [line for line in printed.splitlines() if line.startswith(f"{kind} ")]


def trade_ids(printed: str) -> list[int]:
    return [int(line.split()[1]) for line in lines(printed, "trade")]


def both(running: Running) -> list[str]:
    return ["--api", running.system.url, "--hub", running.hub]


def test_ccxt_reads_markets_candles_trades_and_tickers(running: Running) -> None:
    """Each call of the synchronous ccxt gives rows."""
    printed = running.python("ccxt_rest.py", "--api", running.system.url)
    assert printed.startswith("markets: BTC/USDT, ETH/USDT\n")
    assert len(lines(printed, "candle")) == 5
    assert len(lines(printed, "trade")) == 5
    assert re.search(r"^24 h: last \d+", printed, re.MULTILINE)
    best = [line.split() for line in lines(printed, "best:")]
    assert [one[1] for one in best] == ["BTC/USDT", "ETH/USDT"]
    assert all(float(one[3]) < float(one[5]) for one in best)


def test_ccxt_pro_watches_trades_candles_and_a_ticker(running: Running) -> None:
    """A ticker, a candle, and trades of which none is missing."""
    printed = running.python("ccxt_pro_watch.py", "BTC/USDT", *both(running), "--count", "20")
    ids = trade_ids(printed)
    assert len(ids) >= 20
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(lines(printed, "ticker")) == len(lines(printed, "candle")) == 1


def test_python_binance_asks_and_listens(running: Running) -> None:
    """Ten minutes of candles, the rolling day, then trades of which none is missing."""
    printed = running.python("python_binance.py", "BTCUSDT", *both(running), "--count", "20")
    assert len(lines(printed, "candle")) in (10, 11)
    ids = trade_ids(printed)
    assert ids == list(range(ids[0], ids[0] + 20))


def test_binance_connector_asks_and_listens(running: Running) -> None:
    """Binance's own client takes our answers for its exchange's."""
    printed = running.python("binance_connector.py", "BTCUSDT", *both(running), "--count", "20")
    assert len(lines(printed, "candle")) == 5
    assert len(lines(printed, "best:")) == 1
    ids = trade_ids(printed)
    assert ids == list(range(ids[0], ids[0] + 20))


def test_freqtrade_configuration_makes_ccxt_ask_us(running: Running) -> None:
    """The file's `ccxt_config` goes into ccxt's constructor as freqtrade does it.

    That is `Exchange._init_ccxt` of freqtrade 2026.9; `ccxt_async_config` goes over it for ccxt.pro.
    """
    text = (EXAMPLES / "freqtrade" / "config.json").read_text()
    text = text.replace("http://127.0.0.1:8000", running.system.url)
    config = json.loads(text.replace("ws://127.0.0.1:8001", running.hub))
    exchange = config["exchange"]
    keys = {"apiKey": None, "secret": None, "password": None, "uid": None}

    api = getattr(ccxt, exchange["name"])(keys | exchange["ccxt_config"])
    assert set(exchange["pair_whitelist"]) == set(api.load_markets())
    candles = api.fetch_ohlcv("BTC/USDT", config["timeframe"], limit=500)
    assert len(candles) > 60
    assert set(api.fetch_tickers()) == set(exchange["pair_whitelist"])

    async def listen() -> list[Any]:
        merged = ccxt.pro.binance.deep_extend(
            exchange["ccxt_config"], exchange["ccxt_async_config"]
        )
        api_async = getattr(ccxt.pro, exchange["name"])(keys | merged)
        try:
            async with asyncio.timeout(60):
                candles: list[Any] = await api_async.watch_ohlcv("ETH/USDT", config["timeframe"])
                return candles
        finally:
            await api_async.close()

    assert wait(listen)[-1][4] > 0


def test_curl_gets_what_binance_answers(running: Running) -> None:
    """Every line of the script is answered with JSON in Binance's shape."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on PATH")
    script = str(EXAMPLES / "curl.sh")
    printed = running.run("env", f"API={running.system.url}", script, "BTCUSDT")
    answers = [json.loads(line) for line in printed.splitlines()]
    ping, time, klines, trades, aggregates, day, hour, prices, best, average = answers
    assert ping == {}
    assert time["serverTime"] > klines[-1][0]
    assert [len(row) for row in klines] == [12, 12, 12]
    assert len(trades) == len(aggregates) == 3
    assert day["count"] >= hour["count"] > 0
    assert [row["symbol"] for row in prices] == ["BTCUSDT", "ETHUSDT"]
    assert float(best["bidPrice"]) < float(best["askPrice"])
    assert average["mins"] == 5


def test_what_websocat_would_hear(running: Running) -> None:
    """As websocat is no package of Python's: the script's lines for it are spoken here."""
    text = (EXAMPLES / "curl.sh").read_text()
    found = re.findall(
        r"^#\s+(?:echo '([^']+)' \| )?websocat (?:-n )?'?(ws:\S+?)'?$", text, re.MULTILINE
    )
    assert len(found) == 3

    async def hear(request: str, url: str) -> list[Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url.replace("ws://127.0.0.1:8001", running.hub)) as socket,
        ):
            if request:
                await socket.send_str(request)
            return [await socket.receive_json(timeout=60) for _ in range(3)]

    raw, combined, asked = [wait(partial(hear, *line)) for line in found]
    assert {message["e"] for message in raw} == {"trade"}
    assert {m["stream"] for m in combined} <= {"btcusdt@kline_1m", "btcusdt@bookTicker"}
    assert asked[0] == {"result": None, "id": 1}
    assert {message["e"] for message in asked[1:]} == {"trade"}
