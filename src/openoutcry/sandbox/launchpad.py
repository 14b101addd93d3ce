"""The sample launchpad on a node: deployed, asked, traded on. docs/launchpad.md describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from openoutcry.core.chain.curve import Linear, State, Terms
from openoutcry.errors import EngineError
from openoutcry.sandbox.contracts import Contracts
from openoutcry.sandbox.node import Node, Receipt, Transaction
from openoutcry.tokens import NOBODY, WEI

_DEPLOY_GAS: Final = 8_000_000
_WEALTH: Final = 10**6 * WEI


class Figures(Struct, frozen=True):
    """What a token's contract answers: units in circulation, wei raised, wei a token, and so on."""

    supply: int
    reserve: int
    fees: int
    price: int
    market_cap: int
    progress_percent: int
    graduated: bool

    @property
    def state(self) -> State:
        """The same as the formulas of `core/chain/curve.py` take it."""
        return State(self.supply, self.reserve, self.fees)


_FIGURES: Final = (
    "supply",
    "reserve",
    "fees",
    "price",
    "market_cap",
    "progress_percent",
    "graduated",
)


class Launchpad:
    """A deployed factory and the tokens that it makes; `deploy` gives it.

    What sends a transaction returns it, for `Node.send` to send, alone or with others.
    """

    def __init__(self, node: Node, contracts: Contracts, address: bytes) -> None:
        self.node = node
        self.address = address
        self._launchpad = contracts.launchpad
        self._token = contracts.token

    # --- what can be sent --------------------------------------------------------------------

    def create(self, creator: bytes, name: str, symbol: str, terms: Terms) -> Transaction:
        """Return the transaction that creates a token; its fee is the launchpad's, not of `terms`."""
        curve = terms.curve
        if isinstance(curve, Linear):
            kind, numbers = "create_linear", (curve.base, curve.slope)
        else:
            kind, numbers = "create_constant_product", (curve.eth, curve.tokens)
        data = self._launchpad.call(kind, name, symbol, *numbers, terms.target)
        return Transaction(creator, self.address, data, gas=_DEPLOY_GAS)

    def buy(self, token: bytes, trader: bytes, eth: int, min_tokens: int = 0) -> Transaction:
        """Return a purchase for so many wei."""
        return Transaction(trader, token, self._token.call("buy", min_tokens), value=eth)

    def sell(self, token: bytes, trader: bytes, units: int, min_eth: int = 0) -> Transaction:
        """Return a sale of so many units."""
        return Transaction(trader, token, self._token.call("sell", units, min_eth))

    def transfer(self, token: bytes, sender: bytes, receiver: bytes, units: int) -> Transaction:
        """Return a transfer of so many units."""
        return Transaction(sender, token, self._token.call("transfer", receiver, units))

    def other(self, token: bytes, sender: bytes, name: str, *values: Any) -> Transaction:
        """Return the call of any other function of a token."""
        return Transaction(sender, token, self._token.call(name, *values))

    async def made(
        self, creator: bytes, name: str, symbol: str, terms: Terms, timeout: float = 60.0
    ) -> bytes:
        """Create a token, wait until it is mined, and return its address. Raises EngineError."""
        [sent] = await self.node.send(self.create(creator, name, symbol, terms))
        return created_in(await self.node.receipt(sent, timeout), self.address)

    # --- what can be asked ---------------------------------------------------------------------

    async def tokens(self, block: int | None = None) -> list[bytes]:
        """Return the addresses of all tokens, in the order of their creation."""
        [count] = await self._ask(self.address, "token_count", block=block)
        calls = [(self.address, self._launchpad.call("tokens", at)) for at in range(count)]
        return [answer[-20:] for answer in await self.node.call_all(calls, block)]

    async def figures(self, tokens: Sequence[bytes], block: int | None = None) -> list[Figures]:
        """Return what the contracts of these tokens say of themselves, all at one block."""
        calls = [(token, self._token.call(name)) for token in tokens for name in _FIGURES]
        answers = iter(await self.node.call_all(calls, block))
        return [
            Figures(*(self._token.answer(name, next(answers))[0] for name in _FIGURES))
            for _ in tokens
        ]

    async def balances(
        self, pairs: Sequence[tuple[bytes, bytes]], block: int | None = None
    ) -> list[int]:
        """Return the units that each (token, holder) has, all at one block."""
        calls = [(token, self._token.call("balanceOf", holder)) for token, holder in pairs]
        return [int.from_bytes(each) for each in await self.node.call_all(calls, block)]

    async def ask(
        self, token: bytes, name: str, *values: Any, block: int | None = None
    ) -> tuple[Any, ...]:
        """Return what a view function of a token answers. Raises RefusedError if it reverts."""
        answer = await self.node.call(token, self._token.call(name, *values), block)
        return self._token.answer(name, answer)

    async def _ask(self, to: bytes, name: str, *values: Any, block: int | None) -> tuple[Any, ...]:
        answer = await self.node.call(to, self._launchpad.call(name, *values), block)
        return self._launchpad.answer(name, answer)


async def deploy(
    node: Node,
    contracts: Contracts,
    owner: bytes,
    fee_bps: int = 0,
    fee_receiver: bytes = NOBODY,
) -> Launchpad:
    """Put the launchpad on a chain and return it; `owner` is given the ether to pay for it.

    Waits for blocks: a node that mines on demand has to be told to. Raises EngineError.
    """
    await node.fund([owner], _WEALTH)
    blueprint = await _create(node, owner, contracts.token.blueprint)
    code = contracts.launchpad.creation(blueprint, fee_bps, fee_receiver)
    return Launchpad(node, contracts, await _create(node, owner, code))


async def _create(node: Node, owner: bytes, code: bytes) -> bytes:
    [sent] = await node.send(Transaction(owner, None, code, gas=_DEPLOY_GAS))
    receipt = await node.receipt(sent)
    if not receipt.succeeded or receipt.contract is None:
        raise EngineError("The node does not take the sample launchpad's contracts.")
    return receipt.contract


def created_in(receipt: Receipt, launchpad: bytes) -> bytes:
    """Return the token that a transaction has created. Raises EngineError if it has not."""
    for log in receipt.logs:
        if bytes.fromhex(log["address"][2:]) == launchpad:
            return bytes.fromhex(log["topics"][1][-40:])
    raise EngineError("The launchpad has refused to create this token.")


def accounts(number: int, seed: int = 1) -> list[bytes]:
    """Return so many addresses; the same seed gives the same ones, and more of them go on from there."""
    return [hashlib.sha256(f"account {seed}:{at}".encode()).digest()[:20] for at in range(number)]
