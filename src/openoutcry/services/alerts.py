"""Look at the system again and again, and tell what is wrong with it: to the log and to a webhook.

One process of all does it, the one that holds a lease in Valkey; what is known of each alert is kept
there, so that whoever takes over neither tells it twice nor forgets that it is over. What is to be told
follows from what is known: there is no queue that could be full, and nothing is lost while the webhook
is away except what began and ended meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
import structlog
from msgspec import Struct

from openoutcry.adapters.tasks import sleep
from openoutcry.adapters.webhook import WebhookError
from openoutcry.core import alerts as core
from openoutcry.core.alerts import Alert, Change, Event, Severity
from openoutcry.core.backoff import Backoff
from openoutcry.errors import OutcryError, StoreUnavailableError
from openoutcry.services.alert_rules import Limits, Picture, look

SOONEST: Final = 1.0
"""Seconds until a message that was not taken is sent again, for the first time."""

LATEST: Final = 300.0
"""Longest pause between two tries, and the pause after an answer that will not change."""

_PATIENCE: Final = 20.0

_log = structlog.get_logger(__name__)


class Board(Protocol):
    """What processes share of alerts (`adapters.valkey.alert_board`). Raises StoreUnavailableError."""

    async def hold(self) -> bool:
        """Return whether it is we who look after the alerts."""

    async def let_go(self) -> None:
        """Let another process do it."""

    async def save(self, alerts: dict[str, Alert]) -> bool:
        """Keep what is known."""

    async def load(self) -> dict[str, Alert]:
        """Return what is known."""


class Post(Protocol):
    """What takes messages (`adapters.webhook`)."""

    async def post(self, body: bytes, delivery: str) -> None:
        """Return when a message was taken. Raises WebhookError."""


class AlertBody(Struct, frozen=True, rename="camel"):
    """An alert as it is told. Times in ms; `text` is one line for people."""

    event: Event
    text: str
    rule: str
    subject: str
    severity: Severity
    summary: str
    value: float
    threshold: float
    since: int
    until: int | None
    repeat: int
    source: str


class AlertWatch:
    """Looks every `every` seconds; tells what goes on again after `repeat` seconds (0: never).

    `source` names the system in messages.
    """

    def __init__(
        self,
        picture: Callable[[], Awaitable[Picture]],
        limits: Limits,
        board: Board,
        webhook: Post | None,
        *,
        every: float,
        repeat: float,
        source: str,
    ) -> None:
        self._picture = picture
        self._limits = limits
        self._board = board
        self._webhook = webhook
        self._every = every
        self._repeat = repeat
        self._source = source
        self._alerts: dict[str, Alert] = {}
        self._leads = self._heard = False
        self._wake = asyncio.Event()
        self._backoff = Backoff(SOONEST, LATEST)
        self.delivered = self.failed = 0

    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return counters and gauges, the latter of the one process that looks after the alerts."""
        counters: dict[str, float] = {
            "alerts_delivered": self.delivered,
            "alerts_not_delivered": self.failed,
        }
        if not self._leads:
            return counters, {}
        firing = [each for each in self._alerts.values() if each.state == "firing"]
        critical = sum(each.condition.severity is Severity.CRITICAL for each in firing)
        return counters, {"alerts_firing": len(firing), "alerts_critical": critical}

    async def run(self, stop: asyncio.Event) -> None:
        """Look and tell until `stop`; never raises for what engines and webhooks do."""
        telling = asyncio.create_task(self._tell(stop))
        try:
            while not stop.is_set():
                await self._once()
                await sleep(self._every, stop)
        finally:
            self._wake.set()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            if self._leads:
                with suppress(StoreUnavailableError):
                    await self._board.let_go()

    async def _once(self) -> None:
        if not await self._lead():
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                picture = await self._picture()
        except (OutcryError, TimeoutError) as error:
            _log.warning("cannot look for alerts", reason=f"{type(error).__name__}: {error}")
            return
        conditions, blind = look(picture, self._limits)
        now = _now()
        self._alerts, changes = core.fold(
            self._alerts, conditions, now, calm=self._limits.after, blind=blind
        )
        for change in changes:
            _note(change)
        if self._webhook is None:
            # The log is where they are told.
            for key, alert in list(self._alerts.items()):
                if event := core.due(alert, now, self._repeat):
                    self._put(key, core.heard(core.trying(alert), event, now))
        await self._save()
        self._wake.set()

    async def _lead(self) -> bool:
        """Return whether it is we who look; while Valkey is out that stays as it was."""
        try:
            leads = await self._board.hold()
            if leads and not self._leads:
                self._alerts = await self._board.load()
        except StoreUnavailableError:
            # A system that starts without Valkey has nobody who did it before.
            self._leads = self._leads or not self._heard
            return self._leads
        if not leads:
            self._alerts = {}
        self._leads, self._heard = leads, True
        return leads

    async def _tell(self, stop: asyncio.Event) -> None:
        """Send what is due, one message after the other; after a failure the rest waits as well."""
        while self._webhook is not None and not stop.is_set():
            await self._wake.wait()
            self._wake.clear()
            for key in list(self._alerts):
                alert = self._alerts.get(key)
                event = core.due(alert, _now(), self._repeat) if alert and self._leads else None
                if alert is None or event is None:
                    continue
                self._alerts[key] = core.trying(alert)
                await self._save()
                pause = await self._send(self._webhook, alert, event)
                if pause is not None:
                    await sleep(pause, stop)
                    self._wake.set()
                    break
                if (known := self._alerts.get(key)) is not None:
                    self._put(key, core.heard(known, event, _now()))
                await self._save()

    async def _send(self, webhook: Post, alert: Alert, event: Event) -> float | None:
        """Return None once the message was taken, else for how long to wait."""
        body = msgspec.json.encode(body_of(alert, event, self._source))
        try:
            await webhook.post(body, core.message_id(alert, event))
        except WebhookError as error:
            self.failed += 1
            pause = self._backoff.next() if error.retry else LATEST
            pause = max(pause, error.wait or 0.0)
            rule, subject = alert.condition.rule, alert.condition.subject
            _log.warning(
                "alert is not delivered",
                rule=rule,
                subject=subject,
                told=event.value,
                reason=str(error),
                again_in=round(pause, 1),
            )
            return pause
        self.delivered += 1
        self._backoff.reset()
        return None

    async def _save(self) -> None:
        with suppress(StoreUnavailableError):
            await self._board.save(self._alerts)

    def _put(self, key: str, alert: Alert | None) -> None:
        if alert is None:
            del self._alerts[key]
        else:
            self._alerts[key] = alert


def body_of(alert: Alert, event: Event, source: str) -> AlertBody:
    """Return the message that tells `event` of an alert."""
    known = alert.condition
    ended = alert.ended if event is Event.RESOLVED else None
    word = "over" if event is Event.RESOLVED else known.severity.value
    return AlertBody(
        event=event,
        text=f"[{source}] {word}: {known.summary}",
        rule=known.rule,
        subject=known.subject,
        severity=known.severity,
        summary=known.summary,
        value=round(known.value, 3),
        threshold=known.threshold,
        since=alert.since // 1000,
        until=None if ended is None else ended // 1000,
        repeat=alert.times if event is Event.FIRING else 0,
        source=source,
    )


def _note(change: Change) -> None:
    known = change.alert.condition
    figures: dict[str, Any] = {
        "rule": known.rule,
        "subject": known.subject,
        "severity": known.severity.value,
        "value": round(known.value, 3),
        "threshold": known.threshold,
    }
    if change.event is Event.RESOLVED:
        _log.info("alert is over", summary=known.summary, **figures)
    elif known.severity is Severity.CRITICAL:
        _log.error("alert", summary=known.summary, **figures)
    else:
        _log.warning("alert", summary=known.summary, **figures)


def _now() -> int:
    return time.time_ns() // 1000
