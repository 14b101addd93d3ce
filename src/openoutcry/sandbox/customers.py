"""Who may trade at the sandbox exchange: API keys, signatures, and the customer behind each key."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from openoutcry.errors import ConfigError
from openoutcry.sandbox.matching import Customer, Refused
from openoutcry.sandbox.tape import Trades
from openoutcry.venues.binance_server_data import Listing, Print

_LONGEST_WINDOW: Final = 60_000
_AHEAD: Final = 1000


class Customers:
    """Customers by API key, each with the same balances to begin with."""

    def __init__(self, keys: Iterable[str], balances: Mapping[str, Decimal]) -> None:
        self._secrets = dict(map(_key, keys))
        self._customers = {key: Customer(balances) for key in self._secrets}
        self._orders = 0

    def next_order_id(self) -> int:
        """Return an id that no order has."""
        self._orders += 1
        return self._orders

    def on_trades(self, listing: Listing, trades: Trades) -> None:
        """Let trades of the made-up tape fill what rests."""
        busy = [
            one
            for one in self._customers.values()
            if any(order.symbol == listing.symbol for order in one.open.values())
        ]
        if not busy:
            return
        for number, time, price, size, _, bought in trades.tolist():
            trade = Print(number, price * listing.tick, size * listing.step, time, bought)
            for one in busy:
                one.trade(listing, trade)

    def identify(self, key: str | None, query: str, body: str, now: int) -> Customer:
        """Return whose a signed request is, as Binance checks it; `now` in µs. Raises Refused.

        The signature is of the query and the body as they were sent, without itself.
        """
        if not key or not key.isascii():
            raise Refused(-2014, "API-key format invalid.")
        secret = self._secrets.get(key)
        if secret is None:
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.")
        params = dict(parse_qsl(f"{query}&{body}"))
        _check_time(params, now // 1000)
        if not params.get("signature"):
            raise _missing("signature")
        signed = "".join(map(_unsigned, (query, body)))
        right = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right.encode(), params["signature"].lower().encode()):
            raise Refused(-1022, "Signature for this request is not valid.")
        return self._customers[key]


def _check_time(params: Mapping[str, str], now: int) -> None:
    stamp, window = params.get("timestamp", ""), params.get("recvWindow", "5000")
    if not stamp.isdecimal():
        raise _missing("timestamp")
    if not window.isdecimal() or int(window) > _LONGEST_WINDOW:
        raise Refused(-1131, f"recvWindow must be less than {_LONGEST_WINDOW}.")
    sent = int(stamp[:13])
    if sent >= now + _AHEAD:
        text = "Timestamp for this request was 1000ms ahead of the server's time."
        raise Refused(-1021, text)
    if now - sent > int(window):
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def _missing(name: str) -> Refused:
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return Refused(-1102, text)


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def amounts(texts: Iterable[str]) -> dict[str, Decimal]:
    """Return amounts such as `100000 USDT` by asset. Raises ConfigError."""
    found: dict[str, Decimal] = {}
    for text in texts:
        amount, _, asset = text.strip().partition(" ")
        if not (amount.replace(".", "", 1).isdecimal() and asset.isalnum()):
            raise ConfigError(f"{text!r} is no balance of the sandbox; write 100000 USDT.")
        found[asset.upper()] = Decimal(amount)
    return found


def _key(text: str) -> tuple[str, str]:
    key, colon, secret = text.strip().partition(":")
    if not (key and colon and secret):
        raise ConfigError("A key of the sandbox is written with its secret, as sandbox:sandbox.")
    return key, secret
