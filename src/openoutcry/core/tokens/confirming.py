"""Whether a transaction is the trade that somebody says it is: each way it can fail to be, in words.

Pure. `judge` says whether the chain is done with it, `part_of` what is to be stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from openoutcry.core.chain import hexes
from openoutcry.core.chain.launchpads import Decoder, Followed
from openoutcry.core.chain.receipts import Receipt
from openoutcry.errors import ConflictError, NotFoundError, TooEarlyError, UnprocessableError
from openoutcry.tokens import Block, Header, TokenTrade, TradeSide

AGAIN_SECONDS: Final = 2.0
"""When to ask again about what is not final yet."""


class Claim(Struct, frozen=True):
    """Somebody says: this transaction bought, or sold, that token."""

    tx_hash: bytes
    token: bytes
    side: TradeSide

    @property
    def shown(self) -> str:
        """The transaction as people write it."""
        return hexes.show(self.tx_hash)

    @property
    def word(self) -> str:
        """What it is said to be."""
        return word(self.side)


def word(side: TradeSide) -> str:
    """Return what people call a trade of that side."""
    return "buy" if side is TradeSide.BUY else "sell"


def missing(claim: Claim, *, pending: bool) -> NotFoundError | TooEarlyError:
    """Return the error for a transaction without a receipt."""
    if pending:
        return TooEarlyError(
            f"Transaction {claim.shown} is not in a block yet; confirm it again once it is mined.",
            AGAIN_SECONDS,
        )
    return NotFoundError(
        f"The chain knows no transaction {claim.shown}; compare the hash, and the chain that it was"
        " sent to."
    )


def judge(
    claim: Claim, receipt: Receipt, block: Header | None, head: Header, confirmations: int
) -> None:
    """Check that a transaction has succeeded, for good; `block` is the one of its number.

    Raises ConflictError for a block that was taken back (nodes go on telling receipts of those),
    TooEarlyError below `confirmations`, UnprocessableError for one that failed.
    """
    if block is None or block.hash != receipt.block_hash:
        raise ConflictError(
            f"The chain has taken back the block of transaction {claim.shown}; confirm it again once it"
            " is in another one."
        )
    depth = head.number - receipt.block_number + 1
    if depth < confirmations:
        raise TooEarlyError(
            f"Transaction {claim.shown} has {max(0, depth)} of {confirmations} confirmations; confirm it"
            " again when the chain has gone on.",
            AGAIN_SECONDS,
        )
    if not receipt.succeeded:
        raise UnprocessableError(
            f"Transaction {claim.shown} failed on the chain: it has traded nothing."
        )


def part_of(
    claim: Claim,
    receipt: Receipt,
    block: Header,
    decoder: Decoder,
    followed: Mapping[bytes, Followed],
) -> Block:
    """Return what the transaction did to the claim's token, as a part of its block.

    All of it: several trades, and the transfers that go with them. Raises NotFoundError for a token
    that is nobody's whom we follow, UnprocessableError if it was not traded, or not on that side.
    """
    decoded = decoder.decode(receipt.logs, followed)
    told = decoded.events.get(receipt.block_hash, [])
    events = tuple(event for event in told if event.token == claim.token)
    trades = [event for event in told if isinstance(event, TokenTrade)]
    sides = {trade.side for trade in trades if trade.token == claim.token}
    if not sides:
        known = claim.token in followed or claim.token in decoded.seen
        raise _not_traded(claim, trades) if known else unknown_token(claim.token)
    if claim.side not in sides:
        (other,) = sides
        raise other_side(claim, other)
    return Block(block, events)


def other_side(claim: Claim, side: TradeSide) -> UnprocessableError:
    """Return the error for a trade of the other `side` than claimed."""
    return UnprocessableError(
        f"Transaction {claim.shown} is a {word(side)} of {hexes.show(claim.token)}, not a"
        f" {claim.word}."
    )


def unknown_token(token: bytes) -> NotFoundError:
    """Return the error for an address that is no token of ours."""
    return NotFoundError(
        f"There is no token {hexes.show(token)}: no launchpad that is followed has made it, or its block"
        " has not been read yet. GET /api/tokens/top?window=new lists the newest."
    )


def _not_traded(claim: Claim, trades: Sequence[TokenTrade]) -> UnprocessableError:
    others = sorted({hexes.show(trade.token) for trade in trades})
    instead = f"; it traded {', '.join(others[:3])}" if others else ""
    return UnprocessableError(
        f"Transaction {claim.shown} has traded nothing of {hexes.show(claim.token)}{instead}."
    )
