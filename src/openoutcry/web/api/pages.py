"""Query parameters that lists share: how many, from where on, from when to when."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from enum import StrEnum
from typing import Final

from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from openoutcry.adapters.postgres.times import to_us
from openoutcry.errors import BadRequestError

MOST: Final = 500
"""Rows of one page."""

_MOST_NUMBER: Final = 2**31 - 1
_MOST_ID: Final = 2**63 - 1
_LONGEST_TEXT: Final = 128

LIMIT: Final = QueryParameter(
    name="limit",
    description=f"Rows of a page, 1 to {MOST}.",
    examples=[Example("50", value="50")],
)
BEFORE: Final = QueryParameter(
    name="before", description="`next` of the page before: what is older than that."
)
FROM: Final = QueryParameter(
    name="from",
    description="From this time on, ISO 8601.",
    examples=[Example("a day", value="2026-01-01T00:00:00Z")],
)
TO: Final = QueryParameter(
    name="to",
    description="Before this time, ISO 8601.",
    examples=[Example("a day", value="2026-01-02T00:00:00Z")],
)


def limit_of(text: str, name: str = "limit") -> int:
    """Return how many rows are asked for. Raises BadRequestError."""
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST:
        return int(text)
    raise BadRequestError(f"{name} is {text[:40]!r}; it is a number from 1 to {MOST}.")


def number_of(name: str, text: str, most: int = _MOST_NUMBER) -> int:
    """Return an id. Raises BadRequestError."""
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most:
        return int(text)
    raise BadRequestError(f"{name} is {text[:40]!r}; it is a whole number, such as 41.")


def text_of(name: str, text: str | None) -> str | None:
    """Return a text to look for, None without one. Raises BadRequestError."""
    if text is None:
        return None
    if not 1 <= len(text) <= _LONGEST_TEXT or not text.isprintable():
        raise BadRequestError(f"{name} is {text[:40]!r}; it is a text of one line.")
    return text


def choice_of(name: str, text: str | None, choices: type[StrEnum]) -> str | None:
    """Return one of these values, None without one; in any case. Raises BadRequestError."""
    if text is None:
        return None
    if text.upper() not in set(choices):
        raise BadRequestError(f"{name} is {text[:40]!r}; it is one of {', '.join(choices)}.")
    return text.upper()


def before_of(text: str | None) -> int:
    """Return the id before which to begin; without one, one beyond all. Raises BadRequestError."""
    return _MOST_ID if text is None else number_of("before", text, _MOST_ID)


def time_of(name: str, text: str | None) -> int | None:
    """Return a time in µs, None without one. Raises BadRequestError."""
    if text is None:
        return None
    moment = None
    with suppress(ValueError):
        moment = dt.datetime.fromisoformat(text)
    # Without a zone it would be anybody's guess.
    if moment is None or moment.tzinfo is None:
        raise BadRequestError(
            f"{name} is {text[:40]!r}; it is a time with a zone, such as 2026-01-01T00:00:00Z."
        )
    return to_us(moment)
