"""Request weight: what an address has spent this minute, and how it is refused."""

from __future__ import annotations

from msgspec import Struct

from openoutcry.core.intervals import MINUTE, SECOND
from openoutcry.venues.binance_server_shapes import WEIGHT_LIMIT

PATIENCE = 10
"""Refused calls in one minute after which an address is banned."""
BAN_SECONDS = 120


class Verdict(Struct, frozen=True):
    """The outcome of a call: `status` 200, 429 or 418, the weight used, seconds to wait."""

    status: int
    used: int
    retry_after: int = 0
    banned_until: int = 0


class _Account(Struct):
    minute: int = 0
    used: int = 0
    refused: int = 0
    banned_until: int = 0


class WeightMeter:
    """Counts the weight of each address in calendar minutes; `limit` a minute."""

    def __init__(self, limit: int = WEIGHT_LIMIT) -> None:
        self._limit = limit
        self._accounts: dict[str, _Account] = {}

    def spend(self, address: str, weight: int, now: int) -> Verdict:
        """Count one call at `now` (µs) and say whether it may be answered."""
        account = self._accounts.setdefault(address, _Account())
        if account.minute != now // MINUTE:
            account.minute, account.used, account.refused = now // MINUTE, 0, 0
        if now < account.banned_until:
            wait = -(-(account.banned_until - now) // SECOND)
            return Verdict(418, account.used, wait, account.banned_until)
        account.used += weight
        if account.used <= self._limit:
            return Verdict(200, account.used)
        account.refused += 1
        if account.refused > PATIENCE:
            account.banned_until = now + BAN_SECONDS * SECOND
            return Verdict(418, account.used, BAN_SECONDS, account.banned_until)
        return Verdict(429, account.used, -(-(MINUTE - now % MINUTE) // SECOND))
