"""Confirming trades on a real chain: who confirms finds it counted, once, or is told why not."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
from redis.asyncio import Redis

from chainkit import Gate
from fixtures_api import client_of
from indexkit import desk_of
from openoutcry.config import Settings
from openoutcry.core.chain import hexes
from openoutcry.services.token_desk import DeskOptions
from openoutcry.web.api.app import create_app
from tokenapikit import ADA, BOB, CLEO, ETHER, Market, decimal, gate, market

__all__ = ["gate", "market"]


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
