"""What the OpenAPI document says of answers, for all routes alike."""

from __future__ import annotations

from typing import Any, Final

from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec

from openoutcry.web.api.errors import ErrorBody

NO_STORE: Final = [ResponseHeader(name="Cache-Control", value="no-store")]
"""The headers of what nobody may keep."""


def answers(body: Any) -> dict[int, ResponseSpec]:
    """Return that a 200 has a body of this type."""
    return {200: ResponseSpec(body, generate_examples=False)}


def refusal(text: str) -> ResponseSpec:
    """Return what a 4xx or 5xx means; all have the one shape."""
    return ResponseSpec(ErrorBody, description=text, generate_examples=False)
