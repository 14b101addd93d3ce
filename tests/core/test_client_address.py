"""Whose request it is, behind whatever proxies, and whatever they and the client write."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.client_address import UNKNOWN, address_group, client_address, networks, parse

PROXIES = networks(["10.0.0.0/8", "fd00::/8"])
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)
ANY = V4 | V6
TRUSTED = st.integers(0, 2**24 - 1).map(lambda n: str(ipaddress.IPv4Address((10 << 24) + n)))
STRANGERS = V4.filter(lambda text: not text.startswith("10."))
HEADERS = st.lists(st.text(max_size=60) | ANY, max_size=4)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody we trust says so
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # the client wrote 6.6.6.6
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),  # three headers
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # somebody inside
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("fd00::1", ['"[2001:DB8::7]"'], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", ["198.51.100.1"], UNKNOWN),
        ("/run/socket", ["198.51.100.1"], UNKNOWN),
    ],
)
def test_known_cases(peer: str, forwarded: list[str], client: str) -> None:
    """What proxies really send, and what clients try."""
    assert client_address(peer, forwarded, PROXIES) == client


@given(STRANGERS, HEADERS)
def test_a_stranger_is_never_believed(peer: str, forwarded: list[str]) -> None:
    """Without a trusted proxy before it, nothing in the header matters."""
    assert client_address(peer, forwarded, PROXIES) == peer
    assert client_address(peer, forwarded, ()) == peer


@given(TRUSTED, STRANGERS, HEADERS, st.lists(TRUSTED, max_size=5))
def test_what_the_client_wrote_is_not_reached(
    peer: str, client: str, forged: list[str], proxies: list[str]
) -> None:
    """However much a client puts in front, the first stranger from behind is the client."""
    chain = ",".join([*forged, client, *proxies])
    assert client_address(peer, [chain], PROXIES) == client
    assert client_address(peer, [*forged, ", ".join([client, *proxies])], PROXIES) == client


@given(st.text(max_size=80) | ANY, HEADERS)
def test_there_is_always_an_answer(peer: str, forwarded: list[str]) -> None:
    """Whatever is sent, the answer is an address in its one spelling, or that it is unknown."""
    found = client_address(peer, forwarded, PROXIES)
    assert found == UNKNOWN or str(ipaddress.ip_address(found)) == found


@given(TRUSTED, st.integers(33, 2000), STRANGERS)
def test_a_header_without_end_is_not_read(peer: str, hops: int, client: str) -> None:
    """So many hops are nobody's network; the reading stops, and the answer is one of ours."""
    found = client_address(peer, [",".join([client] + ["10.9.9.9"] * hops)], PROXIES)
    assert found == "10.9.9.9"


@given(V6, V6)
def test_a_subscriber_is_one_group(one: str, other: str) -> None:
    """Two IPv6 addresses count as one exactly when they share their first 56 bits."""
    first, second = (int(ipaddress.IPv6Address(each)) >> 72 for each in (one, other))
    mapped = any(ipaddress.IPv6Address(each).ipv4_mapped for each in (one, other))
    assert mapped or (address_group(one) == address_group(other)) == (first == second)


def test_groups() -> None:
    """An IPv4 address counts for itself, however it is written."""
    assert address_group("192.0.2.1") == address_group("::ffff:192.0.2.1") == "192.0.2.1"
    assert address_group("2001:db8:0:1ff::1") == "2001:db8:0:100::/56"
    assert address_group(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3",
        "1.2.3.4:",
        "1.2.3.4:99999999",
        "1.2.3.4:8x",
        "[::1",
        "::1]",
        "[::1]x",
        "x" * 65,
        "٣.1.1.1",
    ],
)
def test_no_addresses(text: str) -> None:
    """Half an address is none."""
    assert parse(text) is None


def test_networks() -> None:
    """Addresses and networks are told by name when they are none; host bits do no harm."""
    assert [str(each) for each in networks(["10.1.2.3/8", " ::1 ", "::ffff:10.0.0.0/104"])] == [
        *("10.0.0.0/8", "::1/128", "10.0.0.0/8"),
    ]
    with pytest.raises(ValueError, match=r"'10\.0\.0\.0/99' is no network"):
        networks(["10.0.0.0/99"])
