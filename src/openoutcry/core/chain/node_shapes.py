"""A node's JSON as our values, and our questions as its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openoutcry.core.chain import hexes
from openoutcry.errors import NodeNonsenseError
from openoutcry.tokens import Header, Log

_SECOND = 1_000_000


def read_header(value: object) -> Header | None:
    """Return a block's header of `eth_getBlockBy…`, None if the node has no such block.

    Raises NodeNonsenseError.
    """
    if value is None:
        return None
    fields = _fields(value, "a block")
    return Header(
        number=hexes.quantity(fields.get("number"), "a block's number"),
        hash=hexes.word(fields.get("hash"), hexes.HASH_BYTES, "a block's hash"),
        parent=hexes.word(fields.get("parentHash"), hexes.HASH_BYTES, "a block's parent"),
        time=hexes.quantity(fields.get("timestamp"), "a block's time") * _SECOND,
    )


def read_logs(value: object) -> list[Log]:
    """Return the logs of an answer of `eth_getLogs`. Raises NodeNonsenseError.

    One that is marked `removed` is left out: it is not part of the chain any more.
    """
    if not isinstance(value, list):
        raise NodeNonsenseError(f"logs are a list, not {type(value).__name__}")
    return [
        read_log(one) for one in value if not (isinstance(one, dict) and one.get("removed") is True)
    ]


def read_log(value: object) -> Log:
    """Return one log as a node tells it. Raises NodeNonsenseError, also for a pending one."""
    fields = _fields(value, "a log")
    topics = fields.get("topics")
    if not isinstance(topics, list):
        raise NodeNonsenseError("a log's topics are a list")
    return Log(
        block_number=hexes.quantity(fields.get("blockNumber"), "a log's block number"),
        block_hash=hexes.word(fields.get("blockHash"), hexes.HASH_BYTES, "a log's block hash"),
        tx_hash=hexes.word(fields.get("transactionHash"), hexes.HASH_BYTES, "a log's transaction"),
        index=hexes.quantity(fields.get("logIndex"), "a log's index"),
        address=hexes.word(fields.get("address"), hexes.ADDRESS_BYTES, "a log's address"),
        topics=tuple(hexes.word(one, hexes.HASH_BYTES, "a log's topic") for one in topics),
        data=hexes.data(fields.get("data"), "a log's data"),
    )


def block_by_number(number: int) -> tuple[str, list[Any]]:
    """Return the call for the block of a number, without its transactions."""
    return "eth_getBlockByNumber", [hex(number), False]


def block_by_hash(block: bytes) -> tuple[str, list[Any]]:
    """Return the call for the block of a hash, without its transactions."""
    return "eth_getBlockByHash", [hexes.show(block), False]


LATEST: tuple[str, list[Any]] = ("eth_getBlockByNumber", ["latest", False])
"""The call for the head."""


def logs_of_block(
    block: bytes, addresses: Iterable[bytes] | None, topics: Iterable[bytes]
) -> tuple[str, list[Any]]:
    """Return the call for a block's logs, by its hash; None: of all addresses."""
    return "eth_getLogs", [{"blockHash": hexes.show(block), **_filter(addresses, topics)}]


def logs_of_range(
    first: int, last: int, addresses: Iterable[bytes] | None, topics: Iterable[bytes]
) -> tuple[str, list[Any]]:
    """Return the call for the logs of blocks by number, both ends included."""
    return "eth_getLogs", [
        {"fromBlock": hex(first), "toBlock": hex(last), **_filter(addresses, topics)}
    ]


def view_call(contract: bytes, data: bytes, block: str = "latest") -> tuple[str, list[Any]]:
    """Return the call of a contract's view function at a block."""
    return "eth_call", [{"to": hexes.show(contract), "data": hexes.show(data)}, block]


def _filter(addresses: Iterable[bytes] | None, topics: Iterable[bytes]) -> dict[str, Any]:
    wanted: dict[str, Any] = {"topics": [[hexes.show(one) for one in topics]]}
    if addresses is not None:
        wanted["address"] = [hexes.show(one) for one in addresses]
    return wanted


def _fields(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NodeNonsenseError(f"{what} is an object, not {type(value).__name__}")
    return value
