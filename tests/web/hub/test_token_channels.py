"""The channels of tokens: a snapshot, then what changes, whatever the chain takes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from hubkit import Hub, StartHub
from openoutcry.adapters.postgres import token_store
from openoutcry.core.chain import hexes
from openoutcry.core.keys import TOKENS_TOP, token_channel
from openoutcry.core.tokens.messages import TokenChange
from openoutcry.core.tokens.shapes import TokenItem, TradeItem
from openoutcry.services.token_news import TokenNews
from openoutcry.services.token_pages import TokenPage, TokenPages
from openoutcry.tokens import WEI, Block
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.fanout import Client, Fanout
from openoutcry.web.hub.outbox import TooFarBehindError
from openoutcry.web.hub.sources import ValkeyBus
from openoutcry.web.hub.teller import Teller
from openoutcry.web.hub.tokens import NEWEST, Change, TokenFeed, TokenTopic
from tokenkit import START, address, block, block_hash, created, trade

pytest_plugins = ["hubkit"]

TOKEN = hexes.show(address(1))
NAME = f"token:{TOKEN}"
ITEM = TokenItem(
    TOKEN, "One", "ONE", 18, "pad", TOKEN, 1, None, "1", "1", "1", "0", None, None, 1, 0, "0", "0", "0"
)  # fmt: skip


def print_of(number: int, index: int = 0, fork: str = "a") -> TradeItem:
    """Return a trade in a block of a fork."""
    hash_ = f"0x{fork}{number}"
    return TradeItem("0x1", number, hash_, index, number, "buy", TOKEN, "1", "1", "1")


def counted(trades: int) -> TokenItem:
    """Return the token with so many trades."""
    return msgspec.structs.replace(ITEM, trade_count=trades)


class LocalTokens:
    """A store with what the test puts there."""

    def __init__(self) -> None:
        self.found: TokenPage | None = TokenPage(10, ITEM, [])
        self.list = b'{"window":"24h","tokens":[]}'

    async def page(self, token: bytes) -> TokenPage | None:
        """Return it."""
        assert token == address(1)
        await asyncio.sleep(0)
        return self.found

    async def top(self) -> bytes:
        """Return it."""
        return self.list


def message(
    version: int, trades: list[TradeItem], undone: tuple[str, ...] = (), missed: int = 0
) -> bytes:
    """Return what comes over the bus."""
    return msgspec.json.encode(TokenChange(version, counted(version), trades, list(undone), missed))


@pytest.fixture
def tokens() -> LocalTokens:
    """What the hub's store holds."""
    return LocalTokens()


@pytest.fixture
async def started(start_hub: StartHub, tokens: LocalTokens) -> Hub:
    """A hub that knows of tokens."""
    return await start_hub(tokens=tokens)


def places(trades: Any) -> list[tuple[int, int]]:
    """Return block and log of trades."""
    return [(each["blockNumber"], each["logIndex"]) for each in trades]


async def test_a_snapshot_then_what_changes(started: Hub, tokens: LocalTokens) -> None:
    """Trades newest first, each told once; what the snapshot holds already is not told again."""
    tokens.found = TokenPage(10, counted(1), [print_of(5)])
    async with started.talk() as talk:
        snapshot = await talk.subscribe(NAME)
        assert (snapshot["token"]["tradeCount"], places(snapshot["trades"])) == (1, [(5, 0)])
        started.bus.say(token_channel(TOKEN), message(10, [print_of(5)]))
        started.bus.say(token_channel(TOKEN), message(11, [print_of(6, 1), print_of(6)]))
        update = await talk.until("token_update")
        assert update["channel"] == NAME
        assert places(update["data"]["trades"]) == [(6, 1), (6, 0)]
        assert (update["data"]["undone"], update["data"]["token"]["tradeCount"]) == ([], 11)
        again = await talk.subscribe(NAME)
        assert places(again["trades"]) == [(6, 1), (6, 0), (5, 0)]
        assert started.bus.wanted[token_channel(TOKEN)] == 1


async def test_a_block_that_is_taken_back(started: Hub) -> None:
    """Its trades go, those of the other one come: in the message and in later snapshots."""
    async with started.talk() as talk:
        await talk.subscribe(NAME)
        started.bus.say(token_channel(TOKEN), message(11, [print_of(6)]))
        await talk.until("token_update")
        started.bus.say(token_channel(TOKEN), message(12, [print_of(6, fork="b")], ("0xa6",)))
        update = (await talk.until("token_update"))["data"]
        assert (update["undone"], update["trades"][0]["blockHash"]) == (["0xa6"], "0xb6")
        snapshot = await talk.subscribe(NAME)
        assert [each["blockHash"] for each in snapshot["trades"]] == ["0xb6"]


async def test_tokens_that_there_are_not(start_hub: StartHub, tokens: LocalTokens) -> None:
    """An error says so, nothing stays subscribed; without a chain there are none."""
    hub = await start_hub(tokens=tokens)
    tokens.found = None
    async with hub.talk() as talk:
        await talk.ask("subscribe", NAME, id=4)
        error = await talk.until("error")
        assert (error["code"], error["channel"], error["id"]) == ("unknown_token", NAME, 4)
        assert token_channel(TOKEN) not in hub.bus.wanted
        await talk.ask("unsubscribe", NAME)
        assert (await talk.until("error"))["code"] == "not_subscribed"
        tokens.found = TokenPage(10, ITEM, [])
        assert (await talk.subscribe(NAME))["trades"] == []
    await hub.end()
    hub = await start_hub(tokens=None)
    async with hub.talk() as talk:
        for name in (NAME, "tokens:top"):
            await talk.ask("subscribe", name)
            error = await talk.until("error")
            assert (error["code"], "chain_rpc_urls" in error["message"]) == ("unknown_token", True)


async def test_after_a_loss_the_difference_is_told(started: Hub, tokens: LocalTokens) -> None:
    """What came and what went while the bus was away, and nothing if nothing did."""
    tokens.found = TokenPage(10, counted(2), [print_of(6), print_of(5)])
    async with started.talk() as talk:
        await talk.subscribe(NAME)
        await started.server.on_connected()
        tokens.found = TokenPage(14, counted(3), [print_of(7), print_of(6, fork="b"), print_of(5)])
        await started.server.on_connected()
        update = (await talk.until("token_update"))["data"]
        assert (update["undone"], update["token"]["tradeCount"]) == (["0xa6"], 3)
        assert places(update["trades"]) == [(7, 0), (6, 0)]


async def test_what_was_left_out_is_looked_up(started: Hub, tokens: LocalTokens) -> None:
    """A message that says that it lacks some lets the hub read the store."""
    async with started.talk() as talk:
        await talk.subscribe(NAME)
        tokens.found = TokenPage(12, counted(3), [print_of(8), print_of(7), print_of(6)])
        started.bus.say(token_channel(TOKEN), message(11, [print_of(8)], missed=2))
        assert places((await talk.until("token_update"))["data"]["trades"]) == [(8, 0)]
        assert places((await talk.until("token_update"))["data"]["trades"]) == [(7, 0), (6, 0)]


async def test_nonsense_is_left_out(started: Hub) -> None:
    """It is counted, and the channels go on."""
    async with started.talk() as talk:
        await talk.subscribe(NAME)
        await talk.subscribe("tokens:top")
        for channel in (token_channel(TOKEN), TOKENS_TOP):
            started.bus.say(channel, b"nonsense")
        started.bus.say(TOKENS_TOP, b"[]")
        assert started.server.market.bad_messages == 3
        started.bus.say(token_channel(TOKEN), message(11, [print_of(6)]))
        assert (await talk.until("token_update"))["channel"] == NAME


async def test_the_top(started: Hub, tokens: LocalTokens) -> None:
    """The store's list, then every new one; a list that is the same is not told after a loss."""
    async with started.talk() as talk:
        assert await talk.subscribe("tokens:top") == {"window": "24h", "tokens": []}
        started.bus.say(TOKENS_TOP, b'{"window":"24h","tokens":[1]}')
        update = await talk.until("tokens_update")
        assert (update["channel"], update["data"]["tokens"]) == ("tokens:top", [1])
        tokens.list = b'{"window":"24h","tokens":[1]}'
        await started.server.on_connected()
        tokens.list = b'{"window":"24h","tokens":[2]}'
        await started.server.on_connected()
        assert (await talk.until("tokens_update"))["data"]["tokens"] == [2]


def test_a_slow_reader_gets_what_still_counts() -> None:
    """Whatever it missed is one message: the last figures, the newest trades, the blocks undone."""
    sent: list[bytes] = []
    fanout = Fanout(lambda _flush: None)
    feed = TokenFeed(Channel("token", TOKEN), lambda: START)
    teller = Teller(fanout, lambda: START)
    feed.load(TokenPage(1, ITEM, []))
    client = Client(sent.append, lambda: None)
    fanout.add(client)
    fanout.join(client, feed.topic)
    fanout.flush()
    fanout.pause(client)
    for number in range(2, 302):
        undone = [f"0xa{number - 1}"] if number % 100 == 0 else []
        change = TokenChange(number, counted(number), [print_of(number)], undone)
        teller.token(feed, feed.apply(change))
        fanout.flush()
    assert sent == []
    fanout.resume(client)
    fanout.flush()
    (frame,) = sent
    data = json.loads(frame[frame.index(b"{") :])["data"]
    assert data["token"]["tradeCount"] == 301
    assert data["undone"] == ["0xa99", "0xa199", "0xa299"]
    numbers = [each["blockNumber"] for each in data["trades"]]
    assert numbers == [each for each in range(301, 99, -1) if each not in {299, 199}]


class Viewer:
    """A client that does as the documentation says: drop what was undone, then add what is new."""

    def __init__(self) -> None:
        self.trades: set[tuple[str, int]] = set()
        self.figures = 0

    def take(self, change: Change) -> None:
        """Take a message."""
        self.trades = {each for each in self.trades if each[0] not in change.undone}
        fresh = {(each.block_hash, each.log_index) for each in change.trades}
        assert not fresh & self.trades, "nothing is told twice"
        self.trades |= fresh
        self.figures = change.token.trade_count


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()), max_size=40
    )
)
def test_whatever_the_chain_does_all_see_the_same(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Blocks come and go, and come back; who reads at once and who falls behind end with the same."""
    feed = TokenFeed(Channel("token", TOKEN), lambda: START)
    topic = TokenTopic(msgspec.json.encode)
    feed.load(TokenPage(0, ITEM, []))
    prompt, slow, place = Viewer(), Viewer(), topic.cursor()
    chain: list[list[TradeItem]] = []
    gone: list[list[TradeItem]] = []
    for version, (depth, count, returns, reads) in enumerate(steps, start=1):
        undone = chain[len(chain) - depth :] if depth else []
        del chain[len(chain) - len(undone) :]
        number = len(chain)
        back = next((each for each in gone if each and each[0].block_number == number), None)
        fresh = [print_of(number, index, f"{version}f") for index in range(count)]
        if returns and back is not None:
            fresh = back
            gone.remove(back)
        gone += [each for each in undone if each is not fresh]
        chain.append(fresh)
        hashes = [each[0].block_hash for each in undone if each]
        message = TokenChange(version, counted(version), fresh[::-1], hashes)
        change = feed.apply(message)
        assert change is not None
        topic.note(change)
        prompt.take(change)
        if reads:
            for frame in topic.owed(place).frames:
                slow.take(msgspec.json.decode(frame, type=Change))
            place = topic.cursor()
    for frame in topic.owed(place).frames:
        slow.take(msgspec.json.decode(frame, type=Change))
    true = [each for block in chain for each in block]
    assert prompt.trades == {(each.block_hash, each.log_index) for each in true}
    assert (slow.trades, slow.figures) == (prompt.trades, prompt.figures)
    shown = {(each.block_hash, each.log_index) for each in feed._trades}
    assert shown <= prompt.trades
    assert len(shown) == len(true) or len(shown) <= 50


def test_who_has_missed_too_much_is_closed() -> None:
    """More undone blocks than are remembered: it has to begin anew, or it would show what never was."""
    topic = TokenTopic(lambda _: b"")
    at = topic.cursor()
    for number in range(NEWEST + 1):
        topic.note(Change(ITEM, [], [f"0x{number}"]))
    with pytest.raises(TooFarBehindError):
        topic.owed(at)
    assert topic.owed(topic.cursor()).frames == []


class Chain:
    """A store that blocks are brought to, and who tells of them."""

    def __init__(self, pool: asyncpg.Pool, news: TokenNews) -> None:
        self._pool = pool
        self._news = news

    async def apply(self, *blocks: Block) -> None:
        """Store blocks and tell of them."""
        async with self._pool.acquire() as connection:
            await self._news.tell(await token_store.apply(connection, blocks))


@pytest.fixture
async def chain(store: asyncpg.Pool, valkey: Redis) -> AsyncIterator[Chain]:
    """What the indexer does."""
    news, stop = TokenNews(valkey, store, clock=lambda: START + 10**9), asyncio.Event()
    running = asyncio.create_task(news.run(stop))
    yield Chain(store, news)
    stop.set()
    await running


async def test_from_a_commit_to_a_socket(
    start_hub: StartHub, store: asyncpg.Pool, valkey_url: str, chain: Chain
) -> None:
    """On real engines: what is committed is heard, and what is undone too."""
    await chain.apply(block(1, created(0, 1), trade(1, 1, 5, WEI)))
    pages = TokenPages(store, clock=lambda: START + 10**9)
    hub = await start_hub(bus=ValkeyBus(valkey_url), tokens=pages)
    async with hub.talk() as talk:
        snapshot = await talk.subscribe(NAME)
        assert [each["eth"] for each in snapshot["trades"]] == ["1"]
        top = await talk.subscribe("tokens:top")
        assert [each["volume24h"] for each in top["tokens"]] == ["1"]
        await chain.apply(block(2, trade(0, 1, 5, 2 * WEI)))
        told: dict[str, Any] = {"tokens_update": top}
        # In either order.
        while "token_update" not in told or told["tokens_update"]["tokens"][0]["volume24h"] != "3":
            message = await talk.next()
            told[message["type"]] = message["data"]
        update = told["token_update"]
        assert ([each["eth"] for each in update["trades"]], update["undone"]) == (["2"], [])
        assert update["token"]["volume24h"] == "3"
        await chain.apply(block(2, trade(0, 1, 5, 4 * WEI), fork=1))
        update = (await talk.until("token_update"))["data"]
        assert update["undone"] == [hexes.show(block_hash(2, 0))]
        assert update["token"]["volumeTotal"] == "5"
