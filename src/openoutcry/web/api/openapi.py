"""The OpenAPI document at `/schema`: what Litestar derives, and what our handlers check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Operation, Tag

from openoutcry.web.api.access import FOR_ALL, SECURITY_SCHEMES

_DESCRIPTION: Final = (
    "Trades kept once, candles right at commit, everything pushed live."
    " Errors have one shape: `success` false and a `message`."
)


@dataclass
class RequiredQuery(Operation):
    """An operation whose query parameters without a default are required.

    The handlers take them as optional, so that their own message says what is right.
    """

    def __post_init__(self) -> None:
        for parameter in self.parameters or []:
            schema = getattr(parameter, "schema", None)
            if getattr(schema, "default", None) is None:
                parameter.required = True  # type: ignore[union-attr]


def openapi_config(version: str) -> OpenAPIConfig:
    """Return the configuration: JSON at `/schema`, YAML beside it; no page that loads a CDN."""
    return OpenAPIConfig(
        title="OpenOutcry",
        version=version,
        summary="Real-time trading data",
        description=_DESCRIPTION,
        openapi_router=Router("/schema", route_handlers=[], opt=FOR_ALL, include_in_schema=False),
        render_plugins=[
            JsonRenderPlugin(path=["/", "/openapi.json"]),
            YamlRenderPlugin(path=["/openapi.yaml", "/openapi.yml"]),
        ],
        components=SECURITY_SCHEMES,
        tags=[
            Tag(name="accounts", description="Sign-in, sessions and API keys."),
            Tag(name="market data", description="Candles, markets and the gap ledger."),
            Tag(name="Binance-compatible", description="Binance's own paths, shapes and errors."),
            Tag(name="TradingView", description="The charting library's UDF protocol."),
            Tag(name="public", description="What everybody may read, within a limit of requests."),
            Tag(name="prices", description="All markets' prices, from one call upstream."),
            Tag(name="tokens", description="Bonding-curve tokens of a chain, exact to the wei."),
            Tag(name="trading", description="Bots, orders, fills, logs, analytics, portfolio."),
            Tag(name="operations", description="Health, status and metrics."),
        ],
    )
