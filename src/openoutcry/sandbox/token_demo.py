"""A chain on localhost with the sample launchpad and a lively market: what `make demo-tokens` shows."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from openoutcry.sandbox.anvil import Anvil, Options, find_anvil
from openoutcry.sandbox.contracts import compile_contracts
from openoutcry.sandbox.launchpad import accounts, deploy
from openoutcry.sandbox.node import connect
from openoutcry.sandbox.token_market import TokenMarket

LAUNCHPAD: Final = bytes.fromhex("634059f130ce7f161050cede46268a3ab93850de")
"""Where the launchpad is: its address follows from who deploys it first on an empty chain."""

_MINUTE: Final = 60
_BLOCK_MINUTES: Final = 5
"""Between blocks of the past."""
_BLOCK_SECONDS: Final = 1
"""Between blocks from then on."""


class DemoOptions(Struct, frozen=True, kw_only=True):
    """What the chain is like. `anvil` is the program or a folder of Node packages to look in.

    `hours` of trading lie in the past already, `rate` is moves a second from now on. The same `seed`
    makes the same past.
    """

    anvil: str = "tests/chain/node_modules"
    port: int = 8545
    seed: int = 7
    tokens: int = 12
    traders: int = 60
    rate: float = 4.0
    hours: int = 24


class Demo(Struct, frozen=True):
    """Where the chain is, and the launchpad on it."""

    url: str
    launchpad: bytes


async def serve(options: DemoOptions, stop: asyncio.Event, ready: Callable[[Demo], None]) -> None:
    """Run the chain and its market until `stop` is set; `ready` is told when the past is made.

    Raises EngineError if anvil or vyper are missing.
    """
    program, contracts = find_anvil(options.anvil), compile_contracts()
    now = int(time.time())
    start = now - options.hours * 60 * _MINUTE
    blocks = options.hours * 60 // _BLOCK_MINUTES
    with tempfile.TemporaryDirectory(prefix="outcry-chain-") as folder:
        chain = Options(port=options.port, genesis_time=start - 10 * _MINUTE)
        anvil = Anvil(program, chain, Path(folder) / "anvil.log")
        try:
            await anvil.start()
            async with connect(anvil.url) as node:
                [owner] = accounts(1, seed=0)
                launchpad = await deploy(node, contracts, owner)
                market = TokenMarket(
                    launchpad, seed=options.seed, tokens=options.tokens, traders=options.traders
                )
                await market.open()
                await market.history(start, now, blocks=blocks, moves_each=options.tokens)
                await node.set_clock(int(time.time()))
                await node.mine_every(_BLOCK_SECONDS)
                ready(Demo(anvil.url, launchpad.address))
                await market.run(options.rate, stop)
        finally:
            await anvil.stop()
