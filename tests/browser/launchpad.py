"""A made-up launchpad behind the dashboard: tokens, trades, holders and volumes, over REST and the hub.

Prices follow a smooth path that any moment has; live trades are written on top of it.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

HOUR = 3_600_000
DAY = 24 * HOUR
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000}
_NAMES = (
    "River Otter|OTTER Paper Tiger|PTIGER Moon Cheese|CHEESE Tin Foil|FOIL Bread Cat|BREAD "
    "Frog Prince|FROG Slow Loris|LORIS Quiet Riot|HUSH Sunday Roast|ROAST "
    "Glass Onion|ONION Night Bus|N19 Soft Launch|SOFT Wet Paint|PAINT Lost Sock|SOCK "
    "Dial Tone|TONE Left Shark|SHARK Blue Note|NOTE Spare Key|KEY Cold Brew|BREW Idle Hands|IDLE "
    "Copper Kettle|KETTLE Plot Twist|TWIST Old News|NEWS Rubber Duck|DUCK"
)
LAUNCHPAD = "sample"
BLOCK_SECONDS = 2


def _words() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    name: list[str] = []
    for part in _NAMES.split():
        last, _, symbol = part.partition("|")
        name.append(last)
        if symbol:
            found.append((" ".join(name), symbol))
            name = []
    return found


def plain(number: float) -> str:
    """Return an amount as the API writes it: exact to the wei, without needless zeros."""
    text = f"{number:.18f}".rstrip("0").rstrip(".")
    return text or "0"


class Launchpad:
    """The market. Attributes may be read from any thread; it is changed in the server's own."""

    def __init__(self, count: int = 24, seed: int = 11) -> None:
        self.enabled = False
        self.mode = "ok"
        self.searching = True
        self.requests: list[str] = []
        self.source = "chain"
        self.trades: dict[str, list[dict[str, Any]]] = {}
        self._chance = random.Random(seed)
        self._tokens: dict[str, dict[str, Any]] = {}
        self._blocks = itertools.count(1_200_000)
        self.block = next(self._blocks)
        words = _words()
        for at in range(count):
            name, symbol = words[at % len(words)]
            more = "" if at < len(words) else f" {at // len(words) + 1}"
            self._make(at, name + more, symbol + more.strip())

    @property
    def addresses(self) -> list[str]:
        """Return the addresses of all tokens, the one with the most volume first."""
        return list(self._tokens)

    # --- what happens -----------------------------------------------------------------------------

    def trade(self, address: str, side: str = "buy", eth: float = 0.25) -> dict[str, Any]:
        """Let a token be traded in a block of its own; return what the hub tells of it."""
        self.block = next(self._blocks)
        moment = int(time.time()) * 1000
        token = self._tokens[address]
        token["_nudge"] *= 1.004 if side == "buy" else 0.9965
        made = self._trade(address, moment, side, eth, self.block)
        self.trades[address].insert(0, made)
        for name in ("_day", "_week", "_total"):
            token[name] += eth
        token["_reserve"] = max(0.01, token["_reserve"] + (eth if side == "buy" else -eth))
        token["_trades"] += 1
        token["_holders"] += side == "buy"
        return {"token": self.token(address), "trades": [made], "undone": []}

    def undo(self, address: str) -> dict[str, Any]:
        """Take the block of a token's newest trade back; return what the hub tells of it."""
        gone = self.trades[address][0]["blockHash"]
        token = self._tokens[address]
        for made in [one for one in self.trades[address] if one["blockHash"] == gone]:
            self.trades[address].remove(made)
            token["_trades"] -= 1
            for name in ("_day", "_week", "_total"):
                token[name] -= float(made["eth"])
        return {"token": self.token(address), "trades": [], "undone": [gone]}

    def tick(self) -> list[tuple[str, Any]]:
        """Let the market live for a moment; return what the hub publishes."""
        told = []
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            address = self.addresses[min(int(self._chance.expovariate(0.4)), len(self._tokens) - 1)]
            side = "buy" if self._chance.random() < 0.56 else "sell"
            eth = 10 ** self._chance.gauss(-1.5, 0.5)
            told.append((f"token:{address}", self.trade(address, side, eth)))
        return [*told, ("tokens:top", self.top())]

    # --- what is told -----------------------------------------------------------------------------

    def snapshot(self, channel: str) -> dict[str, Any]:
        """Return what a channel begins with."""
        if channel == "tokens:top":
            return self.top()
        address = channel.partition(":")[2]
        return {"token": self.token(address), "trades": self.trades[address][:50]}

    def top(self, limit: int = 50) -> dict[str, Any]:
        """Return the tokens with the most volume in 24 hours."""
        tokens = [] if self.mode == "empty" else self._sorted("24h")[:limit]
        return {"window": "24h", "tokens": tokens}

    def token(self, address: str) -> dict[str, Any]:
        """Return a token as the API tells it."""
        token = self._tokens[address]
        last = self.trades[address][0]["price"] if self.trades[address] else None
        done = token["graduatedAt"] is not None
        progress = 100 if done else round(min(99.99, token["_reserve"] / token["_target"] * 100), 2)
        return {
            **{name: value for name, value in token.items() if not name.startswith("_")},
            "currentPrice": last,
            "marketCap": None if last is None else plain(float(last) * token["_supply"]),
            "supply": plain(token["_supply"]),
            "reserve": plain(token["_reserve"]),
            "target": plain(token["_target"]),
            "progressPercent": progress,
            "holderCount": token["_holders"],
            "tradeCount": token["_trades"],
            "volume24h": plain(token["_day"]),
            "volume7d": plain(token["_week"]),
            "volumeTotal": plain(token["_total"]),
        }

    def candles(self, address: str, interval: str, start: int, end: int) -> list[list[Any]]:
        """Return the rows of candles between two moments, ms."""
        length = int(interval[:-1]) * _UNITS[interval[-1]] * 1000
        now, token = int(time.time() * 1000), self._tokens[address]
        first = math.ceil(max(start, token["createdAt"]) / length) * length
        rows = []
        for bucket in range(first, min(end, now) + 1, length):
            stop = min(bucket + length, now)
            steps = [self._price(address, bucket + (stop - bucket) * at / 8) for at in range(9)]
            live = [one for one in self._live(address) if bucket <= one["time"] < bucket + length]
            steps += [float(one["price"]) for one in reversed(live)]
            swing = (max(steps) - min(steps)) * 0.2
            busy = 0.35 + abs(math.sin(bucket / length * 1.7)) + 0.5 * abs(math.sin(bucket / 7e6))
            volume = token["_day"] * length / DAY * busy * 0.6 + sum(float(o["eth"]) for o in live)
            trades = max(1, int(volume * 7)) + len(live)
            low, high = min(steps) - swing, max(steps) + swing
            figures = [
                plain(x) for x in (steps[0], high, low, steps[-1], volume / steps[-1], volume)
            ]
            rows.append([bucket, *figures, trades, trades // 2 + 1, plain(volume * 0.55)])
        return rows

    # --- REST -------------------------------------------------------------------------------------

    def routes(self, locked: Callable[[web.Request], web.Response | None]) -> list[web.RouteDef]:
        """Return the routes; `locked` refuses who may not see the market."""

        def answering(
            handle: Callable[[web.Request], Any],
        ) -> Callable[[web.Request], Awaitable[web.Response]]:
            async def answer(request: web.Request) -> web.Response:
                self.requests.append(request.path_qs)
                if (refusal := locked(request)) is not None:
                    return refusal
                if not self.enabled:
                    return _refuse(404, "No chain is followed: set OUTCRY_CHAIN_RPC_URLS.")
                if self.mode == "slow":
                    await asyncio.sleep(3)
                if self.mode == "error":
                    return _refuse(503, "The store does not answer. Try again in a moment.")
                address = request.match_info.get("address")
                if address is not None and address.lower() not in self._tokens:
                    return _refuse(404, f"There is no token {address}.")
                if not self.searching and request.path.endswith("/search"):
                    return _refuse(503, "The search does not answer. Try again in a moment.")
                return web.json_response({"success": True, "data": handle(request)})

            return answer

        one = "/api/tokens/{address}"
        return [
            web.get("/api/tokens/top", answering(self._top)),
            web.get("/api/tokens/search", answering(self._search)),
            web.get("/api/stats/volume", answering(self._platform)),
            web.get(one, answering(self._one)),
            web.get(one + "/candles", answering(self._candles)),
            web.get(one + "/trades", answering(self._trades)),
            web.get(one + "/holders", answering(self._holders)),
            web.get(one + "/volume/distribution", answering(self._distribution)),
        ]

    def _top(self, request: web.Request) -> Any:
        window, limit = request.query.get("window", "24h"), int(request.query.get("limit", "50"))
        tokens = [] if self.mode == "empty" else self._sorted(window)[:limit]
        return {"window": window, "block": self.block, "asOf": _now(), "tokens": tokens}

    def _search(self, request: web.Request) -> Any:
        typed = request.query["q"].strip().lower()
        found = [token for token in self._sorted("total") if _begins(token, typed)]
        found += [t for t in self._sorted("new") if _begins(t, typed) and t not in found]
        found.sort(key=lambda token: token["symbol"].lower() != typed)
        limit = int(request.query.get("limit", "20"))
        told = {"query": typed, "block": self.block, "asOf": _now()}
        return {**told, "tokens": found[:limit]}

    def _one(self, request: web.Request) -> Any:
        address = request.match_info["address"].lower()
        return {**self.token(address), "marketCapSource": self.source, "block": self.block}

    def _candles(self, request: web.Request) -> Any:
        query, address = request.query, request.match_info["address"].lower()
        rows = self.candles(address, query["interval"], int(query["start"]), int(query["end"]))
        limit = int(query.get("limit", "1000"))
        shown = [] if self.mode == "empty" else rows[:limit]
        return {"interval": query["interval"], "candles": shown}

    def _trades(self, request: web.Request) -> Any:
        return _page(request, self.trades[request.match_info["address"].lower()], "trades")

    def _holders(self, request: web.Request) -> Any:
        address = request.match_info["address"].lower()
        token = self._tokens[address]
        chance = random.Random(address)
        weights = sorted(
            (chance.paretovariate(1.1) for _ in range(token["_holders"])), reverse=True
        )
        whole = sum(weights)
        begun = token["createdAt"]
        rows = [
            {
                "address": token["creator"] if at == 2 else f"0x{chance.getrandbits(160):040x}",
                "balance": plain(token["_supply"] * weight / whole),
                "percent": round(weight / whole * 100, 4),
                "firstBoughtAt": None if at == 5 else begun + at * 60_000,
                "lastActiveAt": begun + at * 90_000,
            }
            for at, weight in enumerate(weights)
        ]
        top = {"top10Percent": round(sum(row["percent"] for row in rows[:10]), 4)}
        about = {"holderCount": token["_holders"], "supply": plain(token["_supply"])}
        return {**about, "distribution": top, **_page(request, rows, "holders")}

    def _distribution(self, request: web.Request) -> Any:
        token = self._tokens[request.match_info["address"].lower()]
        window = request.query.get("window", "24h")
        count, total = (24, token["_day"]) if window == "24h" else (168, token["_week"])
        return {"window": window, "hours": _hours(count, total, 3), "sizes": _sizes(total)}

    def _platform(self, _: web.Request) -> Any:
        sums = [sum(t[name] for t in self._tokens.values()) for name in ("_day", "_week", "_total")]
        named = dict(zip(("volume24h", "volume7d", "volumeTotal"), map(plain, sums), strict=True))
        trades = sum(t["_trades"] for t in self._tokens.values())
        counts = {"tokenCount": len(self._tokens), "tradeCount": trades}
        hours = [] if self.mode == "empty" else _hours(168, sums[1], 1)
        return {**named, **counts, "block": self.block, "asOf": _now(), "hours": hours}

    def _sorted(self, window: str) -> list[dict[str, Any]]:
        key = {"24h": "volume24h", "7d": "volume7d", "total": "volumeTotal"}.get(window)
        tokens = [self.token(address) for address in self._tokens]
        if key is None:
            return sorted(tokens, key=lambda t: -t["createdAt"])
        return sorted((t for t in tokens if float(t[key]) > 0), key=lambda t: -float(t[key]))

    # --- how it is made ---------------------------------------------------------------------------

    def _make(self, at: int, name: str, symbol: str) -> None:
        chance = self._chance
        address = f"0x{chance.getrandbits(160):040x}"
        day = 90 * 0.82**at * chance.uniform(0.8, 1.2)
        supply = chance.uniform(2e8, 9e8)
        target = chance.choice((25.0, 50.0, 85.0))
        reserve = target * min(0.97, chance.betavariate(1.2, 1.6))
        made = _now() - int(chance.uniform(2, 60) * 3_600_000) - at * 600_000
        self._tokens[address] = {
            "address": address,
            "name": name,
            "symbol": symbol,
            "decimals": 18,
            "launchpad": LAUNCHPAD,
            "creator": f"0x{chance.getrandbits(160):040x}",
            "createdAt": made,
            "graduatedAt": made + 5_400_000 if at in {1, 6} else None,
            "_price": 10 ** chance.uniform(-9.2, -7.2),
            "_nudge": 1.0,
            "_phase": chance.uniform(0, 6),
            "_supply": supply,
            "_reserve": reserve,
            "_target": target,
            "_holders": max(1, int(240 * 0.86**at)),
            "_day": day,
            "_week": day * chance.uniform(1.5, 6),
            "_total": day * chance.uniform(6, 9),
            "_trades": int(day * 31) + 1,
        }
        moments = sorted(chance.uniform(0, 2_400) for _ in range(60))
        self.trades[address] = [
            self._trade(
                address,
                _now() - int(ago) * 1000,
                "buy" if chance.random() < 0.57 else "sell",
                10 ** chance.gauss(-1.1, 0.6),
                self.block - 1 - number,
            )
            for number, ago in enumerate(moments)
        ]

    def _trade(
        self, address: str, moment: int, side: str, eth: float, block: int
    ) -> dict[str, Any]:
        price = self._price(address, moment) * self._tokens[address]["_nudge"]
        chance = random.Random(f"{address}{block}{moment}{eth}")
        return {
            "txHash": f"0x{chance.getrandbits(256):064x}",
            "blockNumber": block,
            "blockHash": f"0x{random.Random(f'{block}{address}').getrandbits(256):064x}",
            "logIndex": 3,
            "time": moment,
            "side": side,
            "trader": f"0x{chance.getrandbits(160):040x}",
            "eth": plain(eth),
            "tokens": plain(eth / price),
            "price": plain(price),
        }

    def _live(self, address: str) -> list[dict[str, Any]]:
        return [one for one in self.trades[address] if one["blockNumber"] > 1_200_000]

    def _price(self, address: str, moment: float) -> float:
        """Return the price on the path at a moment, ms: upwards since it was made, with waves."""
        token = self._tokens[address]
        seconds, phase = moment / 1000, token["_phase"]
        age = max(0.0, moment - token["createdAt"]) / 3_600_000
        waves = (
            0.22 * math.sin(seconds / 9_000 + phase)
            + 0.09 * math.sin(seconds / 2_100 + 2 * phase)
            + 0.03 * math.sin(seconds / 430 + 3 * phase)
            + 0.012 * math.sin(seconds / 97)
        )
        return float(token["_price"] * (1 + 0.06 * min(age, 40)) * (1 + waves))


def _begins(token: dict[str, Any], typed: str) -> bool:
    starts = (token["symbol"], token["address"], token["creator"])
    name = f" {token['name'].lower()}"
    return f" {typed}" in name or any(each.lower().startswith(typed) for each in starts)


def _hours(count: int, total: float, seed: int) -> list[dict[str, Any]]:
    """Return hours that add up to about a total, a few of them without trades."""
    last = _now() // HOUR * HOUR
    chance = random.Random(seed)
    weights = [1 + 0.7 * math.sin((last / HOUR - at) / 24 * 2 * math.pi) for at in range(count)]
    weights = [weight * chance.uniform(0.5, 1.6) for weight in weights]
    whole = sum(weights)
    rows = []
    for at, weight in reversed(list(enumerate(weights))):
        if at in {5, 6}:
            continue
        volume = total * weight / whole
        share, trades = chance.uniform(0.35, 0.72), int(volume * 30) + 1
        figures = {"volume": plain(volume), "buyVolume": plain(volume * share)}
        rows.append(
            {"time": last - at * HOUR, "trades": trades, "buys": int(trades * share), **figures}
        )
    return rows


def _sizes(total: float) -> list[dict[str, Any]]:
    """Return trades by powers of ten of their ether."""
    shares = ((-3, 0.02), (-2, 0.17), (-1, 0.52), (0, 0.29))
    return [
        {
            "from": f"{10.0**power:g}",
            "to": f"{10.0 ** (power + 1):g}",
            "volume": plain(total * share),
            "trades": int(total * share / 10**power / 3) + 1,
            "buys": int(total * share / 10**power / 6) + 1,
            "buyVolume": plain(total * share * 0.56),
        }
        for power, share in shares
    ]


def _page(request: web.Request, rows: list[Any], name: str) -> dict[str, Any]:
    first, most = int(request.query.get("cursor", "0")), int(request.query.get("limit", "100"))
    following = str(first + most) if len(rows) > first + most else None
    return {name: rows[first : first + most], "next": following}


def _now() -> int:
    return int(time.time() * 1000)


def _refuse(status: int, message: str) -> web.Response:
    return web.json_response({"success": False, "message": message}, status=status)
