"""The way of an API process to the chain: nodes of the stored chain only, and what their logs mean."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from openoutcry.adapters.chain import pools
from openoutcry.adapters.chain.nodes import Identity, Nodes
from openoutcry.adapters.chain.rpc import Caller
from openoutcry.adapters.postgres.pool import Pool, connection
from openoutcry.adapters.postgres.token_moments import read_chain
from openoutcry.core.chain.descriptions import Launchpad
from openoutcry.core.chain.launchpads import Decoder
from openoutcry.errors import NodeUnavailableError

CONFIRM_TIMEOUT = 5.0
"""Seconds in which a node has to answer somebody who waits."""


class ChainDoor:
    """Only nodes of the chain that is stored are believed. Nothing is asked before it is needed."""

    def __init__(
        self, pool: Pool, callers: Sequence[Caller], launchpads: Sequence[Launchpad]
    ) -> None:
        self._pool = pool
        self._callers = callers
        self._launchpads = launchpads
        self._nodes: Nodes | None = None
        self._decoder: Decoder | None = None
        self._looking = asyncio.Lock()

    async def nodes(self) -> Nodes:
        """Return the nodes. Raises NodeUnavailableError before an indexer has said which chain it is."""
        if self._nodes is None:
            async with connection(self._pool) as lent:
                found = await read_chain(lent)
            if found is None:
                raise NodeUnavailableError("no indexer has run yet: which chain it is is not known")
            self._nodes = Nodes(self._callers, identity=Identity(*found))
        return self._nodes

    async def decoder(self) -> Decoder:
        """Return what reads logs; pools are looked up once. Raises ChainError, ConfigError."""
        async with self._looking:
            if self._decoder is None:
                nodes = _AsCaller(await self.nodes())
                found = [await pools.look_up(nodes, one) for one in self._launchpads]
                self._decoder = Decoder(found)
        return self._decoder


class _AsCaller:
    """Nodes where a single one is wanted."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.ask = nodes.ask

    @property
    def shown(self) -> str:
        """The address of the node in use."""
        return self._nodes.shown

    async def close(self) -> None:
        """Nothing to do: they belong to the door."""
