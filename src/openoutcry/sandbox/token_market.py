"""A market maker for the sample launchpad: creates tokens and lets a crowd trade them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import islice
from typing import Final

from msgspec import Struct

from openoutcry.core.chain.curve import Terms
from openoutcry.sandbox.launchpad import Launchpad, accounts, created_in
from openoutcry.sandbox.node import Transaction
from openoutcry.sandbox.token_crowd import MILLION, Kind, Move, listing, moves
from openoutcry.tokens import WEI

_TICK_SECONDS: Final = 0.5
_WEALTH: Final = 100_000 * WEI


class Stall(Struct):
    """A token that is traded now; once closed, the transaction that creates the next one here."""

    token: bytes
    terms: Terms
    closed: bool = False
    successor: tuple[bytes, Terms] | None = None


class TokenMarket:
    """Makes a launchpad lively: so many tokens, so many traders, the same ones for the same seed.

    A token that has graduated is replaced by a new one. `open` comes first.
    """

    def __init__(self, launchpad: Launchpad, *, seed: int, tokens: int, traders: int) -> None:
        self.traders = accounts(traders, seed)
        self.stalls: list[Stall] = []
        self.created = 0
        self._launchpad = launchpad
        self._node = launchpad.node
        self._seed = seed
        self._tokens = tokens
        self._moves = moves(seed, tokens, traders)

    async def open(self) -> None:
        """Give the traders ether and create the tokens; waits for a block."""
        await self._node.fund(self.traders, _WEALTH)
        planned = [self._plan() for _ in range(self._tokens)]
        sent = await self._node.send(*[transaction for transaction, _ in planned])
        for tx_hash, (_, terms) in zip(sent, planned, strict=True):
            token = created_in(await self._node.receipt(tx_hash), self._launchpad.address)
            self.stalls.append(Stall(token, terms))

    async def play(self, number: int) -> list[bytes]:
        """Send the crowd's next `number` moves; return the hashes of the transactions.

        What is closed is only passed on, not traded. What a transaction comes to is decided by the
        chain when it is mined: it fails on a token that graduates right before it, for example.
        """
        await self._replace_closed()
        chosen = list(islice(self._moves, number))
        pairs = sorted(
            {(self.stalls[move.token].token, self.traders[move.trader]) for move in chosen}
        )
        had = dict(zip(pairs, await self._launchpad.balances(pairs), strict=True))
        planned = [self._transaction(move, had) for move in chosen]
        return await self._node.send(*[each for each in planned if each is not None])

    async def run(self, rate: float, stop: asyncio.Event) -> int:
        """Make about `rate` moves a second until `stop` is set; return how many there were."""
        made, owed, last = 0, 0.0, time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            # Of a pause (a node that hung) no more than a second's moves are made up for.
            owed, last = min(owed + (now - last) * rate, rate + 1), now
            if owed >= 1:
                await self.play(int(owed))
                made, owed = made + int(owed), owed % 1
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TICK_SECONDS)
        return made

    async def history(self, start: int, end: int, *, blocks: int, moves_each: int) -> None:
        """Trade in the past: mine `blocks` blocks from `start` to `end` (s since 1970).

        The chain's newest block must be older than `start`. Afterwards the node mines at once, and its
        clock goes on from `end`.
        """
        await self._node.mine_on_demand()
        for number in range(1, blocks + 1):
            await self.play(moves_each)
            await self._node.next_block_at(start + (end - start) * number // blocks)
            await self._node.mine()
        await self._node.set_clock(end)
        await self._node.mine_at_once()

    def _plan(self) -> tuple[Transaction, Terms]:
        each = listing(self.created, self._seed)
        creator = self.traders[self.created % len(self.traders)]
        self.created += 1
        return self._launchpad.create(creator, each.name, each.symbol, each.terms), each.terms

    def _transaction(self, move: Move, had: dict[tuple[bytes, bytes], int]) -> Transaction | None:
        stall, trader = self.stalls[move.token], self.traders[move.trader]
        amount = had[stall.token, trader] * move.part // MILLION
        if amount and (stall.closed or move.kind is not Kind.BUY):
            had[stall.token, trader] -= amount
            if move.kind is Kind.SELL and not stall.closed:
                return self._launchpad.sell(stall.token, trader, amount)
            receiver = self.traders[move.receiver]
            return self._launchpad.transfer(stall.token, trader, receiver, amount)
        if stall.closed:
            return None
        part = move.part if move.kind is Kind.BUY else move.part // 200 + 1
        return self._launchpad.buy(stall.token, trader, stall.terms.target * part // MILLION + 1)

    async def _replace_closed(self) -> None:
        figures = await self._launchpad.figures([stall.token for stall in self.stalls])
        for at, (stall, each) in enumerate(zip(self.stalls, figures, strict=True)):
            stall.closed = each.graduated
            if not each.graduated:
                stall.successor = None  # a reorg has opened it again
            elif stall.successor is None:
                transaction, terms = self._plan()
                [tx_hash] = await self._node.send(transaction)
                stall.successor = tx_hash, terms
            elif (receipt := await self._node.receipt_now(stall.successor[0])) is not None:
                token = created_in(receipt, self._launchpad.address)
                self.stalls[at] = Stall(token, stall.successor[1])
