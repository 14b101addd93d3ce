"""`GET /api/tokens/search`: what is committed is found by what is typed, and what is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from fixtures_api import client_of
from indexkit import desk_of
from openoutcry.adapters.postgres import token_windows
from openoutcry.config import Settings
from openoutcry.core.chain import hexes
from openoutcry.sandbox.anvil import Anvil
from openoutcry.sandbox.launchpad import Launchpad
from openoutcry.web.api.app import create_app
from tokenapikit import ADA, BOB, CREATOR, ETHER, LINE, Market, gate, market

__all__ = ["gate", "market"]

SEARCH = "/api/tokens/search?q="


async def symbols(market: Market, typed: str, limit: int = 20) -> list[str]:
    """Return the symbols of what is found."""
    found = await market.get(f"{SEARCH}{quote(typed)}&limit={limit}")
    return [each["symbol"] for each in found["tokens"]]


async def test_what_is_committed_is_found(market: Market, store: asyncpg.Pool) -> None:
    """At once, in the shape of the other lists, wherever the windows of volumes stand."""
    one, two = market.tokens
    assert await symbols(market, "o") == ["ONE"]
    token = await market.launchpad.made(CREATOR, "One More Two", "ONCE", LINE)
    await market.buy(token, ADA, 2 * ETHER)
    await market.buy(two, BOB, 3 * ETHER)
    assert await symbols(market, "on") == ["ONE"], "not read yet"
    await market.indexer.catch_up()
    assert await symbols(market, "ON") == ["ONCE", "ONE"]
    assert await symbols(market, " one ") == ["ONE", "ONCE"]
    assert await symbols(market, "two") == ["TWO", "ONCE"]
    assert await symbols(market, "more t") == ["ONCE"]
    assert await symbols(market, "wo") == []
    tx = await market.buy(one, BOB, 4 * ETHER)
    assert (await market.confirm(tx, one, "buy")).status_code == 200
    assert await symbols(market, "on") == ["ONE", "ONCE"]
    assert await symbols(market, "on", 1) == ["ONE"]

    found = await market.get(f"{SEARCH}O&limit=50")
    listed = await market.get("/api/tokens/top?window=total")
    items = {each["address"]: each for each in listed["tokens"]}
    assert found["query"] == "O"
    assert found["block"] == listed["block"]
    assert found["asOf"] <= listed["asOf"]
    assert found["tokens"] == [items[each["address"]] for each in found["tokens"]]
    async with store.acquire() as connection:
        await token_windows.expire(connection, market.desk.clock())
    assert (await market.get(f"{SEARCH}O"))["tokens"] == found["tokens"]


async def test_by_address(market: Market) -> None:
    """However it is spelt; whoever made them finds them too."""
    address = hexes.checksummed(market.tokens[1])
    for typed in (address, address[:12], address.lower()[:9]):
        assert await symbols(market, typed) == ["TWO"]
    assert await symbols(market, hexes.show(CREATOR)[:14]) == ["ONE", "TWO"]
    assert await symbols(market, "0x") == []


WRONG = [
    ("/api/tokens/search", "q is missing"),
    (SEARCH, "q is empty"),
    (SEARCH + "%20%09", "q is empty"),
    (SEARCH + "x" * 65, "65 characters"),
    (SEARCH + "a%00b", "U+0000"),
    (SEARCH + "a%1Bb", "U+001B"),
    (SEARCH + "a%C2%85b", "U+0085"),
    (SEARCH + "a&limit=0", "1 to 50"),
    (SEARCH + "a&limit=51", "1 to 50"),
    (SEARCH + "a&limit=-1", "1 to 50"),
    (SEARCH + "a&limit=", "1 to 50"),
    (SEARCH + "a&limit=1e1", "1 to 50"),
]
ODD = [
    "%25",
    "_",
    "%27",
    "%5C",
    "%27%27%3A%2A",
    "%26%7C!%28",
    "%FF",
    "%ED%A0%80",
    "%F0%9F%A6%A6",
    "%3A%2A",
]


async def test_what_is_malformed(market: Market) -> None:
    """Each has its own 400; whatever else is typed is an answer."""
    for path, word in WRONG:
        answer = await market.api.get(path)
        assert answer.status_code == 400, answer.text
        assert answer.json()["success"] is False
        assert word in answer.json()["message"], answer.text
    for typed in ODD:
        answer = await market.api.get(SEARCH + typed)
        assert answer.status_code == 200, (typed, answer.text)
        assert answer.json()["data"]["tokens"] == [], typed


async def test_an_answer_that_still_holds(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has it is told so, until a commit or a second has made another one of it."""
    token = market.tokens[0]
    now = market.desk.clock()
    monkeypatch.setattr(market.desk.lists, "_clock", lambda: now)
    first = await market.api.get(f"{SEARCH}one")
    assert first.headers["cache-control"] == "public, no-cache"
    asked = {"If-None-Match": first.headers["etag"]}
    again = await market.api.get(f"{SEARCH}one", headers=asked)
    assert (again.status_code, again.content) == (304, b"")
    tx = await market.buy(token, ADA, ETHER)
    assert (await market.confirm(tx, token, "buy")).status_code == 200
    changed = await market.api.get(f"{SEARCH}one", headers=asked)
    assert changed.status_code == 200
    assert changed.json()["data"]["tokens"][0]["volumeTotal"] == "1"


async def test_it_is_limited(
    store: asyncpg.Pool, valkey: Redis, launchpad: Launchpad, anvil: Anvil
) -> None:
    """It counts with the other lists."""
    settings = Settings(token_requests=2)
    async with desk_of(store, valkey, [anvil.url], launchpad.address) as desk:
        app = create_app(store, valkey, settings, version="1", ttl=0, tokens=desk)
        async with client_of(app) as client:
            paths = [f"{SEARCH}a", "/api/tokens/top", f"{SEARCH}b"]
            answers = [await client.get(path) for path in paths]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[0].json()["data"] | {"asOf": 0} == {
        "query": "a", "block": None, "asOf": 0, "tokens": [],
    }  # fmt: skip


async def test_it_is_described(api: httpx.AsyncClient) -> None:
    """The document has its parameters, an example of each, and the item of the other lists."""
    document = (await api.get("/schema/openapi.json")).json()
    operation = document["paths"]["/api/tokens/search"]["get"]
    parameters: dict[str, Any] = {each["name"]: each for each in operation["parameters"]}
    assert set(parameters) == {"q", "limit"}
    assert (parameters["q"]["required"], parameters["limit"]["required"]) == (True, False)
    assert all(each["examples"] for each in parameters.values())
    assert {"200", "400", "404", "429", "503"} <= set(operation["responses"])
    found = document["components"]["schemas"]["TokensFound"]["properties"]["tokens"]
    top = document["components"]["schemas"]["TokenList"]["properties"]["tokens"]
    assert found == top
