"""How many blocks to ask for in one `eth_getLogs`: less when a node objects, slowly more again.

Nodes and providers cap that call, each in its own way and words, and with codes that mean something
else elsewhere. So this is the one place where the text of an error is read, after its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from msgspec import Struct

FIRST: Final = 500
MOST: Final = 20_000


class Span(Struct, frozen=True):
    """How many blocks are asked for at once; `most` is never exceeded."""

    blocks: int = FIRST
    most: int = MOST

    def shrunk(self, fits: int | None = None) -> Span:
        """Return half of it, or what the node says `fits` if that is less; at least one block."""
        half = self.blocks // 2
        return Span(max(1, half if fits is None else min(half, fits)), self.most)

    def grown(self) -> Span:
        """Return a quarter more: the node has answered without objecting."""
        return Span(min(self.most, self.blocks + max(1, self.blocks // 4)), self.most)


class Objection(Enum):
    """What an error means for the next question."""

    TOO_MUCH = auto()
    """Ask for fewer blocks."""
    TOO_OFTEN = auto()
    """Ask the same later, or another node."""
    OTHER = auto()
    """The question itself is not understood or not allowed."""


_TOO_OFTEN_CODES: Final = frozenset({429, -32029, -32097})
_TOO_MUCH_CODES: Final = frozenset({-32047, -32062, -32614})
_AMBIGUOUS_CODES: Final = frozenset(
    {
        -32000,
        -32001,
        -32002,
        -32003,
        -32005,
        -32011,
        -32012,
        -32016,
        -32600,
        -32602,
        -32603,
        -32701,
        0,
    }
    | {1, 3, 30, 35, 400, 403, 413}
)
_TOO_OFTEN: Final = re.compile(
    r"rate.?limit|too many requests|request rate|requests? per (second|minute|day)|"
    r"request (limit|count) (reached|exceeded)|daily request|throttl|capacity|credits|quota|"
    r"compute units",
    re.IGNORECASE,
)
_TOO_MUCH: Final = re.compile(
    r"more than \d+ (results|logs)|too many (results|logs|blocks)|"
    r"(max|maximum|exceeds?|limit)\D{0,20}(results|logs|response|block range|blocks)|"
    r"block range|range.{0,30}(large|wide|exceed|limit|than|greater)|"
    r"(limited?|restricted) to.{0,30}(range|blocks)|blocks? distance|"
    r"response (size|is too big|too large|body)|too (large|big)|"
    r"ranges? over|smaller than size|"
    r"time.?(d )?out|timeout|took too long|execution.{0,10}aborted|entity too large|limit exceeded|"
    r"exceeds? (the )?(maximum|limit|max)|deadline exceeded",
    re.IGNORECASE,
)
_SUGGESTED: Final = re.compile(
    r"(?:range|work|with)\D{0,25}?\[?(0x[0-9a-fA-F]+|\d+)\s*[-,]\s*(0x[0-9a-fA-F]+|\d+)"
)
_LIMIT: Final = re.compile(
    r"(?:up to an?|limited to(?: an?)?(?: 0 -)?|limit(?: is)?(?: of)?|"
    r"max(?:imum)?(?: block)?(?: range)?(?: is)?"
    r"(?: set to)?:?|than size|over) (\d[\d,]*)(?!\d|,| ?(?:results|logs|MB))",
    re.IGNORECASE,
)


def objection(code: int, message: str, detail: object = None) -> Objection:
    """Return what a JSON-RPC error means that `eth_getLogs` got.

    Codes with one meaning come first; the many that mean anything are told apart by their text,
    of which `detail` (the error's `data`) may be the better part.
    """
    text = f"{message} {_detail_text(detail)}"
    if code in _TOO_OFTEN_CODES:
        return Objection.TOO_OFTEN
    if code in _TOO_MUCH_CODES:
        return Objection.TOO_MUCH
    if code in _AMBIGUOUS_CODES or code <= -32000:
        if _TOO_OFTEN.search(text):
            return Objection.TOO_OFTEN
        if _TOO_MUCH.search(text):
            return Objection.TOO_MUCH
    return Objection.OTHER


def fitting(message: str, detail: object = None) -> int | None:
    """Return how many blocks the node says it would answer for, None if it does not say."""
    if isinstance(detail, dict):
        found = _length(str(detail.get("from", "")), str(detail.get("to", "")))
        if found:
            return found
    text = f"{message} {_detail_text(detail)}"
    for match in _SUGGESTED.finditer(text):
        if found := _length(match[1], match[2]):
            return found
    limits = [int(match[1].replace(",", "")) for match in _LIMIT.finditer(text)]
    return min((one for one in limits if 0 < one <= MOST), default=None)


def chunks(items: Iterable[bytes], size: int) -> list[list[bytes]]:
    """Return the items, sorted, in lists of at most `size`: so many addresses go into one question."""
    ordered = sorted(items)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _length(first: str, last: str) -> int | None:
    try:
        length = int(last, 0) - int(first, 0) + 1
    except ValueError:
        return None
    return length if 0 < length <= 10 * MOST else None


def _detail_text(detail: object) -> str:
    if isinstance(detail, dict):
        return " ".join(str(value) for value in detail.values() if isinstance(value, str))
    return detail if isinstance(detail, str) else ""
