"""`/api/admin/alerts`: what is wrong with the system just now, and since when."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.core.alerts import Alert, Severity
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.described import refusal

ALERTS: Final = "/api/admin/alerts"

_ORDER: Final = {"firing": 0, "pending": 1, "resolved": 2}


class AlertItem(Struct, frozen=True, rename="camel"):
    """An alert. `state` is `pending` before it has held for long enough, `firing`, or `resolved`.

    Times in ms; `toldAt` is when the webhook took it last, without one when it was logged.
    """

    rule: str
    subject: str
    state: str
    severity: Severity
    summary: str
    value: float
    threshold: float
    since: int
    seen_at: int
    told_at: int | None
    times_told: int


class AlertsData(Struct, frozen=True):
    """Alerts, those that are firing first, then the oldest first."""

    alerts: list[AlertItem]


class AlertsBody(Struct, frozen=True):
    """What is wrong."""

    data: AlertsData
    success: bool = True


def alert_routes(board: AlertBoard) -> list[HTTPRouteHandler]:
    """Return the routes of alerts."""

    @get(
        ALERTS,
        summary="Alerts",
        description="What is wrong just now, as the process that looks after alerts has seen it last.",
        tags=["operations"],
        responses={
            200: ResponseSpec(AlertsBody, generate_examples=False),
            503: refusal("Valkey is out"),
        },
    )
    async def alerts(
        admin: AsUser,  # noqa: ARG001 - its being here protects the route
    ) -> Response[bytes]:
        items = [_item(each) for each in (await board.load()).values()]
        items.sort(key=lambda item: (_ORDER[item.state], item.since, item.rule, item.subject))
        return Response(
            msgspec.json.encode(AlertsBody(AlertsData(items))),
            headers={"Cache-Control": "no-store"},
            media_type="application/json",
        )

    return [alerts]


def _item(alert: Alert) -> AlertItem:
    known = alert.condition
    return AlertItem(
        rule=known.rule,
        subject=known.subject,
        state=alert.state,
        severity=known.severity,
        summary=known.summary,
        value=round(known.value, 3),
        threshold=known.threshold,
        since=alert.since // 1000,
        seen_at=alert.seen // 1000,
        told_at=None if alert.told is None else alert.told // 1000,
        times_told=alert.times,
    )
