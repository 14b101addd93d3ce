"""What circulates, asked of contracts: by the right function, and not over and over of a dead chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from openoutcry.core.chain import descriptions
from openoutcry.core.chain.abi import call_data
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.errors import NodeRefusedError, NodeUnavailableError
from openoutcry.services import token_supply
from openoutcry.services.token_supply import ChainSupply

TOKEN = b"\x70" * 20
PAD = descriptions.parse(BUILTIN["outcry"], "outcry", ("0x" + "fa" * 20,))


class Chain:
    """Nodes that answer what the test says."""

    def __init__(self) -> None:
        self.asked: list[Call] = []
        self.answer: Any = "0x" + (77).to_bytes(32, "big").hex()
        self.now = 0.0

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Answer."""
        self.asked += calls
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is None:
            await asyncio.sleep(3600)
        return [self.answer]

    async def door(self) -> Chain:
        """Return itself."""
        return self


async def test_the_right_function_at_the_right_block() -> None:
    """A launchpad's own one if its description names one, `totalSupply` else."""
    chain = Chain()
    other = msgspec.structs.replace(PAD, name="mine", supply_call="circulating()")
    supply = ChainSupply(chain.door, [PAD, other])
    for launchpad in ("outcry", "mine", ""):
        assert await supply.of(TOKEN, launchpad, 255) == 77
    signatures = ("totalSupply()", "circulating()", "totalSupply()")
    for (method, params), signature in zip(chain.asked, signatures, strict=True):
        assert method == "eth_call"
        assert params[1] == "0xff"
        assert params[0]["data"] == "0x" + call_data(signature).hex()


async def test_a_dead_chain_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reader waits; the next ones do not, until it is time to look again."""
    monkeypatch.setattr(token_supply, "PATIENCE", 0.05)
    chain = Chain()
    supply = ChainSupply(chain.door, clock=lambda: chain.now)
    for answer in (None, NodeUnavailableError("gone")):
        chain.answer = answer
        chain.now += 10
        assert await supply.of(TOKEN, "", 1) is None
        before = len(chain.asked)
        chain.now += token_supply.REST - 0.1
        assert await supply.of(TOKEN, "", 1) is None
        assert len(chain.asked) == before
    chain.answer = "0x" + bytes(32).hex()
    chain.now += 0.2
    assert await supply.of(TOKEN, "", 1) == 0


@pytest.mark.parametrize("answer", [NodeRefusedError("no such block", -32000), "0x", "nonsense"])
async def test_what_one_contract_does_not_tell(answer: Any) -> None:
    """A contract without the function, or a node without the block: the stored supply serves."""
    chain = Chain()
    chain.answer = answer
    supply = ChainSupply(chain.door)
    assert await supply.of(TOKEN, "", 1) is None
    assert supply.failed == 1
