"""What all processes share of the alerts: what is known of each, and which process looks after them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from openoutcry.adapters.valkey.status_board import unavailable
from openoutcry.core.alerts import Alert
from openoutcry.core.keys import ALERTS, ALERTS_LEASE

LEASE: Final = 15.0
"""Seconds after which another process takes over from one that says nothing more."""

_KEEP_SECONDS: Final = 30 * 86_400
_PATIENCE: Final = 2.0

_HOLD: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_SAVE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""
_LET_GO: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class AlertBoard:
    """The shared state in Valkey. Every method raises StoreUnavailableError, within two seconds."""

    def __init__(self, valkey: Redis, holder: str) -> None:
        self._valkey = valkey
        self._holder = holder

    async def hold(self) -> bool:
        """Return whether it is we who look after the alerts, for LEASE seconds from now."""
        return bool(await self._run(_HOLD, (ALERTS_LEASE,), str(int(LEASE * 1000))))

    async def let_go(self) -> None:
        """Let another process take over at once."""
        await self._run(_LET_GO, (ALERTS_LEASE,))

    async def save(self, alerts: dict[str, Alert]) -> bool:
        """Keep the alerts, if it is still we who look after them."""
        data = msgspec.json.encode(alerts)
        keys = (ALERTS_LEASE, ALERTS)
        return bool(await self._run(_SAVE, keys, data, str(_KEEP_SECONDS)))

    async def load(self) -> dict[str, Alert]:
        """Return the alerts; those of a version that wrote them differently are begun anew."""
        with unavailable():
            async with asyncio.timeout(_PATIENCE):
                data: Any = await self._valkey.get(ALERTS)
        try:
            return msgspec.json.decode(data, type=dict[str, Alert]) if data else {}
        except msgspec.MsgspecError:
            return {}

    async def _run(self, script: str, keys: tuple[str, ...], *args: Any) -> Any:
        with unavailable():
            async with asyncio.timeout(_PATIENCE):
                return await self._valkey.eval(script, len(keys), *keys, self._holder, *args)
