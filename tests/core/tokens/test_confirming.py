"""Whether a transaction is the trade that it is said to be, from its receipt alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from eth_abi import abi as eth_abi

from openoutcry.core.chain import descriptions, hexes
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.launchpads import TRANSFER, Decoder, Followed
from openoutcry.core.chain.receipts import Receipt, read_receipt
from openoutcry.core.tokens import confirming
from openoutcry.core.tokens.confirming import Claim
from openoutcry.errors import (
    ConflictError,
    NodeNonsenseError,
    NotFoundError,
    TooEarlyError,
    UnprocessableError,
)
from openoutcry.tokens import Header, Log, TokenCreated, TokenTrade, TokenTransfer, TradeSide

FACTORY, ONE, TWO, TRADER = (bytes([each]) * 20 for each in (0xFA, 1, 2, 7))
TX, BLOCK = b"\xcc" * 32, b"\xbb" * 32
PAD = descriptions.parse(BUILTIN["outcry"], "outcry", ("0x" + FACTORY.hex(),))
DECODER = Decoder([PAD])
TOPICS = {rule.event.name: rule.event.topic for rule in PAD.rules}
KNOWN = {ONE: Followed("outcry", 18, 0), TWO: Followed("outcry", 18, 0)}
HERE = Header(10, BLOCK, bytes(32), 1_000_000)
BUY = Claim(TX, ONE, TradeSide.BUY)
SELL = Claim(TX, ONE, TradeSide.SELL)


def word(address: bytes) -> bytes:
    """Return an address as a topic."""
    return bytes(12) + address


def log(index: int, by: bytes, topics: tuple[bytes, ...], data: bytes) -> Log:
    """Return a log of the transaction."""
    return Log(10, BLOCK, TX, index, by, topics, data)


def traded(index: int, name: str, token: bytes, by: bytes | None = None) -> Log:
    """Return a `Buy` or `Sell` of a token, emitted by it unless told otherwise."""
    data = eth_abi.encode(["uint256"] * 5, [5, 6, 7, 8, 9])
    return log(index, by or token, (TOPICS[name], word(token), word(TRADER)), data)


def moved(index: int, token: bytes, sender: bytes, receiver: bytes) -> Log:
    """Return a transfer."""
    return log(index, token, (TRANSFER, word(sender), word(receiver)), (6).to_bytes(32, "big"))


def receipt(*logs: Log, succeeded: bool = True) -> Receipt:
    """Return the transaction's receipt."""
    return Receipt(TX, 10, BLOCK, succeeded, logs)


def head(number: int) -> Header:
    """Return the newest block."""
    return Header(number, b"\xee" * 32, bytes(32), 2_000_000)


def test_several_trades_in_one_transaction() -> None:
    """A purchase and a sale of one token, and one of another: all of the token's, nothing else."""
    logs = (
        moved(0, ONE, bytes(20), TRADER), traded(1, "Buy", ONE),
        moved(2, TWO, bytes(20), TRADER), traded(3, "Buy", TWO),
        moved(4, ONE, TRADER, bytes(20)), traded(5, "Sell", ONE),
    )  # fmt: skip
    for claim in (BUY, SELL):
        part = confirming.part_of(claim, receipt(*logs), HERE, DECODER, KNOWN)
        assert part.header == HERE
        assert [(type(each), each.index) for each in part.events] == [
            *((TokenTransfer, 0), (TokenTrade, 1), (TokenTransfer, 4), (TokenTrade, 5)),
        ]
    other = Claim(TX, TWO, TradeSide.SELL)
    with pytest.raises(UnprocessableError, match="is a buy of 0x0202"):
        confirming.part_of(other, receipt(*logs), HERE, DECODER, KNOWN)


def test_a_token_that_is_created_and_bought_at_once() -> None:
    """Nobody knew it before: its creation is in the same receipt, and is stored with it."""
    made = eth_abi.encode(["string", "string", "uint8", "uint256"], ["One", "ONE", 1, 100])
    topics = (TOPICS["TokenCreated"], word(ONE), word(TRADER))
    logs = (log(0, FACTORY, topics, made), moved(1, ONE, bytes(20), TRADER), traded(2, "Buy", ONE))
    part = confirming.part_of(BUY, receipt(*logs), HERE, DECODER, {})
    assert [type(each) for each in part.events] == [TokenCreated, TokenTransfer, TokenTrade]


def test_strangers_are_not_believed() -> None:
    """Whoever emits an event that looks like a trade of a token has not traded it."""
    fake = traded(0, "Buy", ONE, by=b"\x66" * 20)
    with pytest.raises(UnprocessableError, match="has traded nothing of 0x0101"):
        confirming.part_of(BUY, receipt(fake), HERE, DECODER, KNOWN)
    nobody = Claim(TX, b"\x66" * 20, TradeSide.BUY)
    with pytest.raises(NotFoundError, match="There is no token 0x6666"):
        confirming.part_of(nobody, receipt(fake), HERE, DECODER, KNOWN)


def test_what_was_traded_instead_is_named() -> None:
    """Who has mixed up two tokens sees which it was."""
    with pytest.raises(UnprocessableError, match="it traded 0x0202"):
        confirming.part_of(BUY, receipt(traded(0, "Buy", TWO)), HERE, DECODER, KNOWN)


@pytest.mark.parametrize(
    ("block", "newest", "wanted", "succeeded", "error"),
    [
        (HERE, 10, 1, True, None),
        (HERE, 12, 3, True, None),
        (HERE, 11, 3, True, TooEarlyError),
        (HERE, 9, 1, True, TooEarlyError),
        (None, 12, 1, True, ConflictError),
        (msgspec.structs.replace(HERE, hash=b"\x01" * 32), 12, 1, True, ConflictError),
        (HERE, 10, 1, False, UnprocessableError),
        (None, 12, 1, False, ConflictError),
        (HERE, 10, 2, False, TooEarlyError),
    ],
)
def test_final_for_good(
    block: Header | None, newest: int, wanted: int, succeeded: bool, error: type[Exception] | None
) -> None:
    """The receipt's block has to be the chain's own, deep enough, and the transaction a success."""
    found = receipt(succeeded=succeeded)
    if error is None:
        confirming.judge(BUY, found, block, head(newest), wanted)
        return
    with pytest.raises(error):
        confirming.judge(BUY, found, block, head(newest), wanted)


RIGHT: dict[str, Any] = {
    "transactionHash": hexes.show(TX),
    "blockNumber": "0xa",
    "blockHash": hexes.show(BLOCK),
    "status": "0x1",
    "logs": [],
}


def test_receipts_as_nodes_tell_them() -> None:
    """None for what is not mined, in either way nodes say so; a failure is no success."""
    assert read_receipt(RIGHT, TX) == receipt()
    assert read_receipt({**RIGHT, "status": "0x0"}, TX) == receipt(succeeded=False)
    assert read_receipt(None, TX) is None
    assert read_receipt({**RIGHT, "blockNumber": None}, TX) is None


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {**RIGHT, "transactionHash": hexes.show(BLOCK)},
        {**RIGHT, "status": None},
        {**RIGHT, "logs": None},
        {**RIGHT, "blockHash": "0x12"},
        {**RIGHT, "logs": [{"address": "0x"}]},
    ],
)
def test_nonsense(wrong: Any) -> None:
    """A node that answers something else has failed, whatever it is."""
    with pytest.raises(NodeNonsenseError):
        read_receipt(wrong, TX)
