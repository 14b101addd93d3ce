"""The limit on wrong API keys: a program that tries them all day costs no look-ups."""

from __future__ import annotations

import math
import time
from typing import Final

from openoutcry.errors import TooManyTriesError
from openoutcry.services.account_events import AccountEvent, AccountEvents
from openoutcry.services.sign_in_limits import SignInLimits

MOST_REFUSED: Final = 10_000
"""Addresses that are remembered here; beyond that the one refused longest ago is asked about again."""


class WrongKeys:
    """Refuses addresses that have shown too many wrong keys, for as long as they have no tries left.

    Right keys are never counted and take no try. Guessing a key is hopeless anyway; the limit keeps
    a broken or hostile program from asking the store all day.
    """

    def __init__(self, limits: SignInLimits, events: AccountEvents) -> None:
        self._limits = limits
        self._events = events
        self._until: dict[str, float] = {}

    def check(self, address: str) -> None:
        """Raise TooManyTriesError if this address has no tries left."""
        until = self._until.get(address)
        if until is None:
            return
        wait = until - time.monotonic()
        if wait > 0:
            self._events.add(AccountEvent.TOO_MANY_TRIES)
            seconds = math.ceil(wait)
            raise TooManyTriesError(f"Too many wrong API keys; try again in {seconds} s.", wait)
        del self._until[address]

    async def count(self, address: str) -> None:
        """Count a wrong key of an address."""
        self._events.add(AccountEvent.WRONG_KEY)
        wait = await self._limits.wrong_key(address)
        if wait <= 0:
            return
        while len(self._until) >= MOST_REFUSED:
            del self._until[next(iter(self._until))]
        self._until[address] = time.monotonic() + wait
