"""A made-up exchange's whole list of markets, with 24 h figures that walk at random but repeatably."""

from __future__ import annotations

import math
import random
from typing import Any

_RATES = {"BTC": 61_837.0, "ETH": 3_412.0, "BNB": 605.0, "TRY": 0.03}
QUOTES = ("USDT", "USDC", "BTC", "FDUSD", "TRY", "EUR", "ETH", "BNB")
_KNOWN = (
    ("BTCUSDT", "BTC", "USDT", 61_837.0, 2, 1_900_000_000.0),
    ("ETHUSDT", "ETH", "USDT", 3_412.0, 2, 990_000_000.0),
    ("SOLUSDT", "SOL", "USDT", 148.0, 2, 480_000_000.0),
    ("PEPEUSDT", "PEPE", "USDT", 0.0000114, 10, 150_000_000.0),
    ("BNBUSDT", "BNB", "USDT", 605.0, 2, 210_000_000.0),
    ("EURUSDT", "EUR", "USDT", 1.087, 4, 31_000_000.0),
    ("USDTTRY", "USDT", "TRY", 33.4, 2, 4_100_000_000.0),
    ("BTCEUR", "BTC", "EUR", 56_900.0, 2, 21_000_000.0),
    ("ETHBTC", "ETH", "BTC", 0.0552, 5, 1_050.0),
)
CARRIED = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "PEPEUSDT")
_FIRST = "ar be cor da el fi gra hy io ju ka lu mi no or pa qu ri so ta un ve wo xa yo ze".split()  # noqa: SIM905
_SECOND = "ba ch de fox gon ha in jo ken lax mon nix ov pul ray sel ton uma vex wyn".split()  # noqa: SIM905


class Listing:
    """The list: `markets()` is the whole of it, `tick()` moves it and tells what changed."""

    def __init__(self, count: int, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self._rows = [self._row(*known) for known in _KNOWN[:count]]
        taken = {row["symbol"] for row in self._rows}
        while len(self._rows) < count:
            base = "".join(
                (
                    self._chance.choice(_FIRST),
                    self._chance.choice(_SECOND),
                    self._chance.choice("XYZ89"),
                )
            ).upper()
            quote = self._chance.choices(QUOTES, (40, 12, 12, 10, 8, 6, 6, 6))[0]
            if base + quote in taken:
                continue
            taken.add(base + quote)
            price = 10 ** self._chance.uniform(-5, 3)
            scale = max(2, 5 - math.floor(math.log10(price)))
            volume = 10 ** self._chance.uniform(3, 7.5) / _RATES.get(quote, 1)
            self._rows.append(self._row(base + quote, base, quote, price, scale, volume))

    def markets(self) -> list[dict[str, Any]]:
        """Return every market as `GET /api/v1/markets` lists it."""
        return [{key: row[key] for key in row if not key.startswith("_")} for row in self._rows]

    def tick(self) -> list[dict[str, Any]]:
        """Let every market trade once; return what changed."""
        for row in self._rows:
            step = self._chance.gauss(0, 0.0006)
            row["_price"] *= 1 + step
            row["_volume"] *= 1 + abs(step)
            self._tell(row)
        keep = (
            "symbol",
            "price",
            "change",
            "changePercent",
            "high",
            "low",
            "volume",
            "quoteVolume",
        )
        return [{key: row[key] for key in keep} for row in self._rows]

    def _row(  # noqa: PLR0917 - a row has that many columns
        self, symbol: str, base: str, quote: str, price: float, scale: int, volume: float
    ) -> dict[str, Any]:
        opened = price / (1 + self._chance.gauss(0, 0.03))
        carried = symbol in CARRIED
        line = [
            opened + (price - opened) * at / 23 + price * 0.004 * self._chance.gauss(0, 1)
            for at in range(24)
        ]
        row = {
            "symbol": symbol,
            "base": base,
            "quote": quote,
            "carried": carried,
            "sparkline": line if carried or self._chance.random() < 0.9 else None,
            "_price": price,
            "_open": opened,
            "_scale": scale,
            "_high": max(price, opened),
            "_low": min(price, opened),
            "_volume": volume,
        }
        self._tell(row)
        return row

    @staticmethod
    def _tell(row: dict[str, Any]) -> None:
        """Write the exact decimals that are told from the floats that walk."""
        price, opened, scale = row["_price"], row["_open"], row["_scale"]
        row["_high"], row["_low"] = max(row["_high"], price), min(row["_low"], price)
        row["price"] = f"{price:.{scale}f}"
        row["change"] = f"{price - opened:.{scale}f}"
        row["changePercent"] = f"{(price / opened - 1) * 100:.3f}"
        row["high"], row["low"] = f"{row['_high']:.{scale}f}", f"{row['_low']:.{scale}f}"
        row["volume"] = f"{row['_volume'] / price:.4f}"
        row["quoteVolume"] = f"{row['_volume']:.4f}"
