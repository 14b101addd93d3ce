"""Following a chain block by block, whatever it takes back: what to do next. Pure.

A block follows another only if it names that one's hash as its parent. Everything that a node says may
be outdated a moment later; a plan made of such answers is refused where it does not link, never applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from openoutcry.errors import ReorgTooDeepError
from openoutcry.tokens import Header


class Rules(Struct, frozen=True):
    """How a chain is followed.

    Block `start` is the first that counts. A block has to be `confirmations` deep before it is
    applied; 1 is the head itself. Up to `depth` blocks may be taken back, what is deeper is final.
    """

    start: int = 0
    confirmations: int = 1
    depth: int = 256


class Ask(Struct, frozen=True):
    """Ask the node for its headers of these numbers, then plan again."""

    numbers: tuple[int, ...]


class Advance(Struct, frozen=True):
    """Apply the blocks from `first` to `last`.

    Those up to `final` cannot be taken back any more: of them only the last and those with logs are
    needed. `final` is less than `first` if all of them can.
    """

    first: int
    last: int
    final: int


class Retreat(Struct, frozen=True):
    """Undo every block above `to`, which may be one before the first."""

    to: int


class Wait(Struct, frozen=True):
    """There is nothing to do until the node's head changes."""


Plan = Ask | Advance | Retreat | Wait


class View(Struct, frozen=True):
    """What a node has said: its head, and its headers by number, None for one that it lacks."""

    head: Header
    headers: Mapping[int, Header | None] = {}

    def at(self, number: int) -> Header | None:
        """Return the node's header of that number, if it has told it."""
        return self.head if number == self.head.number else self.headers.get(number)

    def asked(self, number: int) -> bool:
        """Whether the node has said anything about that number."""
        return number >= self.head.number or number in self.headers


def plan(ours: Sequence[Header], view: View, rules: Rules) -> Plan:
    """Return what to do next. `ours` are the newest headers that are applied, ascending.

    A node that is behind us, or lacks a block, is waited for: nothing is undone until it has another
    block where we have one. Raises ReorgTooDeepError if none of `ours` is on the node's chain, and
    there were blocks before them.
    """
    target = view.head.number - (rules.confirmations - 1)
    shared = [one for one in ours if one.number <= view.head.number]
    if target < rules.start or (ours and not shared):
        return Wait()
    if not ours:
        return Advance(rules.start, target, target - rules.depth)
    # Ours may be beyond the node's head: then the newest that both have is looked at.
    newest = shared[-1]
    if view.head.number != newest.number + 1 or view.head.parent != newest.hash:
        if not view.asked(newest.number):
            return Ask((newest.number,))
        if not _same(view, newest):
            return _ancestor(ours, shared, view, rules)
    if target <= ours[-1].number:
        return Wait()
    return Advance(ours[-1].number + 1, target, target - rules.depth)


def _ancestor(
    ours: Sequence[Header], shared: Sequence[Header], view: View, rules: Rules
) -> Ask | Retreat | Wait:
    """Look for the newest block of ours that the node has too; twice as far back with each question."""
    for position, one in enumerate(reversed(shared)):
        if not view.asked(one.number):
            end = len(shared) - position
            start = max(0, end - position)
            return Ask(tuple(each.number for each in shared[start:end]))
        if view.at(one.number) is None:
            return Wait()  # one of several machines behind one address has not got it yet
        if _same(view, one):
            return Retreat(one.number)
    if ours[0].number <= rules.start:
        return Retreat(rules.start - 1)
    raise ReorgTooDeepError(
        f"none of the {len(ours)} blocks from {ours[0].number} to {ours[-1].number} that are stored is"
        " on the node's chain: check that it is the right one, or have everything read again"
        " (outcry rebuild tokens --from-chain)"
    )


def links(before: Header | None, headers: Sequence[Header]) -> bool:
    """Whether `headers` follow `before`, and each other, without a gap, by number and parent."""
    for header in headers:
        if before is not None and (
            header.number != before.number + 1 or header.parent != before.hash
        ):
            return False
        before = header
    return True


def applied(ours: Sequence[Header], new: Sequence[Header], rules: Rules) -> list[Header]:
    """Return the headers to remember: those that can be taken back, and one before them."""
    together = [*ours, *new]
    if not together:
        return []
    oldest = together[-1].number - rules.depth
    kept = [one for one in together if one.number >= oldest]
    before = [one for one in together if one.number < oldest][-1:]
    # From the start on, no block comes before the first that is remembered.
    return [*before, *kept]


def undone(ours: Sequence[Header], to: int) -> list[Header]:
    """Return the headers that are left when every block above `to` is undone."""
    return [one for one in ours if one.number <= to]


def _same(view: View, header: Header) -> bool:
    there = view.at(header.number)
    return there is not None and there.hash == header.hash
