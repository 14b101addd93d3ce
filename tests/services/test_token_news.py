"""News of tokens: what is published after commits, conflated, bounded, through outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyConnectionError

from openoutcry.adapters.postgres import token_store
from openoutcry.adapters.valkey.client import listeners
from openoutcry.core.chain import hexes
from openoutcry.core.keys import TOKENS_TOP, token_channel
from openoutcry.core.tokens.messages import TokenChange, TopTokens, is_newer
from openoutcry.services import token_news
from openoutcry.services.token_news import TokenNews
from openoutcry.tokens import WEI, Block
from tokenkit import START, address, block, block_hash, created, trade, transfer

NOW = START + 3_600_000_000


@asynccontextmanager
async def hearing(valkey: Redis, *channels: str) -> AsyncIterator[Any]:
    """Listen; the function that is given returns the next message."""
    pubsub = valkey.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(*channels)
    for _ in channels:
        await pubsub.get_message(timeout=10)

    async def hear(kind: type = TokenChange) -> Any:
        async with asyncio.timeout(20):
            while (found := await pubsub.get_message(timeout=30)) is None:
                pass
        return msgspec.json.decode(found["data"], type=kind)

    yield hear
    await pubsub.aclose()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def running(news: TokenNews) -> AsyncIterator[None]:
    """Publish until the end of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(news.run(stop))
    yield
    stop.set()
    await task


async def apply(pool: asyncpg.Pool, news: TokenNews, *blocks: Block) -> None:
    """Store blocks and tell of them."""
    async with pool.acquire() as connection:
        await news.tell(await token_store.apply(connection, blocks))


@pytest.fixture
def news(valkey: Redis, store: asyncpg.Pool) -> TokenNews:
    """Who tells, an hour after the first block."""
    return TokenNews(valkey, store, top=False, clock=lambda: NOW)


CHANNEL = token_channel(hexes.show(address(1)))


async def test_a_commit_is_told(news: TokenNews, valkey: Redis, store: asyncpg.Pool) -> None:
    """Figures as they are stored, the new trades, newest first."""
    async with hearing(valkey, CHANNEL) as hear, running(news):
        events = created(0, 1), transfer(1, 1, 0, 5, 7), trade(2, 1, 5, WEI), trade(3, 1, 6, -WEI)
        await apply(store, news, block(1, *events))
        told = await hear()
        assert (told.token.trade_count, told.token.holder_count) == (2, 1)
        assert told.token.volume24h == "2"
        assert [(each.side, each.log_index) for each in told.trades] == [("sell", 3), ("buy", 2)]
        assert (told.undone, told.missed) == ([], 0)
        await apply(store, news, block(2, trade(0, 1, 5, 3 * WEI)))
        later = await hear()
        assert [each.eth for each in later.trades] == ["3"]
        assert is_newer(later.version, told.version)


async def test_what_was_undone_is_told(news: TokenNews, valkey: Redis, store: asyncpg.Pool) -> None:
    """The hash of the block that does not count any more, and what takes its place."""
    await apply(store, news, block(1, created(0, 1), trade(1, 1, 5, WEI)))
    async with hearing(valkey, CHANNEL) as hear, running(news):
        first = await hear()
        assert len(first.trades) == 1
        await apply(store, news, block(1, created(0, 1), trade(1, 1, 5, 2 * WEI), fork=1))
        told = await hear()
        assert told.undone == [hexes.show(block_hash(1, 0))]
        assert [each.eth for each in told.trades] == ["2"]
        assert (told.token.trade_count, told.token.volume_total) == (1, "2")


async def test_what_waits_is_one_message(
    news: TokenNews, valkey: Redis, store: asyncpg.Pool
) -> None:
    """Of what was told and taken back before anybody heard of it, only the taking back is left."""
    async with hearing(valkey, CHANNEL) as hear:
        await apply(store, news, block(1, created(0, 1), trade(1, 1, 5, WEI)))
        await apply(store, news, block(2, trade(0, 1, 5, 2 * WEI)))
        async with store.acquire() as connection:
            await news.tell(await token_store.undo(connection, [block_hash(2, 0)]))
        await apply(store, news, block(2, trade(0, 1, 5, 4 * WEI), fork=1))
        async with running(news):
            told = await hear()
    assert [each.eth for each in told.trades] == ["4", "1"]
    assert told.undone == [hexes.show(block_hash(2, 0))]
    assert told.token.volume_total == "5"


async def test_nobody_listens_nothing_is_read(
    news: TokenNews, valkey: Redis, store: asyncpg.Pool
) -> None:
    """A catch-up of thousands of tokens costs nothing while nobody looks at them."""
    async with hearing(valkey, CHANNEL) as hear, running(news):
        events = [trade(at, at, 5, WEI) for at in range(1, 100)]
        await apply(store, news, block(1, *events))
        assert (await hear()).token.address == hexes.show(address(1))
    assert news.published == 1


async def test_memory_is_bounded(
    news: TokenNews, valkey: Redis, store: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More trades than may wait: the oldest go, and are counted, so that who hears can look."""
    monkeypatch.setattr(token_news, "MOST_TRADES", 3)
    monkeypatch.setattr(token_news, "MOST_WAITING", 8)
    async with hearing(valkey, CHANNEL) as hear:
        await apply(store, news, block(1, *(trade(at, 1, 5, WEI + at) for at in range(5))))
        async with running(news):
            told = await hear()
        assert [each.log_index for each in told.trades] == [4, 3, 2]
        assert (told.missed, news.dropped) == (2, 2)
        events = [trade(at, 1 + at // 3, 5, WEI) for at in range(12)]
        await apply(store, news, block(2, *events))
        async with running(news):
            told = await hear()
        assert (told.trades, told.missed) == ([], 3)
        assert told.token.trade_count == 8


async def test_an_outage_only_delays(
    news: TokenNews, valkey: Redis, store: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be sent is sent later, with what came meanwhile, each once."""
    failing = True

    async def sometimes(*args: Any) -> set[str]:
        if failing:
            raise ValkeyConnectionError("gone")
        return await listeners(*args)

    monkeypatch.setattr(token_news, "listeners", sometimes)
    async with hearing(valkey, CHANNEL) as hear, running(news):
        await apply(store, news, block(1, trade(1, 1, 5, WEI)))
        await asyncio.sleep(0.1)
        await apply(store, news, block(2, trade(1, 1, 5, 2 * WEI)))
        await asyncio.sleep(0.1)
        failing = False
        told = await hear()
    assert [each.eth for each in told.trades] == ["2", "1"]


async def test_the_top_is_told_when_it_changes(
    news: TokenNews, valkey: Redis, store: asyncpg.Pool
) -> None:
    """The list of the largest, once for each change of it, and none while nobody listens."""
    await apply(store, news, block(1, trade(1, 1, 5, WEI), trade(2, 2, 5, 2 * WEI)))
    await news.tell_top()
    async with hearing(valkey, TOKENS_TOP) as hear:
        await news.tell_top()
        told = await hear(TopTokens)
        assert told.window == "24h"
        assert [each.volume24h for each in told.tokens] == ["2", "1"]
        await news.tell_top()
        await apply(store, news, block(2, trade(1, 1, 5, 5 * WEI)))
        await news.tell_top()
        told = await hear(TopTokens)
        assert [each.volume24h for each in told.tokens] == ["6", "2"]
