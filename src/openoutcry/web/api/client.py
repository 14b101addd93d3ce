"""The client of a request: where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request

from openoutcry.core.client_address import Network, client_address


def address_of(request: Request[Any, Any, Any], trusted: Sequence[Network]) -> str:
    """Return the client's own address; X-Forwarded-For counts where a trusted proxy wrote it."""
    client = request.scope.get("client")
    forwarded = request.headers.getall("x-forwarded-for", []) if trusted else []
    return client_address(client[0] if client else "", forwarded, trusted)
