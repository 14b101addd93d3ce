"""Whole answers kept for as long as the blocks under them are the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from msgspec import Struct

from openoutcry.adapters.postgres.block_reader import Block
from openoutcry.venues.binance_server_data import Ready


class Page(Struct):
    """Rows of a range, ascending; `blocks` are those that they were taken from.

    `first_ids` and `last_ids` are those of klines. `known`: the whole range is over and known, so
    that the same question will get the same answer.
    """

    starts: list[int]
    rows: list[str]
    blocks: list[Block]
    first_ids: list[int]
    last_ids: list[int]
    known: bool = False


class ReadyPages:
    """Answers by what was asked, at most `most_bytes` of them; the longest unused go first.

    Putting rows together is cheap; validators and compression of the whole are not.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, tuple[list[Block], int, Ready]] = OrderedDict()

    def get(self, question: Hashable, page: Page, write: Callable[[Page], bytes]) -> Ready:
        """Return the answer to `question`, written anew if the page is not the one that was kept."""
        key = (question, page.starts[0] if page.starts else 0, len(page.starts))
        found = self._kept.get(key)
        if found is not None and _same(found[0], page.blocks):
            self._kept.move_to_end(key)
            return found[2]
        ready = Ready(write(page))
        self._drop(key)
        # What it packs to is not known yet: a fifth is usual.
        size = 300 + len(ready.body) * 6 // 5
        self._kept[key] = (page.blocks, size, ready)
        self._bytes += size
        while self._bytes > self._most:
            self._drop(next(iter(self._kept)))
        return ready

    def _drop(self, key: Hashable) -> None:
        if gone := self._kept.pop(key, None):
            self._bytes -= gone[1]


def _same(some: list[Block], others: list[Block]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))
