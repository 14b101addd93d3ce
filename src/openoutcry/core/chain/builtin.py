"""Descriptions of launchpads that need no file: `NAME@ADDRESS` in the setting `launchpads`."""

from __future__ import annotations

from typing import Final

_SAMPLE: Final = """
name = "outcry"

[[events]]
is = "created"
signature = '''event TokenCreated(address indexed token, address indexed creator, string name,
    string symbol, uint8 kind, uint256 target)'''
token = "token"
creator = "creator"
name = "name"
symbol = "symbol"
target = "target"

[[events]]
is = "trade"
from = "token"
side = "buy"
signature = '''event Buy(address indexed token, address indexed trader, uint256 eth_amount,
    uint256 token_amount, uint256 supply, uint256 reserve, uint256 price)'''
token = "token"
trader = "trader"
eth = "eth_amount"
tokens = "token_amount"
supply = "supply"
reserve = "reserve"
price = "price"

[[events]]
is = "trade"
from = "token"
side = "sell"
signature = '''event Sell(address indexed token, address indexed trader, uint256 eth_amount,
    uint256 token_amount, uint256 supply, uint256 reserve, uint256 price)'''
token = "token"
trader = "trader"
eth = "eth_amount"
tokens = "token_amount"
supply = "supply"
reserve = "reserve"
price = "price"

[[events]]
is = "graduated"
from = "token"
signature = "event Graduated(address indexed token, uint256 supply, uint256 reserve, uint256 price)"
token = "token"
"""

# Holders of a token that is older than its pool cannot be told from transfers since then.
_UNISWAP_V2: Final = """
name = "uniswap-v2"
weth = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
transfers = false

[[events]]
is = "trade"
from = "pool"
signature = '''event Swap(address indexed sender, uint256 amount0In, uint256 amount1In,
    uint256 amount0Out, uint256 amount1Out, address indexed to)'''
token = "@token"
trader = "to"
amount0 = "amount0In - amount0Out"
amount1 = "amount1In - amount1Out"
"""

_UNISWAP_V3: Final = """
name = "uniswap-v3"
weth = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
transfers = false

[[events]]
is = "trade"
from = "pool"
signature = '''event Swap(address indexed sender, address indexed recipient, int256 amount0,
    int256 amount1, uint160 sqrtPriceX96, uint128 liquidity, int24 tick)'''
token = "@token"
trader = "recipient"
amount0 = "amount0"
amount1 = "amount1"
"""

BUILTIN: Final = {"outcry": _SAMPLE, "uniswap-v2": _UNISWAP_V2, "uniswap-v3": _UNISWAP_V3}
"""Descriptions by name."""
