# pragma version ~=0.4.1
# pragma evm-version cancun
"""
@title Trades with a curve and tries to trade again in the middle of it, whenever it is sent ether
"""

token: public(address)
tries: public(uint256)
successes: public(uint256)
refuses: public(bool)


@deploy
@payable
def __init__(token: address):
    self.token = token


@external
@payable
def buy():
    raw_call(
        self.token,
        abi_encode(empty(uint256), method_id=method_id("buy(uint256)")),
        value=msg.value,
    )


@external
def sell(amount: uint256):
    raw_call(
        self.token,
        abi_encode(amount, empty(uint256), method_id=method_id("sell(uint256,uint256)")),
    )


@external
def refuse():
    self.refuses = True


@external
@payable
def __default__():
    assert not self.refuses, "no ether, please"
    units: uint256 = 10**18
    self._try(abi_encode(empty(uint256), method_id=method_id("buy(uint256)")), 10**15)
    self._try(
        abi_encode(units, empty(uint256), method_id=method_id("sell(uint256,uint256)")), 0
    )
    self._try(method_id("collect_fees()", output_type=Bytes[4]), 0)


@internal
def _try(call: Bytes[68], eth: uint256):
    self.tries += 1
    if raw_call(self.token, call, value=eth, revert_on_failure=False):
        self.successes += 1
