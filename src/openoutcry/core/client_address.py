"""Whose request it is: the client's own address, also behind proxies, and the group it counts in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
"""The address of a peer that has none, such as one on a Unix socket."""

_LONGEST: Final = 64
_MOST_HOPS: Final = 32
# A subscriber gets a /56 and may use any of its addresses: together they count as one.
_V6_GROUP: Final = 56


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return addresses and networks in CIDR form as networks. Raises ValueError that names one.

    Host bits are let pass: 10.1.2.3/8 means 10.0.0.0/8. IPv4 networks written as IPv6
    (::ffff:10.0.0.0/104) are IPv4, as the addresses are that they are compared with.
    """
    return tuple(_network(text) for text in texts)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address of the client as text, UNKNOWN if it has none; see `nearest`."""
    found = nearest(peer, forwarded, trusted)
    return UNKNOWN if found is None else str(found)


def nearest(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """Return the address of the client: `peer`, or what trusted proxies say of it.

    `forwarded` are the values of the X-Forwarded-For headers in the order in which they came. Each
    proxy appends whom it heard from, so only the end of the list is known: it is read backwards as
    long as who wrote the entry is trusted. What a client wrote itself is never reached. An entry that
    is no address ends the reading: then it is the proxy that passed it on.
    """
    client = parse(peer)
    if client is None or not trusted or not forwarded or not _among(client, trusted):
        return client
    hops = (forwarded[0] if len(forwarded) == 1 else ",".join(forwarded)).rsplit(",", _MOST_HOPS)
    if len(hops) > _MOST_HOPS:
        hops = hops[1:]  # the rest in one piece, far longer than any way through proxies
    for hop in reversed(hops):
        found = parse(hop)
        if found is None:
            break
        client = found
        if not _among(client, trusted):
            break
    return client


def address_group(address: str) -> str:
    """Return the name under which an address counts: itself, for IPv6 its /56."""
    return group_of(parse(address))


def group_of(found: Address | None) -> str:
    """Return the same of an address that has been read."""
    if isinstance(found, IPv6Address):
        return str(IPv6Network((int(found) >> (128 - _V6_GROUP) << (128 - _V6_GROUP), _V6_GROUP)))
    return UNKNOWN if found is None else str(found)


@lru_cache(maxsize=4096)
def parse(text: str) -> Address | None:
    """Return what proxies write as an address: also `1.2.3.4:80`, `[::1]:80`, `"[::1]"`.

    An IPv4 address within IPv6 is IPv4, a zone (`%eth0`) is dropped. None for all else.
    """
    if len(text) > _LONGEST:
        return None
    host = text.strip(' \t"')
    if host.startswith("["):
        host, bracket, port = host[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif host.count(":") == 1:
        host, colon, port = host.partition(":")
        if not _is_port(colon + port):
            return None
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6


def _network(text: str) -> Network:
    try:
        found = ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network, write 10.0.0.0/8 or 2001:db8::/32") from None
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    if mapped is not None and found.prefixlen >= 96:
        return IPv4Network((mapped, found.prefixlen - 96))
    return found


def _among(address: Address, trusted: Sequence[Network]) -> bool:
    for network in trusted:  # noqa: SIM110 - three times as fast as any(), on every request
        if address in network:
            return True
    return False
