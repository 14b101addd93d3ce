"""A circuit breaker: after failures in a row, leave a service alone for a while, then probe it. Pure.

Closed: everything is let through. Open: nothing is, until its pause is over. Half-open: one probe is
out; its success closes the breaker, its failure opens it again. A probe that is never heard of again
(its process died) is given up after one more pause.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct


class State(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker(Struct, frozen=True):
    """A breaker's whole memory. `until` (s) is when the next probe may go out, if not closed."""

    state: State = State.CLOSED
    failures: int = 0
    until: float = 0.0


class BreakerRules(Struct, frozen=True):
    """`failures` in a row open the breaker, for `pause` seconds."""

    failures: int
    pause: float


CLOSED: Final = Breaker()


def would_admit(breaker: Breaker, now: float) -> bool:
    """Return whether an attempt at `now` would be let through."""
    return breaker.state is State.CLOSED or now >= breaker.until


def admit(breaker: Breaker, rules: BreakerRules, now: float) -> tuple[Breaker, bool]:
    """Return the breaker after an attempt asked to be let through, and whether it is."""
    if breaker.state is State.CLOSED:
        return breaker, True
    if now < breaker.until:
        return breaker, False
    return Breaker(State.HALF_OPEN, breaker.failures, now + rules.pause), True


def failed(breaker: Breaker, rules: BreakerRules, now: float) -> Breaker:
    """Return the breaker after an attempt that it let through failed."""
    failures = breaker.failures + 1
    if breaker.state is State.CLOSED and failures < rules.failures:
        return Breaker(State.CLOSED, failures)
    return Breaker(State.OPEN, failures, now + rules.pause)


def succeeded(_: Breaker) -> Breaker:
    """Return the breaker after an attempt that it let through succeeded."""
    return CLOSED
