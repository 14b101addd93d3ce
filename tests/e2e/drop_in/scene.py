"""One of the two places after the replay, and other people's clients pointed there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ccxt
from binance import Client
from binance_common.configuration import ConfigurationRestAPI
from binance_sdk_spot.spot import Spot
from msgspec import Struct

from e2e.recorded import Market, Recorded, Row, text
from e2e.system import fetch

from .listeners import Heard, Place

MINUTE = 60_000


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
