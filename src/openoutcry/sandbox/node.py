"""A development node, told what to do: blocks, reorgs, time, balances, and transactions of anybody.

These are anvil's methods. Transactions are sent for any address, without keys: a node that is started
as `sandbox/anvil.py` does signs for everybody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from openoutcry.errors import EngineError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GAS: Final = 500_000
"""Gas that a transaction may use unless told otherwise: more than any trade needs."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)
_BATCH: Final = 500
_POLL_SECONDS: Final = 0.02

Request = tuple[str, Sequence[Any]]
"""A method and its parameters."""


class Transaction(Struct, frozen=True):
    """What somebody sends: `value` in wei, `data` is the call; a contract is made if `to` is None."""

    sender: bytes
    to: bytes | None
    data: bytes = b""
    value: int = 0
    gas: int = GAS

    def params(self) -> dict[str, str]:
        """Return it as the parameter of `eth_sendTransaction`."""
        to = {} if self.to is None else {"to": show(self.to)}
        return to | {
            "from": show(self.sender),
            "data": show(self.data),
            "value": hex(self.value),
            "gas": hex(self.gas),
        }


class Receipt(Struct, frozen=True):
    """What became of a transaction. `contract` is the address of the contract that it made."""

    tx_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    contract: bytes | None
    logs: tuple[Mapping[str, Any], ...]


class RefusedError(ProtocolError):
    """The node answers with an error; the text is its own, with the contract's reason if it has one."""


class Node:
    """One node at an HTTP URL; use it as `connect` gives it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.url = url
        self._session = session
        self._numbers = count(1)

    async def ask(self, method: str, *params: Any) -> Any:
        """Return the result of one call. Raises RefusedError, EngineError."""
        return (await self.ask_all([(method, params)]))[0]

    async def ask_all(self, requests: Sequence[Request]) -> list[Any]:
        """Return the results of many calls, in order, as few requests as may be. Raises as `ask`."""
        results: list[Any] = []
        for start in range(0, len(requests), _BATCH):
            results += await self._post(requests[start : start + _BATCH])
        return results

    async def _post(self, requests: Sequence[Request]) -> list[Any]:
        first = next(self._numbers)
        body = [
            {"jsonrpc": "2.0", "id": first + at, "method": method, "params": list(params)}
            for at, (method, params) in enumerate(requests)
        ]
        for _ in requests[1:]:
            next(self._numbers)
        try:
            async with self._session.post(
                self.url,
                data=msgspec.json.encode(body if len(body) > 1 else body[0]),
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUT,
            ) as answer:
                said = msgspec.json.decode(await answer.read())
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            raise EngineError(f"The node at {self.url} does not answer: {error!r}") from None
        answers = said if isinstance(said, list) else [said]
        by_id = {each.get("id"): each for each in answers}
        return [
            _result(method, by_id.get(first + at) or answers[0])
            for at, (method, _) in enumerate(requests)
        ]

    # --- reading -----------------------------------------------------------------------------

    async def head(self) -> int:
        """Return the number of the newest block."""
        return int(await self.ask("eth_blockNumber"), 16)

    async def call(self, to: bytes, data: bytes, block: int | None = None) -> bytes:
        """Return what a view function answers, at a block or at the head."""
        return (await self.call_all([(to, data)], block))[0]

    async def call_all(
        self, calls: Sequence[tuple[bytes, bytes]], block: int | None = None
    ) -> list[bytes]:
        """Return the answers of many view functions, all at one block."""
        at = "latest" if block is None else hex(block)
        asked: list[Request] = [
            ("eth_call", ({"to": show(to), "data": show(data)}, at)) for to, data in calls
        ]
        return [bytes.fromhex(each[2:]) for each in await self.ask_all(asked)]

    async def balance(self, address: bytes) -> int:
        """Return the wei that an address has."""
        return int(await self.ask("eth_getBalance", show(address), "latest"), 16)

    # --- transactions ----------------------------------------------------------------------------

    async def send(self, *transactions: Transaction) -> list[bytes]:
        """Send transactions in this order; return their hashes. They may fail when they are mined."""
        # Within a batch the node gives one sender's transactions the same number: we number them.
        senders = list({each.sender: None for each in transactions})
        counted = await self.ask_all(
            [("eth_getTransactionCount", (show(each), "pending")) for each in senders]
        )
        numbers = {sender: int(each, 16) for sender, each in zip(senders, counted, strict=True)}
        asked: list[Request] = []
        for each in transactions:
            numbered = each.params() | {"nonce": hex(numbers[each.sender])}
            numbers[each.sender] += 1
            asked.append(("eth_sendTransaction", (numbered,)))
        return [bytes.fromhex(each[2:]) for each in await self.ask_all(asked)]

    async def receipt(self, tx_hash: bytes, timeout: float = 60.0) -> Receipt:
        """Return what became of a transaction as soon as it is mined. Raises EngineError."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if (found := await self.receipt_now(tx_hash)) is not None:
                return found
            await asyncio.sleep(_POLL_SECONDS)
        raise EngineError(f"Transaction {show(tx_hash)} is not mined after {timeout:.0f} s.")

    async def receipt_now(self, tx_hash: bytes) -> Receipt | None:
        """Return what became of a transaction, None if it is not in the chain (any more)."""
        found = await self.ask("eth_getTransactionReceipt", show(tx_hash))
        return None if found is None else _receipt(found)

    async def fund(self, addresses: Sequence[bytes], wei: int) -> None:
        """Give each address so many wei, out of nothing."""
        await self.ask_all([("anvil_setBalance", (show(each), hex(wei))) for each in addresses])

    # --- blocks ----------------------------------------------------------------------------------

    async def mine(self, blocks: int = 1) -> None:
        """Mine so many blocks, the first with what waits, one second apart."""
        await self.ask("anvil_mine", hex(blocks))

    async def mine_on_demand(self) -> None:
        """From now on mine only when `mine` is called."""
        await self.ask("evm_setAutomine", False)
        await self.ask("evm_setIntervalMining", 0)

    async def mine_at_once(self) -> None:
        """From now on give each transaction a block of its own, at once."""
        await self.ask("evm_setIntervalMining", 0)
        await self.ask("evm_setAutomine", True)

    async def mine_every(self, seconds: int) -> None:
        """From now on mine a block every so many seconds, with whatever waits."""
        await self.ask("evm_setIntervalMining", seconds)

    async def next_block_at(self, seconds: int) -> None:
        """Give the next block this time (s since 1970); it must not lie before the last block's."""
        await self.ask("evm_setNextBlockTimestamp", seconds)

    async def set_clock(self, seconds: int) -> None:
        """Set the node's clock (s since 1970): blocks get their times from it; it goes on."""
        await self.ask("anvil_setTime", seconds)

    async def reorg(self, depth: int, transactions: Sequence[tuple[Transaction, int]] = ()) -> None:
        """Replace the last `depth` blocks by as many others.

        These have the given transactions, each with the number (from 0) of the new block that it
        goes into; what the old blocks had is gone.
        """
        pairs = [[each.params(), at] for each, at in transactions]
        await self.ask("anvil_reorg", depth, pairs)

    async def rollback(self, depth: int) -> None:
        """Take the last `depth` blocks away, so that the head is lower than before."""
        await self.ask("anvil_rollback", depth)

    async def snapshot(self) -> str:
        """Remember this state and chain; return the name to `revert` to, once."""
        return str(await self.ask("evm_snapshot"))

    async def revert(self, snapshot: str) -> None:
        """Go back to a snapshot: the blocks after it are gone."""
        if not await self.ask("evm_revert", snapshot):
            raise EngineError(f"There is no snapshot {snapshot}.")


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Node]:
    """Open a session with a node; close it at the end."""
    async with aiohttp.ClientSession() as session:
        yield Node(session, url)


def show(data: bytes) -> str:
    """Return `0x` and lower-case hexadecimal."""
    return "0x" + data.hex()


def _result(method: str, answer: Mapping[str, Any]) -> Any:
    if (error := answer.get("error")) is not None:
        raise RefusedError(f"{method}: {error.get('message', error)}")
    return answer.get("result")


def _receipt(found: Mapping[str, Any]) -> Receipt:
    made = found.get("contractAddress")
    return Receipt(
        tx_hash=bytes.fromhex(found["transactionHash"][2:]),
        block_number=int(found["blockNumber"], 16),
        block_hash=bytes.fromhex(found["blockHash"][2:]),
        succeeded=found["status"] == "0x1",
        contract=None if made is None else bytes.fromhex(made[2:]),
        logs=tuple(found["logs"]),
    )
