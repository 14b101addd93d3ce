"""The crowd of the sample launchpad: the same for the same seed, lively, and at home on any chain."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import islice

from openoutcry.core.chain.curve import (
    FINE,
    TOKEN,
    ConstantProduct,
    State,
    Terms,
    buy,
    check,
    price,
)
from openoutcry.sandbox.launchpad import Launchpad, accounts
from openoutcry.sandbox.node import show
from openoutcry.sandbox.token_crowd import MILLION, Kind, listing, moves
from openoutcry.sandbox.token_market import TokenMarket
from openoutcry.tokens import WEI


def test_the_same_seed_makes_the_same_moves() -> None:
    """And another seed others."""
    first, again, other = (list(islice(moves(seed, 5, 20), 300)) for seed in (1, 1, 2))
    assert first == again != other


def test_the_crowd_is_lively() -> None:
    """All kinds of moves, all tokens, the first ones most; nobody sends tokens to himself."""
    made = list(islice(moves(3, 10, 50), 5000))
    kinds = Counter(move.kind for move in made)
    assert all(kinds[kind] > 250 for kind in Kind)
    popular = Counter(move.token for move in made)
    assert set(popular) == set(range(10))
    assert popular[0] > 2 * popular[9]
    assert {move.trader for move in made} == set(range(50))
    assert all(move.trader != move.receiver for move in made)
    assert all(0 < move.part <= MILLION for move in made)


def test_every_listing_is_one_that_the_contract_takes() -> None:
    """Names differ, both kinds of curve occur, and a few hundred million tokens go for the target."""
    made = [listing(number, seed=5) for number in range(150)]
    assert len({each.name for each in made}) == len({each.symbol for each in made}) == 150
    for each in made:
        check(each.terms)
        sold = buy(each.terms, State(), each.terms.target).after
        assert 5 * 10**8 * TOKEN < sold.supply < 9 * 10**8 * TOKEN
        assert price(each.terms.curve, sold) > 5 * price(each.terms.curve, State())
    assert {type(each.terms.curve) for each in made[:2]} == {
        type(each.terms.curve) for each in made
    }
    assert FINE == 1000 * TOKEN
    assert isinstance(made[1].terms.curve, ConstantProduct)


async def play(launchpad: Launchpad, turns: int) -> list[tuple[object, ...]]:
    """Open a market, play some turns, each in a block; return what was told, less hashes."""
    market = TokenMarket(launchpad, seed=11, tokens=3, traders=12)
    await market.open()
    await launchpad.node.mine_on_demand()
    for _ in range(turns):
        await market.play(10)
        await launchpad.node.mine()
    logs = await launchpad.node.ask("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    return [(log["address"], tuple(log["topics"]), log["data"]) for log in logs]


async def test_the_same_seed_makes_the_same_chain(launchpad: Launchpad) -> None:
    """On a chain that is put back to its beginning the same things happen again, to the wei."""
    snapshot = await launchpad.node.snapshot()
    first = await play(launchpad, 8)
    await launchpad.node.revert(snapshot)
    await launchpad.node.mine_at_once()
    assert await play(launchpad, 8) == first
    assert len(first) > 100


async def test_a_graduated_token_is_replaced(launchpad: Launchpad) -> None:
    """Its place is taken by a new one as soon as that is mined; the old one is only passed on."""
    node = launchpad.node
    market = TokenMarket(launchpad, seed=2, tokens=2, traders=10)
    await market.open()
    old = market.stalls[0].token
    rich = accounts(1, seed=77)
    await node.fund(rich, 1000 * WEI)
    await node.send(launchpad.buy(old, rich[0], 500 * WEI))
    for _ in range(4):
        sent = await market.play(20)
        for tx_hash in sent:
            assert (await node.receipt(tx_hash)).succeeded
    assert market.stalls[0].token != old
    assert await launchpad.tokens() == [old, market.stalls[1].token, market.stalls[0].token]
    [figures] = await launchpad.figures([market.stalls[0].token])
    assert figures.supply > 0


async def test_it_goes_on_after_a_reorg(launchpad: Launchpad) -> None:
    """Blocks that vanish under the market do not confuse it: nearly all it sends succeeds."""
    node = launchpad.node
    market = TokenMarket(launchpad, seed=4, tokens=4, traders=20)
    await market.open()
    await node.mine_on_demand()
    outcomes = Counter[bool]()
    for turn in range(12):
        sent = await market.play(15)
        await node.mine()
        outcomes.update([(await node.receipt(tx_hash)).succeeded for tx_hash in sent])
        if turn % 3 == 2:
            await node.reorg(turn % 5 + 1)
    assert outcomes[True] > 150
    assert outcomes[False] <= 5


async def test_a_made_up_past(launchpad: Launchpad) -> None:
    """Blocks lie where they were asked for, with trades in them, and the present comes after."""
    node = launchpad.node
    market = TokenMarket(launchpad, seed=6, tokens=2, traders=10)
    await market.open()
    begin = int((await node.ask("eth_getBlockByNumber", "latest", False))["timestamp"], 16) + 1
    first = await node.head() + 1
    await market.history(begin, begin + 36_000, blocks=10, moves_each=5)
    blocks = [
        await node.ask("eth_getBlockByNumber", hex(number), False)
        for number in range(first, first + 10)
    ]
    assert [int(each["timestamp"], 16) - begin for each in blocks] == list(
        range(3600, 36_001, 3600)
    )
    assert all(len(each["transactions"]) >= 4 for each in blocks)
    [tx_hash] = await market.play(1)
    receipt = await node.receipt(tx_hash)
    found = await node.ask("eth_getBlockByHash", show(receipt.block_hash), False)
    assert int(found["timestamp"], 16) - begin - 36_000 < 100


async def test_it_keeps_its_rate_until_it_is_stopped(launchpad: Launchpad) -> None:
    """About so many moves a second, in real time, and an end within a moment."""
    market = TokenMarket(launchpad, seed=1, tokens=2, traders=10)
    await market.open()
    before = await launchpad.node.head()
    stop = asyncio.Event()
    running = asyncio.create_task(market.run(20, stop))
    await asyncio.sleep(2)
    stop.set()
    started = time.monotonic()
    made = await running
    assert time.monotonic() - started < 5
    assert 5 <= made <= 60
    assert await launchpad.node.head() > before


async def test_terms_and_chain_agree(launchpad: Launchpad) -> None:
    """What the market says about a token's terms is what its contract says."""
    market = TokenMarket(launchpad, seed=1, tokens=4, traders=4)
    await market.open()
    for stall in market.stalls:
        curve = stall.terms.curve
        said = [
            (await launchpad.ask(stall.token, name))[0] for name in ("first", "second", "target")
        ]
        numbers = (
            (curve.eth, curve.tokens)
            if isinstance(curve, ConstantProduct)
            else (curve.base, curve.slope)
        )
        assert Terms(curve, said[2]) == stall.terms
        assert (said[0], said[1]) == numbers
