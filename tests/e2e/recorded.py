"""What a recording of Binance's streams says, worked out in plain Python: the truth for clients."""

from __future__ import annotations

import csv
import gzip
import json
from bisect import bisect_left
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

Row = dict[str, Any]

DAY = 86_400_000
RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"
KLINES = "candles/binance_spot_btcusdt_{}_20240808_20240809.csv.gz"


def text(number: Decimal) -> str:
    """Return a number as Binance writes it."""
    return f"{number:.8f}"


def recorded_trades(path: Path) -> list[Row]:
    """Return the trades of a recording of one market, as Binance told them."""
    with gzip.open(path) as lines:
        messages = (json.loads(line)["m"] for line in lines)
        return [m["data"] for m in messages if m.get("stream") == "btcusdt@trade"]


def exchange_klines(path: Path) -> dict[int, dict[str, Decimal]]:
    """Return the candles that the exchange itself gives for it, by their start (s)."""
    with gzip.open(path, "rt") as file:
        return {
            int(row.pop("open_time_ms")) // 1000: {k: Decimal(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        }


def with_second_market(source: Path, target: Path) -> None:
    """Write a recording again, with every fifth trade of BTCUSDT as one of ETHUSDT too.

    Of the best prices, which are three quarters of it, every fifth is kept: clients parse them slowly.
    """
    number, books = 1000, 0
    with gzip.open(source, "rt") as lines, target.open("w") as out:
        for line in lines:
            record = json.loads(line)
            data = record["m"].get("data", {})
            if record["m"].get("stream") == "btcusdt@bookTicker":
                books += 1
                if books % 5:
                    continue
            out.write(line)
            if data.get("e") == "trade" and data["t"] % 5 == 0:
                number += 1
                price = (Decimal(data["p"]) / 20).quantize(Decimal("0.01"))
                made = data | {"s": "ETHUSDT", "t": number, "p": text(price)}
                message = {"stream": "ethusdt@trade", "data": made}
                out.write(json.dumps({"t": record["t"], "m": message}) + "\n")


class Market:
    """One symbol of a recording: its trades, its best prices, and all that follows from them."""

    def __init__(self, symbol: str, messages: list[Row]) -> None:
        self.symbol = symbol
        self.trades: list[Row] = []
        self.books: list[Row] = []
        self._at: list[int] = []
        for at, message in enumerate(messages):
            stream, data = message["stream"], message["data"]
            if stream == f"{symbol.lower()}@trade":
                self.trades.append(data)
                self._at.append(at)
            elif stream == f"{symbol.lower()}@bookTicker":
                self.books.append(data)
        self._times = [one["T"] for one in self.trades]
        assert self._times == sorted(self._times)

    def between(self, start: int, end: int) -> list[Row]:
        """Return the trades from `start` to before `end` (ms)."""
        return self.trades[bisect_left(self._times, start) : bisect_left(self._times, end)]

    def last_id(self, position: int) -> int:
        """Return the id of the last trade among the first `position` messages."""
        return int(self.trades[bisect_left(self._at, position) - 1]["t"])

    def trade_rows(self) -> list[Row]:
        """Return every trade as `/historicalTrades` has it."""
        return [
            {
                "id": one["t"],
                "price": one["p"],
                "qty": one["q"],
                "quoteQty": text(Decimal(one["p"]) * Decimal(one["q"])),
                "time": one["T"],
                "isBuyerMaker": one["m"],
                "isBestMatch": True,
            }
            for one in self.trades
        ]

    def aggregates(self) -> list[Row]:
        """Return neighbours of one time, price and taker together; `a` counts from 1."""
        groups = groupby(self.trades, key=lambda one: (one["T"], one["p"], one["m"]))
        found = []
        for number, ((time, price, maker), group) in enumerate(groups, 1):
            parts = list(group)
            size = text(sum((Decimal(one["q"]) for one in parts), Decimal(0)))
            ends = {"f": parts[0]["t"], "l": parts[-1]["t"]}
            row = {"a": number, "p": price, "q": size, **ends, "T": time, "m": maker, "M": True}
            found.append(row)
        return found

    def candle(self, start: int, end: int, close: str | None = None) -> list[Any] | None:
        """Return the trades from `start` to before `end` (ms) as a row of `/klines`.

        Without a trade it is flat at `close`, or None.
        """
        inside = self.between(start, end)
        if not inside:
            none = "0.00000000"
            flat = [start, *[close] * 4, none, end - 1, none, 0, none, none, "0"]
            return None if close is None else flat
        prices = [Decimal(one["p"]) for one in inside]
        sizes = [Decimal(one["q"]) for one in inside]
        quotes = [price * size for price, size in zip(prices, sizes, strict=True)]
        bought = [not one["m"] for one in inside]
        zero = Decimal(0)
        return [
            start,
            *(inside[0]["p"], text(max(prices)), text(min(prices)), inside[-1]["p"]),
            text(sum(sizes, zero)),
            end - 1,
            text(sum(quotes, zero)),
            len(inside),
            text(sum((s for s, yes in zip(sizes, bought, strict=True) if yes), zero)),
            text(sum((q for q, yes in zip(quotes, bought, strict=True) if yes), zero)),
            "0",
        ]

    def candles(self, length: int) -> list[list[Any]]:
        """Return every candle of `length` ms from the first trade to the last, without a hole."""
        start, last = self.trades[0]["T"] // length * length, self.trades[-1]["T"]
        found: list[list[Any]] = []
        while start <= last:
            close = found[-1][4] if found else None
            row = self.candle(start, start + length, close)
            assert row is not None
            found.append(row)
            start += length
        return found

    def day(self, now: int) -> Row:
        """Return `/ticker/24hr` at `now` (ms), all but the book."""
        row = self.candle(now - DAY, now + 1)
        assert row is not None
        inside = self.between(now - DAY, now + 1)
        _, open_, high, low, close, volume, _, quote, count, *_ = row
        change = Decimal(close) - Decimal(open_)
        return {
            "symbol": self.symbol,
            "priceChange": text(change),
            "priceChangePercent": f"{change * 100 / Decimal(open_):.3f}",
            "weightedAvgPrice": text(Decimal(quote) / Decimal(volume)),
            "prevClosePrice": open_,
            "lastPrice": close,
            "lastQty": inside[-1]["q"],
            "openPrice": open_,
            "highPrice": high,
            "lowPrice": low,
            "volume": volume,
            "quoteVolume": quote,
            "openTime": now - DAY,
            "closeTime": now,
            "firstId": inside[0]["t"],
            "lastId": inside[-1]["t"],
            "count": count,
        }

    def mini(self) -> Row:
        """Return what a mini ticker says of the whole, all but its time."""
        day = self.day(self.trades[-1]["T"])
        names = {"c": "lastPrice", "o": "openPrice", "h": "highPrice", "l": "lowPrice"}
        names |= {"v": "volume", "q": "quoteVolume", "s": "symbol"}
        return {key: day[name] for key, name in names.items()}

    def average(self, now: int) -> Row:
        """Return `/avgPrice` at `now` (ms)."""
        row = self.candle(now - 300_000, now + 1)
        assert row is not None
        price = text(Decimal(row[7]) / Decimal(row[5]))
        return {"mins": 5, "price": price, "closeTime": self.trades[-1]["T"]}


class Recorded:
    """A recording: its messages in order, and its markets."""

    def __init__(self, path: Path) -> None:
        with path.open() as lines:
            records = [json.loads(line)["m"] for line in lines]
        messages = [record for record in records if "stream" in record]
        self.length = len(messages)
        self.btc = Market("BTCUSDT", messages)
        self.eth = Market("ETHUSDT", messages)
        self.markets = {"BTC/USDT": self.btc, "ETH/USDT": self.eth}
        self.last_event = max(one["data"].get("E", 0) for one in messages)
