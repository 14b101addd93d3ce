"""`/health/live` and `/health/ready`: whether this process is up, and whether it can serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from openoutcry.adapters.postgres.replica import ReplicaStatus
from openoutcry.services.status import EngineStatus, SystemStatus
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.status_cache import StatusCache

# The roles of a whole system; one that is missing is shown, and fatal only where it is configured.
ROLES: Final = ("feed", "recorder", "api", "hub", "trader")
_NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class LiveBody(Struct, frozen=True):
    """The process answers."""

    live: bool = True


class RoleHealth(Struct, frozen=True, rename="camel"):
    """One role: how many processes report it, and how old the newest report is (seconds)."""

    name: str
    ok: bool
    instances: int
    required: bool
    age: float | None
    reason: str


class ReadyBody(Struct, frozen=True):
    """Whether this process can serve, and why not; engines and roles by name.

    `degraded` tells what is lost that others make up for, such as a read replica.
    """

    success: bool
    message: str
    ready: bool
    engines: list[EngineStatus]
    roles: list[RoleHealth]
    replica: ReplicaStatus | None = None
    degraded: list[str] = []


def health_routes(
    cache: StatusCache, required: Sequence[str] = (), more: Sequence[str] = ()
) -> list[HTTPRouteHandler]:
    """Return the health routes; a role in `required` that is missing makes the system unready.

    `more` are roles that are listed besides those of every system.
    """

    @get(
        "/health/live",
        summary="Is the process up?",
        opt=FOR_ALL,
        description="Always 200 while the process answers; it asks no engine.",
        tags=["operations"],
        sync_to_thread=False,
    )
    def live() -> Response[LiveBody]:
        return Response(LiveBody(), headers=_NO_STORE)

    @get(
        "/health/ready",
        summary="Can it serve?",
        opt=FOR_ALL,
        description=(
            "200 when PostgreSQL and Valkey answer and the schema is up to date, else 503."
            " Roles are listed by name; a missing one is fatal only where it is configured. A read"
            " replica that is lost is no reason for a 503: the primary answers for it."
        ),
        tags=["operations"],
        responses={
            200: ResponseSpec(ReadyBody, description="Ready", generate_examples=False),
            503: ResponseSpec(ReadyBody, description="Not ready", generate_examples=False),
        },
    )
    async def ready() -> Response[bytes]:
        body = judge(await cache.get(), required, more)
        return Response(
            msgspec.json.encode(body),
            status_code=200 if body.ready else 503,
            headers=_NO_STORE,
            media_type=MediaType.JSON,
        )

    return [live, ready]


def judge(status: SystemStatus, required: Sequence[str], more: Sequence[str] = ()) -> ReadyBody:
    """Return whether a system with this status can serve."""
    names = list(dict.fromkeys([*ROLES, *more, *required, *(role.role for role in status.roles)]))
    roles = [_role(name, status, name in required) for name in names]
    broken = [f"{engine.name}: {engine.reason}" for engine in status.engines if not engine.ok]
    broken += [f"{role.name}: {role.reason}" for role in roles if role.required and not role.ok]
    return ReadyBody(
        success=not broken,
        message="; ".join(broken) or "ready",
        ready=not broken,
        engines=status.engines,
        roles=roles,
        replica=status.replica,
        degraded=_degraded(status),
    )


def _degraded(status: SystemStatus) -> list[str]:
    replica = status.replica
    return [] if replica is None or replica.ok else [f"read replica: {replica.reason}"]


def _role(name: str, status: SystemStatus, required: bool) -> RoleHealth:
    seen = [role.updated_time for role in status.roles if role.role == name]
    reason = "" if seen else "no process has reported in the last 5 s"
    if not seen and not status.engine("valkey").ok:
        reason = "unknown while Valkey is out"
    return RoleHealth(
        name=name,
        ok=bool(seen),
        instances=len(seen),
        required=required,
        age=round(max(0, status.time - max(seen)) / 1e6, 3) if seen else None,
        reason=reason,
    )
