"""What an indexer has done, how far it is behind, and of which node it knows that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from openoutcry.adapters.postgres.token_store import Stored
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.services.chain_source import ChainSource, Node
from openoutcry.tokens import Block, Header, TokenTransfer


class Shown(Node, Protocol):
    """Nodes that say which of them is in use."""

    failovers: int

    @property
    def shown(self) -> str:
        """The address of the node in use, without what may be secret."""


class Watch:
    """Passes questions on to nodes and remembers what they said of the head, and when."""

    def __init__(self, nodes: Shown) -> None:
        self.nodes = nodes
        self.seen: Header | None = None
        self.seen_at = time.monotonic()

    async def head(self) -> Header:
        """Return the newest header. Raises ChainError."""
        header = await self.nodes.head()
        self.seen, self.seen_at = header, time.monotonic()
        return header

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results of calls. Raises ChainError."""
        return await self.nodes.ask(calls)


class IndexerStats(Struct):
    """Counts since the process started; `last` is the newest block that is stored."""

    owned: bool = False
    last: Header | None = None
    trades: int = 0
    transfers: int = 0
    commits: int = 0
    commit_seconds: float = 0.0
    reorgs: int = 0
    undone: int = 0
    refused: int = 0
    expired: int = 0
    interrupted: int = 0
    waits: int = 0
    untold: int = 0

    def add(self, blocks: Sequence[Block], stored: Stored, seconds: float) -> None:
        """Count a commit of blocks that were applied."""
        self.commits += 1
        self.commit_seconds += seconds
        self.last = blocks[-1].header
        self.trades += len(stored.trades)
        self.undone += len(stored.undone)
        self.transfers += sum(
            isinstance(event, TokenTransfer) for block in blocks for event in block.events
        )

    def take_back(self, headers: Sequence[Header], stored: Stored, seconds: float) -> None:
        """Count a commit that has undone blocks; `headers` are those that are left."""
        self.commits += 1
        self.commit_seconds += seconds
        self.reorgs += 1
        self.undone += len(stored.undone)
        self.last = headers[-1] if headers else None


def figures(
    stats: IndexerStats, watch: Watch | None, source: ChainSource | None
) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """Return counters and gauges for the status board; what is not known yet is left out.

    Lag is to the newest block that is deep enough to count: `lag_seconds` is how much later the node's
    head was made than the block stored last, and 0 where nothing is left to do.
    """
    counters = {
        "trades": stats.trades,
        "transfers": stats.transfers,
        "commits": stats.commits,
        "commit_seconds": stats.commit_seconds,
        "reorgs": stats.reorgs,
        "blocks_undone": stats.undone,
        "logs_refused": stats.refused + (sum(source.refused.values()) if source else 0),
        "tokens_expired": stats.expired,
        "interrupted": stats.interrupted,
        "waits_for_lock": stats.waits,
        "news_untold": stats.untold,
        "node_failovers": watch.nodes.failovers if watch else 0,
    }
    gauges: dict[str, float] = {"owned": float(stats.owned)}
    last = stats.last
    if last is not None:
        gauges["block"] = last.number
        gauges["block_time"] = last.time / 1e6
    if watch is not None and source is not None:
        gauges["node_silent_seconds"] = time.monotonic() - watch.seen_at
        gauges["blocks_at_once"] = source.progress.span
        if (seen := watch.seen) is not None:
            gauges["chain_block"] = seen.number
            done = last.number if last else source.progress.first
            behind = max(0, source.progress.target - done)
            gauges["lag_blocks"] = behind
            if last is not None:
                gauges["lag_seconds"] = max(0, seen.time - last.time) / 1e6 if behind else 0.0
    return dict(counters), gauges, {}
