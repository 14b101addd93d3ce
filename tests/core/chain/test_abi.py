"""Signatures and logs: events are read by what Solidity would write, and no log breaks the reader."""

from __future__ import annotations

import pytest
from eth_abi import abi as eth_abi
from eth_abi.exceptions import DecodingError
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.chain import abi
from openoutcry.core.chain.abi import EventReader, parse_event
from openoutcry.errors import ConfigError, LogError, NodeNonsenseError
from openoutcry.tokens import Log

NOWHERE = bytes(32)


def log_of(topics: list[bytes], data: bytes) -> Log:
    """Return a log with these topics and data."""
    return Log(1, NOWHERE, NOWHERE, 0, bytes(20), tuple(topics), data)


@pytest.mark.parametrize(
    ("signature", "topic"),
    [
        ("event Transfer(address indexed from, address indexed to, uint256 value);",
         "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
        ("Approval(address indexed owner, address indexed spender, uint value)",
         "8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"),
        ("Sync(uint112 reserve0,uint112 reserve1)",
         "1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"),
    ],
)  # fmt: skip
def test_topics_are_those_of_the_mainnet(signature: str, topic: str) -> None:
    """The hash of name and types, however the signature is laid out."""
    assert parse_event(signature).topic.hex() == topic


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("Swap", "no event"),
        ("event Swap(uint257 a)", "uint257 is no type"),
        ("event Swap(adress a)", "adress is no type"),
        ("event Swap(uint256 a, uint256 a)", "a is there twice"),
        ("event Swap(uint256 a,)", "is no argument"),
        ("event Swap(uint256 a) anonymous", "anonymous"),
        ("event Swap(uint a b c)", "is no argument"),
        (f"event Swap({', '.join(f'uint indexed a{n}' for n in range(4))})", "at most 3"),
    ],
)
def test_a_wrong_signature_is_told(signature: str, says: str) -> None:
    """What is wrong is named when we start, not when the first log comes."""
    with pytest.raises(ConfigError, match=says):
        parse_event(signature)


EVENT = parse_event(
    "event Made(address indexed token, string name, int256 change, uint256[] list, bool up)"
)
READER = EventReader(EVENT, {"token", "name", "change", "up"})


@given(
    st.binary(min_size=20, max_size=20),
    st.binary(),
    st.integers(-(2**255), 2**255 - 1),
    st.booleans(),
)
def test_arguments_come_back_as_they_were(token: bytes, name: bytes, change: int, up: bool) -> None:
    """Topics and data together; texts as bytes, also when they are no text; lists are passed over."""
    data = eth_abi.encode(["bytes", "int256", "uint256[]", "bool"], [name, change, [1, 2], up])
    found = READER.read(log_of([EVENT.topic, bytes(12) + token], data))
    assert found == {"token": "0x" + token.hex(), "name": name, "change": change, "up": up}


WORDS = [
    "address", "bool", "uint8", "uint160", "uint256", "int8", "int24", "int256", "bytes1", "bytes32",
]  # fmt: skip


@given(
    st.sampled_from(WORDS),
    st.one_of(
        st.binary(min_size=32, max_size=32),
        st.integers(-130, 300).map(lambda one: (one % 2**256).to_bytes(32, "big")),
        st.integers(0, 256).map(lambda bits: (2**bits - 1).to_bytes(32, "big")),
        st.integers(0, 255).map(lambda bits: (-(2**bits) % 2**256).to_bytes(32, "big")),
    ),
)
def test_words_are_read_as_the_library_reads_them(kind: str, word: bytes) -> None:
    """The fast way and the general one agree on every value, and on what is refused."""
    try:
        (expected,) = eth_abi.decode([kind], word)
    except DecodingError:
        with pytest.raises(ValueError, match=f"more than {kind}"):
            abi.read_word(kind, word)
    else:
        assert abi.read_word(kind, word) == expected


def test_a_list_that_claims_to_be_endless_costs_nothing() -> None:
    """The length of a list that nobody wants is not even looked at."""
    words = [128, 5, 192, 1, 2, 0x6869 << 240, 2**255]
    data = b"".join(one.to_bytes(32, "big") for one in words)
    assert READER.read(log_of([EVENT.topic, bytes(32)], data))["name"] == b"hi"


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=4), st.binary(max_size=400))
def test_no_log_breaks_the_reader(topics: list[bytes], data: bytes) -> None:
    """Whatever a contract emits under our event's topic, it is read or refused as a log."""
    for given_topics in (topics, [EVENT.topic, *topics[:1]]):
        try:
            READER.read(log_of(given_topics, data))
        except LogError as error:
            assert error.reason in {"topics", "data"}  # noqa: PT017 - most logs raise, some do not


def test_an_address_with_dirt_before_it_is_refused() -> None:
    """A topic that holds more than 20 bytes is no address."""
    data = eth_abi.encode(["bytes", "int256", "uint256[]", "bool"], [b"", 0, [], True])
    with pytest.raises(LogError) as told:
        READER.read(log_of([EVENT.topic, b"\1" + bytes(31)], data))
    assert told.value.reason == "data"


def test_calls_and_their_answers() -> None:
    """A selector and its arguments; an empty answer is a contract that is not there."""
    assert abi.call_data("totalSupply()").hex() == "18160ddd"
    assert (
        abi.call_data("balanceOf(address)", b"\1" * 20).hex() == "70a08231" + "00" * 12 + "01" * 20
    )
    assert abi.call_result(["uint256"], (7).to_bytes(32, "big")) == (7,)
    with pytest.raises(NodeNonsenseError, match="0 bytes"):
        abi.call_result(["uint256"], b"")
    with pytest.raises(ValueError, match="balanceOf"):
        abi.call_data("balanceOf(address)", 5)
