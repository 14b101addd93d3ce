"""What became of a transaction, as a node tells it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from openoutcry.core.chain import hexes, node_shapes
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.errors import NodeNonsenseError
from openoutcry.tokens import Log


class Receipt(Struct, frozen=True):
    """A mined transaction: where, whether it succeeded, and what it has logged."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    logs: tuple[Log, ...]


def receipt_of(tx_hash: bytes) -> Call:
    """Return the call for a transaction's receipt."""
    return "eth_getTransactionReceipt", [hexes.show(tx_hash)]


def transaction_of(tx_hash: bytes) -> Call:
    """Return the call for a transaction."""
    return "eth_getTransactionByHash", [hexes.show(tx_hash)]


def read_receipt(value: object, tx_hash: bytes) -> Receipt | None:
    """Return the receipt of `tx_hash`, None if the node has none: unknown, or not mined.

    Raises NodeNonsenseError, also for the receipt of another transaction.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise NodeNonsenseError(f"a receipt is an object, not {type(value).__name__}")
    fields: dict[str, Any] = value
    if fields.get("blockNumber") is None:  # some nodes tell pending ones like this
        return None
    found = hexes.word(fields.get("transactionHash"), hexes.HASH_BYTES, "a receipt's transaction")
    if found != tx_hash:
        raise NodeNonsenseError(f"the receipt of {hexes.show(found)} was told for another")
    return Receipt(
        found,
        hexes.quantity(fields.get("blockNumber"), "a receipt's block number"),
        hexes.word(fields.get("blockHash"), hexes.HASH_BYTES, "a receipt's block hash"),
        hexes.quantity(fields.get("status"), "a receipt's status") == 1,
        tuple(node_shapes.read_logs(fields.get("logs"))),
    )
