"""The chain as steps: blocks to apply, blocks to undo, from wherever the last step left off."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from openoutcry.adapters import tasks
from openoutcry.core.backoff import Backoff
from openoutcry.core.chain import follow, node_shapes
from openoutcry.core.chain.follow import Advance, Ask, Retreat, Rules, View, Wait
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.core.chain.launchpads import Decoded, Decoder, Followed
from openoutcry.core.chain.ranges import Span, chunks
from openoutcry.core.chain.steps import Apply, Progress, Step, Undo
from openoutcry.errors import (
    ChainError,
    NodeNonsenseError,
    ReorgTooDeepError,
    TooMuchAskedError,
    WrongChainError,
)
from openoutcry.tokens import Block, Header, Log

log = structlog.get_logger(__name__)

MOST_ADDRESSES: Final = 500
"""Addresses in one question. A single block's logs are asked for without any when there are more."""

_SOON_SECONDS: Final = 0.25
_LINKED: Final = Span(50, 50)
_PLANS: Final = 20


class Node(Protocol):
    """What is asked about the chain."""

    async def head(self) -> Header:
        """Return the newest header. Raises ChainError."""

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results of calls. Raises ChainError."""


class ChainSource:
    """Steps that lead from `headers` (applied before, ascending) to the node's chain, and along it.

    Folding the steps gives the canonical blocks and what happened in them, each once, whatever the
    node takes back. A step counts as done when the next is asked for: whoever could not apply one
    drops the source and makes another from what is stored. `followed` are the tokens that are known;
    `refused` counts logs that were left out, by launchpad and reason.
    """

    def __init__(
        self,
        node: Node,
        decoder: Decoder,
        rules: Rules,
        *,
        headers: Iterable[Header] = (),
        followed: Mapping[bytes, Followed] | None = None,
        poll_seconds: float = 2.0,
        span: Span | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: Counter[tuple[str, str]] = Counter()
        self.reason = ""
        self._node = node
        self._decoder = decoder
        self._rules = rules
        self._headers = list(headers)
        self._followed = dict(followed or {})
        self._poll_seconds = poll_seconds
        self._span = span or Span()
        self._near = _LINKED
        self._news = asyncio.Event()
        done = self._headers[-1].number if self._headers else rules.start - 1
        self.progress = Progress(done, done, done, clock(), self._span.blocks)

    def wake(self) -> None:
        """There may be a new head: look now instead of at the next poll."""
        self._news.set()

    async def steps(self, stop: asyncio.Event) -> AsyncGenerator[Step, None]:
        """Yield steps as there are, until `stop`; a node that fails is asked again.

        Raises ReorgTooDeepError and WrongChainError: neither goes away by waiting.
        """
        backoff = Backoff(first=0.25, most=15.0)
        while not stop.is_set():
            woken = self._news.is_set()
            self._news.clear()
            try:
                step = await self.next()
            except (ReorgTooDeepError, WrongChainError):
                raise
            except ChainError as error:
                delay = backoff.next()
                self.reason = str(error)
                log.warning(
                    "the chain cannot be read", reason=self.reason, again_in=round(delay, 2)
                )
                await tasks.sleep(delay, stop)
                continue
            backoff.reset()
            self.reason = ""
            if step is not None:
                yield step
            else:
                # Nodes tell of a head a moment before they answer with it.
                soon = min(_SOON_SECONDS, self._poll_seconds)
                await self._idle(stop, soon if woken else self._poll_seconds)

    async def next(self) -> Step | None:
        """Return the next step, None if there is none until the head changes. Raises ChainError."""
        for _ in range(_PLANS):
            head = await self._node.head()
            self.progress.target = head.number - (self._rules.confirmations - 1)
            plan = await self._plan(head)
            if isinstance(plan, Wait):
                return None
            if isinstance(plan, Retreat):
                return self._undo(plan.to)
            blocks = await self._blocks(plan)
            if blocks is not None:
                return self._apply(blocks)
            # The chain has changed between two answers: a new plan is made of new ones.
        raise NodeNonsenseError("the node's answers never fit together")

    async def _plan(self, head: Header) -> Advance | Retreat | Wait:
        seen: dict[int, Header | None] = {}
        while True:
            plan = follow.plan(self._headers, View(head, seen), self._rules)
            if not isinstance(plan, Ask):
                return plan
            seen |= zip(plan.numbers, await self._headers_of(plan.numbers), strict=True)

    def _undo(self, to: int) -> Undo:
        gone = tuple(one for one in self._headers if one.number > to)
        self._headers = follow.undone(self._headers, to)
        self._followed = {token: one for token, one in self._followed.items() if one.since <= to}
        self.progress.number = to
        return Undo(to, gone)

    def _apply(self, blocks: list[Block]) -> Apply:
        self._headers = follow.applied(
            self._headers, [block.header for block in blocks], self._rules
        )
        self.progress.number = blocks[-1].header.number
        return Apply(tuple(blocks))

    async def _blocks(self, plan: Advance) -> list[Block] | None:
        """Return the next blocks with what happened in them; None if the chain has changed."""
        if plan.first <= plan.final:
            return await self._final_blocks(plan.first, plan.final)
        return await self._linked_blocks(plan.first, plan.last)

    async def _final_blocks(self, first: int, final: int) -> list[Block] | None:
        """Old blocks, by ranges of numbers: those with logs, and the last of the range."""
        while True:
            last = min(final, first + self._span.blocks - 1)
            try:
                decoded, logs = await self._decoded(
                    lambda some, last=last: [  # type: ignore[misc]
                        node_shapes.logs_of_range(first, last, each, self._decoder.topics)
                        for each in (chunks(some, MOST_ADDRESSES) if some is not None else [None])
                    ],
                    self._watched(),
                )
            except TooMuchAskedError as error:
                if self._span.blocks == 1:
                    raise
                self._span = self._span.shrunk(error.fits)
                log.info("fewer blocks at once", blocks=self._span.blocks, reason=str(error))
                continue
            except ChainError:
                self._span = self._span.shrunk()  # it may have been too much to answer in time
                raise
            break
        self._span = self._span.grown()
        self.progress.span = self._span.blocks
        if any(not first <= one.block_number <= last for one in logs):
            raise NodeNonsenseError(f"logs of other blocks than {first} to {last} were told")
        hashes = {one.block_number: one.block_hash for one in logs}
        numbers = sorted({*hashes, last})
        headers = [one for one in await self._headers_of(numbers) if one is not None]
        right = all(hashes.get(one.number, one.hash) == one.hash for one in headers)
        if len(headers) < len(numbers) or not right:
            return None
        return self._with_events(headers, decoded)

    async def _linked_blocks(self, first: int, last: int) -> list[Block] | None:
        """New blocks, each linked to the one before; their logs by hash, so that both are of one."""
        last = min(last, first + self._near.blocks - 1)
        found = await self._headers_of(range(first, last + 1))
        headers = [one for one in found if one is not None]
        before = self._headers[-1] if self._headers else None
        if len(headers) < len(found) or not follow.links(before, headers):
            return None
        watched = self._watched()
        few = len(watched) <= MOST_ADDRESSES or self._near.blocks == 1
        try:
            decoded, logs = await self._decoded(
                lambda some: [
                    node_shapes.logs_of_block(one.hash, each, self._decoder.topics)
                    for one in headers
                    for each in (chunks(some, MOST_ADDRESSES) if some is not None else [None])
                ],
                watched if few else None,
                sure=headers[-1],
            )
        except TooMuchAskedError:
            if self._near.blocks == 1:
                raise
            self._near = self._near.shrunk()
            return None
        self._near = self._near.grown()
        if not {one.block_hash for one in logs} <= {one.hash for one in headers}:
            raise NodeNonsenseError("logs of other blocks than those asked for were told")
        return self._with_events(headers, decoded)

    async def _decoded(
        self,
        calls: Callable[[Iterable[bytes] | None], list[Call]],
        watched: set[bytes] | None,
        sure: Header | None = None,
    ) -> tuple[Decoded, list[Log]]:
        """Ask for the logs of `watched` (None: of all), and of the tokens that they tell to be new.

        Raises NodeNonsenseError if who answers does not know the block `sure`.
        """
        asked = watched
        logs = await self._logs(calls(watched), sure)
        while True:
            decoded = self._decoder.decode(logs, self._followed)
            new = {token for token, one in decoded.seen.items() if self._decoder.heard_of(one)} - (
                asked if asked is not None else decoded.seen.keys()
            )
            if not new or asked is None:
                return decoded, logs
            logs += await self._logs(calls(new), sure)
            asked = asked | new

    async def _logs(self, calls: list[Call], sure: Header | None) -> list[Log]:
        if not calls:
            return []
        if sure is None:
            found = await self._node.ask(calls)
        else:
            # Of several machines behind one address, one may lack the block, and some then answer
            # that it has no logs. In one request with the question, it is asked whether it knows it.
            *found, block = await self._node.ask([*calls, node_shapes.block_by_hash(sure.hash)])
            if node_shapes.read_header(block) != sure:
                raise NodeNonsenseError(
                    f"the node does not have block {sure.number} any more, or yet"
                )
        return [one for each in found for one in node_shapes.read_logs(each)]

    async def _headers_of(self, numbers: Iterable[int]) -> list[Header | None]:
        wanted = list(numbers)
        answers = await self._node.ask([node_shapes.block_by_number(one) for one in wanted])
        headers = [node_shapes.read_header(one) for one in answers]
        for number, header in zip(wanted, headers, strict=True):
            if header is not None and header.number != number:
                raise NodeNonsenseError(f"block {header.number} was told for block {number}")
        return headers

    def _watched(self) -> set[bytes]:
        heard = {token for token, one in self._followed.items() if self._decoder.heard_of(one)}
        return heard | self._decoder.contracts

    def _with_events(self, headers: list[Header], decoded: Decoded) -> list[Block]:
        self._followed |= decoded.seen
        for one in decoded.refused:
            self.refused[one.launchpad, one.reason] += 1
            if self.refused[one.launchpad, one.reason] == 1:  # anybody can emit thousands
                log.warning(
                    "a log does not fit its description; further ones are counted",
                    launchpad=one.launchpad, reason=one.reason, detail=one.message,
                    block=one.log.block_number,
                )  # fmt: skip
        return [Block(one, tuple(decoded.events.get(one.hash, ()))) for one in headers]

    async def _idle(self, stop: asyncio.Event, seconds: float) -> None:
        """Sleep until there is news of the head, at most so long."""
        ends = [asyncio.create_task(one.wait()) for one in (self._news, stop)]
        try:
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await tasks.end(*ends)
