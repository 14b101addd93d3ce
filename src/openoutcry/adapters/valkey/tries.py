"""Tries that all processes share, counted in Valkey; the sum is that of `core.tries`."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis

from openoutcry.adapters.valkey.status_board import unavailable
from openoutcry.core.keys import sign_in_known_key, sign_in_name_key, sign_in_own_key

KNOWN_SECONDS: Final = 30 * 86_400
"""How long an address counts as known to a name after a sign-in."""

# ARGV: tries, step in ms. KEYS: the bucket; or the name's, a mark, and the bucket of who has the mark.
_HEAD: Final = """
local tries, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = KEYS[2] and redis.call('EXISTS', KEYS[2]) == 1
local key = known and KEYS[3] or KEYS[1]
local due = tonumber(redis.call('GET', key) or '0')
local function keep(until_ms)
    redis.call('SET', key, string.format('%.0f', until_ms), 'PX', string.format('%.0f', until_ms - now))
end
"""

_TAKE: Final = f"""
{_HEAD}
local start = math.max(due, now)
local wait = start + step - tries * step - now
if wait > 0 then return wait end
keep(start + step)
return 0
"""

_GIVE_BACK: Final = f"""
{_HEAD}
if due - step > now then keep(due - step) else redis.call('DEL', key) end
if ARGV[3] ~= '0' then redis.call('SET', KEYS[2], '1', 'EX', ARGV[3]) end
return 0
"""


class SharedTries:
    """Buckets in Valkey, each changed by one atomic script. Raises StoreUnavailableError."""

    def __init__(self, valkey: Redis) -> None:
        self._valkey = valkey

    async def take(self, key: str, tries: int, step: int) -> int:
        """Take one try; return 0, or the milliseconds until there is one."""
        return await self._run(_TAKE, (key,), tries, step)

    async def give_back(self, key: str, tries: int, step: int) -> None:
        """Undo one `take`."""
        await self._run(_GIVE_BACK, (key,), tries, step)

    async def take_for(self, name: str, address: str, tries: int, step: int) -> int:
        """Take a try for a name: from the bucket that all share, or from the address's own.

        An address has one of its own once somebody has signed in by this name from there.
        """
        return await self._run(_TAKE, _keys(name, address), tries, step)

    async def give_back_for(
        self, name: str, address: str, tries: int, step: int, *, known: bool
    ) -> None:
        """Undo one `take_for`; with `known`, the address has tries of its own from now on."""
        await self._run(
            _GIVE_BACK, _keys(name, address), tries, step, KNOWN_SECONDS if known else 0
        )

    async def _run(
        self, script: str, keys: tuple[str, ...], tries: int, step: int, known: int = 0
    ) -> int:
        arguments = (str(tries), str(step), str(known))
        with unavailable():
            answer: Any = await self._valkey.eval(script, len(keys), *keys, *arguments)
        return int(answer)


def _keys(name: str, address: str) -> tuple[str, ...]:
    return (
        sign_in_name_key(name),
        sign_in_known_key(name, address),
        sign_in_own_key(name, address),
    )
