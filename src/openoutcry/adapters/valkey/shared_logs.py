"""Sliding logs that all processes share, kept in Valkey; the sum is that of `core.sliding_log`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from openoutcry.core.keys import public_log_key
from openoutcry.core.sliding_log import Rule, Taken

MOST_AT_ONCE: Final = 256
"""Clients in one script: it keeps Valkey from others for about a millisecond."""

# A log is a list: how many permits count; then pairs of how many and when (µs), the newest first.
# ARGV: most, window in µs, and how many each of KEYS wants (nothing: one each). Valkey's clock is the
# only one that counts.
# Returns the time, and for each key what was granted, what is left and when the oldest comes back.
_TAKE: Final = """
local most, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local now_text = string.format('%.0f', now)
local over = now - window
local expiry = string.format('%.0f', math.ceil(window / 1000) + 1000)
local answer = {now}
for i, key in ipairs(KEYS) do
    local wanted = tonumber(ARGV[i + 2] or '1')
    local total = tonumber(redis.call('LINDEX', key, 0) or '0')
    local before, oldest = total, nil
    if total > 0 then
        if tonumber(redis.call('LINDEX', key, 2)) > now then
            redis.call('DEL', key)
            redis.call('RPUSH', key, total, total, now_text)
        end
        oldest = tonumber(redis.call('LINDEX', key, -1))
        while oldest and oldest <= over do
            local gone = redis.call('RPOP', key, 2)
            total = total - tonumber(gone[2])
            oldest = total > 0 and tonumber(redis.call('LINDEX', key, -1)) or nil
        end
    end
    local granted = math.max(0, math.min(wanted, most - total))
    if granted > 0 then
        total = total + granted
        if before > 0 then redis.call('LPOP', key) end
        redis.call('LPUSH', key, now_text, granted, total)
        redis.call('PEXPIRE', key, expiry)
        oldest = oldest or now
    elseif before ~= total then
        if total > 0 then redis.call('LSET', key, 0, total) else redis.call('DEL', key) end
    end
    answer[#answer + 1] = granted
    answer[#answer + 1] = math.max(0, most - total)
    answer[#answer + 1] = oldest and oldest - over or 0
end
return answer
"""


class SharedLogs:
    """Every client's log, under `key`; all keys of one rule live on one node.

    Raises redis-py's errors: what to do without Valkey is the caller's to say.
    """

    def __init__(
        self, valkey: Redis, rule: Rule, key: Callable[[str], str] = public_log_key
    ) -> None:
        self.rule = rule
        self._key = key
        self._script = valkey.register_script(_TAKE)

    async def take(self, wanted: Mapping[str, int]) -> dict[str, Taken]:
        """Ask for so many permits of each client; one round trip for MOST_AT_ONCE of them."""
        asked = list(wanted.items())
        answers: dict[str, Taken] = {}
        for first in range(0, len(asked), MOST_AT_ONCE):
            answers |= (await self.take_at(asked[first : first + MOST_AT_ONCE]))[1]
        return answers

    async def take_at(self, wanted: Sequence[tuple[str, int]]) -> tuple[int, dict[str, Taken]]:
        """Do the same in one script, and return Valkey's time (µs) as well."""
        clients = [client for client, _ in wanted]
        numbers = [number for _, number in wanted]
        if max(numbers) == 1:
            numbers = []
        answer: Any = await self._script(
            keys=[self._key(client) for client in clients],
            args=[self.rule.most, self.rule.window, *numbers],
        )
        now, *rest = answer
        parts = iter(rest)
        taken = map(Taken, parts, parts, parts)
        return now, dict(zip(clients, taken, strict=True))
