"""The indexer role: the chain in, blocks applied and undone, each step durable before the next.

All that it knows is in the store. Whatever ends it, its successor reads there how far it has come, and
asks the chain on from that block; what is repeated counts once, and what the chain has taken back
meanwhile is undone first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final, Protocol

import asyncpg
import structlog
from msgspec import structs

from openoutcry.adapters.chain.nodes import Identity
from openoutcry.adapters.chain.pools import look_up
from openoutcry.adapters.chain.rpc import Caller
from openoutcry.adapters.postgres import token_index, token_store
from openoutcry.adapters.postgres.outages import OUTAGES
from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.adapters.tasks import sleep
from openoutcry.core.backoff import Backoff
from openoutcry.core.chain.descriptions import Launchpad
from openoutcry.core.chain.follow import Rules
from openoutcry.core.chain.launchpads import Decoder
from openoutcry.core.chain.steps import Apply, Progress, Step, Undo
from openoutcry.errors import (
    ChainError,
    ConfigError,
    OutcryError,
    ReorgTooDeepError,
    WrongChainError,
)
from openoutcry.services.chain_source import ChainSource
from openoutcry.services.indexer_news import News, Quiet, tell
from openoutcry.services.indexer_stats import IndexerStats, Shown, Watch
from openoutcry.services.indexer_windows import move_windows
from openoutcry.tokens import Block

log = structlog.get_logger(__name__)

MOST_EVENTS: Final = 5_000
"""Events that go into one transaction, unless a single block has more."""

_STANDBY_SECONDS: Final = 0.5
_LONGEST_PAUSE: Final = 15.0
# What passes: an engine that is restarting, a lock that is held.
_PASSING: Final = (*OUTAGES, OutcryError)
# What most likely needs somebody to do something.
_GRAVE: Final = (ReorgTooDeepError, WrongChainError)


class ChainNodes(Shown, Caller, Protocol):
    """Nodes that follow one chain, and say which."""

    async def identity(self) -> Identity:
        """Return which chain it is. Raises ChainError."""


class Indexer:
    """Follows the chain for as long as it is the only one that does, and stands by otherwise.

    It writes on the connection that holds the lock, so who has lost that cannot write. Outages of
    PostgreSQL and of all nodes are waited out, and so is a chain that has been replaced below what
    can be undone: nothing is stored until a node tells again what fits. `nodes` makes the nodes of a
    chain, of whichever they follow if it is None. Raises ConfigError if that is not the stored one.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        nodes: Callable[[Identity | None], ChainNodes],
        launchpads: Sequence[Launchpad],
        rules: Rules,
        *,
        news: News | None = None,
        poll_seconds: float = 2.0,
    ) -> None:
        self.stats = IndexerStats()
        self.watch: Watch | None = None
        self.source: ChainSource | None = None
        self._connect = connect
        self._make_nodes = nodes
        self._launchpads = launchpads
        self._rules = rules
        self._news = news or Quiet()
        self._poll_seconds = poll_seconds
        self._nodes: ChainNodes | None = None
        self._decoder: Decoder | None = None
        self._reason = ""
        self._waiting = False

    def wake(self) -> None:
        """There may be a new head."""
        if self.source is not None:
            self.source.wake()

    @property
    def progress(self) -> Progress | None:
        """How far what is stored has come, None while it stands by."""
        if self.source is None:
            return None
        known, last = self.source.progress, self.stats.last
        return structs.replace(known, number=last.number if last else known.first)

    def notes(self) -> dict[str, str]:
        """Return what there is to say in words: the node in use, and why nothing moves, if so."""
        notes = {"node": self._nodes.shown} if self._nodes else {}
        if not self.stats.owned:
            notes = {"state": "standing by"}
        reason = self._reason or (self.source.reason if self.source else "")
        return notes | ({"trouble": reason[:200]} if reason else {})

    async def run(self, stop: asyncio.Event) -> None:
        """Index until `stop`."""
        backoff = Backoff(first=0.1, most=5.0)
        while not stop.is_set():
            connection: asyncpg.Connection | None = None
            try:
                connection = await self._connect()
                await self._once(connection, stop, backoff)
            except ConfigError:
                raise
            except _PASSING as error:
                self.stats.interrupted += 1
                delay = backoff.next()
                self._reason = f"{type(error).__name__}: {error}"
                say = log.error if isinstance(error, _GRAVE) else log.warning
                say("indexer interrupted", reason=self._reason, again_in=round(delay, 2))
                await sleep(delay, stop)
            finally:
                self._rest()
                if connection is not None:
                    connection.terminate()

    async def run_windows(self, stop: asyncio.Event) -> None:
        """Move the windows on every second until `stop`, while it is the one at work."""
        await move_windows(self._connect, self.stats, self._news, stop)

    async def _once(
        self, connection: asyncpg.Connection, stop: asyncio.Event, backoff: Backoff
    ) -> None:
        while not await token_index.own(connection):
            await sleep(_STANDBY_SECONDS, stop)
            if stop.is_set():
                return
        self.stats.owned = True
        await token_index.limit_waits(connection)
        opened = await self._open(connection, stop)
        if opened is None:
            return
        nodes, decoder = opened
        self.watch = nodes
        headers = await token_store.read_headers(connection, self._rules.depth + 1)
        self.stats.last = headers[-1] if headers else None
        self.source = ChainSource(
            nodes,
            decoder,
            self._rules,
            headers=headers,
            followed=await token_index.read_followed(connection),
            poll_seconds=self._poll_seconds,
        )
        log.info("indexer at work", block=self.source.progress.number, node=nodes.nodes.shown)
        self._reason = ""
        async with aclosing(self.source.steps(stop)) as steps:
            async for step in steps:
                await self._take(connection, step, stop)
                backoff.reset()

    async def _open(
        self, connection: asyncpg.Connection, stop: asyncio.Event
    ) -> tuple[Watch, Decoder] | None:
        """Return nodes of the stored chain and what reads its logs; None if `stop` comes first.

        Until a node answers, that is waited for. Raises ConfigError if they follow another chain: at
        the start that is how they are configured, later it passes.
        """
        if self.watch is not None and self._decoder is not None:
            return self.watch, self._decoder
        stored = await token_index.read_identity(connection)
        nodes = self._nodes = self._nodes or self._make_nodes(Identity(*stored) if stored else None)
        backoff = Backoff(first=0.25, most=3.0)
        while not stop.is_set():
            try:
                await nodes.ask([("eth_chainId", [])])
                identity = await nodes.identity()
                await token_store.bind_chain(connection, identity.chain_id, identity.genesis)
                self._decoder = Decoder([await look_up(nodes, one) for one in self._launchpads])
            except WrongChainError as error:
                raise ConfigError(
                    f"The store holds another chain: {error}. Use a database of its own for each."
                ) from error
            except ChainError as error:
                if self._reason != str(error):
                    self._reason = str(error)
                    log.warning("the indexer waits for a node", reason=self._reason)
                await sleep(backoff.next(), stop)
            else:
                return Watch(nodes), self._decoder
        return None

    async def _take(self, connection: asyncpg.Connection, step: Step, stop: asyncio.Event) -> None:
        """Store a step, and tell of it; cut short by `stop`, the rest is asked for again."""
        if isinstance(step, Undo):
            await self._undo(connection, step, stop)
            return
        for blocks in portions(step):
            began = time.perf_counter()
            stored = await self._commit(partial(token_store.apply, connection, blocks), stop)
            if stored is None:
                return
            self.stats.add(blocks, stored, time.perf_counter() - began)
            await tell(self._news, stored, self.stats)
            if stop.is_set():
                return

    async def _undo(self, connection: asyncpg.Connection, step: Undo, stop: asyncio.Event) -> None:
        began = time.perf_counter()
        hashes = [header.hash for header in step.headers]
        stored = await self._commit(partial(token_store.undo, connection, hashes), stop)
        if stored is None:
            return
        left = await token_store.read_headers(connection, 1)
        self.stats.take_back(left, stored, time.perf_counter() - began)
        log.info("the chain has taken blocks back", blocks=len(hashes), back_to=step.to)
        await tell(self._news, stored, self.stats)

    async def _commit(
        self, work: Callable[[], Awaitable[Stored]], stop: asyncio.Event
    ) -> Stored | None:
        """Do the work once nobody else writes; None if `stop` comes first."""
        while not stop.is_set():
            try:
                stored = await work()
            except asyncpg.LockNotAvailableError:
                self.stats.waits += 1
                if not self._waiting:
                    log.info("somebody else is writing tokens; the indexer waits")
                self._waiting = True
            else:
                self._waiting = False
                return stored
        return None

    def _rest(self) -> None:
        if self.source is not None:
            self.stats.refused += sum(self.source.refused.values())
        self.source = None
        self.stats.owned = False


def portions(step: Apply, most: int = MOST_EVENTS) -> Iterator[list[Block]]:
    """Yield the blocks of a step, as many at a time as have about `most` events together."""
    some: list[Block] = []
    events = 0
    for block in step.blocks:
        if some and events + len(block.events) > most:
            yield some
            some, events = [], 0
        some.append(block)
        events += len(block.events)
    if some:
        yield some
