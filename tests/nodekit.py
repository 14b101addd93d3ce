"""A private chain for a test: anvil, if it is installed, and calls to it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
from eth_abi import abi as eth_abi

from openoutcry.adapters.chain.rpc import HttpRpc
from openoutcry.core.chain import hexes
from openoutcry.errors import ChainError
from ports import free_ports

_PACKAGES = Path(__file__).parent / "chain" / "node_modules" / "@foundry-rs"


def _find() -> str:
    packaged = [str(one) for one in sorted(_PACKAGES.glob("anvil-*/bin/anvil"))]
    named = os.environ.get("OUTCRY_TEST_ANVIL")
    return next(iter([*([named] if named else []), *packaged]), shutil.which("anvil") or "")


ANVIL = _find()
"""The program: `OUTCRY_TEST_ANVIL`, else what npm has put into tests/chain, else the one on PATH."""

SENDER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""An account that anvil has given ether, and signs for."""


class Anvil:
    """An anvil on a port of its own; its state is kept in `folder` when it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self._state = folder / "anvil.json"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, with the state it was stopped with, and wait until it answers."""
        self._process = subprocess.Popen(
            [ANVIL, "--port", str(self.port), "--silent", "--state", str(self._state),
             "--no-mining", "--order", "fifo", "--timestamp", "1700000000"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while True:
                try:
                    await HttpRpc(session, self.url).ask([("eth_blockNumber", [])])
                except ChainError:
                    await asyncio.sleep(0.05)
                else:
                    return

    def stop(self) -> None:
        """Ask it to end, which makes it write its state."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
            self._process = None

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=60)
            self._process = None


class Chain:
    """What a test does to a chain, through its node."""

    def __init__(self, rpc: HttpRpc) -> None:
        self._rpc = rpc

    async def do(self, method: str, *params: Any) -> Any:
        """Call the node."""
        (found,) = await self._rpc.ask([(method, list(params))])
        return found

    async def mine(self, blocks: int = 1) -> None:
        """Make so many blocks; the first gets the pending transactions."""
        for _ in range(blocks):
            await self.do("evm_mine")

    async def send(self, to: bytes | None, data: bytes) -> str:
        """Send a transaction, pending until the next block; without `to` it makes a contract."""
        fields = {"from": SENDER, "data": hexes.show(data), "gas": hex(2_000_000)}
        if to is not None:
            fields["to"] = hexes.show(to)
        return str(await self.do("eth_sendTransaction", fields))

    async def deploy(self, code: bytes) -> bytes:
        """Make a contract and return its address."""
        sent = await self.send(None, code)
        await self.mine()
        receipt = await self.do("eth_getTransactionReceipt", sent)
        return hexes.address(receipt["contractAddress"])

    async def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by as many empty ones."""
        await self.do("anvil_reorg", depth, [])


def repeater() -> bytes:
    """Return the code that makes a contract which emits whatever it is called with.

    The call's data is one byte that counts topics, the topics, and the log's data; written by hand,
    so that tests of reading logs need no compiler.
    """
    runtime = _assemble_repeater()
    # Copy the rest of this code to memory, and return it as the contract.
    prefix = bytes.fromhex("60") + bytes([len(runtime)]) + bytes.fromhex("80600b6000396000f3")
    return prefix + runtime


def _assemble_repeater() -> bytes:
    """Assemble: log with the topics that the first byte says, the rest of the input as data."""
    code = bytearray()
    jumps: dict[int, int] = {}
    for topics in range(1, 5):
        # Where the first byte of the input says so many topics, go to their part.
        code += bytes.fromhex("60003560f81c60") + bytes([topics]) + bytes.fromhex("1460")
        jumps[topics] = len(code)
        code += bytes.fromhex("0057")
    code += bytes.fromhex("00")
    for topics in range(1, 5):
        code[jumps[topics]] = len(code)
        head = 1 + 32 * topics
        code += bytes.fromhex("5b")
        # Everything behind the topics goes to memory, as the data of the log.
        code += bytes.fromhex("60") + bytes([head]) + bytes.fromhex("360360") + bytes([head])
        code += bytes.fromhex("600037")
        for place in reversed(range(topics)):
            code += bytes.fromhex("60") + bytes([1 + 32 * place]) + bytes.fromhex("35")
        # The topics, the last one first, then size and place of the data.
        code += bytes.fromhex("60") + bytes([head]) + bytes.fromhex("36036000")
        code += bytes([0xA0 + topics]) + bytes.fromhex("00")
    return bytes(code)


def repeated(topics: Sequence[bytes], data: bytes) -> bytes:
    """Return the call that makes the repeater emit this log."""
    return bytes([len(topics)]) + b"".join(topics) + data


def topic(address: bytes) -> bytes:
    """Return an address as a topic."""
    return bytes(12) + address


def words(*values: int) -> bytes:
    """Return numbers as ABI words."""
    return eth_abi.encode(["uint256"] * len(values), values)
