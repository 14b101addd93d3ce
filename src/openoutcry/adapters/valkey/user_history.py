"""Users' last messages in Valkey: appended and published in one step, read by who was away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis

from openoutcry.adapters.valkey.client import publish_word
from openoutcry.adapters.valkey.status_board import unavailable
from openoutcry.core.keys import user_channel, user_history
from openoutcry.core.user_messages import Position

KEPT: Final = 1000
"""Messages of a user that are kept, about: the server trims whole nodes."""
KEPT_SECONDS: Final = 7 * 86_400

# ARGV: epoch, messages kept, seconds kept, how to publish, then an offset and a message in turns.
# What is there already was published when it was appended: it is neither appended nor published again.
# A last entry of another epoch is of a database that is no more; its offsets mean nothing now.
_APPEND: Final = """
local at = 0
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last then
    if last[2][4] == ARGV[1] then
        at = tonumber(string.match(last[1], '^%d+'))
    else
        redis.call('DEL', KEYS[1])
    end
end
local appended = 0
for i = 5, #ARGV, 2 do
    if tonumber(ARGV[i]) > at then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[i] .. '-0',
            'm', ARGV[i + 1], 'e', ARGV[1])
        redis.call(ARGV[4], KEYS[2], ARGV[i + 1])
        appended = appended + 1
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return appended
"""


class Message(Struct, frozen=True):
    """A message of a user, as the history has it."""

    offset: int
    text: bytes


class UserHistory:
    """The histories of all users. Every method raises StoreUnavailableError."""

    def __init__(self, valkey: Redis, kept: int = KEPT) -> None:
        self._valkey = valkey
        self._kept = str(kept)
        self._publish = publish_word(valkey)

    async def append(self, epoch: str, messages: Mapping[int, Sequence[Message]]) -> int:
        """Append each user's messages, ascending, and publish them; return how many were new.

        A user's messages become visible together. What was appended before is left out, so that
        the same call may be made again after any interruption.
        """
        with unavailable():
            async with self._valkey.pipeline(transaction=False) as pipe:
                for user_id, own in messages.items():
                    arguments: list[Any] = [epoch, self._kept, KEPT_SECONDS, self._publish]
                    for message in own:
                        arguments += (message.offset, message.text)
                    keys = [user_history(user_id), user_channel(user_id)]
                    pipe.eval(_APPEND, 2, *keys, *arguments)
                return sum(await pipe.execute())

    async def last(self, user_id: int) -> Position | None:
        """Return where the newest message stands; None: nothing is kept."""
        with unavailable():
            found: Any = await self._valkey.xrevrange(user_history(user_id), count=1)
        return Position(_offset(found[0]), _epoch(found[0])) if found else None

    async def between(self, user_id: int, epoch: str, first: int, last: int) -> list[Message]:
        """Return the messages first..last, ascending, as far as they are kept without a hole.

        Empty if the first is not there, or any is of another epoch.
        """
        with unavailable():
            found: Any = await self._valkey.xrange(user_history(user_id), f"{first}-0", f"{last}-0")
        whole = len(found) == last - first + 1 and all(_epoch(entry) == epoch for entry in found)
        if not whole or any(_offset(entry) != first + at for at, entry in enumerate(found)):
            return []
        return [Message(_offset(entry), entry[1][b"m"]) for entry in found]


def _offset(entry: Any) -> int:
    return int(entry[0].split(b"-")[0])


def _epoch(entry: Any) -> str:
    epoch: bytes = entry[1][b"e"]
    return epoch.decode()
