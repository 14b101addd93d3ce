"""Ranges of `eth_getLogs`: providers' objections are understood, and answered with less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.chain import ranges
from openoutcry.core.chain.ranges import Objection, Span

# What nodes and providers answer, by their documentation and their users' reports.
OBJECTIONS = [
    # provider, code, message, data, what it means, blocks that it says would fit
    ("Infura, results", -32005, "query returned more than 10000 results", None, "much", None),
    ("Infura, results, with a range", -32005,
     "query returned more than 10000 results. Try with this block range [0x9B7D, 0x9BDA].",
     {"from": "0x9B7D", "to": "0x9BDA", "limit": 10000}, "much", 94),
    ("Infura, blocks", -32602, "range 1000000 exceeds limit of 10000", None, "much", 10_000),
    ("Infura, time", -32005, "query timeout exceeded", None, "much", None),
    ("Infura, daily", -32005, "daily request count exceeded, request rate limited", None, "often", None),
    ("Infura, per second", -32005, "project ID request rate exceeded", None, "often", None),
    ("Alchemy, size", -32602,
     ("Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no"
     " limit on the response size, or you can request any block range with a cap of 10K logs in the"
     " response. Based on your parameters and the response size limit, this block range should work:"
     " [0x0, 0x63]"), None, "much", 100),
    ("Alchemy, free", -32600,
     ("Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on"
     " your parameters, this block range should work: [0x1840b3a, 0x1840b43]."), None, "much", 10),
    ("Alchemy, busy", 429,
     "Your app has exceeded its compute units per second capacity.", None, "often", None),
    ("QuickNode, blocks", -32614, "eth_getLogs is limited to a 10,000 range", None, "much", 10_000),
    ("QuickNode, plan", -32602,
     "eth_getLogs and eth_newFilter are limited to a 5 blocks range", None, "much", 5),
    ("QuickNode, busy", -32007, "50/second request limit reached", None, "often", None),
    ("Cloudflare", -32047,
     "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", None,
     "much", 800),
    ("Ankr", -32062, "block range is too wide", None, "much", None),
    ("1RPC", -32000, "eth_getLogs is limited to a 0 - 50 blocks range", None, "much", 50),
    ("dRPC", 35, "ranges over 10000 blocks are not supported on freetier", None, "much", 10_000),
    ("LlamaNodes, reth", -32602,
     "query exceeds max results 20000, retry with the range 22530000-22530010", None, "much", 11),
    ("reth, blocks", -32602, "query exceeds max block range 100000", None, "much", None),
    ("zkSync", -32602,
     "Query returned more than 10000 results. Try with this block range [0x118dc91, 0x1198cc3].", None,
     "much", 45_107),
    ("BNB Smart Chain", -32005, "limit exceeded", None, "much", None),
    ("BNB, erigon", -32000, "exceed maximum block range: 5000", None, "much", 5_000),
    ("Avalanche", -32000, "requested too many blocks from 0 to 10000, maximum is set to 2048", None,
     "much", 2_048),
    ("Harmony", -32000, "GetLogs query must be smaller than size 1024", None, "much", 1_024),
    ("Tenderly", -32602, "invalid params", {"payload": "range 9009594 is bigger than range limit 2000"},
     "much", 2_000),
    ("Klaytn", -32005,
     ("In eth_getLogs, eth_newFilter, klay_getLogs, and klay_newFilter, the block range is limited to"
     " 2000."), None, "much", 2_000),
    ("Besu", -32005, "Requested range exceeds maximum RPC range limit", None, "much", None),
    ("Nethermind", -32005, "Too many logs requested. Max logs per response is 20000.", None,
     "much", None),
    ("geth, response", -32003, "response too large", None, "much", None),
    ("geth, time", -32002, "request timed out", None, "much", None),
    ("Polygon", -32000, "query returned more than 10000 results", None, "much", None),
    ("a proxy", -32005, "rate limit exceeded", None, "often", None),
    ("a proxy, too", -32029, "Too Many Requests", None, "often", None),
    ("geth, filter", -32602, "invalid argument 0: hex string has length 2, want 40", None,
     "other", None),
    ("geth, method", -32601, "the method eth_foo does not exist/is not available", None, "other", None),
    ("geth, block", -32000, "unknown block", None, "other", None),
    ("geth, parse", -32700, "parse error", None, "other", None),
    ("geth, revert", 3, "execution reverted", None, "other", None),
]  # fmt: skip
MEANS = {"much": Objection.TOO_MUCH, "often": Objection.TOO_OFTEN, "other": Objection.OTHER}


@pytest.mark.parametrize(
    ("code", "message", "detail", "means", "fits"),
    [one[1:] for one in OBJECTIONS],
    ids=[one[0] for one in OBJECTIONS],
)
def test_objections_of_nodes_are_understood(
    code: int, message: str, detail: object, means: str, fits: int | None
) -> None:
    """Asking for less helps with some, waiting with others, neither with the rest."""
    assert ranges.objection(code, message, detail) is MEANS[means]
    if means == "much":
        assert ranges.fitting(message, detail) == fits


def test_a_span_halves_and_grows_by_a_quarter() -> None:
    """Halving goes down to one block, growing up to the most; a node's own figure counts if less."""
    span = Span(1000, 1200)
    assert [span.shrunk().blocks, span.shrunk(94).blocks, span.shrunk(800).blocks] == [500, 94, 500]
    assert [span.grown().blocks, span.grown().grown().blocks] == [1200, 1200]
    assert Span(1, 9).shrunk().blocks == 1
    assert Span(1, 9).grown().blocks == 2


@given(st.integers(1, 5_000), st.integers(1, 20_000))
def test_a_span_finds_a_hidden_limit(limit: int, start: int) -> None:
    """Whatever a node allows, few questions are refused, and it ends near what is allowed."""
    span, refused = Span(start, 20_000), 0
    for _ in range(60):
        if span.blocks > limit:
            span, refused = span.shrunk(), refused + 1
        else:
            span = span.grown()
    assert limit // 4 <= span.blocks <= max(limit * 5 // 4, limit + 1)
    assert refused <= 40


@given(
    st.integers(), st.text(), st.one_of(st.none(), st.text(), st.dictionaries(st.text(), st.text()))
)
def test_no_text_of_a_node_breaks_us(code: int, message: str, detail: object) -> None:
    """Anything may be in an error; it is judged, and a suggestion is at least one block."""
    assert ranges.objection(code, message, detail) in Objection
    assert (ranges.fitting(message, detail) or 1) > 0


def test_addresses_go_in_bounded_lists() -> None:
    """So many to a question, each once, in one order."""
    items = {bytes([one]) for one in range(5)}
    assert ranges.chunks(items, 2) == [[b"\0", b"\1"], [b"\2", b"\3"], [b"\4"]]
    assert ranges.chunks([], 2) == []
