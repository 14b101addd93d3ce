"""Buys, sells, transfers, forks, parts of blocks and clocks: the store says what the model says."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_rebuild import rebuild
from openoutcry.adapters.postgres.token_store import Stored, apply, read_head, undo
from openoutcry.adapters.postgres.token_windows import expire
from openoutcry.core.intervals import HOUR, MINUTE, SECOND
from openoutcry.core.tokens import naive
from openoutcry.tokens import DAY, Block, ChainHead, TokenEvent
from tokenkit import (
    START,
    address,
    block,
    block_hash,
    created,
    dump,
    empty,
    expected,
    graduated,
    published,
    ranks,
    trade,
    transfer,
)

PHASES = [Phase.generate]
"""No shrinking: it takes five minutes, and a failure of forty steps can be read as it is."""

EXAMPLES = int(os.environ.get("OUTCRY_TEST_TOKEN_EXAMPLES", "25"))
TOKENS = [address(100 + n) for n in range(3)]
STEPS = (0, SECOND, 12 * SECOND, 50 * SECOND, 47 * MINUTE, 11 * HOUR, DAY, 3 * DAY)
LONGEST = 200

# Mostly of one token and one person: what goes wrong goes wrong where much meets.
token = st.sampled_from((100, 100, 100, 101, 102))
person = st.sampled_from((1, 1, 1, 2, 3))
anyone = st.sampled_from((0, 0, 1, 1, 1, 2, 3))
amount = st.sampled_from((1, 1, 1, 2, 2, 0, 10**30))
event = st.one_of(
    st.tuples(
        st.just("trade"), token, person, st.integers(-3, 3), amount, st.sampled_from((None, 0, 7))
    ),
    st.tuples(st.just("transfer"), token, anyone, anyone, amount),
    st.tuples(st.just("transfer"), token, anyone, anyone, amount),
    st.tuples(st.just("created"), token, st.sampled_from(("A", "Bb", "nul\0"))),
    st.tuples(st.just("graduated"), token),
)
events = st.lists(event, max_size=5)


def _event(index: int, drawn: tuple[Any, ...]) -> TokenEvent:
    kind, *values = drawn
    if kind == "trade":
        of, trader, eth, tokens, told = values
        wei = eth * 10**18 + (1 if eth >= 0 else -1) * index
        return trade(index, of, trader, wei, tokens=tokens, price=tokens + index, supply=told)
    if kind == "transfer":
        return transfer(index, *values)
    return created(index, *values) if kind == "created" else graduated(index, *values)


class TokenMachine(RuleBasedStateMachine):
    """A chain that forks, brought in whole blocks and in parts; after each step all is compared."""

    url = ""
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.db: asyncpg.Connection = self._run(dial(self.url, application_name="test"))
        self._run(empty(self.db))
        self.chain: list[Block] = []
        self.parts: dict[int, Block] = {}
        self.whole: dict[bytes, Block] = {}
        self.undone: list[Block] = []
        self.unlisted: set[bytes] = set()
        self.times = [START]
        self.now = START + HOUR
        self.forks = 0
        self.compared = 0

    @initialize(seed=st.integers(0, 10**6))
    def begin(self, seed: int) -> None:
        """Say how the chain's clock runs: the same for all forks, but for a part of a step."""
        rng = random.Random(seed)
        for _ in range(LONGEST + 10):
            self.times.append(self.times[-1] + rng.choice(STEPS))

    @rule(drawn=st.lists(events, min_size=1, max_size=3), skip=st.booleans())
    def extend(self, drawn: list[Any], skip: bool) -> None:
        """Apply the next blocks; catching up does not list those without events."""
        self._apply(self._row(drawn), skip)

    @precondition(lambda self: self.parts)
    @rule()
    def arrive(self) -> None:
        """Apply the next block, of which parts may have come before."""
        number = len(self.chain)
        part = self.parts.get(number)
        self._apply([self.whole[part.header.hash] if part else self._made(number, [])])

    @rule(drawn=events, ahead=st.integers(0, 3), keep=st.integers(0, 31))
    def bring_part(self, drawn: list[Any], ahead: int, keep: int) -> None:
        """Bring some events of a block that is still to come, of one known by a part, or of another."""
        number = len(self.chain) + ahead
        known = self.parts.get(number)
        full = self.whole[known.header.hash] if known and keep % 2 else self._made(number, drawn)
        self._bring(full, keep)

    @precondition(lambda self: self.chain)
    @rule(back=st.integers(1, 4), keep=st.integers(0, 31), other=st.booleans(), drawn=events)
    def bring_part_again(self, back: int, keep: int, other: bool, drawn: list[Any]) -> None:
        """Bring a part of what is there: nothing changes; of another block of the number: refused."""
        full = self.chain[-min(back, len(self.chain))]
        number = full.header.number
        stored = self._bring(self._made(number, drawn) if other else full, keep)
        assert bool(stored.refused) == (other or full.header.hash in self.unlisted)
        assert stored.trades == ()

    @precondition(lambda self: self.chain)
    @rule(depth=st.integers(1, 5), named=st.booleans())
    def undo(self, depth: int, named: bool) -> None:
        """Take the newest blocks back; naming blocks that are not there as well is harmless."""
        gone = self.chain[-depth:]
        del self.chain[-depth:]
        self.undone = gone
        hashes = [each.header.hash for each in gone] + [bytes(32)] * named
        stored = self._run(undo(self.db, hashes))
        assert set(stored.undone) == {each.header.hash for each in gone} - self.unlisted
        self._compare()

    @precondition(lambda self: self.undone and self.undone[0].header.number <= len(self.chain))
    @rule(count=st.integers(1, 5))
    def come_back(self, count: int) -> None:
        """Apply blocks that had been undone; without a word if others stand in their place."""
        back = self.undone[:count]
        self.undone = []
        standing = self.chain[back[0].header.number :]
        if standing and standing[0].header.hash in self.unlisted:
            return
        del self.chain[back[0].header.number :]
        self._apply(back)

    @precondition(lambda self: self.chain)
    @rule(depth=st.integers(1, 4), drawn=st.lists(events, min_size=1, max_size=2))
    def replace(self, depth: int, drawn: list[Any]) -> None:
        """Apply other blocks in the place of the newest ones, without an undo."""
        depth = min(depth, len(self.chain))
        if self.chain[-depth].header.hash in self.unlisted:
            return
        self.undone = self.chain[-depth:]
        del self.chain[-depth:]
        self._apply(self._row(drawn))

    @precondition(lambda self: self.chain)
    @rule(count=st.integers(1, 5))
    def repeat(self, count: int) -> None:
        """Apply the newest blocks once more: nothing is counted twice."""
        self.unlisted -= {b.header.hash for b in self.chain[-count:]}
        stored = self._run(apply(self.db, self.chain[-count:]))
        assert (stored.trades, stored.undone) == ((), ())
        self._compare()

    @rule(step=st.sampled_from((0, 1, SECOND, HOUR, DAY - 1, DAY, 4 * DAY, -SECOND, -HOUR)))
    def move_clock(self, step: int) -> None:
        """Ask at another moment; readers' clocks may be behind."""
        self.now += step
        self._compare()

    @precondition(lambda self: self.chain)
    @rule(age=st.sampled_from((DAY, 7 * DAY)), step=st.sampled_from((-1, 0, 1)))
    def ask_at_an_edge(self, age: int, step: int) -> None:
        """Ask when the newest block is about to leave a window, leaves it, or has left it."""
        self.now = self.chain[-1].header.time + age + step
        self._compare()

    @rule()
    def expire(self) -> None:
        """Move the stored sums on."""
        self._run(expire(self.db, self.now))
        self._compare()

    @rule()
    def rebuild(self) -> None:
        """Make all that is derived anew: every byte is as it was."""
        before = self._run(dump(self.db))
        self._run(rebuild(self.db))
        assert self._run(dump(self.db)) == before

    def teardown(self) -> None:
        """Give the connection back."""
        self._run(self.db.close(timeout=5))

    def _row(self, drawn: list[Any]) -> list[Block]:
        """Return blocks upon the chain, each upon the one before."""
        made: list[Block] = []
        for some in drawn:
            last = made[-1].header.hash if made else None
            made.append(self._made(len(self.chain) + len(made), some, last))
        return made

    def _made(self, number: int, drawn: list[Any], parent: bytes | None = None) -> Block:
        self.forks += 1
        if parent is None:
            known = 0 < number <= len(self.chain)
            parent = self.chain[number - 1].header.hash if known else bytes(32)
        gap = self.times[number + 1] - self.times[number]
        time = self.times[number] + self.forks % 3 * gap // 3
        made = block(number, *map(_event, range(len(drawn)), drawn), fork=self.forks, time=time)
        header = type(made.header)(number, block_hash(number, self.forks), parent, time)
        full = Block(header, made.events)
        self.whole[header.hash] = full
        return full

    def _apply(self, blocks: list[Block], skip: bool = False) -> None:
        if len(self.chain) + len(blocks) > LONGEST:
            return
        first = blocks[0].header.number
        before = {id(e) for b in self._counted() if b.header.number >= first for e in b.events}
        listed = [b for b in blocks[:-1] if b.events or not skip] + blocks[-1:]
        self.unlisted |= {b.header.hash for b in blocks} - {b.header.hash for b in listed}
        self.unlisted -= {b.header.hash for b in listed}
        stored = self._run(apply(self.db, listed))
        self.chain += blocks
        for number in [number for number in self.parts if number < len(self.chain)]:
            del self.parts[number]
        fresh = [each for each in naive.trades(blocks) if id(each.trade) not in before]
        assert list(stored.trades) == fresh
        last = blocks[-1].header
        assert stored.head == self._run(read_head(self.db)) == ChainHead(last.number, last.hash)
        self._compare()

    def _bring(self, full: Block, keep: int) -> Stored:
        number, some = full.header.number, tuple(e for e in full.events if keep >> e.index & 1)
        stored: Stored = self._run(apply(self.db, [Block(full.header, some)], part=True))
        if number >= len(self.chain):
            known = self.parts.get(number)
            had = known.events if known and known.header == full.header else ()
            gone = {e.header.hash: e for e in self.undone}.get(full.header.hash)
            ours = gone.events if gone else tuple(e for e in full.events if e in had or e in some)
            self.parts[number] = Block(full.header, ours)
        self._compare()
        return stored

    def _counted(self) -> list[Block]:
        return self.chain + [self.parts[number] for number in sorted(self.parts)]

    def _compare(self) -> None:
        self.compared += 1
        every = self.compared % 8 == 0
        known = self._run(ranks(self.db))
        right = expected(self._counted(), TOKENS, self.now, known, every)
        told = self._run(published(self.db, TOKENS, self.now, every))
        for what, figure in right.items():
            assert told[what] == figure, what

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)


@pytest.fixture
def machine(database_url: str) -> Iterator[type[TokenMachine]]:
    """The machine, on a database of its own."""
    loop = asyncio.new_event_loop()
    yield type("Machine", (TokenMachine,), {"url": database_url, "loop": loop})
    loop.close()


@pytest.mark.timeout(1200)
def test_the_store_is_the_model(machine: type[TokenMachine]) -> None:
    """Whatever happens on the chain and whenever it is asked, each figure is that of a plain fold."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )
