"""JSON-RPC 2.0 as nodes speak it: calls to bytes, answers to results or errors. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from openoutcry.core.chain import ranges
from openoutcry.core.chain.ranges import Objection
from openoutcry.errors import (
    ChainError,
    NodeBusyError,
    NodeNonsenseError,
    NodeRefusedError,
    NodeUnavailableError,
    TooMuchAskedError,
)

Call = tuple[str, list[Any]]
"""A method and its parameters."""

_BUSY_SECONDS: Final = 1.0
_WRONG_PARAMS: Final = -32602
_INTERNAL: Final = -32603
_SHOWN: Final = 300
_SHORTEST_SECRET: Final = 8


def encode(calls: Sequence[Call], first_id: int) -> bytes:
    """Return the request for `calls`: one object for one of them, else a batch; ids count up."""
    asked = [
        {"jsonrpc": "2.0", "id": first_id + place, "method": method, "params": params}
        for place, (method, params) in enumerate(calls)
    ]
    return msgspec.json.encode(asked[0] if len(asked) == 1 else asked)


def decode(body: bytes, calls: Sequence[Call], first_id: int) -> list[Any]:
    """Return the results of `calls` in their order, whatever order the node answers in.

    Raises the error of the first call that has one, and NodeNonsenseError for whatever is no answer
    to just these calls: wrong, repeated or missing ids, neither result nor error, no JSON.
    """
    answers = _objects(body)
    if len(answers) == 1 and len(calls) > 1 and answers[0].get("error") is not None:
        raise refusal(answers[0]["error"], calls[0][0])  # the batch as a whole
    by_id: dict[Any, dict[str, Any]] = {}
    for answer in answers:
        number = answer.get("id")
        if number is None and len(calls) == 1 and answer.get("error") is not None:
            number = first_id  # a request that the node could not read has no id
        if type(number) is not int or number in by_id:
            raise NodeNonsenseError(f"an answer has the id {number!r}")
        by_id[number] = answer
    if by_id.keys() != set(range(first_id, first_id + len(calls))):
        raise NodeNonsenseError(
            f"{len(calls)} calls from id {first_id} on were answered for the ids"
            f" {sorted(by_id)[:5]}"
        )
    return [result(by_id[first_id + place], call[0]) for place, call in enumerate(calls)]


def result(answer: dict[str, Any], method: str) -> Any:
    """Return an answer's result. Raises the error that it is, or NodeNonsenseError."""
    if answer.get("error") is not None:
        raise refusal(answer["error"], method)
    if "result" not in answer:
        raise NodeNonsenseError(f"{method}: neither result nor error")
    return answer["result"]


def refusal(error: object, method: str) -> ChainError:
    """Return a JSON-RPC error as the one of ours that says what may be done about it."""
    if not isinstance(error, dict) or not isinstance(error.get("message", ""), str):
        return NodeNonsenseError(f"{method}: an error that is none: {str(error)[:_SHOWN]}")
    code, message, detail = error.get("code"), error.get("message", ""), error.get("data")
    number = code if type(code) is int else 0
    text = f"{method}: {number}: {message[:_SHOWN]}"
    match ranges.objection(number, message, detail):
        case Objection.TOO_OFTEN:
            return NodeBusyError(text, _BUSY_SECONDS)
        case Objection.TOO_MUCH if method == "eth_getLogs":
            return TooMuchAskedError(text, number, detail, ranges.fitting(message, detail))
        case Objection.TOO_MUCH if number != _WRONG_PARAMS:
            return NodeBusyError(text, _BUSY_SECONDS)  # nothing else that we ask for is large
        case _ if number == _INTERNAL and method != "eth_call":  # a revert, with some nodes
            return NodeUnavailableError(text)
        case _:
            return NodeRefusedError(text, number, detail)


def shown(url: str) -> str:
    """Return scheme, host and port of a node's URL: keys stand in its path, query or user."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def redacted(text: str, url: str) -> str:
    """Return what a node or library said, without the parts of `url` that may be a key."""
    parts = urlsplit(url)
    secrets = [*parts.path.split("/"), *parts.query.replace("=", "&").split("&")]
    secrets += [parts.username or "", parts.password or ""]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return text


def _objects(body: bytes) -> list[dict[str, Any]]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        start = body[:60].decode(errors="replace")
        raise NodeNonsenseError(f"no JSON: {start!r} ({error})") from None
    answers = found if isinstance(found, list) else [found]
    if not all(isinstance(one, dict) for one in answers):
        raise NodeNonsenseError("an answer is an object")
    return answers
