"""`/api/v1/logs`: the activity log, read and written."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from openoutcry.adapters.postgres import trading_reader
from openoutcry.adapters.postgres.pool import Pool
from openoutcry.adapters.postgres.trading_reader import Page
from openoutcry.core.account_rules import LABEL_PATTERN
from openoutcry.core.trading.wire import LogBody, log_body
from openoutcry.services.trading_desk import TradingDesk, now_us
from openoutcry.trading import LogEntry, LogLevel
from openoutcry.web.api.access import AsUser
from openoutcry.web.api.bodies import body_of, takes
from openoutcry.web.api.described import NO_STORE, answers
from openoutcry.web.api.pages import (
    BEFORE,
    FROM,
    LIMIT,
    TO,
    before_of,
    choice_of,
    limit_of,
    time_of,
)
from openoutcry.web.api.trading import NONE, TAGS, bot_filter


class NewLogBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A line to be written, of one bot or of none: 1 to 1000 characters."""

    message: Annotated[str, Meta(max_length=1000, pattern=LABEL_PATTERN)]
    level: LogLevel = LogLevel.INFO
    bot_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None


class LogsBody(Struct, frozen=True):
    """Log entries, newest first; `next` is the `before` of the following page, null on the last."""

    logs: list[LogBody]
    next: str | None


def log_routes(pool: Pool, desk: TradingDesk) -> list[HTTPRouteHandler]:
    """Return the routes of the activity log."""

    @get(
        "/api/v1/logs",
        summary="The activity log",
        description="Newest first, page by page.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses=answers(LogsBody),
    )
    async def logs(
        user: AsUser,
        *,
        bot_id: Annotated[
            str | None, QueryParameter(name="bot_id", description="Only of this bot.")
        ] = None,
        level: Annotated[
            str | None,
            QueryParameter(name="level", examples=[Example("WARNING", value="WARNING")]),
        ] = None,
        since: Annotated[str | None, FROM] = None,
        until: Annotated[str | None, TO] = None,
        before: Annotated[str | None, BEFORE] = None,
        limit: Annotated[str, LIMIT] = "100",
    ) -> LogsBody:
        most = limit_of(limit)
        query = trading_reader.logs_query(
            user.id,
            Page(most + 1, before_of(before), time_of("from", since), time_of("to", until)),
            bot_id=bot_filter(bot_id),
            level=choice_of("level", level, LogLevel),
        )
        found = await trading_reader.read_logs(pool, query)
        page = found[:most]
        following = str(page[-1].id) if len(found) > most else None
        return LogsBody([log_body(each.id, each) for each in page], following)

    @post(
        "/api/v1/logs",
        summary="Write to the activity log",
        description="For programs that trade beside the bots. Every open tab sees it at once.",
        tags=TAGS,
        response_headers=NO_STORE,
        responses={404: NONE},
        operation_class=takes(NewLogBody),
    )
    async def write(request: Request[Any, Any, Any], user: AsUser) -> LogBody:
        said = await body_of(request, NewLogBody)
        entry = LogEntry(said.level, said.message, now_us(), said.bot_id)
        return log_body(await desk.write_log(user.id, entry), entry)

    return [logs, write]
