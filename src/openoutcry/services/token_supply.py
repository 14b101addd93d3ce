"""How much of a token circulates, by its contract's own word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from openoutcry.core.chain import hexes, node_shapes
from openoutcry.core.chain.abi import call_data, call_result
from openoutcry.core.chain.descriptions import SUPPLY_CALL, Launchpad
from openoutcry.core.chain.jsonrpc import Call
from openoutcry.errors import ChainError, NodeRefusedError

_log = structlog.get_logger(__name__)

PATIENCE: Final = 1.5
"""Seconds that a reader of a market cap waits for the chain."""
REST: Final = 5.0
"""Seconds for which the chain is left alone after it has not answered."""

_SUPPLY: Final = call_data(SUPPLY_CALL)


class Asker(Protocol):
    """Who can be asked about the chain."""

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return the results of calls. Raises ChainError."""


class ChainSupply:
    """Asks contracts what circulates; None is what a reader gets who has to take the stored supply.

    Which function tells it stands in the description of the token's launchpad. `asked` and `failed`
    count questions.
    """

    def __init__(
        self,
        door: Callable[[], Awaitable[Asker]],
        launchpads: Sequence[Launchpad] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked = self.failed = 0
        self._door = door
        self._calls = {one.name: call_data(one.supply_call) for one in launchpads}
        self._clock = clock
        self._rests_until = float("-inf")

    async def of(self, token: bytes, launchpad: str, block: int) -> int | None:
        """Return what circulates of a token (smallest units) at a block; None if that is not told."""
        call = self._calls.get(launchpad, _SUPPLY)
        if self._clock() < self._rests_until:
            return None
        self.asked += 1
        try:
            async with asyncio.timeout(PATIENCE):
                nodes = await self._door()
                (answer,) = await nodes.ask([node_shapes.view_call(token, call, hex(block))])
            (supply,) = call_result(["uint256"], hexes.data(answer, "a supply"))
        except NodeRefusedError as error:
            # The contract has no such function, or the node not that block: others can be asked.
            self._note(error)
            return None
        except (ChainError, TimeoutError) as error:
            self._rests_until = self._clock() + REST
            self._note(error)
            return None
        return int(supply)

    def _note(self, error: Exception) -> None:
        self.failed += 1
        _log.info("a supply is taken from the store", reason=str(error) or type(error).__name__)
