"""The endpoints about tokens on a real chain: their figures are what the contracts say."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from accounts import make_user, sign_in
from fixtures_api import client_of
from indexkit import desk_of
from openoutcry.adapters.postgres import token_windows
from openoutcry.config import Settings
from openoutcry.core.chain import hexes
from openoutcry.core.chain.curve import ConstantProduct, Terms
from openoutcry.model import Role
from openoutcry.sandbox.anvil import Anvil
from openoutcry.sandbox.launchpad import Launchpad
from openoutcry.web.api.app import create_app
from tokenapikit import ADA, BOB, CLEO, CREATOR, ETHER, Market, decimal, gate, market

__all__ = ["gate", "market"]


async def trade_both(market: Market) -> None:
    """Let four trades of the first token happen, one of the second, and index them."""
    one, two = market.tokens
    await market.buy(one, ADA, 2 * ETHER)
    await market.buy(two, BOB, 3 * ETHER)
    for trader in (BOB, CLEO):
        await market.buy(one, trader, ETHER // 2)
    [had] = await market.launchpad.balances([(one, ADA)])
    await market.sell(one, ADA, had // 4)
    await market.indexer.catch_up()


async def test_lists(market: Market, store: asyncpg.Pool) -> None:
    """Lists and the platform's sums are exact at once, whether the windows have been moved or not."""
    one, two = market.tokens
    await trade_both(market)
    listed = await market.get("/api/tokens/top")
    assert [each["symbol"] for each in listed["tokens"]] == ["ONE", "TWO"]
    assert (listed["window"], listed["block"]) == ("24h", await market.node.head())
    assert abs(listed["asOf"] - time.time() * 1000) < 60_000
    for limit in range(1, 30):
        path = f"/api/tokens/top?window=7d&limit={limit}"
        assert len((await market.get(path))["tokens"]) == min(limit, 2)
    newest = await market.get("/api/tokens/top?window=new")
    assert [each["symbol"] for each in newest["tokens"]] == ["TWO", "ONE"]
    detail = await market.get(f"/api/tokens/{hexes.show(one)}")
    assert {name: detail[name] for name in listed["tokens"][0]} == listed["tokens"][0] | {
        "marketCap": detail["marketCap"]
    }
    tx = await market.buy(two, BOB, ETHER)
    assert (await market.confirm(tx, two, "buy")).status_code == 200
    again = await market.get("/api/tokens/top")
    assert [each["symbol"] for each in again["tokens"]] == ["TWO", "ONE"], "at once"

    platform = await market.get("/api/stats/volume")
    assert (platform["tokenCount"], platform["tradeCount"]) == (2, 6)
    tokens = again["tokens"]
    assert Decimal(platform["volume24h"]) == sum(Decimal(each["volume24h"]) for each in tokens)
    assert sum(Decimal(each["volume"]) for each in platform["hours"]) == Decimal(
        platform["volumeTotal"]
    )
    async with store.acquire() as connection:
        await token_windows.expire(connection, time.time_ns() // 1000)
    assert (await market.get("/api/tokens/top"))["tokens"] == tokens


async def test_pages_of_a_token(market: Market) -> None:
    """Pages join without a gap, shares and volumes add up."""
    one, _ = market.tokens
    await trade_both(market)
    detail = await market.get(f"/api/tokens/{hexes.show(one)}")
    path = f"/api/tokens/{hexes.show(one)}"
    every = (await market.get(f"{path}/trades"))["trades"]
    assert [each["side"] for each in every] == ["sell", "buy", "buy", "buy"]
    paged: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await market.get(f"{path}/trades?limit=3&cursor={cursor}")
        paged, cursor = paged + page["trades"], page["next"]
    assert paged == every

    holders = await market.get(f"{path}/holders?limit=2")
    rest = await market.get(f"{path}/holders?limit=2&cursor={holders['next']}")
    assert (holders["holderCount"], rest["next"]) == (3, None)
    rows = holders["holders"] + rest["holders"]
    balances = await market.launchpad.balances([(one, each) for each in (ADA, BOB, CLEO)])
    assert sorted(Decimal(each["balance"]) for each in rows) == sorted(map(decimal, balances))
    assert Decimal(holders["supply"]) == decimal(sum(balances))
    assert 99.99 <= sum(each["percent"] for each in rows) <= 100
    assert holders["distribution"] == {
        "top10Percent": 100.0, "top50Percent": 100.0, "top100Percent": 100.0,
    }  # fmt: skip

    spread = await market.get(f"{path}/volume/distribution")
    volume = Decimal(detail["volume24h"])
    assert sum(Decimal(each["volume"]) for each in spread["hours"]) == volume
    assert sum(Decimal(each["volume"]) for each in spread["sizes"]) == volume
    assert {(each["from"], each["to"]) for each in spread["sizes"]} == {("0.1", "1"), ("1", "10")}
    candles = (await market.get(f"{path}/candles?interval=1h"))["candles"]
    assert sum(row[7] for row in candles) == 4
    assert sum(Decimal(row[6]) for row in candles) == volume
    assert candles[-1][4] == detail["currentPrice"]


async def test_lists_are_kept_while_nothing_happens(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a second and a version a list is worked out once; a commit or a second make it anew."""
    token, _ = market.tokens
    await market.buy(token, ADA, ETHER)
    await market.indexer.catch_up()
    now = time.time_ns() // 1_000_000_000 * 1_000_000
    lists = market.desk.lists
    monkeypatch.setattr(lists, "_clock", lambda: now)
    bodies = await asyncio.gather(*(market.get("/api/tokens/top") for _ in range(50)))
    assert all(body == bodies[0] for body in bodies)
    assert lists.misses == 1
    now += 999_999
    await market.get("/api/tokens/top")
    assert (lists.misses, lists.hits >= 1) == (1, True)
    now += 1
    await market.get("/api/tokens/top")
    assert lists.misses == 2
    etag = (await market.api.get("/api/tokens/top")).headers["etag"]
    tx = await market.buy(token, ADA, ETHER)
    await market.confirm(tx, token, "buy")
    answer = await market.api.get("/api/tokens/top", headers={"If-None-Match": etag})
    assert (answer.status_code, lists.misses) == (200, 3)
    assert answer.json()["data"]["tokens"][0]["volume24h"] == "2"


async def test_a_day_later_it_has_left(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trade leaves the day's volume when it is 24 hours old, and not a microsecond before."""
    token, _ = market.tokens
    await market.buy(token, ADA, ETHER)
    await market.indexer.catch_up()
    [row] = (await market.get(f"/api/tokens/{hexes.show(token)}/trades"))["trades"]
    leaves = row["time"] * 1000 + 86_400_000_000
    for now, volume in ((leaves - 1, "1"), (leaves, "0")):
        monkeypatch.setattr(market.desk, "clock", lambda now=now: now)
        monkeypatch.setattr(market.desk.lists, "_clock", lambda now=now: now)
        detail = await market.get(f"/api/tokens/{hexes.show(token)}")
        assert (detail["volume24h"], detail["volume7d"]) == (volume, "1")
        assert len((await market.get("/api/tokens/top"))["tokens"]) == int(volume)
        assert (await market.get("/api/stats/volume"))["volume24h"] == volume


WRONG_PATHS = [
    ("/api/tokens/top?window=1h", "24h, 7d, total, new"),
    ("/api/tokens/top?limit=0", "1 to 500"),
    ("/api/tokens/top?limit=501", "1 to 500"),
    ("/api/tokens/top?limit=x", "1 to 500"),
    ("/api/tokens/0x12", "40 hexadecimal digits"),
    ("/api/tokens/{token}/candles?interval=1s", "1m"),
    ("/api/tokens/{token}/candles?start=x", "milliseconds"),
    ("/api/tokens/{token}/candles?start=2&end=1", "swap"),
    ("/api/tokens/{token}/candles?start=99999999999999", "milliseconds"),
    ("/api/tokens/{token}/candles?limit=1001", "1 to 1000"),
    ("/api/tokens/{token}/volume/distribution?window=total", "24h or 7d"),
    ("/api/tokens/{token}/holders?cursor=x", "cursor"),
    ("/api/tokens/{token}/trades?cursor=1-2", "cursor"),
    ("/api/trades/price/0xZZ", "40 hexadecimal digits"),
]


async def test_what_is_malformed(market: Market) -> None:
    """A 400 that says what would be right; never a 500."""
    for path, word in WRONG_PATHS:
        answer = await market.api.get(path.format(token=hexes.show(market.tokens[0])))
        assert answer.status_code == 400, answer.text
        assert word in answer.json()["message"]


async def test_tokens_that_there_are_not(market: Market) -> None:
    """A 404 for every page of an address that is no token; either spelling of one that is."""
    nobody = "0x" + "12" * 20
    for path in ("", "/candles", "/volume/distribution", "/holders", "/trades"):
        answer = await market.api.get(f"/api/tokens/{nobody}{path}")
        assert (answer.status_code, nobody in answer.json()["message"]) == (404, True), path
    assert (await market.api.get(f"/api/trades/price/{nobody}")).status_code == 404
    spelt = hexes.checksummed(market.tokens[0])
    assert (await market.get(f"/api/tokens/{spelt}"))["address"] == spelt.lower()


async def test_a_token_that_was_never_traded(market: Market) -> None:
    """It has no price and no market cap, and is among the newest."""
    detail = await market.get(f"/api/tokens/{hexes.show(market.tokens[0])}")
    assert (detail["currentPrice"], detail["marketCap"], detail["progressPercent"]) == (
        *(None, None), 0.0,
    )  # fmt: skip
    assert (await market.get("/api/tokens/top"))["tokens"] == []
    assert len((await market.get("/api/tokens/top?window=new"))["tokens"]) == 2


async def test_requests_are_limited(
    store: asyncpg.Pool, valkey: Redis, launchpad: Launchpad, anvil: Anvil
) -> None:
    """Reading and confirming have limits of their own, which say how much is left."""
    settings = Settings(confirm_requests=2, token_requests=3)
    async with desk_of(store, valkey, [anvil.url], launchpad.address) as desk:
        app = create_app(store, valkey, settings, version="1", ttl=0, tokens=desk)
        async with client_of(app) as client:
            read = [await client.get("/api/tokens/top") for _ in range(4)]
            sent = [await client.post("/api/trades/confirm", json={}) for _ in range(3)]
            price = await client.get("/api/trades/price/0x12")
            other = await client.get("/api/v1/config")
    assert [each.status_code for each in read] == [200, 200, 200, 429]
    assert [each.status_code for each in sent] == [400, 400, 429]
    assert [each.headers["ratelimit-remaining"] for each in read] == ["2", "1", "0", "0"]
    assert int(read[-1].headers["retry-after"]) > 0
    assert price.status_code == 429
    assert "ratelimit-limit" not in other.headers
    assert other.json()["tokens"] is True


async def test_where_no_chain_is_followed(api: httpx.AsyncClient) -> None:
    """Every route says which setting it takes."""
    address = "0x" + "12" * 20
    paths = ["/api/tokens/top", "/api/tokens/search?q=a", f"/api/tokens/{address}"]
    paths.append("/api/stats/volume")
    paths += [f"/api/tokens/{address}/{name}" for name in ("candles", "holders", "trades")]
    paths += [f"/api/tokens/{address}/volume/distribution", f"/api/trades/price/{address}"]
    answers = [await api.get(path) for path in paths]
    answers.append(await api.post("/api/trades/confirm", json={}))
    for answer in answers:
        assert answer.status_code == 404, answer.url
        assert "OUTCRY_CHAIN_RPC_URLS" in answer.json()["message"]


async def test_a_curve_that_graduates(market: Market) -> None:
    """The last purchase closes the curve: progress is 100, and the market cap the contract's."""
    terms = Terms(ConstantProduct(ETHER, 10**24), ETHER)
    token = await market.launchpad.made(CREATOR, "Short", "SHT", terms)
    tx = await market.buy(token, ADA, 2 * ETHER)
    answer = await market.confirm(tx, token, "buy")
    assert answer.status_code == 404, "the token's own block has not been read"
    await market.indexer.catch_up()
    assert (await market.confirm(tx, token, "buy")).status_code == 200
    detail = await market.get(f"/api/tokens/{hexes.show(token)}")
    [figures] = await market.launchpad.figures([token])
    assert (detail["progressPercent"], figures.graduated) == (100.0, True)
    assert detail["graduatedAt"] is not None
    assert Decimal(detail["marketCap"]) == decimal(figures.market_cap)


async def test_the_caches_figures_are_for_admins(market: Market, store: asyncpg.Pool) -> None:
    """They tell where answers came from; clearing says how much is gone."""
    token = market.tokens[0]
    tx = await market.buy(token, ADA, ETHER)
    await market.confirm(tx, token, "buy")
    for _ in range(3):
        await market.get(f"/api/tokens/{hexes.show(token)}")
    stats = "/api/admin/token-cache-stats"
    assert (await market.api.get(stats)).status_code == 401
    await make_user(store, role=Role.ADMIN)
    admin = await sign_in(market.api)
    found = (await market.api.get(stats, headers=admin)).json()["data"]
    assert (found["misses"], found["localHits"], found["entries"]) == (1, 3, 1)
    assert found["hitRate"] == 0.75
    counters, gauges = market.desk.figures()
    assert (counters["token_cache_local_hits"], counters["token_confirms_recorded"]) == (3, 1)
    assert gauges["token_cache_entries"] == 1
    cleared = (await market.api.post(stats, headers=admin)).json()["data"]
    assert (cleared["entries"], cleared["cleared"]) == (1, 1)
    assert (await market.api.get(stats, headers=admin)).json()["data"]["entries"] == 0
