"""What following a chain comes to: blocks to apply, blocks to undo, and how far it has come. Values."""

from __future__ import annotations

from msgspec import Struct

from openoutcry.tokens import Block, Header


class Apply(Struct, frozen=True):
    """Blocks that follow what was applied before, ascending.

    Those that nothing can take back any more are left out where nothing happened in them; the last
    of a step is always there.
    """

    blocks: tuple[Block, ...]


class Undo(Struct, frozen=True):
    """Every block above `to` is not part of the chain any more. `headers` are those, ascending."""

    to: int
    headers: tuple[Header, ...]


Step = Apply | Undo


class Progress(Struct):
    """How far it has come: the block applied last, the newest that may be, and where it began.

    `began` is a monotonic time in seconds; `span` how many old blocks are asked for at once.
    """

    number: int
    target: int
    first: int
    began: float
    span: int

    def eta(self, now: float) -> float | None:
        """Return the seconds until the target is reached at the pace so far, None if unknown."""
        done, left = self.number - self.first, self.target - self.number
        if left <= 0:
            return 0.0
        return left * (now - self.began) / done if done > 0 else None
