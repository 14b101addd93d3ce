"""What a description leaves out about pools, asked of the chain when we start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from openoutcry.adapters.chain.rpc import Caller
from openoutcry.core.chain import hexes, node_shapes
from openoutcry.core.chain.abi import call_data, call_result
from openoutcry.core.chain.descriptions import Launchpad, Pool
from openoutcry.errors import ConfigError, NodeNonsenseError, NodeRefusedError


async def look_up(node: Caller, launchpad: Launchpad) -> Launchpad:
    """Return the launchpad with all its pools known: which token each trades against ether.

    Raises ConfigError for an address that is no pool of ether, ChainError if the node fails.
    """
    if not launchpad.lookups:
        return launchpad
    found = [await _pool(node, one, launchpad.weth) for one in launchpad.lookups]
    return msgspec.structs.replace(launchpad, pools=(*launchpad.pools, *found), lookups=())


async def _pool(node: Caller, address: bytes, weth: bytes) -> Pool:
    shown = hexes.show(address)
    try:
        sides = [
            (await _view(node, address, f"{name}()", ["address"]))[0]
            for name in ("token0", "token1")
        ]
    except (NodeRefusedError, NodeNonsenseError) as error:
        raise ConfigError(f"{shown} is no pool: it has no token0 and token1 ({error})") from None
    tokens = [bytes.fromhex(one[2:]) for one in sides]
    if weth not in tokens:
        raise ConfigError(
            f"Pool {shown} trades {sides[0]} and {sides[1]}, neither is the weth given"
        )
    eth = tokens.index(weth)
    token = tokens[1 - eth]
    (decimals,) = await _view(node, token, "decimals()", ["uint8"])
    return Pool(address, token, eth, decimals)


async def _view(
    node: Caller, contract: bytes, signature: str, types: Sequence[str]
) -> tuple[Any, ...]:
    (answer,) = await node.ask([node_shapes.view_call(contract, call_data(signature))])
    return call_result(types, hexes.data(answer, signature))
