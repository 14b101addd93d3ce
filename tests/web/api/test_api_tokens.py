"""The endpoints about tokens on a real chain: their figures are what the contracts say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from chainkit import Gate
from fixtures_api import client_of
from indexkit import Indexer, desk_of
from openoutcry.adapters.postgres import token_windows
from openoutcry.config import Settings
from openoutcry.core.chain import hexes
from openoutcry.core.chain.curve import ConstantProduct, Linear, Terms
from openoutcry.sandbox.anvil import Anvil
from openoutcry.sandbox.launchpad import Launchpad, accounts
from openoutcry.sandbox.node import Node
from openoutcry.services.token_desk import DeskOptions, TokenDesk
from openoutcry.tokens import WEI
from openoutcry.web.api.app import create_app

ETHER = WEI
LINE = Terms(Linear(10**14, 10**9), 50 * ETHER)
ADA, BOB, CLEO, CREATOR = accounts(4, seed=11)


class Market:
    """A launchpad with two tokens, an indexer, and a client of the API."""

    def __init__(
        self, launchpad: Launchpad, indexer: Indexer, desk: TokenDesk, api: httpx.AsyncClient
    ) -> None:
        self.launchpad = launchpad
        self.node = launchpad.node
        self.indexer = indexer
        self.desk = desk
        self.api = api
        self.tokens: list[bytes] = []

    async def open(self) -> None:
        """Create the tokens."""
        await self.node.fund([ADA, BOB, CLEO, CREATOR], 10**6 * ETHER)
        for name in ("One", "Two"):
            self.tokens.append(await self.launchpad.made(CREATOR, name, name.upper(), LINE))

    async def buy(self, token: bytes, trader: bytes, wei: int) -> str:
        """Buy, and return the transaction's hash."""
        [sent] = await self.node.send(self.launchpad.buy(token, trader, wei))
        await self.node.receipt(sent)
        return hexes.show(sent)

    async def sell(self, token: bytes, trader: bytes, units: int) -> str:
        """Sell, and return the transaction's hash."""
        [sent] = await self.node.send(self.launchpad.sell(token, trader, units))
        await self.node.receipt(sent)
        return hexes.show(sent)

    async def confirm(self, tx: str, token: bytes, kind: str) -> httpx.Response:
        """Send a confirmation."""
        body = {"txHash": tx, "tokenAddress": hexes.show(token), "tradeType": kind}
        return await self.api.post("/api/trades/confirm", json=body)

    async def get(self, path: str) -> Any:
        """Return the data of an answer."""
        answer = await self.api.get(path)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["success"] is True
        return body["data"]


@pytest.fixture
async def gate(anvil: Anvil) -> AsyncIterator[Gate]:
    """A line to the node that can be cut."""
    opened = Gate(anvil.port)
    await opened.open()
    yield opened
    await opened.cut()


@pytest.fixture
async def market(
    store: asyncpg.Pool, valkey: Redis, launchpad: Launchpad, gate: Gate
) -> AsyncIterator[Market]:
    """A market that has been indexed so far."""
    settings = Settings(confirm_requests=10_000, token_requests=10_000)
    indexer = Indexer(store, gate.url, launchpad.address)
    async with desk_of(store, valkey, [gate.url], launchpad.address) as desk:
        app = create_app(store, valkey, settings, version="1", ttl=0, tokens=desk)
        async with client_of(app) as client:
            made = Market(launchpad, indexer, desk, client)
            await made.open()
            await indexer.catch_up()
            yield made


def decimal(wei: int) -> Decimal:
    """Return wei as ether."""
    return Decimal(wei).scaleb(-18)


async def test_a_confirmed_trade_is_in_every_answer(market: Market) -> None:
    """Confirmed before any indexer: volumes, holders and market cap are those of the contract."""
    token, _ = market.tokens
    shown = hexes.show(token)
    tx = await market.buy(token, ADA, 2 * ETHER)
    answer = await market.confirm(tx, token, "buy")
    assert answer.status_code == 200, answer.text
    [figures] = await market.launchpad.figures([token])
    data = answer.json()["data"]
    assert data == {
        "volumeMetrics": {
            "volume24h": str(2 * ETHER), "volume7d": str(2 * ETHER), "volumeTotal": str(2 * ETHER),
        },
        "marketCap": str(figures.market_cap),
        "holderCount": 1,
        "message": "buy confirmed: it counts",
    }  # fmt: skip
    assert answer.headers["cache-control"] == "no-store"

    price = await market.get(f"/api/trades/price/{shown}")
    assert Decimal(price["currentPrice"]) == decimal(figures.price)
    assert Decimal(price["marketCap"]) == decimal(figures.market_cap)
    assert (price["volume24h"], price["volumeTotal"], price["holderCount"]) == ("2", "2", 1)
    assert price["progressPercent"] == 4.0
    assert price["marketCapSource"] == "chain"
    assert price["block"] == await market.node.head()

    [row] = (await market.get(f"/api/tokens/{shown}/trades"))["trades"]
    assert (row["txHash"], row["side"], row["eth"]) == (tx, "buy", "2")
    assert row["trader"] == hexes.show(ADA)
    assert await market.confirm(tx, token, "buy"), "again"
    assert (await market.indexer.catch_up())[-1].trades == (), "the indexer finds it there"
    assert (await market.get(f"/api/tokens/{shown}"))["tradeCount"] == 1


async def test_a_hundred_at_once_record_it_once(
    market: Market, store: asyncpg.Pool, valkey: Redis, gate: Gate
) -> None:
    """From one process or two, all answers are the same, and the trade is there once."""
    token, _ = market.tokens
    tx = await market.buy(token, ADA, ETHER)
    async with desk_of(store, valkey, [gate.url], market.launchpad.address) as other:
        settings = Settings(confirm_requests=10_000)
        app = create_app(store, valkey, settings, version="1", ttl=0, tokens=other)
        async with client_of(app) as client:
            body = {"txHash": tx, "tokenAddress": hexes.show(token), "tradeType": "buy"}
            indexing = asyncio.create_task(market.indexer.catch_up())
            answers = await asyncio.gather(
                *(market.confirm(tx, token, "buy") for _ in range(100)),
                *(client.post("/api/trades/confirm", json=body) for _ in range(20)),
            )
            await indexing
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert await store.fetchval("SELECT count(*) FROM token_trades") == 1
    assert market.desk.confirmer.shared == 99
    detail = await market.get(f"/api/tokens/{hexes.show(token)}")
    assert (detail["tradeCount"], detail["holderCount"], detail["volumeTotal"]) == (1, 1, "1")


async def test_each_failure_has_its_own_answer(market: Market) -> None:
    """Unknown, pending, failed, of another token, of the other kind: each says what it is."""
    one, two = market.tokens
    tx = await market.buy(one, ADA, ETHER)

    async def refused(tx: str, token: bytes, kind: str) -> tuple[int, str]:
        answer = await market.confirm(tx, token, kind)
        body = answer.json()
        assert (set(body), body["success"]) == ({"success", "message"}, False)
        return answer.status_code, body["message"]

    async def each(kind: str) -> list[tuple[int, str]]:
        return [await refused(tx, one, "sell"), await refused(tx, two, kind)]

    before = await each("buy")
    assert (await market.confirm(tx, one, "buy")).status_code == 200
    assert await each("buy") == before, "it is the same once it is stored"
    assert [status for status, _ in before] == [422, 422]
    assert "is a buy of" in before[0][1]
    assert "has traded nothing of" in before[1][1]
    assert hexes.show(one) in before[1][1]
    status, message = await refused("0x" + "12" * 32, one, "buy")
    assert (status, "knows no transaction" in message) == (404, True)
    status, message = await refused(tx, b"\x01" * 20, "buy")
    assert (status, "There is no token" in message) == (404, True)
    [failed] = await market.node.send(market.launchpad.buy(one, ADA, ETHER, 10**40))
    await market.node.receipt(failed)
    status, message = await refused(hexes.show(failed), one, "buy")
    assert (status, "failed on the chain" in message) == (422, True)
    [plain] = await market.node.send(market.launchpad.transfer(one, ADA, BOB, 5))
    await market.node.receipt(plain)
    status, message = await refused(hexes.show(plain), one, "buy")
    assert (status, "has traded nothing of" in message) == (422, True)

    await market.node.mine_on_demand()
    [pending] = await market.node.send(market.launchpad.buy(one, BOB, ETHER))
    answer = await market.confirm(hexes.show(pending), one, "buy")
    assert (answer.status_code, answer.headers["retry-after"]) == (425, "2")
    assert "not in a block yet" in answer.json()["message"]
    await market.node.mine()
    assert (await market.confirm(hexes.show(pending), one, "buy")).status_code == 200


async def test_malformed_confirmations(market: Market) -> None:
    """A 400 that names what is wrong."""
    tx, token = "0x" + "12" * 32, "0x" + "ab" * 20
    wrong: list[tuple[Any, str]] = [
        ({}, "txHash"),
        ({"txHash": "0x12", "tokenAddress": token, "tradeType": "buy"}, "txHash"),
        ({"txHash": tx, "tokenAddress": "0xab", "tradeType": "buy"}, "tokenAddress"),
        ({"txHash": tx, "tokenAddress": "0x" + "aB" * 20, "tradeType": "buy"}, "checksum"),
        ({"txHash": tx, "tokenAddress": token, "tradeType": "BUY"}, "buy or sell"),
        ({"txHash": 5, "tokenAddress": token, "tradeType": "buy"}, "str"),
        ([], "object"),
    ]
    for body, word in wrong:
        answer = await market.api.post("/api/trades/confirm", json=body)
        assert answer.status_code == 400, body
        assert word in answer.json()["message"]


async def test_it_has_to_be_deep_enough(
    market: Market, store: asyncpg.Pool, valkey: Redis, gate: Gate
) -> None:
    """With three confirmations wanted, a trade counts when two more blocks are upon it."""
    token, _ = market.tokens
    options = DeskOptions(confirmations=3)
    async with desk_of(store, valkey, [gate.url], market.launchpad.address, options) as desk:
        app = create_app(store, valkey, Settings(), version="1", ttl=0, tokens=desk)
        async with client_of(app) as market.api:
            tx = await market.buy(token, ADA, ETHER)
            for depth in (1, 2):
                answer = await market.confirm(tx, token, "buy")
                assert answer.status_code == 425
                assert f"has {depth} of 3 confirmations" in answer.json()["message"]
                await market.node.mine()
            assert (await market.confirm(tx, token, "buy")).status_code == 200


async def test_a_block_that_was_taken_back(market: Market) -> None:
    """Its receipt may still be told; it is not believed, and what was confirmed goes with the block."""
    token, _ = market.tokens
    tx = await market.buy(token, ADA, ETHER)
    await market.node.reorg(1)
    answer = await market.confirm(tx, token, "buy")
    assert answer.status_code in {404, 409, 425}, answer.text
    tx = await market.buy(token, BOB, 3 * ETHER)
    assert (await market.confirm(tx, token, "buy")).status_code == 200
    await market.node.reorg(1)
    await market.node.mine()
    await market.indexer.catch_up()
    detail = await market.get(f"/api/tokens/{hexes.show(token)}")
    assert (detail["tradeCount"], detail["holderCount"], detail["volumeTotal"]) == (0, 0, "0")


async def test_without_the_chain(market: Market, gate: Gate) -> None:
    """What is stored is confirmed from the store, and market caps say that they are from there."""
    token, _ = market.tokens
    tx = await market.buy(token, ADA, ETHER)
    later = await market.buy(token, BOB, ETHER)
    assert (await market.confirm(tx, token, "buy")).status_code == 200
    await gate.cut()
    again = await market.confirm(tx, token, "buy")
    assert again.status_code == 200
    answer = await market.confirm(later, token, "buy")
    assert (answer.status_code, "no node" in answer.json()["message"]) == (503, True)
    await market.desk.cache.clear()
    detail = await market.get(f"/api/tokens/{hexes.show(token)}")
    assert detail["marketCapSource"] == "store"
    supply = Decimal(detail["supply"])
    # Rounded down to the wei, as the contract does.
    assert (
        0
        <= supply * Decimal(detail["currentPrice"]) - Decimal(detail["marketCap"])
        < Decimal("1e-18")
    )
    await gate.open()
    market.desk.supplies._rests_until = 0.0
    assert (await market.confirm(later, token, "buy")).status_code == 200
    assert (await market.get(f"/api/tokens/{hexes.show(token)}"))["marketCapSource"] == "chain"


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
    paths = ["/api/tokens/top", f"/api/tokens/{address}", "/api/stats/volume"]
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


async def test_several_trades_in_one_block(market: Market) -> None:
    """Of three trades in a block one is confirmed: it alone counts until the indexer comes by."""
    token, _ = market.tokens
    await market.node.mine_on_demand()
    sent = await market.node.send(
        *(market.launchpad.buy(token, trader, ETHER) for trader in (ADA, BOB, CLEO))
    )
    await market.node.mine()
    assert (await market.confirm(hexes.show(sent[1]), token, "buy")).status_code == 200
    path = f"/api/tokens/{hexes.show(token)}"
    detail = await market.get(path)
    assert (detail["tradeCount"], detail["holderCount"], detail["volume24h"]) == (1, 1, "1")
    await market.indexer.catch_up()
    detail = await market.get(path)
    assert (detail["tradeCount"], detail["holderCount"], detail["volume24h"]) == (3, 3, "3")
    balances = await market.launchpad.balances([(token, each) for each in (ADA, BOB, CLEO)])
    rows = (await market.get(f"{path}/holders"))["holders"]
    assert sorted(Decimal(each["balance"]) for each in rows) == sorted(map(decimal, balances))


async def test_the_caches_figures_are_for_admins(market: Market, store: asyncpg.Pool) -> None:
    """They tell where answers came from; clearing says how much is gone."""
    from accounts import make_user, sign_in
    from openoutcry.model import Role

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


@pytest.fixture
async def node(anvil: Anvil) -> AsyncIterator[Node]:
    """A client of the node, with a clock that is ours."""
    from openoutcry.sandbox.node import connect

    async with connect(anvil.url) as connected:
        yield connected
