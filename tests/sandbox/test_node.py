"""The development node: blocks, reorgs, restarts and cut lines are what tests take them for."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chainkit import Gate
from openoutcry.core.chain.curve import TOKEN, Linear, Terms
from openoutcry.errors import EngineError
from openoutcry.sandbox.anvil import Anvil, Options, find_anvil
from openoutcry.sandbox.contracts import Contracts, compile_contracts
from openoutcry.sandbox.launchpad import Launchpad, accounts, deploy
from openoutcry.sandbox.node import Node, RefusedError, Transaction, connect, show
from openoutcry.tokens import WEI

PEOPLE = accounts(60)
FLAT = Terms(Linear(WEI // 100, 0), 100 * WEI)


async def block(node: Node, number: int) -> dict[str, Any]:
    """Return a block with the hashes of its transactions."""
    found: dict[str, Any] = await node.ask("eth_getBlockByNumber", hex(number), False)
    return found


async def bought(pad: Launchpad, token: bytes, at: int | None = None) -> list[int]:
    """Return what the first ten people have of a token, in whole tokens."""
    pairs = [(token, each) for each in PEOPLE[:10]]
    return [units // TOKEN for units in await pad.balances(pairs, at)]


@pytest.fixture
async def token(launchpad: Launchpad) -> bytes:
    """A token at 0.01 ether, people who can buy it, and a node that mines on demand."""
    await launchpad.node.fund(PEOPLE, 1000 * WEI)
    made = await launchpad.made(PEOPLE[0], "Flat", "FLAT", FLAT)
    await launchpad.node.mine_on_demand()
    return made


def purchase(pad: Launchpad, token: bytes, who: int) -> Transaction:
    """Return a purchase of one token."""
    return pad.buy(token, PEOPLE[who], WEI // 100)


async def test_transactions_are_mined_in_the_order_they_were_sent(
    launchpad: Launchpad, token: bytes
) -> None:
    """Sixty people's purchases, sent together, stand in one block one after the other."""
    node = launchpad.node
    sent = await node.send(*[purchase(launchpad, token, who) for who in range(60)])
    assert await node.receipt_now(sent[0]) is None
    await node.mine()
    found = await block(node, await node.head())
    assert found["transactions"] == [show(each) for each in sent]


async def test_one_person_may_send_many_transactions_together(
    launchpad: Launchpad, token: bytes
) -> None:
    """Forty purchases of one person and his neighbour, while blocks are mined at once: all succeed."""
    await launchpad.node.mine_at_once()
    for _ in range(5):
        sent = await launchpad.node.send(*[purchase(launchpad, token, at // 4) for at in range(8)])
    for tx_hash in sent:
        assert (await launchpad.node.receipt(tx_hash)).succeeded
    assert (await bought(launchpad, token))[:3] == [20, 20, 0]


async def test_a_reorg_replaces_blocks_and_what_was_in_them(
    launchpad: Launchpad, token: bytes
) -> None:
    """Three blocks with a purchase each become three others: two with other purchases, one empty."""
    node = launchpad.node
    for who in (0, 1, 2, 3):
        await node.send(purchase(launchpad, token, who))
        await node.mine()
    head = await node.head()
    before = [await block(node, number) for number in range(head - 3, head + 1)]
    assert await bought(launchpad, token) == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    await node.reorg(3, [(purchase(launchpad, token, 7), 0), (purchase(launchpad, token, 8), 2)])
    assert await node.head() == head
    after = [await block(node, number) for number in range(head - 3, head + 1)]
    assert after[0] == before[0]
    assert all(a["hash"] != b["hash"] for a, b in zip(after[1:], before[1:], strict=True))
    assert [each["parentHash"] for each in after[1:]] == [each["hash"] for each in after[:-1]]
    assert [len(each["transactions"]) for each in after] == [1, 1, 0, 1]
    assert await bought(launchpad, token) == [1, 0, 0, 0, 0, 0, 0, 1, 1, 0]
    logs = await node.ask(
        "eth_getLogs", {"fromBlock": hex(head - 2), "toBlock": "latest", "address": show(token)}
    )
    assert {log["blockHash"] for log in logs} == {after[1]["hash"], after[3]["hash"]}
    for each in before[1:]:
        with pytest.raises(RefusedError):
            await node.ask("eth_getLogs", {"blockHash": each["hash"]})


async def test_a_rollback_and_a_snapshot_take_blocks_away(
    launchpad: Launchpad, token: bytes
) -> None:
    """The head goes back, and another chain grows from there."""
    node = launchpad.node
    start = await node.head()
    snapshot = await node.snapshot()
    await node.send(purchase(launchpad, token, 0))
    await node.mine(5)
    assert (await node.head(), (await bought(launchpad, token))[0]) == (start + 5, 1)
    await node.rollback(2)
    assert await node.head() == start + 3
    await node.revert(snapshot)
    assert (await node.head(), (await bought(launchpad, token))[0]) == (start, 0)
    with pytest.raises(EngineError, match="no snapshot"):
        await node.revert(snapshot)


async def test_times_of_blocks_can_be_chosen(launchpad: Launchpad, token: bytes) -> None:
    """The next block gets the time that it is given; the clock goes on from what it is set to."""
    node = launchpad.node
    last = int((await block(node, await node.head()))["timestamp"], 16)
    await node.next_block_at(last + 1000)
    await node.mine()
    assert int((await block(node, await node.head()))["timestamp"], 16) == last + 1000
    await node.set_clock(last + 5000)
    await node.send(purchase(launchpad, token, 0))
    await node.mine()
    assert 0 <= int((await block(node, await node.head()))["timestamp"], 16) - last - 5000 < 100


async def test_a_node_mines_by_itself_at_intervals(launchpad: Launchpad, token: bytes) -> None:
    """With blocks every second a purchase is mined without anybody's doing."""
    await launchpad.node.mine_every(1)
    [sent] = await launchpad.node.send(purchase(launchpad, token, 0))
    assert (await launchpad.node.receipt(sent)).succeeded


async def test_a_node_that_was_stopped_comes_back_with_its_chain(
    anvil_program: Path, contracts: Contracts, tmp_path: Path
) -> None:
    """Blocks, receipts, logs and states of the past are the same after a restart, at the same port."""
    anvil = Anvil(anvil_program, Options(state=tmp_path / "chain.json"), tmp_path / "log")
    await anvil.start()
    try:
        async with connect(anvil.url) as node:
            await node.fund(PEOPLE, 1000 * WEI)
            pad = await deploy(node, contracts, PEOPLE[0])
            token = await pad.made(PEOPLE[0], "Flat", "FLAT", FLAT)
            for who in range(3):
                [sent] = await node.send(purchase(pad, token, who))
                receipt = await node.receipt(sent)
            everything = {"fromBlock": "0x0", "toBlock": "latest"}
            head = await node.head()
            before = (await block(node, head), await node.ask("eth_getLogs", everything))
            await anvil.stop()
            with pytest.raises(EngineError, match="does not answer"):
                await node.head()
            await anvil.start()
            assert await node.head() == head
            assert (await block(node, head), await node.ask("eth_getLogs", everything)) == before
            assert await node.receipt(sent) == receipt
            assert (await bought(pad, token, head - 1))[:3] == [1, 1, 0]
            # What is mined from now on can be reorganised, too.
            [sent] = await node.send(purchase(pad, token, 5))
            await node.receipt(sent)
            await node.reorg(1)
            assert (await bought(pad, token))[:6] == [1, 1, 1, 0, 0, 0]
    finally:
        anvil.kill()


async def test_a_line_that_is_cut_and_mended(anvil: Anvil) -> None:
    """Through the gate the node answers, then is gone, then is back at the same address, unchanged."""
    gate = Gate(anvil.port)
    await gate.open()
    async with connect(gate.url) as node:
        await node.mine(3)
        await gate.cut()
        with pytest.raises(EngineError, match="does not answer"):
            await node.head()
        await gate.open()
        assert await node.head() == 3
    await gate.cut()


async def test_a_frozen_node_answers_when_it_is_thawed(anvil: Anvil, node: Node) -> None:
    """It is there and says nothing; what it was asked meanwhile is answered afterwards."""
    anvil.freeze()
    assert anvil.running
    started = time.monotonic()
    asking = asyncio.ensure_future(node.head())
    done, _ = await asyncio.wait([asking], timeout=0.3)
    assert not done
    anvil.thaw()
    assert await asking == 0
    assert time.monotonic() - started >= 0.3


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No node, no compiler, no contracts: each with what to do about it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"no anvil.*npm ci"):
        find_anvil(tmp_path)
    with pytest.raises(EngineError, match=r"launchpad\.vy cannot be read"):
        compile_contracts(tmp_path)
    monkeypatch.setitem(sys.modules, "vyper", None)
    with pytest.raises(EngineError, match=r"openoutcry\[launchpad\]"):
        compile_contracts()


async def test_a_program_that_is_no_node_is_told_at_once(tmp_path: Path) -> None:
    """The message has what it said."""
    with pytest.raises(EngineError, match="does not start"):
        await Anvil(Path("/bin/false"), Options(), tmp_path / "log").start()


async def test_a_port_that_is_taken_is_told(anvil: Anvil, tmp_path: Path) -> None:
    """A second node at the first one's port is refused, not taken for started."""
    second = Anvil(Path("/bin/false"), Options(port=anvil.port), tmp_path / "log")
    with pytest.raises(EngineError, match="is taken"):
        await second.start()
