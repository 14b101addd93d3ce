"""`/api/v1/strategies`: what bots can do, and their parameters, for a form."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from openoutcry.core.intervals import INTERVALS
from openoutcry.core.trading.strategies import STRATEGIES, Strategy
from openoutcry.core.trading.strategies.reading import describe
from openoutcry.web.api.access import FOR_ALL
from openoutcry.web.api.described import answers
from openoutcry.web.api.replies import CACHE_HEADERS, reply
from openoutcry.web.api.trading import TAGS

_TYPES: Final = {
    "number": "decimal",
    "whole number": "integer",
    "true or false": "boolean",
    "text": "text",
}


class ParameterBody(Struct, frozen=True):
    """A parameter: `type` is decimal, integer, boolean, text or choice (one of `choices`).

    `default` is as it would be typed, null where there is none; `required`: it must be given.
    """

    name: str
    type: str
    choices: list[str]
    required: bool
    default: str | None
    description: str


class StrategyBody(Struct, frozen=True):
    """A strategy."""

    name: str
    summary: str
    parameters: list[ParameterBody]


class StrategiesBody(Struct, frozen=True):
    """Every strategy."""

    strategies: list[StrategyBody]


def strategy_routes() -> list[HTTPRouteHandler]:
    """Return the route of strategies; what it answers is made once."""
    body = msgspec.json.encode(StrategiesBody([_shown(each) for each in STRATEGIES.values()]))

    @get(
        "/api/v1/strategies",
        summary="Strategies and their parameters",
        opt=FOR_ALL,
        description="Names, types, defaults and what they mean: enough to make a form.",
        tags=TAGS,
        response_headers=CACHE_HEADERS,
        responses=answers(StrategiesBody),
    )
    async def strategies(request: Request[Any, Any, Any]) -> Response[bytes]:
        return reply(request, body, cache_control="public, max-age=60")

    return [strategies]


def _shown(strategy: Strategy) -> StrategyBody:
    parameters = []
    rows = zip(
        describe(strategy.parameters), msgspec.structs.fields(strategy.parameters), strict=True
    )
    for (name, kind, default, meaning), field in rows:
        known = _TYPES.get(kind)
        parameters.append(
            ParameterBody(
                name=name,
                type=known or "choice",
                choices=_choices(kind),
                required=field.required,
                default=None if field.required or field.default is None else default,
                description=meaning,
            )
        )
    return StrategyBody(strategy.name, strategy.summary, parameters)


def _choices(kind: str) -> list[str]:
    if kind in _TYPES:
        return []
    return list(INTERVALS) if kind == "candle length" else kind.split(" or ")
