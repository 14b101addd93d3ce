"""The trade stream: what is not acknowledged stays."""

from __future__ import annotations

from redis.asyncio import Redis

from openoutcry.adapters.valkey.trade_stream import TradeStream
from openoutcry.core.keys import DEAD_LETTERS, RECORDER_GROUP
from tape import STREAM, entries, put


async def test_trimming_spares_what_somebody_has_not_acknowledged(valkey: Redis) -> None:
    """Entries in another consumer's hands outlive the acknowledgement of later ones."""
    slow, quick = TradeStream(valkey, 0, "slow"), TradeStream(valkey, 0, "quick")
    ids = await put(valkey, *(b"%d" % number for number in range(2_000)))
    await slow.join()
    await quick.join()
    held = await slow.fresh(10, 10)
    later = await quick.fresh(1_990, 10)
    await quick.done([entry.id for entry in later])
    assert await quick.left_over()
    assert await slow.left_over()
    await quick.claim()
    assert await quick.unfinished(b"0", 100) == held
    await quick.done([entry.id for entry in held])
    assert not await quick.left_over()
    await quick.done([ids[-1]])
    assert await valkey.xlen(STREAM) < 500


async def test_claiming_removes_consumers_that_are_gone(valkey: Redis) -> None:
    """After a claim the group has one consumer, who holds everything."""
    dead, owner = TradeStream(valkey, 0, "dead"), TradeStream(valkey, 0, "owner")
    await put(valkey, *(b"%d" % number for number in range(2_500)))
    await dead.join()
    assert len(await dead.fresh(2_400, 10)) == 2_400
    await owner.claim()
    names = [one["name"] for one in await valkey.xinfo_consumers(STREAM, RECORDER_GROUP)]
    assert names == [b"owner"]
    assert len(await owner.unfinished(b"0", 5_000)) == 2_400


async def test_the_buried_are_kept_with_their_reason(valkey: Redis) -> None:
    """A dead letter names what was wrong, where it came from, and is no longer pending."""
    stream = TradeStream(valkey, 0, "one")
    ids = await put(valkey, b"bad")
    await stream.join()
    entry = (await stream.fresh(1, 10))[0]
    await stream.bury(entry, "because")
    letter = (await entries(valkey, DEAD_LETTERS))[0][1]
    assert letter == {
        b"f": b"bad",
        b"reason": b"because",
        b"stream": STREAM.encode(),
        b"entry": ids[0],
    }
    assert await stream.unfinished(b"0", 10) == []
