"""Fixtures: a fresh anvil for each test, and the sample launchpad deployed on it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openoutcry.errors import EngineError
from openoutcry.sandbox.anvil import Anvil, Options, find_anvil
from openoutcry.sandbox.contracts import Contracts, compile_contracts
from openoutcry.sandbox.launchpad import Launchpad, accounts, deploy
from openoutcry.sandbox.node import Node, connect

PACKAGES = Path(__file__).parent / "chain" / "node_modules"


@pytest.fixture(scope="session")
def anvil_program() -> Path:
    """Anvil: `OUTCRY_TEST_ANVIL`, else what npm has put into tests/chain, else the one on PATH."""
    named = os.environ.get("OUTCRY_TEST_ANVIL")
    try:
        return find_anvil(named) if named else find_anvil(PACKAGES)
    except EngineError as error:
        pytest.skip(f"{error} OUTCRY_TEST_ANVIL may name it, too.")


@pytest.fixture(scope="session")
def contracts() -> Contracts:
    """The sample launchpad's contracts, compiled once."""
    return compile_contracts()


@pytest.fixture
async def anvil(anvil_program: Path, tmp_path: Path) -> AsyncIterator[Anvil]:
    """A node with an empty chain, that gives each transaction a block at once."""
    running = Anvil(anvil_program, Options(), tmp_path / "anvil.log")
    await running.start()
    yield running
    running.kill()


@pytest.fixture
async def node(anvil: Anvil) -> AsyncIterator[Node]:
    """A client of that node."""
    async with connect(anvil.url) as connected:
        yield connected


@pytest.fixture
async def launchpad(node: Node, contracts: Contracts) -> Launchpad:
    """The sample launchpad on that node, without a fee."""
    [owner] = accounts(1, seed=0)
    return await deploy(node, contracts, owner)
