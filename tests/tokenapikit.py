"""What tests of the API about tokens share: a market on a real chain, indexed and asked."""

from __future__ import annotations

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
from openoutcry.config import Settings
from openoutcry.core.chain import hexes
from openoutcry.core.chain.curve import Linear, Terms
from openoutcry.sandbox.anvil import Anvil
from openoutcry.sandbox.launchpad import Launchpad, accounts
from openoutcry.services.token_desk import TokenDesk
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
