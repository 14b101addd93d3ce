"""Uniswap's swaps of two real blocks of the mainnet, against what somebody else decoded of them."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from openoutcry.core.chain import descriptions, hexes
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.descriptions import Pool
from openoutcry.core.chain.launchpads import Decoder, Followed
from openoutcry.core.chain.node_shapes import read_log
from openoutcry.tokens import Log, TokenTrade, TokenTransfer, TradeSide

FOLDER = Path(os.environ.get("OUTCRY_TEST_DATA", "/nowhere")) / "onchain"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="OUTCRY_TEST_DATA has no onchain folder"
)

WETH = bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")


@pytest.fixture(scope="module")
def logs() -> list[Log]:
    """All logs of the two blocks, as the node sent them."""
    with gzip.open(FOLDER / "eth_getLogs_blocks_17173049_17173050.json.gz") as file:
        return [read_log(one) for one in json.load(file)["result"]]


@pytest.fixture(scope="module")
def swaps() -> list[dict[str, Any]]:
    """The swaps in them, decoded by others."""
    with gzip.open(FOLDER / "uniswap_swaps_decoded.jsonl.gz") as file:
        return [json.loads(line) for line in file]


def pool_address(swap: dict[str, Any]) -> str:
    return str(swap["log"]["address"])


def decoder(swaps: list[dict[str, Any]], eth: int) -> Decoder:
    """A decoder that takes amount `eth` of every pool for ether, and the pool's address for a token."""
    pads = []
    for name, kind in (("uniswap-v2", "v2"), ("uniswap-v3", "v3")):
        pools = {
            hexes.address(pool_address(one)) for one in swaps if one["decoded"]["kind"] == kind
        }
        text = BUILTIN[name].replace("@token", "@address")
        pad = descriptions.parse(text, name, tuple(hexes.show(one) for one in pools))
        found = tuple(Pool(one, one, eth, 18) for one in sorted(pools))
        pads.append(msgspec.structs.replace(pad, lookups=(), pools=found))
    return Decoder(pads)


@pytest.mark.parametrize("eth", [0, 1])
def test_every_swap_comes_out_as_others_decoded_it(
    logs: list[Log], swaps: list[dict[str, Any]], eth: int
) -> None:
    """Amounts exact, sides by their signs, the receiver as the trader; in the order of the logs."""
    decoded = decoder(swaps, eth).decode(logs, {})
    assert decoded.refused == []
    found = {
        (log_hash, event.index): event
        for log_hash, events in decoded.events.items()
        for event in events
        if isinstance(event, TokenTrade)
    }
    assert len(found) == len(swaps) == 79
    for swap in swaps:
        log, said = swap["log"], swap["decoded"]
        trade = found[bytes.fromhex(log["blockHash"][2:]), int(log["logIndex"], 16)]
        if said["kind"] == "v2":
            amounts = [int(said[f"amount{n}In"]) - int(said[f"amount{n}Out"]) for n in (0, 1)]
            trader = said["to"]
        else:
            amounts = [int(said["amount0"]), int(said["amount1"])]
            trader = said["recipient"]
        assert (trade.eth, trade.tokens) == (abs(amounts[eth]), abs(amounts[1 - eth]))
        assert trade.side is (TradeSide.BUY if amounts[eth] > 0 else TradeSide.SELL)
        assert hexes.show(trade.trader) == trader
        assert hexes.show(trade.tx_hash) == log["transactionHash"]
        assert trade.price == trade.eth * 10**36 // trade.tokens


def test_transfers_are_those_of_followed_tokens(logs: list[Log]) -> None:
    """Of the logs of all the world, only transfers of the token that is followed come out, all exact."""
    text = BUILTIN["outcry"]
    pad = descriptions.parse(text, "outcry", ("0x" + "11" * 20,))
    decoded = Decoder([pad]).decode(logs, {WETH: Followed("outcry", 18, 0)})
    found = [one for events in decoded.events.values() for one in events]
    topic = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    want = [
        (one.index, one.topics[1][12:], one.topics[2][12:], int.from_bytes(one.data, "big"))
        for one in logs
        if one.address == WETH and one.topics[0].hex() == topic
    ]
    assert len(want) > 50
    assert all(isinstance(one, TokenTransfer) for one in found)
    assert [
        (one.index, one.sender, one.receiver, one.amount)
        for one in found
        if isinstance(one, TokenTransfer)
    ] == want
    assert decoded.refused == []
