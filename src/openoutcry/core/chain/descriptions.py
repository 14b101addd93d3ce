"""What a launchpad's events mean, as its description (TOML) says it, checked when we start.

A description has a name, the addresses of its factories (or its pools), and for every event its
signature, what it tells of (`is`), who emits it (`from`), and which argument plays which role. A number
may be a sum or difference of arguments: `amount0In - amount0Out`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from openoutcry.core.chain import hexes
from openoutcry.core.chain.abi import Event, Input, parse_event
from openoutcry.errors import BadRequestError, ConfigError

EMITTER: Final = "@address"
"""Instead of an argument: the contract that emitted the event."""

POOL_TOKEN: Final = "@token"  # noqa: S105 - no password
"""Instead of an argument: the token that the emitting pool trades against ether."""

_ADDRESSES: Final = ("token", "trader", "creator")
_NUMBERS: Final = (
    "eth", "tokens", "supply", "reserve", "price", "target", "decimals", "amount0", "amount1",
    "buy_if_positive",
)  # fmt: skip
_TEXTS: Final = ("name", "symbol")
_NEEDS: Final = {
    "created": ("token",),
    "trade": ("token", "trader"),
    "graduated": ("token",),
}
_MAY: Final = {
    "created": {"token", "creator", "name", "symbol", "decimals", "target"},
    "trade": {
        "token", "trader", "eth", "tokens", "supply", "reserve", "price", "amount0", "amount1",
        "side", "buy_if", "buy_if_positive",
    },
    "graduated": {"token"},
}  # fmt: skip
SUPPLY_CALL: Final = "totalSupply()"
"""What every ERC-20 token has. Where a curve holds what it has not sold, another function is right."""

_CALL: Final = re.compile(r"[A-Za-z_]\w{0,63}\(\)", re.ASCII)
_TERM: Final = re.compile(r"\s*([+-]?)\s*(\w+)\s*")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Sum(Struct, frozen=True):
    """Arguments, each with its sign, that are added up."""

    terms: tuple[tuple[int, str], ...]

    def of(self, values: Mapping[str, Any]) -> int:
        """Return the sum."""
        return sum(sign * int(values[name]) for sign, name in self.terms)


class Pool(Struct, frozen=True):
    """A pool of ether and a token. `eth` says which of its two amounts is the ether: 0 or 1."""

    address: bytes
    token: bytes
    eth: int
    decimals: int


class Rule(Struct, frozen=True, kw_only=True):
    """How one event is read. `numbers`, `addresses` and `texts` map roles to what plays them."""

    event: Event
    tells: Literal["created", "trade", "graduated"]
    emitter: Literal["factory", "token", "pool"]
    side: Literal["buy", "sell", ""] = ""
    buy_if: str = ""
    numbers: dict[str, Sum] = {}
    addresses: dict[str, str] = {}
    texts: dict[str, str] = {}

    @property
    def wanted(self) -> frozenset[str]:
        """The arguments that are read."""
        names = {name for one in self.numbers.values() for _, name in one.terms}
        names |= {name for name in self.addresses.values() if not name.startswith("@")}
        names |= set(self.texts.values())
        return frozenset(names | ({self.buy_if} if self.buy_if else set()))


class Launchpad(Struct, frozen=True, kw_only=True):
    """A launchpad as it is followed.

    `lookups` are pools of which only the address is known: the rest is asked of the chain, and tells
    ether by `weth`. `transfers` says whether holders are kept, from ERC-20 transfers. `supply_call` is
    the view function of a token that tells what circulates.
    """

    name: str
    factories: frozenset[bytes]
    rules: tuple[Rule, ...]
    pools: tuple[Pool, ...] = ()
    lookups: tuple[bytes, ...] = ()
    weth: bytes = b""
    decimals: int = 18
    transfers: bool = True
    supply_call: str = SUPPLY_CALL


class _EventText(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    signature: str
    tells: Literal["created", "trade", "graduated"] = field(name="is")
    emitter: Literal["factory", "token", "pool"] = field(name="from", default="factory")
    side: Literal["buy", "sell", ""] = ""
    buy_if: str = ""
    buy_if_positive: str = ""
    token: str = ""
    trader: str = ""
    creator: str = ""
    eth: str = ""
    tokens: str = ""
    supply: str = ""
    reserve: str = ""
    price: str = ""
    target: str = ""
    decimals: str = ""
    name: str = ""
    symbol: str = ""
    amount0: str = ""
    amount1: str = ""


_Decimals = Annotated[int, Meta(ge=0, le=77)]


class _PoolText(Struct, frozen=True, forbid_unknown_fields=True):
    address: str
    token: str = ""
    eth: Literal[0, 1] | None = None
    decimals: _Decimals = 18


class _Text(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    events: Annotated[list[_EventText], Meta(min_length=1)]
    factories: list[str] = []
    pools: list[str | _PoolText] = []
    weth: str = ""
    decimals: _Decimals = 18
    transfers: bool = True
    supply_call: str = SUPPLY_CALL


def parse(text: str, where: str, addresses: tuple[str, ...] = ()) -> Launchpad:
    """Return the launchpad of a TOML text; `addresses` are added to its factories, or its pools.

    Raises ConfigError that begins with `where` and says what is wrong.
    """
    try:
        described = msgspec.convert(tomllib.loads(text), _Text)
        return _launchpad(described, addresses)
    except (
        tomllib.TOMLDecodeError,
        msgspec.ValidationError,
        BadRequestError,
        ConfigError,
    ) as error:
        raise ConfigError(f"Launchpad {where}: {error}") from None


def _launchpad(text: _Text, more: tuple[str, ...]) -> Launchpad:
    if not _NAME.fullmatch(text.name):
        raise ConfigError(f"name {text.name!r}: up to 32 of a-z, 0-9, _ and -")
    rules = tuple(_rule(one) for one in text.events)
    emitters = {rule.emitter for rule in rules}
    factories, pools = list(text.factories), list(text.pools)
    (pools if emitters == {"pool"} else factories).extend(more)
    whole = [
        one for one in pools if isinstance(one, _PoolText) and one.token and one.eth is not None
    ]
    half = [one for one in pools if one not in whole]
    if emitters - {"pool"} and not factories:
        raise ConfigError("factories: at least one address is needed, whose events are believed")
    if "pool" in emitters and not pools:
        raise ConfigError("pools: at least one is needed, whose events are believed")
    if half and not text.weth:
        raise ConfigError(
            "weth: needed to tell which side of a pool is ether; or say eth and token"
        )
    if not _CALL.fullmatch(text.supply_call):
        raise ConfigError(
            f"supply_call {text.supply_call!r}: a function without arguments, such as supply()"
        )
    if "token" in emitters and not any(rule.tells == "created" for rule in rules):
        raise ConfigError("events of tokens are believed only of tokens that an event `created`")
    return Launchpad(
        name=text.name,
        factories=frozenset(hexes.address(one, "factories:") for one in factories),
        rules=rules,
        pools=tuple(_pool(one) for one in whole),
        lookups=tuple(
            hexes.address(one if isinstance(one, str) else one.address, "pools:") for one in half
        ),
        weth=hexes.address(text.weth, "weth:") if text.weth else b"",
        decimals=text.decimals,
        transfers=text.transfers,
        supply_call=text.supply_call,
    )


def _pool(text: _PoolText) -> Pool:
    return Pool(
        hexes.address(text.address, "pools:"),
        hexes.address(text.token, "pools: token:"),
        text.eth or 0,
        text.decimals,
    )


def _rule(text: _EventText) -> Rule:
    event = parse_event(text.signature)
    said = {
        key: value
        for key in (*_ADDRESSES, *_NUMBERS, *_TEXTS, "side", "buy_if")
        if (value := getattr(text, key))
    }
    what = f"event {event.name}"
    if odd := sorted(set(said) - _MAY[text.tells]):
        raise ConfigError(f"{what}: `{odd[0]}` has no meaning where `is` is {text.tells!r}")
    if missing := [role for role in _NEEDS[text.tells] if role not in said]:
        raise ConfigError(f"{what}: which argument is its `{missing[0]}`?")
    if text.tells == "trade":
        _check_trade(said, text.emitter, what)
    return Rule(
        event=event,
        tells=text.tells,
        emitter=text.emitter,
        side=text.side,
        buy_if=_argument(event, text.buy_if, "bool", what).name if text.buy_if else "",
        numbers={role: _sum(event, said[role], what) for role in _NUMBERS if role in said},
        addresses={
            role: _address_role(event, said[role], text.emitter, what)
            for role in _ADDRESSES
            if role in said
        },
        texts={role: _text_role(event, said[role], what) for role in _TEXTS if role in said},
    )


def _check_trade(said: dict[str, str], emitter: str, what: str) -> None:
    pair = {"amount0", "amount1"} & set(said)
    direct = {"eth", "tokens"} & set(said)
    if pair and (len(pair) != 2 or direct or emitter != "pool"):
        raise ConfigError(
            f"{what}: `amount0` and `amount1` go together, in place of `eth` and `tokens`, of pools"
        )
    if not pair and len(direct) != 2:
        raise ConfigError(f"{what}: which arguments are its `eth` and `tokens`?")
    ways = {"side", "buy_if", "buy_if_positive"} & set(said)
    if pair and ways:
        raise ConfigError(f"{what}: the amounts of a pool say themselves what was bought")
    if not pair and len(ways) != 1:
        raise ConfigError(f"{what}: say one of `side`, `buy_if` and `buy_if_positive`")


def _argument(event: Event, name: str, kind: str, what: str) -> Input:
    found = event.find(name)
    if found is None or not name:
        known = ", ".join(one.name for one in event.inputs if one.name)
        raise ConfigError(f"{what} has no argument {name!r}, but {known or 'none with a name'}")
    if not re.fullmatch(kind, found.type):
        raise ConfigError(f"{what}: {name} is {found.type}, which cannot play that role")
    return found


def _address_role(event: Event, name: str, emitter: str, what: str) -> str:
    if name == EMITTER or (name == POOL_TOKEN and emitter == "pool"):
        return name
    if name.startswith("@"):
        raise ConfigError(
            f"{what}: {name!r} is not known here; there is {EMITTER}, of pools @token"
        )
    return _argument(event, name, "address", what).name


def _text_role(event: Event, name: str, what: str) -> str:
    found = _argument(event, name, "string|bytes32", what)
    if found.indexed and found.type == "string":
        raise ConfigError(f"{what}: {name} is indexed, so that logs hold its hash only")
    return found.name


def _sum(event: Event, text: str, what: str) -> Sum:
    terms: list[tuple[int, str]] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or (terms and not match[1]):
            raise ConfigError(f"{what}: {text!r} is no sum of arguments, write `a - b`")
        terms.append(
            (-1 if match[1] == "-" else 1, _argument(event, match[2], r"u?int\d+", what).name)
        )
        position = match.end()
    return Sum(tuple(terms))
