"""What the routes about tokens have in common: parameters, answers, and what they refuse."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from litestar import Request
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import Parameter, QueryParameter

from openoutcry.adapters.postgres.token_charts import TOKEN_INTERVALS
from openoutcry.core.intervals import Interval
from openoutcry.errors import BadRequestError, NotFoundError
from openoutcry.services.token_desk import Capital, TokenDesk
from openoutcry.services.token_lists import MOST
from openoutcry.web.api.described import refusal

Asked = Request[Any, Any, Any]

LIVE: Final = "public, no-cache"
"""Exact at each moment: nobody may answer from memory without asking us whether it still holds."""

_LATEST: Final = 32_503_680_000_000  # the year 3000, in ms
MS: Final = 1000

AddressParameter = Annotated[
    str,
    Parameter(
        description="The token's address: lower case, or mixed with the right checksum (EIP-55).",
        examples=[Example("token", value="0x634059f130ce7f161050cede46268a3ab93850de")],
    ),
]
Limit = Annotated[
    str | None,
    QueryParameter(name="limit", description="1 to 500.", examples=[Example("100", value="100")]),
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        description="`next` of the page before; none for the first.",
        examples=[Example("first", value="")],
    ),
]


def responses(body: type, *, token: bool = True) -> dict[int, ResponseSpec]:
    """Return what the document says of a route's answers."""
    return {
        200: ResponseSpec(body, generate_examples=False),
        400: refusal("What is wrong"),
        404: refusal(f"{'No such token, or no' if token else 'No'} chain is followed"),
        429: refusal("Too many requests"),
        503: refusal("No store"),
    }


def followed(desk: TokenDesk | None) -> TokenDesk:
    """Return the desk. Raises NotFoundError, which says what to set, where no chain is followed."""
    if desk is None:
        raise NotFoundError(
            "No chain is followed here; set chain_rpc_urls (OUTCRY_CHAIN_RPC_URLS) and launchpads."
        )
    return desk


def parse_limit(text: str | None, default: int, most: int = MOST) -> int:
    """Return a limit. Raises BadRequestError that says what may be given."""
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most:
        return int(text)
    raise BadRequestError(f"limit is {text[:40]!r}; it is a number from 1 to {most}.")


def parse_interval(text: str) -> Interval:
    """Return the interval of that name. Raises BadRequestError with the choices."""
    found = TOKEN_INTERVALS.get(text)
    if found is None:
        choices = ", ".join(TOKEN_INTERVALS)
        raise BadRequestError(f"interval is {text[:40]!r}; it is one of {choices}.")
    return found


def parse_time(name: str, text: str) -> int:
    """Return a time in ms. Raises BadRequestError that names the parameter."""
    if text.isascii() and text.isdigit() and len(text) <= 14 and int(text) < _LATEST:
        return int(text)
    raise BadRequestError(f"{name} is {text[:40]!r}; give milliseconds since 1970.")


def back_from(interval: Interval, until: int, count: int) -> int:
    """Return the start (ms) of the bucket that is the `count`th from the end."""
    bucket = interval.floor(until * MS)
    return max(0, bucket - (count - 1) * interval.length) // MS


def source(found: Capital) -> Literal["chain", "store"]:
    """Return who has told the supply."""
    return "store" if found.supply is None else "chain"
