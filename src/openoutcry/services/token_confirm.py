"""Confirmations: a trade that somebody has made is recorded now, before the indexer comes by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from openoutcry.adapters.postgres import token_store
from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.adapters.postgres.token_moments import Standing, read_born, read_standing
from openoutcry.adapters.postgres.token_parts import find_sides
from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.core.chain import node_shapes, receipts
from openoutcry.core.chain.launchpads import Followed
from openoutcry.core.tokens import confirming
from openoutcry.core.tokens.confirming import Claim
from openoutcry.errors import ConflictError, NodeNonsenseError
from openoutcry.services.chain_door import ChainDoor
from openoutcry.services.shared_calls import SharedCalls
from openoutcry.tokens import Block

_log = structlog.get_logger(__name__)

LOOK_BACK: Final = 2_000
"""Newest trades of a token among which a transaction is looked for before the chain is asked."""


class News(Protocol):
    """Who tells what has been stored."""

    async def tell(self, stored: Stored) -> None:
        """Take note of a commit."""


class Confirmer:
    """Records trades by their transactions, each once, however many ask at once.

    In this process those who ask for the same share one answer; among processes and the indexer the
    store's lock decides, and whoever comes second finds the trade there. `clock` returns µs since 1970.
    """

    def __init__(
        self,
        pool: Pool,
        door: ChainDoor,
        news: News,
        confirmations: int,
        clock: Callable[[], int],
    ) -> None:
        self.recorded = self.known = 0
        self._pool = pool
        self._door = door
        self._news = news
        self._confirmations = confirmations
        self._clock = clock
        self._calls = SharedCalls()

    @property
    def shared(self) -> int:
        """How many were answered by somebody else's question."""
        return self._calls.shared

    async def confirm(self, claim: Claim) -> Standing:
        """Return the claim's token with the trade in it.

        Raises NotFoundError, TooEarlyError, ConflictError and UnprocessableError as
        `core.tokens.confirming` says, ChainError when no node answers, StoreUnavailableError.
        """
        return await self._calls.get(claim, lambda: self._confirm(claim))

    async def _confirm(self, claim: Claim) -> Standing:
        if not await self._is_stored(claim):
            part = await self._look(claim)
            async with connection(self._pool) as lent:
                stored = await token_store.apply(lent, [part], part=True)
            if part.header.hash in stored.refused:
                raise ConflictError(
                    f"Block {part.header.number} has been read without transaction {claim.shown}:"
                    " another one has taken its place, or it lies before chain_start_block. Confirm it"
                    " again in a moment."
                )
            self.recorded += bool(stored.trades)
            self.known += not stored.trades
            if stored.trades or stored.undone:
                await self._news.tell(stored)
        async with connection(self._pool) as lent:
            standing = await read_standing(lent, claim.token, self._clock())
        if standing is None:  # taken back since
            raise confirming.unknown_token(claim.token)
        return standing

    async def _is_stored(self, claim: Claim) -> bool:
        """Whether the trade counts already. Raises UnprocessableError if it is of the other side."""
        async with connection(self._pool) as lent:
            sides = await find_sides(lent, claim.token, claim.tx_hash, LOOK_BACK)
        if sides and claim.side not in sides:
            (other,) = sides
            raise confirming.other_side(claim, other)
        self.known += bool(sides)
        return bool(sides)

    async def _look(self, claim: Claim) -> Block:
        """Return what the transaction did to the token, found on the chain and checked."""
        nodes = await self._door.nodes()
        (found,) = await nodes.ask([receipts.receipt_of(claim.tx_hash)])
        receipt = receipts.read_receipt(found, claim.tx_hash)
        if receipt is None:
            (found,) = await nodes.ask([receipts.transaction_of(claim.tx_hash)])
            raise confirming.missing(claim, pending=found is not None)
        answers = await nodes.ask(
            [node_shapes.block_by_number(receipt.block_number), node_shapes.LATEST]
        )
        block, head = map(node_shapes.read_header, answers)
        if head is None:
            raise NodeNonsenseError(f"{nodes.shown} has no newest block")
        confirming.judge(claim, receipt, block, head, self._confirmations)
        assert block is not None  # noqa: S101 - judged
        decoder = await self._door.decoder()
        followed = await self._followed({claim.token, *(log.address for log in receipt.logs)})
        return confirming.part_of(claim, receipt, block, decoder, followed)

    async def _followed(self, tokens: set[bytes]) -> dict[bytes, Followed]:
        async with connection(self._pool) as lent:
            born = await read_born(lent, sorted(tokens))
        return {
            address: Followed(one.launchpad, one.decimals, one.number)
            for address, one in born.items()
        }
