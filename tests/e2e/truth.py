"""What a chain itself says of the sample launchpad's tokens, and the store's word beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg
from eth_hash.backends.pycryptodome import keccak256
from msgspec import Struct

from openoutcry.adapters.postgres import token_reader
from openoutcry.adapters.postgres.token_reader import HolderCursor
from openoutcry.sandbox.launchpad import Launchpad
from openoutcry.sandbox.node import Node, show
from openoutcry.tokens import DAY, WEEK, WEI, Volumes

TRADES = [
    keccak256(f"{name}(address,address,uint256,uint256,uint256,uint256,uint256)".encode())
    for name in ("Buy", "Sell")
]


class TokenTruth(Struct, frozen=True):
    """Everything that is published of a token. `price` is in wei for a whole token, 0 untraded."""

    supply: int
    reserve: int
    price: int
    market_cap: int
    graduated: bool
    balances: dict[bytes, int]
    holders: int
    trades: int
    volumes: Volumes


async def of_chain(
    launchpad: Launchpad, accounts: Sequence[bytes], block: int, now: int
) -> dict[bytes, TokenTruth]:
    """Return what contracts answer at a block, and what its logs up to there add up to at `now` (µs)."""
    tokens = await launchpad.tokens(block)
    pairs = [(token, account) for token in tokens for account in accounts]
    held: dict[bytes, dict[bytes, int]] = defaultdict(dict)
    for (token, account), balance in zip(
        pairs, await launchpad.balances(pairs, block), strict=True
    ):
        if balance:
            held[token][account] = balance
    volumes = await _volumes(launchpad.node, block, now)
    found = {}
    for token, each in zip(tokens, await launchpad.figures(tokens, block), strict=True):
        trades, sums = volumes.get(token, (0, Volumes(0, 0, 0)))
        found[token] = TokenTruth(
            supply=each.supply,
            reserve=each.reserve,
            price=each.price if trades else 0,
            market_cap=each.market_cap if trades else 0,
            graduated=each.graduated,
            balances=held[token],
            holders=len(held[token]),
            trades=trades,
            volumes=sums,
        )
    return found


async def trades_on(node: Node) -> int:
    """Return how many trades the chain has now."""
    return len(await _trades(node, "latest"))


async def of_store(
    connection: asyncpg.Connection[Any], tokens: Sequence[bytes], now: int
) -> dict[bytes, TokenTruth]:
    """Return what the store says of these tokens at `now` (µs)."""
    found = {}
    for address, ranked in (await token_reader.read_tokens(connection, tokens, now)).items():
        token = ranked.token
        price, rest = divmod(token.price or 0, WEI)
        assert not rest, "the curve's price is whole wei"
        found[address] = TokenTruth(
            supply=token.supply,
            reserve=token.reserve,
            price=price,
            market_cap=price * token.supply // WEI,
            graduated=token.graduated_at is not None,
            balances=await _holders(connection, address),
            holders=token.holders,
            trades=token.trades,
            volumes=ranked.volumes,
        )
    return found


async def _volumes(node: Node, block: int, now: int) -> dict[bytes, tuple[int, Volumes]]:
    logs = await _trades(node, hex(block))
    numbers = sorted({log["blockNumber"] for log in logs})
    headers = await node.ask_all([("eth_getBlockByNumber", (one, False)) for one in numbers])
    times = {one["number"]: int(one["timestamp"], 16) * 1_000_000 for one in headers}
    sums: dict[bytes, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for log in logs:
        token, time = bytes.fromhex(log["address"][2:]), times[log["blockNumber"]]
        eth = int(log["data"][2:66], 16)
        figures = sums[token]
        figures[0] += 1
        figures[1] += eth if time > now - DAY else 0
        figures[2] += eth if time > now - WEEK else 0
        figures[3] += eth
    return {token: (one[0], Volumes(*one[1:])) for token, one in sums.items()}


async def _trades(node: Node, until: str) -> list[dict[str, Any]]:
    """Return the logs of all trades; whoever emits such on this chain is an honest token."""
    topics = [show(topic) for topic in TRADES]
    question = {"fromBlock": "0x0", "toBlock": until, "topics": [topics]}
    found: list[dict[str, Any]] = await node.ask("eth_getLogs", question)
    return found


async def _holders(connection: asyncpg.Connection[Any], token: bytes) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    after: HolderCursor | None = None
    while page := await token_reader.read_holders(connection, token, 100, after):
        found |= {each.address: each.balance for each in page}
        after = HolderCursor(page[-1].balance, page[-1].address)
    return found
