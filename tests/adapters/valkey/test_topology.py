"""Which server carries what: the URLs, and what is said when they name the wrong kind of server."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as ValkeyConnectionError

from clusterkit import Cluster, cluster, whole_cluster
from openoutcry.adapters.valkey import topology
from openoutcry.adapters.valkey.readiness import wait_until_up
from openoutcry.adapters.valkey.topology import SLOTS, Topology, is_cluster, slot_of
from openoutcry.core.keys import (
    PRICES,
    PRICES_SNAPSHOT,
    STATS_TRADES,
    STATS_TRADES_LAST,
    TICKERS,
    TICKERS_SNAPSHOT,
    sign_in_known_key,
    sign_in_name_key,
    sign_in_own_key,
    user_channel,
    user_history,
    weight_block_key,
    weight_key,
    weight_limit_key,
)
from openoutcry.errors import ConfigError

__all__ = ["cluster", "whole_cluster"]


def test_what_belongs_together_shares_a_slot() -> None:
    """News live where what they are about lives, and so do the keys of one script."""
    for names in (
        (PRICES, PRICES_SNAPSHOT),
        (TICKERS, TICKERS_SNAPSHOT),
        (STATS_TRADES, STATS_TRADES_LAST),
        (user_channel(7), user_history(7)),
        (weight_key("binance", 5), weight_limit_key("binance"), weight_block_key("binance")),
        (sign_in_name_key("a"), sign_in_known_key("a", "b"), sign_in_own_key("a", "b")),
    ):
        assert len({slot_of(name) for name in names}) == 1, names


def test_users_are_spread() -> None:
    """Private channels do not all end up on one node."""
    assert len({slot_of(user_channel(number)) * 3 // SLOTS for number in range(20)}) == 3


@pytest.mark.parametrize(
    ("url", "seeds"),
    [
        ("redis+cluster://a", ["redis://a:6379"]),
        ("redis+cluster://a:1,b:2/0", ["redis://a:1", "redis://b:2"]),
        ("rediss+cluster://me:p%40s{s@a:1, [::1]:2?x=1", None),
    ],
)
def test_a_clusters_url(url: str, seeds: list[str] | None) -> None:
    """Every node is reached with the user, password and options of the whole."""
    assert is_cluster(url)
    found, _ = topology._parse(url)
    tail = "?x=1"
    assert found == (
        seeds or [f"rediss://me:p%40s{{s@a:1{tail}", f"rediss://me:p%40s{{s@[::1]:2{tail}"]
    )


@pytest.mark.parametrize(
    "url",
    ["redis+cluster://", "redis+cluster://a,,b", "redis+cluster://a:x", "redis+cluster://a/3"],
)
def test_a_clusters_url_that_cannot_be_right(url: str) -> None:
    """It is refused with what would be right."""
    with pytest.raises(ConfigError):
        Topology(url)


def test_one_servers_url_is_none_of_a_cluster() -> None:
    """The plain schemes stay what they were."""
    assert not any(map(is_cluster, ("redis://a", "rediss://a", "unix:///a.sock")))


async def test_nobody_answers(free_ports: object) -> None:
    """A cluster that is away is an outage, as a server that is away."""
    (port,) = free_ports(1)  # type: ignore[operator]
    with pytest.raises(ValkeyConnectionError):
        await Topology(f"redis+cluster://127.0.0.1:{port}").look()


async def test_the_wrong_kind_of_url(cluster: Cluster, free_port: int) -> None:
    """A plain URL of a cluster's node, and a cluster's URL of a plain server, say what to write."""
    stop = asyncio.Event()
    with pytest.raises(ConfigError, match=r"redis\+cluster://"):
        await wait_until_up(cluster.nodes[0].url, stop)
    plain = await asyncio.create_subprocess_exec(
        *cluster.nodes[0]._argv[:1], "--port", str(free_port), "--save", "",
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            with pytest.raises(ConfigError, match="is no cluster"):
                await wait_until_up(f"redis+cluster://127.0.0.1:{free_port}", stop)
            assert await wait_until_up(f"redis://127.0.0.1:{free_port}", stop)
    finally:
        plain.kill()
        await plain.wait()
    assert await wait_until_up(cluster.url, stop)
