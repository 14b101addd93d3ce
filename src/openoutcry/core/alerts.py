"""What becomes of what is wrong: alerts that begin, are told, go on and end. Pure.

An alert is told when a condition has held for a while, told again while it goes on, and told to be over
when it has been away for a while. What cannot be seen just now is neither wrong nor right: it stays as
it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct, structs

SECOND: Final = 1_000_000


class Severity(StrEnum):
    """How bad it is: critical is for somebody to get up for."""

    WARNING = "warning"
    CRITICAL = "critical"


class Event(StrEnum):
    """What a message says of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Condition(Struct, frozen=True):
    """Something that is wrong now: which rule says so, of what, and by which figures.

    It becomes an alert when it has held for `after` seconds.
    """

    rule: str
    subject: str
    severity: Severity
    summary: str
    value: float
    threshold: float
    after: float = 0.0

    @property
    def key(self) -> str:
        """What it is the same alert by."""
        return f"{self.rule}/{self.subject}"


class Alert(Struct, frozen=True):
    """A condition over time (µs): since when it was seen, when last, and what has been told of it.

    `firing` once it has held for long enough, `ended` when it was over. `told` is when it was last
    told that it is firing, `times` how often; `tried` says that somebody may have heard of it.
    """

    condition: Condition
    since: int
    seen: int
    firing: bool = False
    ended: int | None = None
    told: int | None = None
    times: int = 0
    tried: bool = False

    @property
    def state(self) -> str:
        """`pending`, `firing` or `resolved`."""
        if self.ended is not None:
            return "resolved"
        return "firing" if self.firing else "pending"


Alerts = Mapping[str, Alert]
"""Alerts by the key of their condition."""


class Change(Struct, frozen=True):
    """An alert that has begun to fire, or has ended."""

    event: Event
    alert: Alert


def fold(
    alerts: Alerts,
    conditions: Iterable[Condition],
    now: int,
    *,
    calm: float,
    blind: Collection[str] = (),
) -> tuple[dict[str, Alert], list[Change]]:
    """Return the alerts after a look at `now` (µs), and what has changed.

    `calm` is how many seconds a condition has to be away before it is over; `blind` are the rules that
    could not be looked at.
    """
    found, changes = {}, list[Change]()
    for condition in conditions:
        key = condition.key
        known = alerts.get(key) or Alert(condition, now, now)
        firing = known.firing or now - known.since >= condition.after * SECOND
        # One that ended and is back before anybody was told has not ended.
        alert = structs.replace(known, condition=condition, seen=now, firing=firing, ended=None)
        if firing and not known.firing:
            changes.append(Change(Event.FIRING, alert))
        found[key] = alert
    for key, known in alerts.items():
        if key in found:
            continue
        if (
            known.condition.rule in blind
            or known.ended is not None
            or (known.firing and now - known.seen < calm * SECOND)
        ):
            found[key] = known
        elif known.firing:
            ended = structs.replace(known, ended=now)
            changes.append(Change(Event.RESOLVED, ended))
            # Of what nobody can have heard, nobody needs to hear that it is over.
            if known.tried:
                found[key] = ended
    return found, changes


def due(alert: Alert, now: int, repeat: float) -> Event | None:
    """Return what is to be told of an alert at `now`, if anything.

    What goes on is told again after `repeat` seconds, 0: never.
    """
    if alert.ended is not None:
        return Event.RESOLVED
    if not alert.firing:
        return None
    if alert.told is None or (repeat and now - alert.told >= repeat * SECOND):
        return Event.FIRING
    return None


def trying(alert: Alert) -> Alert:
    """Return the alert from the moment on at which somebody may hear of it.

    Who may hear that it is over has to be told again should it come back.
    """
    told = None if alert.ended is not None else alert.told
    return structs.replace(alert, tried=True, told=told)


def heard(alert: Alert, event: Event, now: int) -> Alert | None:
    """Return the alert after `event` was told at `now`; None once nothing is left to tell of it."""
    if event is Event.FIRING:
        return structs.replace(alert, told=now, times=alert.times + 1)
    # Back again while it was being told that it is over: it is to be told anew.
    return None if alert.ended is not None else structs.replace(alert, told=None)


def message_id(alert: Alert, event: Event) -> str:
    """Return what a message is known by, however often it is sent."""
    text = f"{alert.condition.key}|{alert.since}|{event}|{alert.times}"
    return sha256(text.encode()).hexdigest()[:32]
