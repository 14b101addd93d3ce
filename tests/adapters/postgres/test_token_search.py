"""Tokens are found by how their symbol, name or address begins, as plain Python finds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openoutcry.adapters.postgres import token_quick, token_search
from openoutcry.adapters.postgres.pool import dial
from openoutcry.adapters.postgres.token_store import apply, undo
from openoutcry.adapters.postgres.token_windows import expire
from openoutcry.core.tokens import naive
from openoutcry.core.tokens.sought import sought
from openoutcry.tokens import Block, Ranked, TokenCreated, TokenEvent
from tokenkit import START, TX, address, block, empty, trade

NOW = START + 3_600_000_000
FEW = (1, 2, 7)
# What has a meaning in a pattern, in a query of words, or to nobody.
LETTERS = "aAbB 0xX%_\\'\":*&|!()<->$é猫🦦"

texts = st.text(LETTERS, max_size=8)
volumes = st.one_of(st.just(0), st.integers(1, 30), st.integers(1, 10**20))
coins = st.tuples(texts, texts, st.integers(0, 255), volumes)
typed_texts = st.one_of(
    st.text(LETTERS, min_size=1, max_size=3),
    st.sampled_from(["0x00", "0x0000000000000000000000000000000000000001", "0x" + "00" * 20]),
).filter(lambda typed: bool(typed.strip()))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the indexer has it, to an empty store."""
    connection = await dial(database_url, application_name="test")
    yield connection
    await connection.close(timeout=5)


def made(index: int, token: int, symbol: str, name: str, creator: int = 9) -> TokenCreated:
    """Return the creation of a token."""
    return TokenCreated(
        index, TX, address(token), address(creator), "pad", name, symbol, 18, 10**19
    )


async def fill(
    store: asyncpg.Connection, tokens: Sequence[tuple[str, str, int, int]]
) -> list[Ranked]:
    """Let these be made and traded, once each; return them as plain Python knows them."""
    events: list[TokenEvent] = []
    for number, (symbol, name, creator, volume) in enumerate(tokens, 1):
        events.append(made(2 * number, number, symbol, name, creator))
        if volume:
            events.append(trade(2 * number + 1, number, 1, volume))
    return await add(store, [block(1, *events)])


async def add(store: asyncpg.Connection, blocks: list[Block]) -> list[Ranked]:
    """Store blocks; return the tokens as plain Python knows them."""
    await apply(store, blocks)
    await expire(store, NOW)
    ids = dict(await store.fetch("SELECT address, id FROM tokens"))
    known = []
    for each in naive.addresses(blocks):
        token = msgspec.structs.replace(naive.token_of(blocks, each), id=ids[each])
        known.append(Ranked(token, naive.volumes(blocks, NOW, each)))
    return known


async def found(store: asyncpg.Connection, typed: str, limit: int = 50) -> list[Ranked]:
    """Return what is found, by either way."""
    asked = sought(typed)
    quick = await token_search.read_found(store, asked, NOW, limit)
    assert quick is not None
    slow = await token_search.read_found_slowly(store, asked, NOW, limit)
    assert quick == slow
    return quick.ranked


async def symbols(store: asyncpg.Connection, typed: str, limit: int = 50) -> list[str]:
    """Return the symbols of what is found."""
    return [each.token.symbol for each in await found(store, typed, limit)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tokens=st.lists(coins, max_size=12),
    typed=st.lists(typed_texts, min_size=1, max_size=6),
    busiest=st.sampled_from([1, 3, 6, token_search.BUSIEST]),
)
async def test_whatever_is_typed(
    store: asyncpg.Connection,
    tokens: list[tuple[str, str, int, int]],
    typed: list[str],
    busiest: int,
) -> None:
    """Whatever tokens are called, and however few are looked at first: the same, in the same order."""
    await empty(store)
    known = await fill(store, tokens)
    sql = token_search.quick(busiest)
    every = [*typed, *(each.strip()[:3].strip() for token in tokens for each in token[:2])]
    for each in filter(None, every):
        asked = sought(each)
        right = naive.found(known, asked)
        for limit in FEW:
            wanted = token_search.asked(asked, limit)
            told = await token_quick.read_listing(store, sql, NOW, *wanted)
            assert told is not None
            assert told.ranked == right[:limit]
        assert await found(store, each) == right[:50]


async def test_the_symbol_itself_comes_first(store: asyncpg.Connection) -> None:
    """Then the largest by volume, then who was known first; a word of a name counts as its beginning."""
    tokens = [
        ("CATS", "Cats", 9, 500),
        ("DOG", "Big Cat Dog", 9, 900),
        ("cat", "Small", 9, 1),
        ("SCAT", "Bobcat", 9, 9_000),
        ("CAT", "Large", 9, 0),
        ("CATO", "Later", 9, 500),
    ]
    await fill(store, tokens)
    assert await symbols(store, "Cat") == ["cat", "CAT", "DOG", "CATS", "CATO"]
    assert await symbols(store, "cat", 3) == ["cat", "CAT", "DOG"]
    assert await symbols(store, "cat dog") == ["DOG"]
    assert await symbols(store, "at") == []


async def test_wildcards_and_operators_mean_themselves(store: asyncpg.Connection) -> None:
    """No letter that may be typed stands for another."""
    names = ["50% Off", "50x Off", "a_b", "axb", "it's", "back\\slash", "a:* & b", "'quoted'"]
    await fill(store, [(f"S{at}", name, 9, 0) for at, name in enumerate(names)])
    for at, name in enumerate(names):
        assert await symbols(store, name) == [f"S{at}"], name
    assert await symbols(store, "50%") == ["S0"]
    assert await symbols(store, "a_") == ["S2"]
    assert await symbols(store, "%") == []


async def test_by_address_and_creator(store: asyncpg.Connection) -> None:
    """0x and at least two digits find both; fewer are a name's beginning, and so are more."""
    await fill(store, [("A", "A", 0xA1, 1), ("B", "B", 0xA2, 2), ("0x00P", "Protocol", 0xB1, 3)])
    zeros = "0x" + "00" * 19
    assert await symbols(store, zeros + "02") == ["B"]
    assert await symbols(store, zeros + "a") == ["B", "A"]
    assert await symbols(store, zeros.upper() + "A1") == ["A"]
    assert await symbols(store, "0x00") == ["0x00P", "B", "A"]
    assert await symbols(store, "0x0") == ["0x00P"]
    assert await symbols(store, "0x00p") == ["0x00P"]
    assert await symbols(store, zeros + "010") == []


async def test_what_there_is_not(store: asyncpg.Connection) -> None:
    """A token whose creation was taken back is not found, nor under the name that it does not have."""
    first = block(1, made(1, 1, "ONE", "First"))
    second = block(2, made(1, 2, "TWO", "Second"), trade(2, 3, 1, 5))
    await add(store, [first, second])
    assert await symbols(store, "two") == ["TWO"]
    assert await symbols(store, "0x00") == ["", "ONE", "TWO"]
    await undo(store, [second.header.hash])
    assert await symbols(store, "two") == []
    assert await symbols(store, "0x00") == ["ONE"]
    await apply(store, [block(2, made(1, 2, "DUO", "Second"), fork=1)])
    assert await symbols(store, "two") == []
    assert await symbols(store, "sec") == ["DUO"]


async def test_names_that_are_too_long_for_anything(store: asyncpg.Connection) -> None:
    """They are stored, and found by how they begin; so are words without letters."""
    names = ["🦦" * 100_000, "a " * 100_000, "x" * 1_000_000, " " * 5_000, "", "w" * 255 + " end"]
    await fill(store, [("S" * 70_000, name, 9, 0) for name in names])
    for typed, count in (("🦦" * 64, 1), ("a a a", 1), ("x" * 64, 1), ("s" * 64, 6), ("end", 0)):
        assert len(await found(store, typed)) == count, typed


async def test_the_indexes_are_used(db: asyncpg.Connection) -> None:
    """However many tokens there are, only those are looked at that begin so or are the largest."""
    await db.execute(
        "INSERT INTO tokens (address, name, symbol)"
        " SELECT substring(sha256(n::text::bytea) FOR 20), 'Token ' || n, 'T' || n"
        " FROM generate_series(1, 20000) AS n;"
        "INSERT INTO token_figures (token_id, volume_total) SELECT id, id FROM tokens;"
        "ANALYZE; SET plan_cache_mode = force_generic_plan;"
        f"PREPARE search AS {token_search.quick()}"
    )
    times = ", ".join(["now()"] * 6)
    rows = await db.fetch(f"EXPLAIN EXECUTE search ({times}, 20, 'otter', $$'otter'$$, NULL, NULL)")
    plan = "\n".join(row[0] for row in rows)
    indexes = (
        "tokens_keys",
        "tokens_address_key",
        "tokens_creator",
        "token_figures_magnitude_total",
    )
    for index in indexes:
        assert index in plan, plan
    assert "Seq Scan on tokens" not in plan, plan
