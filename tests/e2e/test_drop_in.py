"""The proof that OpenOutcry is a drop-in: other people's clients, unmodified but for the base URL.

A real recording is replayed by the sandbox exchange; OpenOutcry records it. Every call is made at
both places, and what a client parses has to equal what plain Python makes of the recording. Where the
two places differ by nature, the test that shows it says so; it is only this:

- an aggregate's id: OpenOutcry's is its first trade's, the sandbox counts from 1 (Binance's own number
  is in neither: the recording has none). OpenOutcry keeps the newest back for half a second of the
  market's time, which is over with the recording: there it never comes.
- the market's time: the sandbox's is the last event's, OpenOutcry's the newest that it has heard.
- best prices that were never recorded (ETHUSDT here): OpenOutcry has the quote, without sizes; the
  sandbox makes up a book one tick wide.
- the weight that one address may spend.
- `@bookTicker`: the sandbox plays every message, OpenOutcry the newest of each tenth of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from decimal import Decimal
from pathlib import Path
from socket import socket
from typing import Any, TypeVar

import asyncpg
import ccxt
import pytest
from binance import Client
from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot.rest_api.models import KlinesIntervalEnum, TickerWindowSizeEnum
from binance_sdk_spot.spot import Spot
from msgspec import Struct

from openoutcry.config import load

from .listeners import Heard, Place, listening
from .recorded import DAY, Market, Recorded, Row, text, with_second_market
from .system import System, eventually, fetch
from .test_recording import RECORDING

FIRST = 1000
STEP = 6000
MINUTE = 60_000
LENGTHS = {"1s": 1000, "1m": MINUTE, "5m": 5 * MINUTE, "1h": 60 * MINUTE, "1d": DAY}
TRADES = (
    *("python-binance.raw", "python-binance.trade"),
    *("connector.trade", "bare/ws", "bare/stream"),
)
"""The clients that listen to every trade, and tell each as soon as they have it."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

T = TypeVar("T")


def wait(work: Callable[[], Awaitable[T]]) -> T:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


class Scene(Struct):
    """One of the two places after the whole replay: what was heard live, what REST is asked of."""

    place: Place
    recorded: Recorded
    heard: Heard

    @property
    def ours(self) -> bool:
        return self.place.name == "outcry"

    def now(self) -> int:
        """Return the market's time in ms."""
        return int(fetch(f"{self.place.rest}/api/v3/time")["serverTime"])

    def ccxt(self) -> Any:
        """Return the synchronous ccxt, pointed here."""
        return ccxt.binance(self.place.ccxt_urls())

    def python_binance(self) -> Any:
        """Return python-binance's client, pointed here."""
        client = Client(ping=False)
        client.API_URL = f"{self.place.rest}/api"
        return client

    def connector(self) -> Any:
        """Return the REST side of Binance's connector, pointed here."""
        return Spot(config_rest_api=ConfigurationRestAPI(base_path=self.place.rest)).rest_api

    def aggregates(self, market: Market) -> list[Row]:
        """Return the recorded aggregates as they are numbered here, as far as they come."""
        if not self.ours:
            return market.aggregates()
        return [row | {"a": row["f"]} for row in market.aggregates()[:-1]]

    def book(self, market: Market) -> tuple[str, str, str, str]:
        """Return bid, its size, ask, its size as they have to be here."""
        if market.books:
            best = market.books[-1]
            return best["b"], best["B"], best["a"], best["A"]
        last = market.trades[-1]
        price, tick = Decimal(last["p"]), Decimal("0.01")
        if self.ours:
            spread = price / 1000
            return text(price - spread), text(Decimal(0)), text(price + spread), text(Decimal(0))
        ask = price + tick if last["m"] else price
        return text(ask - tick), last["q"], text(ask), last["q"]


class Play(Struct):
    """The system while the recording is played into it."""

    system: System
    recorded: Recorded

    async def until(self, position: int) -> None:
        """Let the sandbox play no further than this."""
        await asyncio.to_thread(self.system.sandbox, "POST", "/sandbox/replay", {"until": position})

    async def api(self, path: str) -> Any:
        """Ask our API."""
        return await asyncio.to_thread(self.system.get, f"/api/v3/{path}")

    async def through(self, heard: list[Heard]) -> None:
        """Play to the end; nobody is left behind by more than a step."""
        for position in range(FIRST, self.recorded.length + STEP, STEP):
            await self.until(position)
            last = self.recorded.btc.last_id(position)

            async def all_heard(last: int = last) -> bool:
                for one in heard:
                    one.check()
                return all(one.last.get(call) == last for one in heard for call in TRADES)

            if position > FIRST:
                try:
                    await eventually("all have heard", all_heard, 60)
                except AssertionError:
                    behind = [(one.place.name, one.last) for one in heard]
                    raise AssertionError(f"some have not heard {last}: {behind}") from None

    async def settle(self, heard: list[Heard]) -> None:
        """Wait until everything that the recording says has arrived everywhere."""
        recorded = self.recorded
        connection = await asyncpg.connect(self.system.database_url)
        count = sum(len(market.trades) for market in recorded.markets.values())

        async def stored() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM trades") == count)

        await eventually("every recorded trade is stored", stored, 90)
        await connection.close()

        async def best_prices() -> bool:
            found = await self.api("ticker/bookTicker?symbol=BTCUSDT")
            return bool(found["bidPrice"] == recorded.btc.books[-1]["b"]) and bool(
                found["askQty"] == recorded.btc.books[-1]["A"]
            )

        await eventually("the last best prices are known", best_prices, 60)
        last = {
            "ccxt.watch_ticker": float(recorded.btc.mini()["v"]),
            "python-binance.kline_1m": recorded.btc.trades[-1]["t"],
            "python-binance.bookTicker": recorded.btc.books[-1]["u"],
            "connector.kline": recorded.btc.trades[-1]["t"],
        }
        read: dict[str, Callable[[Any], Any]] = {
            "ccxt.watch_ticker": lambda one: one["baseVolume"],
            "python-binance.kline_1m": lambda one: one["k"]["L"],
            "python-binance.bookTicker": lambda one: one["u"],
            "connector.kline": lambda one: one.k.L,
        }

        def missing() -> list[str]:
            return [
                f"{one.place.name} {call}: {[read[call](each) for each in one.said[call][-1:]]}"
                for one in heard
                for call, wanted in last.items()
                if not one.said[call] or read[call](one.said[call][-1]) != wanted
            ]

        async def told() -> bool:
            for one in heard:
                one.check()
            return not missing()

        try:
            await eventually("all streams have come to their end", told, 60)
        except AssertionError:
            raise AssertionError(f"not {last}, but {missing()}") from None
        await asyncio.sleep(2.5)  # the slowest stream speaks every other second


@pytest.fixture(scope="module")
def scenes(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Scene]]:
    """Both places, after a replay to which every client has listened live."""
    folder = tmp_path_factory.mktemp("system")
    with_second_market(test_data / RECORDING, folder / "recording.jsonl")
    recorded = Recorded(folder / "recording.jsonl")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket()) for _ in range(4)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        api, hub, rest, ws = (each.getsockname()[1] for each in sockets)
    settings = load(
        environ={},
        overrides={
            "symbols": ["BTCUSDT", "ETHUSDT"],
            "port": api,
            "ws_port": hub,
            "sandbox_port": rest,
            "sandbox_ws_port": ws,
            "binance_rest_url": f"http://127.0.0.1:{rest}",
            "binance_ws_url": f"ws://127.0.0.1:{ws}",
            "sandbox_replay": str(folder / "recording.jsonl"),
            "sandbox_speed": "max",
            "backfill": False,
        },
    )
    places = [
        Place("outcry", f"http://127.0.0.1:{api}", f"ws://127.0.0.1:{hub}"),
        Place("sandbox", f"http://127.0.0.1:{rest}", f"ws://127.0.0.1:{ws}"),
    ]
    system = System(settings, folder)
    play = Play(system, recorded)

    async def perform() -> list[Heard]:
        system.start("sandbox")

        async def held() -> bool:
            await play.until(0)
            return True

        await eventually("the sandbox holds the replay", held)
        system.start("feed", "recorder", "hub", "api")

        async def connected() -> bool:
            stats = await asyncio.to_thread(system.sandbox, "GET", "/sandbox/stats")
            return {"btcusdt@trade", "ethusdt@trade", "btcusdt@bookTicker"} <= set(stats["streams"])

        await eventually("the feed listens, also to best prices", connected)
        await play.until(FIRST)

        async def listed() -> bool:
            return len((await play.api("exchangeInfo"))["symbols"]) == 2

        await eventually("the API lists both markets", listed)
        async with AsyncExitStack() as stack:
            heard = [await stack.enter_async_context(listening(place)) for place in places]
            await play.through(heard)
            await play.settle(heard)
        return heard

    wait(system.__aenter__)
    try:
        heard = wait(perform)
        yield [Scene(one.place, recorded, one) for one in heard]
    finally:
        wait(system.__aexit__)


@pytest.fixture(params=["outcry", "sandbox"])
def scene(scenes: list[Scene], request: pytest.FixtureRequest) -> Scene:
    """Each of the two places: clients must see no difference."""
    return next(one for one in scenes if one.place.name == request.param)


# --- what was heard live --------------------------------------------------------------------------


def from_first(trades: list[Row], number: int) -> list[Row]:
    """Return the recorded trades from an id on."""
    return trades[number - trades[0]["t"] :]


def assert_trades(heard: list[Row], recorded: list[Row]) -> None:
    """Check raw trade events: all from the first heard one on; their event time is the server's."""
    told = [{**one, "E": 0} for one in heard]
    assert len(told) > 15_000
    assert told == [{**one, "E": 0} for one in from_first(recorded, told[0]["t"])]


def test_ccxt_pro_watches_trades(scene: Scene) -> None:
    """`watch_trades`: every trade once, in order, as recorded."""
    found = scene.heard.said["ccxt.watch_trades"]
    expected = from_first(scene.recorded.btc.trades, int(found[0]["id"]))
    assert len(found) > 15_000
    assert [
        (one["id"], one["timestamp"], one["price"], one["amount"], one["side"], one["symbol"])
        for one in found
    ] == [
        (
            *(str(one["t"]), one["T"], float(one["p"]), float(one["q"])),
            *("sell" if one["m"] else "buy", "BTC/USDT"),
        )
        for one in expected
    ]


@pytest.mark.parametrize("call", ["python-binance.raw", "python-binance.trade"])
def test_python_binance_hears_trades(scene: Scene, call: str) -> None:
    """On a raw socket and on a combined one: every trade once, in order, as recorded."""
    assert_trades(scene.heard.said[call], scene.recorded.btc.trades)


@pytest.mark.parametrize("path", ["/ws", "/stream"])
def test_a_bare_connection_subscribes_with_a_time_as_its_id(scene: Scene, path: str) -> None:
    """As binance-connector 3.x speaks: the reply has the id, trades and mini tickers follow."""
    said = scene.heard.said
    assert_trades(said[f"bare{path}"], scene.recorded.btc.trades)
    assert [one["result"] for one in said[f"bare{path}.list"]] == [
        ["btcusdt@trade", "!miniTicker@arr"]
    ]
    assert_minis(said[f"bare{path}.minis"], scene.recorded)


def test_the_connector_hears_trades(scene: Scene) -> None:
    """Binance's own connector parses every trade into its model."""
    found = scene.heard.said["connector.trade"]
    names = ("s", "t", "p", "q", "T", "m")
    told = [tuple(getattr(one, name) for name in names) for one in found]
    expected = from_first(scene.recorded.btc.trades, found[0].t)
    assert told == [tuple(one[name] for name in names) for one in expected]


def assert_klines(told: list[tuple[list[Any], bool]], market: Market) -> None:
    """Check candles (as rows of `/klines`, and whether they are over): each ends once, in order."""
    expected = {row[0]: row for row in market.candles(MINUTE)}
    over = [row for row, done in told if done]
    starts = [row[0] for row in over]
    assert starts == list(range(starts[0], max(expected), MINUTE))
    assert starts[0] <= min(expected) + MINUTE
    assert over == [expected[start] for start in starts]
    assert told[-1] == (expected[max(expected)], False)


def test_python_binance_hears_candles(scene: Scene) -> None:
    """`@kline_1m`: every minute ends once with the recording's figures and ids."""
    told = [one["k"] for one in scene.heard.said["python-binance.kline_1m"]]
    rows = [([*(one[key] for key in "tohlcvTqnVQ"), "0"], one["x"]) for one in told]
    assert_klines(rows, scene.recorded.btc)
    for one in told:
        if one["x"]:
            inside = [t for t in scene.recorded.btc.trades if one["t"] <= t["T"] <= one["T"]]
            assert (one["f"], one["L"]) == (inside[0]["t"], inside[-1]["t"])


def test_the_connector_hears_candles(scene: Scene) -> None:
    """The same in the connector's model."""
    told = [one.k for one in scene.heard.said["connector.kline"]]
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    rows = [([*(getattr(one, name) for name in names), "0"], one.x) for one in told]
    assert_klines(rows, scene.recorded.btc)


def test_ccxt_pro_watches_candles(scene: Scene) -> None:
    """`watch_ohlcv`: the last state of every minute is the recording's."""
    found = {row[0]: row for update in scene.heard.said["ccxt.watch_ohlcv"] for row in update}
    expected = {
        row[0]: [row[0], *map(float, row[1:6])] for row in scene.recorded.btc.candles(MINUTE)
    }
    assert len(found) >= len(expected) - 1
    assert found == {start: expected[start] for start in found}


def assert_minis(told: list[list[Row]], recorded: Recorded) -> None:
    """Check arrays of mini tickers: changed symbols only, volume only grows, the end is right."""
    last: dict[str, Row] = {}
    for array in told:
        assert array
        for one in array:
            assert one["e"] == "24hrMiniTicker"
            before = last.get(one["s"])
            assert before is None or Decimal(before["v"]) < Decimal(one["v"])
            last[one["s"]] = one
    for market in (recorded.btc, recorded.eth):
        ours = {key: value for key, value in last[market.symbol].items() if key not in {"e", "E"}}
        assert ours == market.mini()


def test_python_binance_hears_all_mini_tickers(scene: Scene) -> None:
    """`!miniTicker@arr@1000ms` comes to the recording's rolling day."""
    assert_minis(scene.heard.said["python-binance.minis"], scene.recorded)


def test_the_connector_hears_all_mini_tickers(scene: Scene) -> None:
    """The connector's models of `!miniTicker@arr` say the same."""
    told = scene.heard.said["connector.all_mini_ticker"]
    last = {one.s: one for array in told for one in (array if isinstance(array, list) else [array])}
    for market in scene.recorded.markets.values():
        expected = market.mini()
        assert {key: getattr(last[market.symbol], key) for key in expected} == expected


@pytest.mark.parametrize("call", ["ccxt.watch_ticker", "ccxt.watch_tickers"])
def test_ccxt_pro_watches_tickers(scene: Scene, call: str) -> None:
    """The last ticker of each market is the recording's rolling day."""
    last: dict[str, Row] = {}
    for message in scene.heard.said[call]:
        last |= {message["symbol"]: message} if call == "ccxt.watch_ticker" else message
    expected = scene.recorded.markets if call == "ccxt.watch_tickers" else ["BTC/USDT"]
    assert last.keys() == set(expected)
    for symbol, ticker in last.items():
        mini = scene.recorded.markets[symbol].mini()
        names = {"open": "o", "high": "h", "low": "l", "last": "c", "close": "c"}
        names |= {"baseVolume": "v", "quoteVolume": "q"}
        assert {name: ticker[name] for name in names} == {
            name: float(mini[key]) for name, key in names.items()
        }


def test_best_prices_come_to_the_recorded_ones(scene: Scene) -> None:
    """`@bookTicker`: recorded messages, in order; each at the sandbox, conflated here."""
    books = {one["u"]: one for one in scene.recorded.btc.books}
    for call in ("python-binance.bookTicker", "connector.book_ticker"):
        told = scene.heard.said[call]
        if call.startswith("connector"):
            told = [{key: getattr(one, key) for key in "usbBaA"} for one in told]
        assert told == [books[one["u"]] for one in told]
        updates = [one["u"] for one in told]
        assert updates == sorted(set(updates))
        assert updates[-1] == max(books)
        if not scene.ours:
            assert updates == sorted(books)[-len(updates) :]


# --- ccxt over REST -------------------------------------------------------------------------------


def test_ccxt_loads_markets(scene: Scene) -> None:
    """`load_markets`: both symbols, on the recorded grids."""
    markets = scene.ccxt().load_markets()
    assert markets.keys() == {"BTC/USDT", "ETH/USDT"}
    for market in markets.values():
        assert (market["spot"], market["active"], market["type"]) == (True, True, "spot")
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)


@pytest.mark.parametrize("length", LENGTHS)
def test_ccxt_fetches_candles(scene: Scene, length: str) -> None:
    """`fetch_ohlcv`: the newest without `since`, the oldest from `since` on, to the digit."""
    exchange = scene.ccxt()
    for symbol, market in scene.recorded.markets.items():
        rows = [[row[0], *map(float, row[1:6])] for row in market.candles(LENGTHS[length])]
        assert exchange.fetch_ohlcv(symbol, length) == rows[-500:]
        assert exchange.fetch_ohlcv(symbol, length, limit=3) == rows[-3:]
        since = rows[len(rows) // 2][0]
        found = exchange.fetch_ohlcv(symbol, length, since=since, limit=4)
        assert found == rows[len(rows) // 2 :][:4]


def parsed_ticker(scene: Scene, symbol: str, closed: int) -> Row:
    """Return what ccxt has to make of `/ticker/24hr` that ends at `closed` (ms)."""
    market = scene.recorded.markets[symbol]
    day = market.day(closed)
    bid, bid_size, ask, ask_size = scene.book(market)
    return {
        "symbol": symbol,
        "timestamp": closed,
        "high": float(day["highPrice"]),
        "low": float(day["lowPrice"]),
        "open": float(day["openPrice"]),
        "close": float(day["lastPrice"]),
        "last": float(day["lastPrice"]),
        "previousClose": float(day["prevClosePrice"]),
        "change": float(day["priceChange"]),
        "percentage": float(day["priceChangePercent"]),
        "vwap": float(day["weightedAvgPrice"]),
        "baseVolume": float(day["volume"]),
        "quoteVolume": float(day["quoteVolume"]),
        "bid": float(bid),
        "bidVolume": float(bid_size),
        "ask": float(ask),
        "askVolume": float(ask_size),
    }


def assert_ticker(scene: Scene, ticker: Row, symbol: str) -> None:
    """Check a parsed ticker against the recording."""
    last, end = scene.recorded.btc.trades[-1]["T"], scene.recorded.last_event
    assert last <= ticker["timestamp"] <= end
    expected = parsed_ticker(scene, symbol, ticker["timestamp"])
    assert {key: ticker[key] for key in expected} == expected


def test_ccxt_fetches_tickers(scene: Scene) -> None:
    """`fetch_ticker`, and `fetch_tickers` of all, one and several: the recording's rolling day."""
    exchange = scene.ccxt()
    both = ["BTC/USDT", "ETH/USDT"]
    for symbol in both:
        assert_ticker(scene, exchange.fetch_ticker(symbol), symbol)
    for asked in (None, ["ETH/USDT"], both):
        found = exchange.fetch_tickers(asked)
        assert found.keys() == set(asked or both)
        for symbol, ticker in found.items():
            assert_ticker(scene, ticker, symbol)


def test_ccxt_fetches_trades(scene: Scene) -> None:
    """`fetch_trades` asks for aggregates: the newest, and the oldest from `since` on."""
    exchange = scene.ccxt()
    for symbol, market in scene.recorded.markets.items():
        expected = scene.aggregates(market)
        since = expected[len(expected) // 2]["T"]
        later = [row for row in expected if row["T"] >= since]
        for asked, rows in (
            ({}, expected[-500:]),
            ({"limit": 1000}, expected[-1000:]),
            ({"since": since, "limit": 700}, later[:700]),
            ({"since": since}, later[:500]),
        ):
            found = exchange.fetch_trades(symbol, **asked)
            assert [
                (one["id"], one["timestamp"], one["price"], one["amount"], one["side"])
                for one in found
            ] == [
                (
                    *(str(row["a"]), row["T"], float(row["p"]), float(row["q"])),
                    "sell" if row["m"] else "buy",
                )
                for row in rows
            ], (symbol, asked)


def test_ccxt_fetches_best_and_last_prices(scene: Scene) -> None:
    """`fetch_bids_asks`, `fetch_last_prices` and `fetch_time`."""
    exchange = scene.ccxt()
    bests, lasts = exchange.fetch_bids_asks(), exchange.fetch_last_prices()
    for symbol, market in scene.recorded.markets.items():
        best = bests[symbol]
        told = [best[key] for key in ("bid", "bidVolume", "ask", "askVolume")]
        assert told == [float(number) for number in scene.book(market)]
        assert lasts[symbol]["price"] == float(market.trades[-1]["p"])
    assert exchange.fetch_bids_asks(["BTC/USDT"]).keys() == {"BTC/USDT"}
    now = exchange.fetch_time()
    assert scene.recorded.btc.trades[-1]["T"] <= now <= scene.recorded.last_event


# --- python-binance and binance-connector over REST -----------------------------------------------


def day_row(scene: Scene, market: Market, closed: int) -> Row:
    """Return `/ticker/24hr` as it has to be."""
    names = ("bidPrice", "bidQty", "askPrice", "askQty")
    return market.day(closed) | dict(zip(names, scene.book(market), strict=True))


def test_python_binance_asks(scene: Scene) -> None:
    """Every market data call of python-binance gives the recording's figures, to the digit."""
    client, market = scene.python_binance(), scene.recorded.btc
    assert client.ping() == {}
    assert client.get_server_time() == {"serverTime": scene.now()}
    minutes = market.candles(MINUTE)
    first = client.get_klines(symbol="BTCUSDT", interval="1m", startTime=0, limit=1)
    assert first == minutes[:1]
    # Asks with startTime=0&limit=1 first, then pages from there.
    found = client.get_historical_klines("BTCUSDT", "1m", minutes[0][0], minutes[-1][0])
    assert found == minutes
    seconds = market.candles(1000)
    found = client.get_historical_klines("BTCUSDT", "1s", 0)
    assert found == seconds
    rows = market.trade_rows()
    assert client.get_recent_trades(symbol="BTCUSDT", limit=1000) == rows[-1000:]
    number = rows[7000]["id"]
    found = client.get_historical_trades(symbol="BTCUSDT", fromId=number, limit=1000)
    assert found == rows[7000:8000]
    aggregates = scene.aggregates(market)
    assert client.get_aggregate_trades(symbol="BTCUSDT") == aggregates[-500:]
    number = aggregates[3000]["a"]
    found = client.get_aggregate_trades(symbol="BTCUSDT", fromId=number, limit=1000)
    assert found == aggregates[3000:4000]
    day = client.get_ticker(symbol="BTCUSDT")
    assert day == day_row(scene, market, day["closeTime"])
    book = {"symbol": "BTCUSDT", **{key: day[key] for key in day if key[:3] in {"bid", "ask"}}}
    assert client.get_orderbook_ticker(symbol="BTCUSDT") == book
    last = {"symbol": "BTCUSDT", "price": market.trades[-1]["p"]}
    assert client.get_symbol_ticker(symbol="BTCUSDT") == last
    assert client.get_avg_price(symbol="BTCUSDT") == market.average(scene.now())
    assert [row["symbol"] for row in client.get_exchange_info()["symbols"]] == [
        *("BTCUSDT", "ETHUSDT")
    ]


def plain(model: Any) -> Any:
    """Return a connector's model as what was on the wire."""
    if isinstance(model, list):
        return [plain(one) for one in model]
    if hasattr(model, "actual_instance"):
        return plain(model.actual_instance)
    if not hasattr(model, "model_dump"):
        return model
    wire: Row = model.model_dump(by_alias=True, exclude_none=True)
    assert wire.pop("additional_properties", {}) == {}  # nothing that Binance does not have
    return wire


def test_the_connector_asks(scene: Scene) -> None:
    """Every market data call of Binance's own connector, parsed into its models."""
    api, market = scene.connector(), scene.recorded.btc
    api.ping()
    assert api.time().data().server_time == scene.now()
    minutes = market.candles(MINUTE)
    for ask in (api.klines, api.ui_klines):
        assert plain(ask("BTCUSDT", KlinesIntervalEnum["INTERVAL_1m"]).data()) == minutes
    rows = market.trade_rows()
    assert plain(api.get_trades("BTCUSDT", limit=1000).data()) == rows[-1000:]
    found = api.historical_trades("BTCUSDT", limit=10, from_id=rows[50]["id"]).data()
    assert plain(found) == rows[50:60]
    aggregates = scene.aggregates(market)
    assert plain(api.agg_trades("BTCUSDT", limit=1000).data()) == aggregates[-1000:]
    day = plain(api.ticker24hr("BTCUSDT").data())
    assert day == day_row(scene, market, day["closeTime"])
    days = plain(api.ticker24hr(symbols=["BTCUSDT", "ETHUSDT"]).data())
    assert [one["symbol"] for one in days] == ["BTCUSDT", "ETHUSDT"]
    window = plain(api.ticker("BTCUSDT", window_size=TickerWindowSizeEnum["WINDOW_SIZE_1h"]).data())
    same = ("openPrice", "lastPrice", "highPrice", "lowPrice", "volume", "quoteVolume", "count")
    assert {key: window[key] for key in same} == {key: day[key] for key in same}
    last = {"symbol": "BTCUSDT", "price": market.trades[-1]["p"]}
    assert plain(api.ticker_price("BTCUSDT").data()) == last
    assert plain(api.ticker_book_ticker("BTCUSDT").data()) == {
        key: value for key, value in day.items() if key[:3] in {"sym", "bid", "ask"}
    }
    assert plain(api.avg_price("BTCUSDT").data()) == market.average(scene.now())
    assert len(api.exchange_info().data().symbols) == 2


# --- the two places side by side ------------------------------------------------------------------


def test_both_places_answer_alike(scenes: list[Scene]) -> None:
    """Byte for byte the same, but for what the head of this file lists."""
    ours, theirs = ([scene.place.rest for scene in scenes][at] for at in (0, 1))
    same = (
        *("ping", "klines?symbol=BTCUSDT&interval=1m", "uiKlines?symbol=ETHUSDT&interval=5m"),
        *("trades?symbol=BTCUSDT", "historicalTrades?symbol=ETHUSDT&fromId=1001"),
        *("ticker/price", "ticker/price?symbol=ETHUSDT", "ticker/bookTicker?symbol=BTCUSDT"),
    )
    for path in same:
        assert fetch(f"{ours}/api/v3/{path}") == fetch(f"{theirs}/api/v3/{path}"), path
    infos = [fetch(f"{place}/api/v3/exchangeInfo") for place in (ours, theirs)]
    for info in infos:
        info["serverTime"] = 0
        info["rateLimits"][0]["limit"] = 0
    assert infos[0] == infos[1]
