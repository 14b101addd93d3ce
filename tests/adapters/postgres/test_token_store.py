"""The store of tokens, case by case; whatever else may happen is in test_token_machine.py."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from openoutcry.adapters.postgres import token_reader
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_rebuild import rebuild
from openoutcry.adapters.postgres.token_store import (
    DEPTH,
    apply,
    bind_chain,
    read_head,
    read_headers,
    undo,
)
from openoutcry.adapters.postgres.token_windows import expire
from openoutcry.core.tokens import naive
from openoutcry.errors import ConfigError
from openoutcry.tokens import DAY, Block, ChainHead, TokenEvent, Window
from tokenkit import (
    START,
    address,
    block,
    created,
    dump,
    expected,
    published,
    ranks,
    trade,
    transfer,
)

COIN = 100
NOW = START + 3_600_000_000


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the indexer has it, to an empty store."""
    connection = await dial(database_url, application_name="test")
    yield connection
    await connection.close(timeout=5)


async def agrees(store: asyncpg.Connection, blocks: list[Block], tokens: list[int]) -> None:
    """Compare all that is published with the model."""
    known, asked = await ranks(store), [address(token) for token in tokens]
    told = await published(store, asked, NOW)
    right = expected(blocks, asked, NOW, known)
    assert {what: told[what] for what in right} == right


async def test_a_batch_of_many_trades(store: asyncpg.Connection) -> None:
    """Five thousand trades with their transfers in one batch, twice, are what a plain fold says."""
    rng = random.Random(5)
    blocks = []
    for number in range(1, 26):
        events: list[TokenEvent] = []
        for at in range(200):
            token, trader = COIN + rng.randrange(20), 1 + rng.randrange(40)
            sells = rng.random() < 0.4
            eth, amount = rng.randrange(10**18), rng.randrange(4)
            events.append(trade(2 * at, token, trader, -eth if sells else eth, tokens=amount))
            ends = (trader, 0) if sells else (0, trader)
            events.append(transfer(2 * at + 1, token, *ends, amount))
        blocks.append(block(number, *events))
    stored = await apply(store, blocks)
    assert list(stored.trades) == naive.trades(blocks)
    assert len(stored.tokens) == 20
    again = await apply(store, blocks)
    assert (again.trades, again.tokens) == ((), ())
    await agrees(store, blocks, list(range(COIN, COIN + 20)))


async def test_a_confirmed_trade_counts_before_its_block_is_there(
    store: asyncpg.Connection,
) -> None:
    """A part counts at once and once, sent by many at a time as well; the whole adds the rest only."""
    whole = block(5, created(0, COIN), trade(1, COIN, 1, 7), transfer(2, COIN, 0, 1, 3),
                  trade(3, COIN, 2, 9))  # fmt: skip
    part = Block(whole.header, whole.events[1:3])
    await apply(store, [block(4)])
    first = await apply(store, [part], part=True)
    assert [each.trade.eth for each in first.trades] == [7]
    assert first.head == ChainHead(4, block(4).header.hash)
    await agrees(store, [block(4), part], [COIN])
    rest = await apply(store, [whole])
    assert [each.trade.eth for each in rest.trades] == [9]
    late = await apply(store, [part], part=True)
    assert late.trades == ()
    await agrees(store, [block(4), whole], [COIN])


async def test_the_same_trade_sent_by_many_at_once(
    store: asyncpg.Connection, database_url: str
) -> None:
    """Twenty connections bring one trade: one of them is told that it is new."""
    part = block(5, trade(1, COIN, 1, 7), transfer(2, COIN, 0, 1, 3))

    async def send() -> int:
        connection = await dial(database_url, application_name="test", command_timeout=60)
        try:
            return len((await apply(connection, [part], part=True)).trades)
        finally:
            await connection.close(timeout=5)

    assert sum(await asyncio.gather(*(send() for _ in range(20)))) == 1
    await agrees(store, [part], [COIN])


async def test_a_reorganisation_gives_back_what_was_sold(store: asyncpg.Connection) -> None:
    """Who had sold out in a block that goes holds again what was held, since it was first bought."""
    one = block(1, created(0, COIN), trade(1, COIN, 1, 5), transfer(2, COIN, 0, 1, 10))
    two = block(2, transfer(0, COIN, 0, 1, 1))
    three = block(3, trade(0, COIN, 1, -5), transfer(1, COIN, 1, 0, 11))
    other = block(3, trade(0, COIN, 2, 8), transfer(1, COIN, 0, 2, 1), fork=1)
    await apply(store, [one, two, three])
    assert await token_reader.read_holders(store, address(COIN)) == []
    stored = await undo(store, [three.header.hash])
    assert stored.head == ChainHead(2, two.header.hash)
    assert stored.tokens == (address(COIN),)
    await agrees(store, [one, two], [COIN])
    await apply(store, [other])
    await agrees(store, [one, two, other], [COIN])
    back = await apply(store, [three])
    assert back.undone == (other.header.hash,)
    assert back.trades == tuple(naive.trades([three]))
    await agrees(store, [one, two, three], [COIN])


@pytest.mark.parametrize("more", [(), (4,)])
async def test_a_block_comes_after_parts_of_later_ones(
    store: asyncpg.Connection, more: tuple[int, ...]
) -> None:
    """A holding that seemed to end, and to begin again, has not: a block between had kept it up."""
    first = block(1, trade(0, COIN, 1, 5), transfer(1, COIN, 0, 1, 5))
    later = [block(3, transfer(0, COIN, 1, 2, 5))]
    later += [block(number, transfer(0, COIN, 0, 1, 2)) for number in more]
    await apply(store, [first])
    for each in later:
        await apply(store, [each], part=True)
    between = block(2, transfer(0, COIN, 0, 1, 1))
    await apply(store, [between])
    await agrees(store, [first, between, *later], [COIN])
    (held,) = [row for row in naive.holders([first, between, *later], address(COIN))
               if row.address == address(1)]  # fmt: skip
    assert held.first_bought_at == first.header.time


async def test_a_token_whose_block_is_undone_is_gone(store: asyncpg.Connection) -> None:
    """Made in a block that does not count, it is not there; made elsewhere, it is the other one."""
    await apply(store, [block(1, created(0, COIN, "First"))])
    await undo(store, [block(1).header.hash])
    assert await token_reader.read_token(store, address(COIN), NOW) is None
    assert await token_reader.read_newest(store, NOW) == []
    await apply(store, [block(1, created(3, COIN, "Second"), fork=1)])
    (newest,) = await token_reader.read_newest(store, NOW)
    assert newest.token.name == "Second"


async def test_what_is_brought_where_the_indexer_has_been(store: asyncpg.Connection) -> None:
    """A part of another block than the one that counts is refused, and says so; nothing is stored."""
    await apply(store, [block(1), block(2, trade(0, COIN, 1, 5))])
    before = await dump(store)
    for stranger in (
        block(2, trade(0, COIN, 1, 9), fork=1),
        block(1, trade(0, COIN, 1, 9), fork=1),
    ):
        stored = await apply(store, [stranger], part=True)
        assert stored.refused == (stranger.header.hash,)
    assert await dump(store) == before


async def test_a_part_gives_way_to_what_the_indexer_brings(store: asyncpg.Connection) -> None:
    """A trade of a block that the chain has left goes, although catching up lists no block there."""
    await apply(store, [block(1)])
    await apply(store, [block(3, trade(0, COIN, 1, 5), fork=1)], part=True)
    stored = await apply(store, [block(9)])
    assert stored.undone == (block(3, fork=1).header.hash,)
    assert await token_reader.read_token(store, address(COIN), NOW) is None


async def test_headers_are_kept_while_they_are_young(store: asyncpg.Connection) -> None:
    """The newest headers lead back far enough to follow the chain; older ones only where rows are."""
    blocks = [block(number) for number in range(1, 2 * DEPTH)]
    blocks[3] = block(4, trade(0, COIN, 1, 5))
    for at in range(0, len(blocks), 50):
        await apply(store, blocks[at : at + 50])
    headers = await read_headers(store)
    assert headers == [each.header for each in blocks[-DEPTH:]]
    assert await store.fetchval("SELECT count(*) FROM chain_blocks WHERE number < 100") == 1
    assert await read_head(store) == ChainHead(headers[-1].number, headers[-1].hash)


async def test_a_trade_leaves_a_window_when_it_is_as_old(store: asyncpg.Connection) -> None:
    """At 24 hours to the microsecond, moved on or not; and is back for who asks of earlier."""
    one = block(1, trade(0, COIN, 1, 5), time=START)
    await apply(store, [one])
    for move in (False, True, True):
        for now, day in ((START + DAY - 1, 5), (START + DAY, 0), (START + DAY + 1, 0)):
            ranked = await token_reader.read_token(store, address(COIN), now)
            assert ranked is not None
            assert (ranked.volumes.day, ranked.volumes.week, ranked.volumes.total) == (day, 5, 5)
            top = await token_reader.read_top(store, Window.DAY, now)
            assert [each.volumes.day for each in top] == [5][: day // 5]
            if move:
                await expire(store, now)
    assert await store.fetchval("SELECT volume_24h FROM token_figures") == 0
    assert await expire(store, START + 7 * DAY) == (address(COIN),)


async def test_pages_go_on_where_they_ended(store: asyncpg.Connection) -> None:
    """Trades and holders come in pages without a gap or a repetition, though times and balances tie."""
    events = [trade(at, COIN, 1, 1) for at in range(5)]
    gifts = [transfer(10 + at, COIN, 0, 1 + at, 1 + at // 3) for at in range(7)]
    blocks = [block(1, *events, *gifts, time=START), block(2, *events, time=START)]
    await apply(store, blocks)
    trades, cursor = [], None
    while page := await token_reader.read_trades(store, address(COIN), 3, cursor):
        trades += page
        cursor = token_reader.cursor_after(page[-1])
    assert trades == naive.trades(blocks)[::-1]
    holders, after = [], None
    while rows := await token_reader.read_holders(store, address(COIN), 2, after):
        holders += rows
        after = token_reader.HolderCursor(rows[-1].balance, rows[-1].address)
    assert holders == naive.holders(blocks, address(COIN))


async def test_a_store_is_of_one_chain(store: asyncpg.Connection) -> None:
    """The first chain that is told is the store's; another id or genesis is refused, with both named."""
    await bind_chain(store, 31_337, bytes(32))
    await bind_chain(store, 31_337, bytes(32))
    with pytest.raises(ConfigError, match=r"chain 31337 with genesis 0x00.*not chain 1 "):
        await bind_chain(store, 1, bytes(32))
    with pytest.raises(ConfigError, match="a database of its own"):
        await bind_chain(store, 31_337, b"\1" * 32)


async def test_a_failure_leaves_nothing_behind(store: asyncpg.Connection) -> None:
    """A batch of which one event cannot be stored changes nothing, its good blocks included."""
    before = await dump(store)
    good = block(1, trade(0, COIN, 1, 5))
    with pytest.raises(asyncpg.DataError):
        await apply(store, [good, block(2, trade(0, COIN, 1, 10**78))])
    assert await dump(store) == before
    assert await read_head(store) is None
    await apply(store, [good])
    await agrees(store, [good], [COIN])


async def test_rebuilding_mends_what_was_broken(store: asyncpg.Connection) -> None:
    """Derived tables that were emptied or falsified come back to the byte, orphans left out."""
    blocks = [
        block(1, created(0, COIN), trade(1, COIN, 1, 5), transfer(2, COIN, 0, 1, 10)),
        block(2, trade(0, COIN, 2, 7, supply=3, reserve=4), transfer(1, COIN, 1, 2, 4)),
    ]
    await apply(store, [*blocks, block(3, trade(0, COIN, 1, 9))])
    await undo(store, [block(3).header.hash])
    await expire(store, START + DAY + 13_000_000)
    right = await dump(store)
    await store.execute(
        "UPDATE token_figures SET volume_total = 1, holders = 9, price = 1;"
        "UPDATE tokens SET name = 'wrong', created_at = NULL;"
        "DELETE FROM token_holders; DELETE FROM token_candles_1h; TRUNCATE token_hours"
    )
    seen: list[tuple[int, int]] = []
    assert await rebuild(store, lambda done, of: seen.append((done, of))) == 1
    assert await dump(store) == right
    assert seen == [(1, 1)]


async def test_amounts_are_exact_to_the_wei(store: asyncpg.Connection) -> None:
    """Sums of the largest amounts lose nothing, and a price of nothing is a price."""
    most = 10**77
    one = block(1, trade(0, COIN, 1, most, tokens=most, price=0), trade(1, COIN, 2, most + 1))
    await apply(store, [one])
    ranked = await token_reader.read_token(store, address(COIN), NOW)
    assert ranked is not None
    assert ranked.volumes.total == 2 * most + 1
    (first,) = [each for each in naive.trades([one]) if each.trade.price == 0]
    assert first in await token_reader.read_trades(store, address(COIN))
    assert msgspec.structs.replace(ranked.token, id=0) == naive.token_of([one], address(COIN))
