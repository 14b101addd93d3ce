"""Pools that are known by their address only: the rest is asked of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from eth_abi import abi as eth_abi

from openoutcry.adapters.chain.pools import look_up
from openoutcry.core.chain import descriptions, hexes
from openoutcry.core.chain.abi import call_data
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.descriptions import Pool
from openoutcry.core.chain.launchpads import Decoder
from openoutcry.errors import ConfigError

POOL, TOKEN = b"\x11" * 20, b"\x70" * 20
WETH = bytes.fromhex("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2")
PAD = descriptions.parse(BUILTIN["uniswap-v3"], "uniswap-v3", (hexes.show(POOL),))


class Contracts:
    """A node that answers view calls of two contracts, with nothing where there is none."""

    def __init__(self, token0: bytes, token1: bytes) -> None:
        self._answers = {
            (POOL, "token0()"): eth_abi.encode(["address"], [token0]),
            (POOL, "token1()"): eth_abi.encode(["address"], [token1]),
            (TOKEN, "decimals()"): eth_abi.encode(["uint8"], [6]),
        }

    @property
    def shown(self) -> str:
        return "contracts"

    async def ask(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        by_data = {
            (hexes.show(contract), hexes.show(call_data(name))): answer
            for (contract, name), answer in self._answers.items()
        }
        return [
            hexes.show(by_data.get((params[0]["to"], params[0]["data"]), b""))
            for _, params in calls
        ]

    async def close(self) -> None:
        pass


async def test_the_side_of_ether_and_decimals_are_looked_up() -> None:
    """Whichever of the two tokens is wrapped ether; then the description can be used."""
    for sides, eth in (((WETH, TOKEN), 0), ((TOKEN, WETH), 1)):
        found = await look_up(Contracts(*sides), PAD)
        assert found.pools == (Pool(POOL, TOKEN, eth, 6),)
        assert Decoder([found]).contracts == {POOL}
        assert await look_up(Contracts(*sides), found) is found


async def test_what_is_no_pool_of_ether_is_told() -> None:
    """An address without a contract, and a pool of two other tokens."""
    other = descriptions.parse(BUILTIN["uniswap-v3"], "uniswap-v3", ("0x" + "99" * 20,))
    with pytest.raises(ConfigError, match=r"0x9999.* is no pool"):
        await look_up(Contracts(WETH, TOKEN), other)
    with pytest.raises(ConfigError, match="neither is the weth"):
        await look_up(Contracts(TOKEN, TOKEN), PAD)
