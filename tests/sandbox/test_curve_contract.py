"""The sample launchpad on a real node: to the wei what the formulas say, in what it does and tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, ParamSpec, TypeVar

import pytest
from eth_hash.auto import keccak

from openoutcry.core.chain.curve import (
    TOKEN,
    ConstantProduct,
    Curve,
    CurveError,
    Deal,
    Linear,
    State,
    Terms,
    buy,
    check,
    graduated,
    market_cap,
    price,
    progress_percent,
    sell,
)
from openoutcry.sandbox.contracts import Contracts, compile_file
from openoutcry.sandbox.launchpad import Launchpad, accounts, deploy
from openoutcry.sandbox.node import Node, Receipt, RefusedError, Transaction, show
from openoutcry.tokens import NOBODY

P = ParamSpec("P")
T = TypeVar("T")

ETHER = 10**18
TRADERS = accounts(4)

CURVES: Mapping[str, tuple[Curve, int]] = {
    "linear": (Linear(10**9, 12_500), 4 * ETHER),
    "linear, from nothing": (Linear(0, 1000), ETHER),
    "linear, dear": (Linear(10**16, 10**15), 50 * ETHER),
    "flat": (Linear(ETHER // 100, 0), 10 * ETHER),
    "product": (ConstantProduct(30 * ETHER, 1_073_000_000 * TOKEN), 85 * ETHER),
    "product, a few wei": (ConstantProduct(7, 5003), 150),
}


@pytest.fixture(params=[0, 137], ids=["no fee", "with a fee"])
async def pad(request: pytest.FixtureRequest, node: Node, contracts: Contracts) -> Launchpad:
    """A launchpad without a fee, and one with a fee that does not divide."""
    await node.fund(TRADERS, 10**6 * ETHER)
    fee: int = request.param
    return await deploy(node, contracts, TRADERS[0], fee, TRADERS[3] if fee else NOBODY)


def numbers(log: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the words of a log's data, and of its topics behind the first."""
    words = bytes.fromhex(log["data"][2:])
    topics = tuple(int(topic, 16) for topic in log["topics"][1:])
    return (*topics, *(int.from_bytes(words[at : at + 32]) for at in range(0, len(words), 32)))


def topic(signature: str) -> str:
    """Return what a log of an event with this signature has as its first topic."""
    return "0x" + keccak(signature.encode()).hex()


TRADED = "(address,address,uint256,uint256,uint256,uint256,uint256)"


async def sent(node: Node, transaction: Transaction) -> Receipt:
    """Send one transaction and return what has become of it."""
    [tx_hash] = await node.send(transaction)
    return await node.receipt(tx_hash)


async def reason(node: Node, transaction: Transaction) -> str:
    """Return why a transaction is refused."""
    with pytest.raises(RefusedError) as refused:
        await node.ask("eth_call", transaction.params(), "latest")
    return str(refused.value)


def predicted(formula: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | str:
    """Return what a formula gives, or why it gives nothing."""
    try:
        return formula(*args, **kwargs)
    except CurveError as error:
        return str(error)


class Replay:
    """Random trades on one token, each compared with what the formulas say beforehand."""

    def __init__(self, pad: Launchpad, token: bytes, terms: Terms, seed: int) -> None:
        self.random = Random(seed)
        self.pad = pad
        self.node = pad.node
        self.token = token
        self.terms = terms
        self.state = State()
        self.balances = dict.fromkeys(TRADERS, 0)

    async def trade(self) -> None:
        """Make one trade, possibly one that is refused."""
        trader = self.random.choice(TRADERS)
        if self.random.random() < 0.6:
            part = self.random.choice([1, 100, 10_000, 200_000])
            most = self.terms.target * part // 10**6
            await self._buy(trader, self.random.randrange(most + 2))
        else:
            part = self.random.choice([0, 1, 10**3, 10**6])
            await self._sell(trader, self.balances[trader] * part // 10**6)

    async def graduate(self) -> None:
        """Buy what is left, with more ether than that takes."""
        await self._buy(TRADERS[0], 2 * self.terms.target)
        assert graduated(self.terms, self.state)
        assert "graduated" in await reason(self.node, self.pad.buy(self.token, TRADERS[1], ETHER))
        assert "graduated" in await reason(self.node, self.pad.sell(self.token, TRADERS[0], 1))

    async def _buy(self, trader: bytes, eth: int) -> None:
        transaction = self.pad.buy(self.token, trader, eth)
        deal = predicted(buy, self.terms, self.state, eth)
        if isinstance(deal, str):
            assert deal in await reason(self.node, transaction)
            return
        quoted = await self.pad.ask(self.token, "quote_buy", eth)
        assert quoted == (deal.tokens, deal.eth, deal.fee)
        await self._compare("Buy", trader, deal, await sent(self.node, transaction))
        self.balances[trader] += deal.tokens

    async def _sell(self, trader: bytes, units: int) -> None:
        transaction = self.pad.sell(self.token, trader, units)
        deal = predicted(sell, self.terms, self.state, units)
        if isinstance(deal, str):
            assert deal in await reason(self.node, transaction)
            return
        quoted = await self.pad.ask(self.token, "quote_sell", units)
        assert quoted == (deal.eth, deal.fee)
        await self._compare("Sell", trader, deal, await sent(self.node, transaction))
        self.balances[trader] -= units

    async def _compare(self, event: str, trader: bytes, deal: Deal, receipt: Receipt) -> None:
        assert receipt.succeeded
        assert all(log["address"] == show(self.token) for log in receipt.logs)
        moved, told, *rest = receipt.logs
        token, who, curve = int.from_bytes(self.token), int.from_bytes(trader), self.terms.curve
        assert moved["topics"][0] == topic("Transfer(address,address,uint256)")
        assert numbers(moved) == ((0, who) if event == "Buy" else (who, 0)) + (deal.tokens,)
        assert told["topics"][0] == topic(event + TRADED)
        after = (deal.after.supply, deal.after.reserve, price(curve, deal.after))
        assert numbers(told) == (token, who, deal.eth, deal.tokens, *after)
        if graduated(self.terms, deal.after):
            assert [log["topics"][0] for log in rest] == [
                topic("Graduated(address,uint256,uint256,uint256)")
            ]
            assert numbers(rest[0]) == (token, *after)
        else:
            assert not rest
        self.state = deal.after
        [figures] = await self.pad.figures([self.token])
        assert figures.state == deal.after
        assert figures.price == price(curve, deal.after)
        assert figures.market_cap == market_cap(curve, deal.after)
        assert figures.progress_percent == progress_percent(self.terms, deal.after)
        assert figures.graduated == graduated(self.terms, deal.after)


@pytest.mark.parametrize("name", CURVES)
async def test_the_contract_agrees_with_the_formulas_to_the_wei(pad: Launchpad, name: str) -> None:
    """Sixty random trades, refused ones among them, then graduation: figures, quotes, events, ether."""
    curve, target = CURVES[name]
    [fee_bps] = pad._launchpad.answer(
        "fee_bps", await pad.node.call(pad.address, pad._launchpad.call("fee_bps"))
    )
    terms = Terms(curve, target, fee_bps)
    token = await pad.made(TRADERS[1], name, "TEST", terms)
    replay = Replay(pad, token, terms, seed=fee_bps)
    for _ in range(60):
        await replay.trade()
    await replay.graduate()
    held = await pad.balances([(token, trader) for trader in TRADERS])
    assert held == list(replay.balances.values())
    assert sum(held) == replay.state.supply
    assert await pad.node.balance(token) == replay.state.reserve + replay.state.fees
    assert (replay.state.fees > 0) == (fee_bps > 0)


def some_terms(random: Random, fee_bps: int) -> Terms:
    """Return terms of any magnitude that the contract takes."""
    while True:
        curve: Curve
        if random.random() < 0.5:
            curve = Linear(random.randrange(10 ** random.randrange(18)), 10 ** random.randrange(20))
        else:
            tokens = random.randrange(10 ** random.randrange(6, 33))
            curve = ConstantProduct(random.randrange(1, 10 ** random.randrange(1, 27)), tokens)
        terms = Terms(curve, random.randrange(1, 10 ** random.randrange(2, 24)), fee_bps)
        if predicted(check, terms) is None:
            return terms


@pytest.mark.parametrize("seed", range(4))
async def test_curves_of_any_magnitude_agree_as_well(
    node: Node, contracts: Contracts, seed: int
) -> None:
    """Ten curves at random, eight trades each, and graduation."""
    random = Random(seed)
    await node.fund(TRADERS, 10**9 * ETHER)
    fee = random.randrange(1001)
    pad = await deploy(node, contracts, TRADERS[0], fee, TRADERS[3])
    await node.fund(TRADERS, 10**9 * ETHER)
    for number in range(10):
        terms = some_terms(random, fee)
        token = await pad.made(TRADERS[0], f"Any {number}", "ANY", terms)
        replay = Replay(pad, token, terms, seed=number)
        for _ in range(8):
            await replay.trade()
        await replay.graduate()


async def test_the_same_terms_are_refused_for_the_same_reason(pad: Launchpad) -> None:
    """Terms around every bound: the contract takes what the formulas' check takes, and nothing else."""
    random = Random(4)
    taken = set()
    for _ in range(400):
        target = random.choice([0, 1, 1000, ETHER, 10**26, 10**26 + 1])
        curve: Curve
        if random.random() < 0.5:
            curve = Linear(
                random.choice([0, 1, 10**9, 2 * 10**17, 10**18]),
                random.choice([0, 1, 10**6, 10**20, 2**200]),
            )
        else:
            curve = ConstantProduct(
                random.choice([0, 1, ETHER, 10**26, 10**27]),
                random.choice([0, 1, 10**25, 10**32, 10**33]),
            )
        terms = Terms(curve, target)
        creation = pad.create(TRADERS[0], "A", "A", terms)
        why = predicted(check, terms)
        if why is None:
            await pad.node.ask("eth_call", creation.params(), "latest")
        else:
            assert why in await reason(pad.node, creation)
        taken.add(why)
    assert len(taken) == 6


async def test_creation_is_told_by_the_launchpad(pad: Launchpad) -> None:
    """The event has what an indexer needs, and the launchpad and the token say the same when asked."""
    terms = Terms(*CURVES["product"])
    receipt = await sent(pad.node, pad.create(TRADERS[2], "Brisk Otter", "OTTR", terms))
    [log] = receipt.logs
    assert log["address"] == show(pad.address)
    assert log["topics"][0] == topic("TokenCreated(address,address,string,string,uint8,uint256)")
    [token] = await pad.tokens()
    assert [bytes.fromhex(each[-40:]) for each in log["topics"][1:]] == [token, TRADERS[2]]
    words = numbers(log)[2:]
    assert words[2:4] == (2, terms.target)
    asked = {
        name: (await pad.ask(token, name))[0]
        for name in ("name", "symbol", "decimals", "creator", "launchpad", "kind", "target")
    }
    assert asked == {
        "name": "Brisk Otter",
        "symbol": "OTTR",
        "decimals": 18,
        "creator": show(TRADERS[2]),
        "launchpad": show(pad.address),
        "kind": 2,
        "target": terms.target,
    }
    assert b"Brisk Otter" in bytes.fromhex(log["data"][2:])
    assert "name and symbol" in await reason(pad.node, pad.create(TRADERS[0], "", "X", terms))


async def test_limits_of_a_trader_are_kept(pad: Launchpad) -> None:
    """One unit or one wei more than the quote as the bound: no trade. The quote itself: a trade."""
    token = await pad.made(TRADERS[0], "A", "A", Terms(*CURVES["linear"]))
    units, *_ = await pad.ask(token, "quote_buy", ETHER)
    refused = pad.buy(token, TRADERS[0], ETHER, units + 1)
    assert "fewer tokens" in await reason(pad.node, refused)
    assert not (await sent(pad.node, refused)).succeeded
    assert (await sent(pad.node, pad.buy(token, TRADERS[0], ETHER, units))).succeeded
    eth, _ = await pad.ask(token, "quote_sell", units)
    refused = pad.sell(token, TRADERS[0], units, eth + 1)
    assert "less ether" in await reason(pad.node, refused)
    assert "more than there is" in await reason(pad.node, pad.sell(token, TRADERS[1], 1))
    assert (await sent(pad.node, pad.sell(token, TRADERS[0], units, eth))).succeeded


async def test_it_is_an_erc20(launchpad: Launchpad) -> None:
    """Transfers, approvals that wane and one that does not, and what is refused."""
    node, (a, b, c, _) = launchpad.node, TRADERS
    await node.fund(TRADERS, 10 * ETHER)
    token = await launchpad.made(a, "A", "A", Terms(*CURVES["flat"]))
    await sent(node, launchpad.buy(token, a, ETHER))
    receipt = await sent(node, launchpad.transfer(token, a, b, 40 * TOKEN))
    assert numbers(receipt.logs[0]) == (int.from_bytes(a), int.from_bytes(b), 40 * TOKEN)
    receipt = await sent(node, launchpad.other(token, b, "approve", c, 30 * TOKEN))
    assert receipt.logs[0]["topics"][0] == topic("Approval(address,address,uint256)")
    assert numbers(receipt.logs[0]) == (int.from_bytes(b), int.from_bytes(c), 30 * TOKEN)
    await sent(node, launchpad.other(token, c, "transferFrom", b, a, 10 * TOKEN))
    assert await launchpad.ask(token, "allowance", b, c) == (20 * TOKEN,)
    too_much = launchpad.other(token, c, "transferFrom", b, a, 21 * TOKEN)
    assert "not approved" in await reason(node, too_much)
    await sent(node, launchpad.other(token, b, "approve", c, 2**256 - 1))
    assert "more than" in await reason(
        node, launchpad.other(token, c, "transferFrom", b, a, 31 * TOKEN)
    )
    await sent(node, launchpad.other(token, c, "transferFrom", b, c, 30 * TOKEN))
    assert await launchpad.ask(token, "allowance", b, c) == (2**256 - 1,)
    held = await launchpad.balances([(token, each) for each in TRADERS])
    assert held == [70 * TOKEN, 0, 30 * TOKEN, 0]
    for receiver in (NOBODY, token):
        assert "no such receiver" in await reason(node, launchpad.transfer(token, a, receiver, 1))
    # To oneself: nothing is made by it.
    await sent(node, launchpad.transfer(token, a, a, 70 * TOKEN))
    assert await launchpad.balances([(token, a)]) == [70 * TOKEN]


async def test_transfers_go_on_after_graduation(launchpad: Launchpad) -> None:
    """Only the curve closes."""
    a, b, *_ = TRADERS
    await launchpad.node.fund([a], 100 * ETHER)
    token = await launchpad.made(a, "A", "A", Terms(*CURVES["flat"]))
    await sent(launchpad.node, launchpad.buy(token, a, 20 * ETHER))
    assert await launchpad.ask(token, "graduated") == (True,)
    assert (await sent(launchpad.node, launchpad.transfer(token, a, b, TOKEN))).succeeded


async def test_fees_are_paid_to_the_launchpads_receiver(node: Node, contracts: Contracts) -> None:
    """All that was taken arrives there, asked for by anybody, and once."""
    a, receiver = TRADERS[0], accounts(1, seed=99)[0]
    await node.fund(TRADERS, 100 * ETHER)
    pad = await deploy(node, contracts, a, 100, receiver)
    token = await pad.made(a, "A", "A", Terms(*CURVES["flat"]))
    await sent(node, pad.buy(token, a, ETHER))
    for _ in range(2):
        assert (await sent(node, pad.other(token, TRADERS[1], "collect_fees"))).succeeded
        assert await node.balance(receiver) == ETHER // 100
    assert await node.balance(token) == 99 * ETHER // 100


@pytest.mark.parametrize("name", ["linear", "product"])
async def test_nobody_trades_in_the_middle_of_a_trade(pad: Launchpad, name: str) -> None:
    """A contract that trades again as it is paid, at both places where it is, gets nowhere."""
    terms = Terms(*CURVES[name])
    token = await pad.made(TRADERS[0], "A", "A", terms)
    contract = compile_file(Path(__file__).with_name("reenter.vy"))
    made = await sent(
        pad.node, Transaction(TRADERS[0], None, contract.creation(token), ETHER, 2_000_000)
    )
    assert made.contract is not None
    attacker = made.contract

    def told(call: str, *values: int, eth: int = 0) -> Transaction:
        return Transaction(TRADERS[0], attacker, contract.call(call, *values), eth)

    async def count(name: str) -> int:
        return int.from_bytes(await pad.node.call(attacker, contract.call(name)))

    await sent(pad.node, pad.buy(token, TRADERS[1], ETHER))
    [start] = await pad.figures([token])
    assert (await sent(pad.node, told("buy", eth=ETHER // 10))).succeeded
    [units] = await pad.balances([(token, attacker)])
    assert (await sent(pad.node, told("sell", units))).succeeded
    assert (await count("tries"), await count("successes")) == (3, 0)
    [after] = await pad.figures([token])
    assert (after.supply, after.price) == (start.supply, start.price)
    assert start.reserve <= after.reserve <= start.reserve + 1
    assert (
        await sent(pad.node, told("buy", eth=1000 * ETHER))
    ).succeeded  # graduates it, with change
    assert (await count("tries"), await count("successes")) == (6, 0)
    [after] = await pad.figures([token])
    assert after.graduated
    assert await pad.node.balance(token) == after.reserve + after.fees


async def test_who_does_not_take_ether_only_harms_himself(launchpad: Launchpad) -> None:
    """A seller that refuses its money has not sold; the next one can."""
    a, b, *_ = TRADERS
    await launchpad.node.fund([a, b], 100 * ETHER)
    token = await launchpad.made(a, "A", "A", Terms(*CURVES["flat"]))
    contract = compile_file(Path(__file__).with_name("reenter.vy"))
    creation = Transaction(a, None, contract.creation(token), 0, 2_000_000)
    refuser = (await sent(launchpad.node, creation)).contract
    assert refuser is not None
    await sent(launchpad.node, launchpad.buy(token, b, ETHER))
    await sent(launchpad.node, Transaction(a, refuser, contract.call("buy"), ETHER))
    await sent(launchpad.node, Transaction(a, refuser, contract.call("refuse")))
    [before] = await launchpad.figures([token])
    sale = Transaction(a, refuser, contract.call("sell", TOKEN))
    assert not (await sent(launchpad.node, sale)).succeeded
    assert await launchpad.figures([token]) == [before]
    assert (await sent(launchpad.node, launchpad.sell(token, b, TOKEN))).succeeded


async def test_ether_that_is_only_sent_is_refused(launchpad: Launchpad) -> None:
    """A curve takes ether for tokens alone; what is forced in does not count as raised."""
    a, *_ = TRADERS
    await launchpad.node.fund([a], 100 * ETHER)
    token = await launchpad.made(a, "A", "A", Terms(*CURVES["flat"]))
    assert not (await sent(launchpad.node, Transaction(a, token, value=ETHER))).succeeded
    await launchpad.node.fund([token], 50 * ETHER)
    [figures] = await launchpad.figures([token])
    assert (figures.reserve, figures.progress_percent) == (0, 0)
    deal = buy(Terms(*CURVES["flat"]), State(), ETHER)
    assert await launchpad.ask(token, "quote_buy", ETHER) == (deal.tokens, deal.eth, 0)
