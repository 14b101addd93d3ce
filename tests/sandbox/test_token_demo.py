"""The chain of the demonstration: it has a past, a present, and ends when it is told to."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from openoutcry.errors import EngineError
from openoutcry.sandbox.contracts import Contracts
from openoutcry.sandbox.launchpad import Launchpad
from openoutcry.sandbox.node import Node, connect
from openoutcry.sandbox.token_demo import LAUNCHPAD, Demo, DemoOptions, serve


async def block_time(node: Node, number: int) -> int:
    """Return the time of a block."""
    found = await node.ask("eth_getBlockByNumber", hex(number), False)
    return int(found["timestamp"], 16)


async def test_a_chain_with_a_past_and_a_present(
    anvil_program: Path, contracts: Contracts, free_ports: object
) -> None:
    """Two hours of blocks, then a block a second with trades in it, at the clock's time."""
    assert callable(free_ports)
    options = DemoOptions(
        anvil=str(anvil_program), port=free_ports(1)[0], tokens=3, traders=10, rate=10, hours=2
    )
    stop, told = asyncio.Event(), asyncio.Queue[Demo]()
    running = asyncio.create_task(serve(options, stop, told.put_nowait))
    demo = await asyncio.wait_for(told.get(), 60)
    assert demo.launchpad == LAUNCHPAD
    async with connect(demo.url) as node:
        pad = Launchpad(node, contracts, demo.launchpad)
        tokens = await pad.tokens()
        assert len(tokens) >= 3
        head, now = await node.head(), time.time()
        assert 23 <= head < 60
        assert 7200 <= now - await block_time(node, 1) < 8400
        assert now - await block_time(node, head) < 60
        before = await pad.figures(tokens[:3])
        deadline = time.monotonic() + 60
        while await pad.figures(tokens[:3]) == before:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert abs(await block_time(node, await node.head()) - time.time()) < 60
        stop.set()
        await asyncio.wait_for(running, 30)
        with pytest.raises(EngineError):
            await node.head()
