"""Finding out what the configured symbols are, with and without the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import asyncpg
import pytest
from redis.asyncio import Redis

from openoutcry.adapters.valkey.weight import WeightBudget
from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.core.keys import weight_limit_key
from openoutcry.errors import ConfigError
from openoutcry.model import Instrument
from openoutcry.services.discovery import discover, instrument_for_import
from sandbox.support import Sandbox, running

LISTED = ["BTCUSDT", "ETHUSDT", "PEPEUSDT"]
BTC = Instrument(1, "binance", "BTCUSDT", "BTC", "USDT", 2, 5)

Connect = Callable[[], Awaitable[asyncpg.Connection]]


@pytest.fixture
async def venue() -> AsyncIterator[Sandbox]:
    """An exchange with three symbols."""
    async with running(symbols=LISTED) as sandbox:
        yield sandbox


@pytest.fixture
async def ask(valkey: Redis) -> AsyncIterator[Callable[[str], VenueRest]]:
    """A function that returns a REST client of an address."""
    async with aiohttp.ClientSession() as http:
        yield lambda url: VenueRest(http, url, WeightBudget(valkey, "binance", 6000, 0.5))


@pytest.fixture
def dial(database_url: str) -> Connect:
    """A function that connects to the store."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(database_url)

    return connect


async def registered(db: asyncpg.Connection) -> list[tuple[str, str, str, int, int]]:
    rows = await db.fetch(
        "SELECT symbol, base, quote, price_scale, size_scale FROM instruments ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def add(db: asyncpg.Connection, symbol: str, price_scale: int, size_scale: int) -> None:
    await db.execute(
        "INSERT INTO instruments (venue, symbol, base, quote, price_scale, size_scale)"
        " VALUES ('binance', $1, $2, 'USDT', $3, $4)",
        *(symbol, symbol.removesuffix("USDT"), price_scale, size_scale),
    )


async def test_symbols_are_registered_as_the_venue_tells(
    venue: Sandbox, ask: Callable[[str], VenueRest], dial: Connect, db: asyncpg.Connection
) -> None:
    """Base, quote and scales are the exchange's; the order is that of the configuration."""
    stop = asyncio.Event()
    found = await discover(ask(venue.rest), dial, "binance", ["PEPEUSDT", "BTCUSDT"], stop)
    assert [one.symbol for one in found] == ["PEPEUSDT", "BTCUSDT"]
    rows = await registered(db)
    assert min(rows) == ("BTCUSDT", "BTC", "USDT", 2, 5)
    assert {(i.symbol, i.base, i.quote, i.price_scale, i.size_scale) for i in found} == set(rows)
    assert [one.id for one in found] == [1, 2]
    again = await discover(ask(venue.rest), dial, "binance", ["BTCUSDT", "ETHUSDT"], stop)
    assert again[0].id == 2
    assert await db.fetchval("SELECT count(*) FROM instruments") == 3


async def test_the_venues_weight_limit_is_noted(
    venue: Sandbox, ask: Callable[[str], VenueRest], dial: Connect, valkey: Redis
) -> None:
    """What exchangeInfo says of the limit is the limit for all processes."""
    await discover(ask(venue.rest), dial, "binance", ["BTCUSDT"], asyncio.Event())
    assert await valkey.get(weight_limit_key("binance")) == b"6000"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("BTCUSTD", "Did you mean BTCUSDT"), ("EHTUSDT", "ETHUSDT"), ("QQQQQQ", r"QQQQQQ\.$")],
)
async def test_an_unknown_symbol_is_named_with_what_is_close(
    venue: Sandbox,
    ask: Callable[[str], VenueRest],
    dial: Connect,
    *,
    db: asyncpg.Connection,
    wrong: str,
    hint: str,
) -> None:
    """One wrong name among good ones is an error that says which, and nothing is registered."""
    rest, symbols = ask(venue.rest), ["BTCUSDT", wrong]
    with pytest.raises(ConfigError, match=hint) as caught:
        await discover(rest, dial, "binance", symbols, asyncio.Event())
    assert str(caught.value).startswith(f"binance does not list {wrong}.")
    with pytest.raises(ConfigError, match=hint):
        await instrument_for_import(rest, dial, "binance", wrong)
    assert await registered(db) == []


@pytest.mark.parametrize(
    ("stored", "expected"), [((0, 0), (2, 5)), ((8, 9), (8, 9)), ((1, 9), (2, 9))]
)
async def test_scales_only_grow(
    venue: Sandbox,
    ask: Callable[[str], VenueRest],
    dial: Connect,
    *,
    db: asyncpg.Connection,
    stored: tuple[int, int],
    expected: tuple[int, int],
) -> None:
    """What the store has learnt from finer data stays; what the exchange knows better is taken."""
    await add(db, "BTCUSDT", *stored)
    (found,) = await discover(ask(venue.rest), dial, "binance", ["BTCUSDT"], asyncio.Event())
    assert (found.price_scale, found.size_scale) == expected
    assert [row[3:] for row in await registered(db)] == [expected]


async def test_without_the_venue_the_store_serves(
    ask: Callable[[str], VenueRest], dial: Connect, db: asyncpg.Connection, free_port: int
) -> None:
    """An exchange that cannot be reached does not keep a feed from starting with what it knew."""
    await add(db, "BTCUSDT", 2, 5)
    rest = ask(f"http://127.0.0.1:{free_port}")
    assert await discover(rest, dial, "binance", ["BTCUSDT"], asyncio.Event()) == [BTC]


async def test_without_venue_and_store_it_is_tried_again(
    ask: Callable[[str], VenueRest], dial: Connect, db: asyncpg.Connection, free_port: int
) -> None:
    """One stored symbol of two is not enough: the exchange is asked until it answers."""
    await add(db, "ETHUSDT", 0, 0)
    rest = ask(f"http://127.0.0.1:{free_port}")
    symbols = ["BTCUSDT", "ETHUSDT"]
    task = asyncio.create_task(discover(rest, dial, "binance", symbols, asyncio.Event()))
    await asyncio.sleep(0.3)
    assert not task.done()
    async with running(symbols=LISTED, port=free_port):
        found = await asyncio.wait_for(task, 20)
    assert [one.symbol for one in found] == symbols


FAULTS = [
    {"kind": "rest_garbage"},
    {"kind": "rest_garbage", "body": "truncated"},
    {"kind": "rest_status", "status": 503},
    {"kind": "rest_status", "status": 429, "retry_after": 0},
]


@pytest.mark.parametrize("fault", FAULTS, ids=["html", "truncated", "503", "429"])
async def test_a_venue_in_trouble_is_asked_again(
    venue: Sandbox, ask: Callable[[str], VenueRest], dial: Connect, fault: dict[str, object]
) -> None:
    """Nonsense and refusals that pass are waited out, they do not end the feed."""
    await venue.fault(**fault, count=2)
    rest = ask(venue.rest)
    task = discover(rest, dial, "binance", ["BTCUSDT"], asyncio.Event())
    (found,) = await asyncio.wait_for(task, 20)
    assert (found.symbol, found.price_scale) == ("BTCUSDT", 2)


async def test_the_database_may_be_away_at_first(
    venue: Sandbox, ask: Callable[[str], VenueRest], dial: Connect
) -> None:
    """A store that refuses connections is waited for."""
    refused = 0

    async def reluctant() -> asyncpg.Connection:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise ConnectionRefusedError("away")
        return await dial()

    found = await discover(ask(venue.rest), reluctant, "binance", ["BTCUSDT"], asyncio.Event())
    assert [one.symbol for one in found] == ["BTCUSDT"]
    assert refused == 3


async def test_stopping_does_not_wait_for_the_next_attempt(
    ask: Callable[[str], VenueRest], dial: Connect, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the pause is, `stop` ends it, and no instrument is returned."""
    monkeypatch.setattr("openoutcry.core.backoff.random.uniform", lambda *_: 1000.0)
    stop = asyncio.Event()
    rest = ask(f"http://127.0.0.1:{free_port}")
    task = asyncio.create_task(discover(rest, dial, "binance", ["BTCUSDT"], stop))
    await asyncio.sleep(0.2)
    assert not task.done()
    stop.set()
    assert await asyncio.wait_for(task, 30) == []


@pytest.mark.parametrize("status", [None, 403, 451, 500])
async def test_an_import_needs_no_venue(
    venue: Sandbox,
    ask: Callable[[str], VenueRest],
    dial: Connect,
    *,
    db: asyncpg.Connection,
    free_port: int,
    status: int | None,
) -> None:
    """Unreachable, or closed to this country: a new symbol is read off its name, a known one stays."""
    if status is not None:
        await venue.fault(kind="rest_status", status=status)
    rest = ask(venue.rest if status else f"http://127.0.0.1:{free_port}")
    found = await instrument_for_import(rest, dial, "binance", "WIFUSDC")
    assert found == Instrument(1, "binance", "WIFUSDC", "WIF", "USDC", 0, 0)
    await add(db, "BTCUSDT", 3, 7)
    found = await instrument_for_import(rest, dial, "binance", "BTCUSDT")
    assert found == Instrument(2, "binance", "BTCUSDT", "BTC", "USDT", 3, 7)
