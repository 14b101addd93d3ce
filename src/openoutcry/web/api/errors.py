"""Every failure in one shape: `{"success": false, "message": what is wrong and what is right}`."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from openoutcry.errors import (
    BadRequestError,
    ChainError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OutcryError,
    RateLimitedError,
    StoreUnavailableError,
    TooEarlyError,
    TooManyTriesError,
    UnauthorizedError,
    UnprocessableError,
)

_BINANCE: Final = ("/api/v3/", "/fapi/", "/dapi/")

_log = structlog.get_logger(__name__)

# The first that fits: a conflict is a bad request, too.
_PLAIN: Final = {
    ConflictError: 409,
    UnprocessableError: 422,
    BadRequestError: 400,
    NotFoundError: 404,
    ForbiddenError: 403,
}
_UNAVAILABLE: Final = "The store cannot be reached just now; try again in a moment."
_NO_NODE: Final = (
    "The chain cannot be asked just now: no node of chain_rpc_urls answers, or no indexer has run yet;"
    " try again in a moment."
)
_INTERNAL: Final = "Something went wrong on our side; it is logged. Try again later."


class ErrorBody(Struct, frozen=True):
    """The body of every 4xx and 5xx."""

    message: str
    success: bool = False


def failure(
    status_code: int, message: str, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return an answer in the one error shape; errors are never cached."""
    return Response(
        msgspec.json.encode({"success": False, "message": message}),
        status_code=status_code,
        headers={
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **(headers or {}),
        },
        media_type="application/json",
    )


class BinanceError(Struct, frozen=True):
    """Binance's shape of an error: a negative code and a message."""

    code: int
    msg: str


def is_binance(path: str) -> bool:
    """Return whether failures at `path` are to have Binance's shape."""
    return path.startswith(_BINANCE) or path == "/api/v3"


def binance_failure(status: int, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Return a failure that is not the query's fault, in Binance's shape."""
    if status in {404, 405}:
        code, message = -1020, "This operation is not supported."
    elif status >= 500:
        code = -1001
        message = "Internal error; unable to process your request. Please try again."
    else:
        code, message = -1000, "An unknown error occurred while processing the request."
    body = msgspec.json.encode(BinanceError(code, message))
    sent = {"Cache-Control": "no-store", **(headers or {})}
    return Response(body, status_code=status, headers=sent, media_type="application/json")


def _binance_refusal(error: OutcryError) -> Response[bytes] | None:
    """Return, in Binance's words, that somebody is not let in; None for any other error."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, UnauthorizedError):
        status = 401
        code, text = (
            (-2015, "Invalid API-key, IP, or permissions for action.")
            if error.shown
            else (-2014, "API-key format invalid.")
        )
        headers["WWW-Authenticate"] = _challenge(error)
    elif isinstance(error, ForbiddenError):
        status, code, text = 403, -2015, "Invalid API-key, IP, or permissions for action."
    elif isinstance(error, TooManyTriesError):
        status, code, text = 429, -1003, str(error)
        headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
    else:
        return None
    body = msgspec.json.encode(BinanceError(code, text))
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _challenge(error: UnauthorizedError) -> str:
    # RFC 6750: no error code where no credentials were shown.
    return 'Bearer error="invalid_token"' if error.shown else "Bearer"


def _refusal(error: OutcryError) -> Response[bytes] | None:
    """Return that somebody is not let in, or not just now; None for any other error."""
    if isinstance(error, UnauthorizedError):
        return failure(401, str(error), {"WWW-Authenticate": _challenge(error)})
    if isinstance(error, TooManyTriesError | TooEarlyError):
        status = 429 if isinstance(error, TooManyTriesError) else 425
        return failure(status, str(error), {"Retry-After": str(max(1, ceil(error.retry_after)))})
    return None


def _on_outcry(request: Request[Any, Any, Any], error: OutcryError) -> Response[bytes]:
    binance = is_binance(request.url.path)
    refused = _binance_refusal(error) if binance else _refusal(error)
    if refused is not None:
        return refused
    for kind, status_code in _PLAIN.items():
        if isinstance(error, kind):
            return failure(status_code, str(error))
    if isinstance(error, RateLimitedError):
        wait = str(max(1, round(error.retry_after)))
        return failure(429, "Too many requests, please try again later", {"Retry-After": wait})
    if isinstance(error, StoreUnavailableError):
        _log.warning("store is not available", path=request.url.path, reason=str(error))
        return (binance_failure if binance else _unavailable)(503, {"Retry-After": "1"})
    if isinstance(error, ChainError):
        _log.warning("the chain cannot be asked", path=request.url.path, reason=str(error))
        return failure(503, _NO_NODE, {"Retry-After": "2"})
    return _on_anything(request, error)


def _unavailable(status: int, headers: dict[str, str]) -> Response[bytes]:
    return failure(status, _UNAVAILABLE, headers)


def _on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    path, method = request.url.path, request.method
    headers = {
        name: value
        for name, value in (error.headers or {}).items()
        if name.lower() in {"allow", "retry-after", "www-authenticate"}
    }
    if is_binance(path) and error.status_code < 500:
        return binance_failure(error.status_code, headers)
    if isinstance(error, NotFoundException):
        return failure(404, f"There is no {path} here; GET /schema lists what there is.")
    if isinstance(error, MethodNotAllowedException):
        return failure(405, f"{path} does not take {method}.", headers)
    if isinstance(error, ValidationException):
        return failure(400, _validation(error))
    if error.status_code >= 500:
        return _on_anything(request, error)
    return failure(error.status_code, error.detail or "The request cannot be served.", headers)


def _on_anything(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    _log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    if is_binance(request.url.path):
        return binance_failure(500)
    return failure(500, _INTERNAL)


def _validation(error: ValidationException) -> str:
    reasons = [
        f"{item['key']}: {item['message']}" if "key" in item else str(item.get("message", ""))
        for item in (error.extra if isinstance(error.extra, list) else [])
        if isinstance(item, dict)
    ]
    return "; ".join(reasons) or error.detail or "The request is malformed."


HANDLERS: Final[ExceptionHandlersMap] = {
    OutcryError: _on_outcry,
    HTTPException: _on_http,
    Exception: _on_anything,
}
