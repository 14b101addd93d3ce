"""Answers that are not what they should be: what a `rest_garbage` fault makes of a good one. Pure."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

Garbage = Literal["html", "truncated", "empty", "types", "zeros"]

PAGE: Final = (
    b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
)
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def spoil(body: bytes, kind: Garbage) -> bytes:
    """Return what becomes of the JSON in `body`.

    html: a gateway's page; truncated: its first half; empty: nothing in it; types: texts where numbers
    were and the other way round; zeros: every decimal text is zero.
    """
    if kind == "html":
        return PAGE
    if kind == "truncated":
        return body[: max(1, len(body) // 2)]
    value = msgspec.json.decode(body)
    if kind == "empty":
        return b"[]" if isinstance(value, list) else b"{}"
    return msgspec.json.encode(_changed(value, kind))


def _changed(value: Any, kind: Garbage) -> Any:
    if isinstance(value, list):
        return [_changed(each, kind) for each in value]
    if isinstance(value, dict):
        return {key: _changed(each, kind) for key, each in value.items()}
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if kind == "types" else "0.00000000"
    if kind == "types" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value
