"""Limits of wrong passwords, by name and by address, for all processes together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog
from msgspec import Struct

from openoutcry.adapters.valkey.tries import SharedTries
from openoutcry.core import tries
from openoutcry.core.client_address import address_group
from openoutcry.core.credentials import digest
from openoutcry.core.keys import (
    sign_in_address_key,
    sign_in_name_key,
    wrong_key_address_key,
)
from openoutcry.errors import StoreUnavailableError, TooManyTriesError

_log = structlog.get_logger(__name__)

MOST_BUCKETS: Final = 10_000
"""In this process's own memory while Valkey is away; beyond that the oldest goes."""

# Of one process. A flood must not use up the connections to Valkey, and look like an outage of it.
_AT_ONCE: Final = 16
_MOST_WAITING: Final = 256

_PATIENCE: Final = 3.0
_AWAY: Final = 5.0
_WARN_EVERY: Final = 60.0


class SignInOptions(Struct, frozen=True):
    """How many wrong passwords and API keys; all are there again `seconds` after the last of them."""

    by_name: int = 10
    by_address: int = 50
    seconds: int = 900
    keys_by_address: int = 100


class SignInLimits:
    """Takes a try before a password is looked at and gives it back when it was right.

    So tries that are under way count, however many come at once. A name that nobody has counts like
    any other. An address from which a name has signed in before has tries of its own for it: a
    stranger who spends a name's tries does not lock its owner out.

    While Valkey is away each process counts for itself, from nothing, and says so in the log: nobody
    is locked out, and N processes let N times as many through at the most.
    """

    def __init__(self, shared: SharedTries, options: SignInOptions) -> None:
        self._shared = shared
        self._options = options
        self._name = (options.by_name, tries.step_of(options.by_name, options.seconds * 1000))
        self._address = (
            options.by_address,
            tries.step_of(options.by_address, options.seconds * 1000),
        )
        self._keys = (
            options.keys_by_address,
            tries.step_of(options.keys_by_address, options.seconds * 1000),
        )
        self._own = OwnTries()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._away_until = self._warned = float("-inf")

    async def take(self, name: str, address: str) -> None:
        """Take a try for a name from an address. Raises TooManyTriesError with the time to wait.

        An address that has none left takes none of the name; a name that has none left costs the
        address nothing. When too many wait to be counted, further ones are refused.
        """
        if self._waiting >= _MOST_WAITING:
            raise TooManyTriesError("Too many sign in just now; try again in a moment.", 2.0)
        self._waiting += 1
        try:
            await self._take(*_names(name, address))
        finally:
            self._waiting -= 1

    async def _take(self, name: str, group: str, known: str) -> None:
        bucket = sign_in_address_key(group)
        wait = await self._take_bucket(bucket, self._address)
        if wait:
            raise _too_many(wait)
        shared = await self._ask(partial(self._shared.take_for, name, known, *self._name))
        wait = self._own.take(sign_in_name_key(name), *self._name) if shared is None else shared
        if wait:
            await self._give_back(bucket)
            raise _too_many(wait)

    async def take_sign_up(self, address: str) -> None:
        """Take a try for a new account: one of the address's, which is not given back.

        Raises TooManyTriesError.
        """
        wait = await self._take_bucket(sign_in_address_key(address_group(address)), self._address)
        if wait:
            raise _too_many(wait, "sign-ups or wrong passwords")

    async def wrong_key(self, address: str) -> float:
        """Count a wrong API key; return for how many seconds the address is to be refused, or 0."""
        bucket = wrong_key_address_key(address_group(address))
        return await self._take_bucket(bucket, self._keys) / 1000

    async def _take_bucket(self, bucket: str, rule: tuple[int, int]) -> int:
        wait = await self._ask(partial(self._shared.take, bucket, *rule))
        return self._own.take(bucket, *rule) if wait is None else wait

    async def give_back(self, name: str, address: str, *, right: bool) -> None:
        """Give back what `take` took: the password was right, or nobody has looked at it."""
        name, group, known = _names(name, address)
        await self._give_back(sign_in_address_key(group))
        await self._ask(partial(self._shared.give_back_for, name, known, *self._name, known=right))
        self._own.give_back(sign_in_name_key(name), self._name[1])

    async def _give_back(self, bucket: str) -> None:
        await self._ask(partial(self._shared.give_back, bucket, *self._address))
        self._own.give_back(bucket, self._address[1])

    async def _ask(self, question: Callable[[], Awaitable[int | None]]) -> int | None:
        """Return Valkey's answer; None, and a warning once a minute, if there is none.

        After an outage it is not asked again for some seconds: nobody waits for it twice.
        """
        if time.monotonic() < self._away_until:
            return None
        try:
            async with self._turns, asyncio.timeout(_PATIENCE):
                return await question() or 0
        except (StoreUnavailableError, TimeoutError) as error:
            self._away_until = time.monotonic() + _AWAY
            if time.monotonic() - self._warned >= _WARN_EVERY:
                self._warned = time.monotonic()
                _log.warning(
                    "sign-in limits are this process's own while Valkey is away", reason=str(error)
                )
            return None


class OwnTries:
    """Buckets in this process's memory, at most MOST_BUCKETS of them."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}

    def take(self, key: str, count: int, step: int) -> int:
        """Take one try; return 0, or the milliseconds until there is one."""
        now = _now()
        due, wait = tries.take(self._due.pop(key, 0), now, count, step)
        while len(self._due) >= MOST_BUCKETS:
            del self._due[next(iter(self._due))]
        self._due[key] = due
        return wait

    def give_back(self, key: str, step: int) -> None:
        """Undo one `take`, if it was taken here."""
        if key in self._due:
            due = tries.give_back(self._due[key], _now(), step)
            if due:
                self._due[key] = due
            else:
                del self._due[key]


def _names(name: str, address: str) -> tuple[str, str, str]:
    """Return how a name, an address and a known address are called in keys.

    What somebody typed as a name may be their password; it goes into no key as it is.
    """
    group = address_group(address)
    return _hash(name.lower()), group, _hash(group)


def _hash(text: str) -> str:
    return digest(text).hex()[:32]


def _now() -> int:
    return int(time.monotonic() * 1000)


def _too_many(wait: int, of: str = "wrong passwords") -> TooManyTriesError:
    seconds = max(1, -(-wait // 1000))
    return TooManyTriesError(f"Too many {of}; try again in {seconds} s.", retry_after=seconds)
