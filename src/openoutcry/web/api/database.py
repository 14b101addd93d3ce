"""`/api/admin/database` and `/api/admin/volume-trend`: what the store holds and does, for admins."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Struct

from openoutcry.adapters.postgres import token_charts
from openoutcry.adapters.postgres.database_reader import (
    IndexFigures,
    ServerFigures,
    TableFigures,
    share,
)
from openoutcry.adapters.postgres.reads import RoutedReads
from openoutcry.adapters.postgres.replica import ReplicaStatus
from openoutcry.adapters.postgres.statements import Statement
from openoutcry.core.tokens.trend import HOUR, Trend, trend
from openoutcry.errors import BadRequestError, NotFoundError
from openoutcry.services.database_figures import KnownFigures
from openoutcry.tokens import DAY, VolumeBucket
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.described import answers, refusal

DATABASE: Final = "/api/admin/database"
TREND: Final = "/api/admin/volume-trend"
MOST_HOURS: Final = 24 * 31

_NOT_COUNTED: Final = (
    "PostgreSQL does not count statements: put pg_stat_statements into shared_preload_libraries,"
    " restart it and run CREATE EXTENSION pg_stat_statements as its superuser."
)
_UNKNOWN: Final = refusal("No chain is followed")
_WRONG: Final = refusal("What is wrong")


class DatabaseData(Struct, frozen=True, rename="camel"):
    """Figures of the primary, at most 15 s old. Sizes in bytes, statements' times in ms, others in µs.

    `cache_hit_percent` is how many blocks were found in PostgreSQL's own memory. `statements` are those
    that took most time, null where they are not counted: `hint` says what to do.
    """

    server: ServerFigures
    cache_hit_percent: float | None
    tables: list[TableFigures]
    indexes: list[IndexFigures]
    statements: list[Statement] | None
    hint: str | None
    replica: ReplicaStatus | None


class DatabaseBody(Struct, frozen=True):
    """What PostgreSQL says of itself."""

    data: DatabaseData
    success: bool = True


class TrendBody(Struct, frozen=True):
    """The platform's volume hour by hour."""

    data: Trend
    success: bool = True


def database_routes(
    known: KnownFigures, reads: RoutedReads, *, tokens: bool
) -> list[HTTPRouteHandler]:
    """Return the routes; without `tokens` there is no volume to tell of."""

    @get(
        DATABASE,
        summary="PostgreSQL's figures",
        description=(
            "Sizes of tables and indexes with all partitions, how they are used, what was found in"
            " memory, and the statements that took most time (pg_stat_statements)."
        ),
        tags=["operations"],
        responses=answers(DatabaseBody),
    )
    async def database(
        admin: AsUser,  # noqa: ARG001 - its being here protects the route
    ) -> Response[bytes]:
        figures = await known.get()
        server = figures.server
        data = DatabaseData(
            server=server,
            cache_hit_percent=share(server.blocks_hit, server.blocks_read),
            tables=figures.tables,
            indexes=figures.indexes,
            statements=figures.statements,
            hint=_NOT_COUNTED if figures.statements is None else None,
            replica=reads.status(),
        )
        return _answer(DatabaseBody(data))

    @get(
        TREND,
        summary="Volume of all tokens by hour",
        description=(
            "In ETH, each hour beside the same hour of the day before; the last hour is not over."
            " Blocks that were taken back do not count."
        ),
        tags=["operations"],
        responses={
            200: ResponseSpec(TrendBody, generate_examples=False),
            400: _WRONG,
            404: _UNKNOWN,
        },
    )
    async def volume_trend(
        admin: AsUser,  # noqa: ARG001 - its being here protects the route
        hours: Annotated[
            str,
            QueryParameter(
                name="hours",
                description=f"1 to {MOST_HOURS}.",
                examples=[Example("48", value="48")],
            ),
        ] = "48",
    ) -> Response[bytes]:
        count = _count(hours)
        if not tokens:
            raise NotFoundError(
                "No chain is followed here; set chain_rpc_urls (OUTCRY_CHAIN_RPC_URLS) and launchpads."
            )
        now = time.time_ns() // 1000
        start = now - now % HOUR - max(count * HOUR, DAY) - DAY

        async def read(lent: Any) -> list[VolumeBucket]:
            return await token_charts.read_hours(lent, start, now)

        return _answer(TrendBody(trend(await reads.run(read), now, count)))

    return [database, volume_trend]


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_HOURS:
        return int(text)
    raise BadRequestError(f"hours is {text[:40]!r}; it is a number from 1 to {MOST_HOURS}.")


def _answer(body: Struct) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )
