"""Events and view calls of contracts, from their signatures as Solidity writes them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

from eth_abi import abi as eth_abi
from eth_abi.exceptions import DecodingError, EncodingError, ParseError
from eth_hash.backends.pycryptodome import keccak256
from msgspec import Struct

from openoutcry.errors import ConfigError, LogError, NodeNonsenseError
from openoutcry.tokens import Log

_SIGNATURE: Final = re.compile(
    r"\s*(?:event\s+)?(\w+)\s*\((.*)\)\s*(anonymous)?\s*;?\s*", re.DOTALL
)
_INPUT: Final = re.compile(r"([a-z]+\d*)((?:\[\d*\])*)(\s+indexed)?(?:\s+(\w+))?")
_PLAIN: Final = {"uint": "uint256", "int": "int256", "byte": "bytes1"}
_STATIC: Final = re.compile(r"address|bool|u?int(?:8|16|24|32|\d+)|bytes\d+")
_MOST_INDEXED: Final = 3


class Input(Struct, frozen=True):
    """An argument of an event: its ABI type, its name, and whether it is a topic."""

    type: str
    name: str
    indexed: bool

    @property
    def word(self) -> bool:
        """Whether it is held in one word of 32 bytes."""
        return bool(_STATIC.fullmatch(self.type))


class Event(Struct, frozen=True):
    """An event as a contract declares it. `topic` is the first topic of each of its logs."""

    name: str
    inputs: tuple[Input, ...]
    topic: bytes

    def find(self, name: str) -> Input | None:
        """Return the argument of that name."""
        return next((one for one in self.inputs if one.name == name), None)


def parse_event(signature: str) -> Event:
    """Return the event of `event Buy(address indexed token, uint256 eth_amount)`.

    Raises ConfigError that says what is wrong with it.
    """
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise ConfigError(
            f"{signature!r} is no event; write it as Solidity does:"
            " event Buy(address indexed token, uint256 amount)"
        )
    name, inside, anonymous = match.groups()
    if anonymous:
        raise ConfigError(f"{signature!r}: anonymous events cannot be told apart")
    parts = [part.strip() for part in inside.split(",")] if inside.strip() else []
    inputs = tuple(_input(part, signature) for part in parts)
    names = [one.name for one in inputs if one.name]
    if twice := {one for one in names if names.count(one) > 1}:
        raise ConfigError(f"{signature!r}: {min(twice)} is there twice")
    if sum(one.indexed for one in inputs) > _MOST_INDEXED:
        raise ConfigError(f"{signature!r}: at most {_MOST_INDEXED} arguments can be indexed")
    canonical = f"{name}({','.join(one.type for one in inputs)})"
    return Event(name, inputs, keccak256(canonical.encode()))


class EventReader:
    """Reads the arguments `wanted` out of an event's logs.

    Texts are given as bytes: a contract may put anything into them. Lists that nobody wants are not
    looked into, so that no log can make us unpack one of a billion items.
    """

    def __init__(self, event: Event, wanted: Collection[str]) -> None:
        data = [one for one in event.inputs if not one.indexed]
        self.event = event
        self._topics = [one for one in event.inputs if one.indexed]
        self._words = len(data) if all(one.word for one in data) else 0
        self._data = data
        self._data_types = [_read_as(one, wanted) for one in data]
        self._wanted = frozenset(wanted)

    def read(self, log: Log) -> dict[str, Any]:
        """Return the arguments by name. Raises LogError (`topics` or `data`), and nothing else."""
        if len(log.topics) != len(self._topics) + 1 or log.topics[0] != self.event.topic:
            raise LogError("topics", f"{self.event.name} has {len(self._topics) + 1} topics")
        try:
            found = {
                one.name: read_word(one.type, topic)
                for one, topic in zip(self._topics, log.topics[1:], strict=True)
                if one.name in self._wanted
            }
            return found | (self._few(log.data) if self._words else self._any(log.data))
        except (DecodingError, ValueError, OverflowError, TypeError, MemoryError) as error:
            raise LogError("data", f"{self.event.name}: {type(error).__name__}: {error}") from None

    def _few(self, data: bytes) -> dict[str, Any]:
        """Arguments of a word each: ten times as fast as what can read everything."""
        if len(data) < 32 * self._words:
            raise ValueError(f"{len(data)} bytes for {self._words} words")
        return {
            one.name: read_word(one.type, data[32 * place : 32 * place + 32])
            for place, one in enumerate(self._data)
            if one.name in self._wanted
        }

    def _any(self, data: bytes) -> dict[str, Any]:
        values = eth_abi.decode(self._data_types, data)
        return {
            one.name: value
            for one, value in zip(self._data, values, strict=True)
            if one.name in self._wanted
        }


def read_word(kind: str, word: bytes) -> Any:
    """Return the value of a type that is held in one word: a number, bool, bytes, or `0x…` address.

    Raises ValueError where the word holds more than the type does.
    """
    if kind == "address":
        value, size = int.from_bytes(word, "big"), 160
    elif kind.startswith("bytes"):
        length = int(kind[5:])
        if any(word[length:]):
            raise ValueError(f"more than {kind}")
        return word[:length]
    elif kind == "bool":
        value, size = int.from_bytes(word, "big"), 1
    elif kind.startswith("uint"):
        value, size = int.from_bytes(word, "big"), int(kind[4:])
    else:
        value, size = int.from_bytes(word, "big", signed=True), int(kind[3:]) - 1
    if not (-1 if kind.startswith("int") else 0) <= value >> size <= 0:
        raise ValueError(f"more than {kind}")
    if kind == "address":
        return "0x" + word[12:].hex()
    return bool(value) if kind == "bool" else value


def call_data(signature: str, *arguments: Any) -> bytes:
    """Return the input of a call such as `balanceOf(address)`. Raises ValueError."""
    name, _, inside = signature.removesuffix(")").partition("(")
    types = [_PLAIN.get(one, one) for one in inside.split(",")] if inside else []
    selector = keccak256(f"{name}({','.join(types)})".encode())[:4]
    try:
        return selector + eth_abi.encode(types, arguments)
    except (EncodingError, ParseError) as error:
        raise ValueError(f"{signature}: {error}") from None


def call_result(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Return what a view call answered. Raises NodeNonsenseError, also for an empty answer.

    Nothing at all is what a node answers for an address without a contract.
    """
    try:
        return eth_abi.decode(list(types), data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise NodeNonsenseError(
            f"{len(data)} bytes are no ({', '.join(types)}): {type(error).__name__}"
        ) from None


def _input(text: str, signature: str) -> Input:
    match = _INPUT.fullmatch(text)
    if match is None:
        raise ConfigError(f"{signature!r}: {text!r} is no argument; write `address indexed token`")
    base, lists, indexed, name = match.groups()
    kind = _PLAIN.get(base, base) + lists
    if not eth_abi.is_encodable_type(kind):
        raise ConfigError(f"{signature!r}: {base + lists} is no type of an argument")
    return Input(kind, name or "", bool(indexed))


def _read_as(one: Input, wanted: Collection[str]) -> str:
    if one.type == "string":
        return "bytes" if one.name in wanted else "uint256"
    if not one.word and one.name not in wanted and _dynamic(one.type):
        return "uint256"  # the word that says where the rest is
    return one.type


def _dynamic(kind: str) -> bool:
    return kind in ("bytes", "string") or "[]" in kind or kind.startswith(("bytes[", "string["))
