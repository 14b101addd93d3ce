"""What happened to tokens, read out of logs by the descriptions of launchpads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from eth_hash.backends.pycryptodome import keccak256
from msgspec import Struct

from openoutcry.core.chain import hexes
from openoutcry.core.chain.abi import EventReader
from openoutcry.core.chain.descriptions import EMITTER, POOL_TOKEN, Launchpad, Pool, Rule
from openoutcry.errors import ConfigError, LogError
from openoutcry.tokens import (
    PRICE_UNIT,
    Log,
    TokenCreated,
    TokenEvent,
    TokenGraduated,
    TokenTrade,
    TokenTransfer,
    TradeSide,
)

TRANSFER: Final = keccak256(b"Transfer(address,address,uint256)")
"""The first topic of an ERC-20 transfer."""

_MOST_DECIMALS: Final = 77
_NAME_LENGTH: Final = 128
_SYMBOL_LENGTH: Final = 32
_DIRTY: Final = 12
_WEI_OF_PRICE: Final = 18
_PRICES: Final = 10**78
"""Prices are below this: what the store has room for, 10**42 ether."""


class Followed(Struct, frozen=True):
    """A token of which we know who made it, and in which block (`since`)."""

    launchpad: str
    decimals: int
    since: int


class Refused(Struct, frozen=True):
    """A log that was left out, and why: `reason` is one word, `message` a sentence."""

    log: Log
    launchpad: str
    reason: str
    message: str


class Decoded(Struct, frozen=True):
    """What was in some logs.

    `events` are by the hash of their block, ascending by index there. `seen` are tokens that were
    made there and not followed before; what they emit has not been asked for yet.
    """

    events: dict[bytes, list[TokenEvent]]
    seen: dict[bytes, Followed]
    refused: list[Refused]


class Decoder:
    """Reads logs by the descriptions of `launchpads`. Keeps nothing between two calls.

    Only contracts that a description names, and tokens that those have made, are believed. Raises
    ConfigError if two descriptions claim the same events, or a pool has not been looked up.
    """

    def __init__(self, launchpads: Sequence[Launchpad]) -> None:
        self._by_topic: dict[bytes, list[tuple[Launchpad, Rule, EventReader]]] = {}
        self._launchpads = {one.name: one for one in launchpads}
        self._pools: dict[bytes, Pool] = {}
        self._pool_owner: dict[bytes, str] = {}
        if len(self._launchpads) < len(launchpads):
            raise ConfigError("Two launchpads have the same name.")
        claimed: set[tuple[bytes, bytes]] = set()
        for launchpad in launchpads:
            self._add(launchpad, claimed)

    @property
    def topics(self) -> tuple[bytes, ...]:
        """The first topics of all logs that can mean something."""
        return (*self._by_topic, TRANSFER)

    @property
    def contracts(self) -> frozenset[bytes]:
        """The addresses that descriptions name: factories and pools."""
        factories = (one.factories for one in self._launchpads.values())
        return frozenset().union(*factories) | self._pools.keys()

    def heard_of(self, token: Followed) -> bool:
        """Whether logs that the token itself emits mean something."""
        launchpad = self._launchpads.get(token.launchpad)
        return launchpad is not None and (
            launchpad.transfers or any(rule.emitter == "token" for rule in launchpad.rules)
        )

    def decode(self, logs: Iterable[Log], followed: Mapping[bytes, Followed]) -> Decoded:
        """Return what the logs tell; what does not fit is in `refused`. Never raises.

        The logs of one block are read in their order, so that a token may be traded in the block
        that created it. Transfers that come before the log that tells of their token are kept: it
        is minted before it is announced. So logs are gone through twice.
        """
        ordered = sorted(set(logs), key=lambda log: (log.block_number, log.index))
        events: dict[bytes, list[TokenEvent]] = {}
        seen: dict[bytes, Followed] = {}
        refused: list[Refused] = []
        known = dict(followed)
        found: list[tuple[Log, TokenEvent]] = []
        for log in ordered:
            if log.topics and log.topics[0] != TRANSFER:
                for event in self._told(log, known, refused):
                    found.append((log, event))
                    if isinstance(event, TokenCreated) and event.token not in known:
                        sighting = Followed(event.launchpad, event.decimals, log.block_number)
                        known[event.token] = seen[event.token] = sighting
        for log in ordered:
            if log.topics and log.topics[0] == TRANSFER:
                self._transfer(log, known, found, refused)
        for log, event in sorted(found, key=lambda pair: (pair[0].block_number, pair[1].index)):
            events.setdefault(log.block_hash, []).append(event)
        return Decoded(events, seen, refused)

    def _add(self, launchpad: Launchpad, claimed: set[tuple[bytes, bytes]]) -> None:
        if launchpad.lookups:
            raise ConfigError(f"Launchpad {launchpad.name}: its pools have not been looked up.")
        for pool in launchpad.pools:
            self._pools[pool.address] = pool
            if self._pool_owner.setdefault(pool.address, launchpad.name) != launchpad.name:
                raise ConfigError(f"Pool {hexes.show(pool.address)} is of two launchpads.")
        for rule in launchpad.rules:
            if rule.event.topic == TRANSFER:
                raise ConfigError(f"Launchpad {launchpad.name}: Transfer needs no description.")
            places = (
                launchpad.factories
                if rule.emitter == "factory"
                else {pool.address for pool in launchpad.pools}
                if rule.emitter == "pool"
                else {launchpad.name.encode()}
            )
            for place in places:
                if (place, rule.event.topic) in claimed:
                    raise ConfigError(
                        f"Launchpad {launchpad.name}: {rule.event.name} of one contract is described"
                        " twice."
                    )
                claimed.add((place, rule.event.topic))
            reader = EventReader(rule.event, rule.wanted)
            self._by_topic.setdefault(rule.event.topic, []).append((launchpad, rule, reader))

    def _told(
        self, log: Log, known: Mapping[bytes, Followed], refused: list[Refused]
    ) -> Iterable[TokenEvent]:
        for launchpad, rule, reader in self._by_topic.get(log.topics[0], ()):
            if not self._believed(log.address, launchpad, rule, known):
                continue
            try:
                values = reader.read(log)
                yield _event(log, launchpad, rule, values, known, self._pools.get(log.address))
            except LogError as error:
                refused.append(Refused(log, launchpad.name, error.reason, str(error)))

    def _believed(
        self, address: bytes, launchpad: Launchpad, rule: Rule, known: Mapping[bytes, Followed]
    ) -> bool:
        if rule.emitter == "factory":
            return address in launchpad.factories
        if rule.emitter == "pool":
            return self._pool_owner.get(address) == launchpad.name
        token = known.get(address)
        return token is not None and token.launchpad == launchpad.name

    def _transfer(
        self,
        log: Log,
        known: Mapping[bytes, Followed],
        found: list[tuple[Log, TokenEvent]],
        refused: list[Refused],
    ) -> None:
        token = known.get(log.address)
        launchpad = self._launchpads.get(token.launchpad) if token else None
        if not (token and launchpad and launchpad.transfers) or log.block_number < token.since:
            return
        try:
            found.append((log, _transferred(log)))
        except LogError as error:
            refused.append(Refused(log, launchpad.name, error.reason, str(error)))


def _event(  # noqa: PLR0917 - all that a log can mean
    log: Log,
    launchpad: Launchpad,
    rule: Rule,
    values: Mapping[str, Any],
    known: Mapping[bytes, Followed],
    pool: Pool | None,
) -> TokenEvent:
    token = _address(rule.addresses["token"], log, values, pool)
    if rule.emitter == "token" and token != log.address:
        raise LogError("token", f"{hexes.show(log.address)} speaks for {hexes.show(token)}")
    numbers = {role: one.of(values) for role, one in rule.numbers.items()}
    if rule.tells == "graduated":
        return TokenGraduated(log.index, log.tx_hash, token)
    if rule.tells == "created":
        decimals = numbers.get("decimals", launchpad.decimals)
        if not 0 <= decimals <= _MOST_DECIMALS:
            raise LogError("decimals", f"a token with {decimals} decimals")
        creator = rule.addresses.get("creator", EMITTER)
        return TokenCreated(
            index=log.index,
            tx_hash=log.tx_hash,
            token=token,
            creator=_address(creator, log, values, pool),
            launchpad=launchpad.name,
            name=_text(rule, "name", values, _NAME_LENGTH),
            symbol=_text(rule, "symbol", values, _SYMBOL_LENGTH),
            decimals=decimals,
            target=_amount(numbers, "target") or 0,
        )
    side, eth, tokens = _sides(rule, numbers, values, pool)
    decimals = known[token].decimals if token in known else launchpad.decimals
    return TokenTrade(
        index=log.index,
        tx_hash=log.tx_hash,
        token=token,
        trader=_address(rule.addresses["trader"], log, values, pool),
        side=side,
        eth=eth,
        tokens=tokens,
        price=_price(numbers, eth, tokens, pool.decimals if pool else decimals),
        supply=_amount(numbers, "supply"),
        reserve=_amount(numbers, "reserve"),
    )


def _sides(
    rule: Rule, numbers: Mapping[str, int], values: Mapping[str, Any], pool: Pool | None
) -> tuple[TradeSide, int, int]:
    """Return side, ether and tokens. What a pool received is positive, what it paid negative."""
    if "amount0" in numbers and pool is not None:
        amounts = (numbers["amount0"], numbers["amount1"])
        eth, tokens = amounts[pool.eth], amounts[1 - pool.eth]
        if eth * tokens >= 0:
            raise LogError("side", f"a pool got {eth} wei and {tokens} of the token at once")
        return TradeSide.BUY if eth > 0 else TradeSide.SELL, abs(eth), abs(tokens)
    eth, tokens = numbers["eth"], numbers["tokens"]
    if "buy_if_positive" in numbers:
        sign = numbers["buy_if_positive"]
        if sign == 0:
            raise LogError("side", "an amount of zero says neither buy nor sell")
        return TradeSide.BUY if sign > 0 else TradeSide.SELL, abs(eth), abs(tokens)
    if eth < 0 or tokens < 0:
        raise LogError("amount", f"{eth} wei for {tokens} of the token")
    bought = bool(values[rule.buy_if]) if rule.buy_if else rule.side == "buy"
    return TradeSide.BUY if bought else TradeSide.SELL, eth, tokens


def _price(numbers: Mapping[str, int], eth: int, tokens: int, decimals: int) -> int:
    if (told := _amount(numbers, "price")) is not None:
        price = told * 10**_WEI_OF_PRICE
    elif tokens == 0:
        raise LogError("amount", f"{eth} wei for nothing have no price")
    else:
        price = eth * 10 ** (_WEI_OF_PRICE + decimals) // tokens
    if price >= _PRICES:
        raise LogError(
            "amount", f"a price of {price // PRICE_UNIT} ether"
        )  # nothing could store it
    return price


def _amount(numbers: Mapping[str, int], role: str) -> int | None:
    value = numbers.get(role)
    if value is not None and value < 0:
        raise LogError("amount", f"{role} of {value}")
    return value


def _address(name: str, log: Log, values: Mapping[str, Any], pool: Pool | None) -> bytes:
    if name == POOL_TOKEN and pool is not None:
        return pool.token
    return log.address if name == EMITTER else bytes.fromhex(str(values[name])[2:])


def _text(rule: Rule, role: str, values: Mapping[str, Any], longest: int) -> str:
    """Return a text that a stranger chose, fit to be stored and shown: valid, bounded, no controls."""
    if role not in rule.texts:
        return ""
    found = bytes(values[rule.texts[role]])[: 4 * longest].decode(errors="replace")
    return "".join(one for one in found if one.isprintable())[:longest]


def _transferred(log: Log) -> TokenTransfer:
    if len(log.topics) != 3 or any(any(topic[:_DIRTY]) for topic in log.topics[1:]):
        raise LogError("topics", "a transfer has two indexed addresses")
    if len(log.data) != 32:
        raise LogError("data", f"a transfer has one amount, not {len(log.data)} bytes")
    sender, receiver = (topic[_DIRTY:] for topic in log.topics[1:])
    amount = int.from_bytes(log.data, "big")
    return TokenTransfer(log.index, log.tx_hash, log.address, sender, receiver, amount)
