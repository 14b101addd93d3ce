"""The planner: which block comes next, and what is taken back, whatever the node tells when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openoutcry.core.chain import follow
from openoutcry.core.chain.follow import Advance, Ask, Retreat, Rules, View, Wait
from openoutcry.errors import ReorgTooDeepError
from openoutcry.tokens import Header


def block(parent: Header | None, fork: int = 0) -> Header:
    """Return a block upon `parent`; `fork` tells siblings apart."""
    number = 0 if parent is None else parent.number + 1
    behind = bytes(32) if parent is None else parent.hash
    return Header(number, bytes([fork]) + number.to_bytes(4, "big") + behind[:27], behind, number)


def chain(length: int, fork: int = 0, base: list[Header] | None = None) -> list[Header]:
    """Return `base` and so many blocks more."""
    blocks = list(base or [block(None)])
    for _ in range(length):
        blocks.append(block(blocks[-1], fork))
    return blocks


def view(blocks: list[Header], *numbers: int) -> View:
    """Return what a node with this chain has said when it was asked for these numbers."""
    return View(blocks[-1], {number: blocks[number] for number in numbers})


def test_from_nothing_all_blocks_are_applied() -> None:
    """The start block is the first; what is deeper than a reorg can reach is told as final."""
    assert follow.plan([], view(chain(9)), Rules(start=3, depth=4)) == Advance(3, 9, 5)
    assert follow.plan([], view(chain(2)), Rules(start=3)) == Wait()


def test_confirmations_keep_back_the_newest() -> None:
    """With 3 confirmations, the head and the block below it are not applied."""
    assert follow.plan([], view(chain(9)), Rules(confirmations=3)) == Advance(0, 7, -249)
    assert follow.plan([], view(chain(1)), Rules(confirmations=3)) == Wait()


def test_the_tip_is_compared_before_going_on() -> None:
    """Blocks are applied upon our tip only when the node has that very block."""
    blocks = chain(9)
    ours = blocks[:6]
    assert follow.plan(ours, view(blocks), Rules()) == Ask((5,))
    assert follow.plan(ours, view(blocks, 5), Rules()) == Advance(6, 9, -247)
    assert follow.plan(blocks, view(blocks), Rules()) == Wait()


def test_a_head_upon_our_tip_needs_no_question() -> None:
    """It names our tip as its parent; one that names another block of that number does not."""
    blocks = chain(9)
    assert follow.plan(blocks[:9], view(blocks), Rules()) == Advance(9, 9, -247)
    assert follow.plan(chain(8, 1), view(blocks), Rules()) == Ask((8,))
    assert follow.plan(blocks[:9], view(blocks), Rules(confirmations=2)) == Wait()


def test_another_block_in_place_of_ours_is_undone_to_the_ancestor() -> None:
    """The common ancestor is looked for ever further back, and only down to it is undone."""
    trunk = chain(20)
    ours = chain(8, 1, trunk[:13])
    node = chain(9, 2, trunk[:13])
    asked: list[int] = []
    while isinstance(step := follow.plan(ours, view(node, *asked), Rules()), Ask):
        asked.extend(step.numbers)
    assert step == Retreat(12)
    assert asked == [20, 19, 17, 18, 13, 14, 15, 16, 5, 6, 7, 8, 9, 10, 11, 12]


def test_a_node_that_is_behind_is_waited_for() -> None:
    """A shorter chain is no reason to undo anything as long as it is ours, nor is a hole in it."""
    blocks = chain(9)
    assert follow.plan(blocks, view(blocks[:5]), Rules()) == Wait()
    assert follow.plan(blocks[7:], view(blocks[:5]), Rules()) == Wait()
    assert follow.plan(blocks[:6], View(blocks[9], {5: None}), Rules()) == Wait()


def test_a_shorter_chain_with_other_blocks_is_followed() -> None:
    """The node's head is below ours and is another block: ours has been replaced."""
    trunk = chain(5)
    node = chain(1, 2, trunk)
    assert follow.plan(chain(4, 1, trunk), view(node, 5), Rules()) == Retreat(5)


def test_everything_may_be_undone_but_not_more_than_is_known() -> None:
    """Down to the start block all can be taken back; behind forgotten blocks nobody can look."""
    ours, node = chain(5, 1)[1:], chain(6, 2)
    numbers = range(1, 6)
    assert follow.plan(ours, view(node, *numbers), Rules(start=1)) == Retreat(0)
    with pytest.raises(ReorgTooDeepError, match="from 1 to 5"):
        follow.plan(ours, view(node, *numbers), Rules(start=0))


def test_only_what_can_be_taken_back_is_remembered() -> None:
    """As many headers as a reorg is deep, and the one before them."""
    blocks = chain(20)
    kept = follow.applied(blocks[:10], blocks[10:], Rules(depth=5))
    assert kept == blocks[14:]
    assert follow.undone(kept, 17) == blocks[14:18]
    assert follow.applied([], [], Rules()) == []


def test_blocks_link_by_parent_and_number() -> None:
    """A gap, a stranger, or a block of another fork does not link."""
    blocks = chain(5)
    other = chain(5, 1)
    assert follow.links(blocks[2], blocks[3:])
    assert follow.links(None, blocks[3:])
    assert not follow.links(blocks[2], blocks[4:])
    assert not follow.links(other[2], blocks[3:])
    assert not follow.links(None, [blocks[3], other[4]])


class Node:
    """A node whose chain changes between any two answers, as the test draws it."""

    def __init__(self) -> None:
        self.blocks = chain(3)
        self.forks = 0

    def reorganise(self, depth: int, more: int) -> None:
        """Replace `depth` blocks at the head by `depth` + `more` - 1 others, at least one."""
        self.forks += 1
        kept = self.blocks[: max(1, len(self.blocks) - depth)]
        self.blocks = chain(max(1, depth + more - 1), self.forks, kept)


class Applier:
    """What a store does with the steps, checked at each of them."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.rows: list[Header] = []
        self.ours: list[Header] = []

    def turn(
        self, node: Node, interrupt: st.DataObject | None, moves: st.SearchStrategy[tuple[int, int]]
    ) -> bool:
        """Do one step of the plan, with the chain changing in between; False when there is none."""
        seen: dict[int, Header | None] = {}
        head = node.blocks[-1]

        def maybe() -> None:
            if interrupt is not None and interrupt.draw(st.booleans()):
                node.reorganise(*interrupt.draw(moves))

        while True:
            maybe()
            step = follow.plan(self.ours, View(head, seen), self.rules)
            if isinstance(step, Ask):
                for number in step.numbers:
                    seen[number] = node.blocks[number] if number < len(node.blocks) else None
                continue
            if isinstance(step, Wait):
                return False
            if isinstance(step, Retreat):
                assert step.to < self.ours[-1].number
                self.rows = follow.undone(self.rows, step.to)
                self.ours = follow.undone(self.ours, step.to)
            elif isinstance(step, Advance):
                new = node.blocks[step.first : step.last + 1]
                before = self.ours[-1] if self.ours else None
                if len(new) == step.last - step.first + 1 and follow.links(before, new):
                    self.rows += new
                    self.ours = follow.applied(self.ours, new, self.rules)
            return True


@settings(max_examples=200, deadline=None)
@given(
    st.data(),
    st.integers(0, 4),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=25),
)
def test_whatever_the_order_of_answers_it_ends_on_the_canonical_chain(
    data: st.DataObject, start: int, confirmations: int, moves: list[tuple[int, int]]
) -> None:
    """A tree of blocks with reorgs between any two answers: each canonical block is applied once."""
    rules = Rules(start=start, confirmations=confirmations, depth=400)
    node, store = Node(), Applier(rules)
    reorgs = st.tuples(st.integers(0, 6), st.integers(0, 4))
    for depth, more in moves:
        node.reorganise(depth, more)
        store.turn(node, data, reorgs)
    # The node settles, longer than anything it has told before.
    node.blocks = chain(max(1, len(store.rows) + start), 200, node.blocks)
    for _ in range(10):
        if not store.turn(node, None, reorgs):
            break
    assert store.rows == node.blocks[start : len(node.blocks) - confirmations + 1]
