# pragma version ~=0.4.1
# pragma evm-version cancun
# @license Apache-2.0
"""
@title An ERC-20 that is bought from, and sold to, its own bonding curve
@notice Buying mints and selling burns: the total supply is what circulates. When the curve has
        raised `target` wei the token graduates: the curve is closed for good, transfers go on.
@dev Deployed by launchpad.vy from a blueprint, so that the curve's numbers are immutable and there
     is no initializer to forget. Tokens have 18 decimals; "unit" is 10**-18 of a token.
     Every division rounds in the curve's favour: what was raised always covers what is out.
     docs/launchpad.md has the formulas; src/openoutcry/core/chain/curve.py the same in Python.
     A sample for tests and demonstrations: the ether of a graduated token stays here, where a
     launchpad for real money would move it to a pool.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

implements: IERC20
implements: IERC20Detailed

interface Launchpad:
    def fee_receiver() -> address: view

event Buy:
    token: indexed(address)
    trader: indexed(address)
    eth_amount: uint256  # what the trader paid, fee included
    token_amount: uint256
    supply: uint256  # afterwards, as the next two
    reserve: uint256
    price: uint256

event Sell:
    token: indexed(address)
    trader: indexed(address)
    eth_amount: uint256  # what the trader got, fee taken off
    token_amount: uint256
    supply: uint256
    reserve: uint256
    price: uint256

event Graduated:
    token: indexed(address)
    supply: uint256
    reserve: uint256
    price: uint256

LINEAR: constant(uint8) = 1
CONSTANT_PRODUCT: constant(uint8) = 2

TOKEN: constant(uint256) = 10**18
SLOPE_UNIT: constant(uint256) = 1000
BASIS: constant(uint256) = 10_000
MAX_FEE_BPS: constant(uint256) = 1000
MAX_TARGET: constant(uint256) = 10**26  # wei: 100 million ether
MAX_TOKENS: constant(uint256) = 10**32  # units: 100 million million tokens
MAX_PRICE: constant(uint256) = 2 * 10**17  # wei a token: its square in fine units fits

# The linear curve is kept in units of 10**-21 wei a token, where slope and base are whole numbers;
# an area under it is then HALF times what it costs in wei.
FINE: constant(uint256) = TOKEN * SLOPE_UNIT
HALF: constant(uint256) = 2 * TOKEN * FINE

name: public(immutable(String[64]))
symbol: public(immutable(String[16]))
decimals: public(constant(uint8)) = 18
launchpad: public(immutable(address))
creator: public(immutable(address))
kind: public(immutable(uint8))
# Linear: price of the first token (wei) and by how many thousandths of a wei it rises a token.
# Constant product: the ether (wei) and the tokens (units) that the curve pretends to begin with.
first: public(immutable(uint256))
second: public(immutable(uint256))
target: public(immutable(uint256))  # wei
fee_bps: public(immutable(uint256))  # hundredths of a percent

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
reserve: public(uint256)  # wei raised; ether that was forced in does not count
fees: public(uint256)  # wei that wait for collect_fees
graduated: public(bool)


@deploy
def __init__(
    name_: String[64],
    symbol_: String[16],
    creator_: address,
    kind_: uint8,
    first_: uint256,
    second_: uint256,
    target_: uint256,
    fee_bps_: uint256,
):
    assert len(name_) > 0 and len(symbol_) > 0, "name and symbol needed"
    assert target_ > 0 and target_ <= MAX_TARGET, "target out of range"
    assert fee_bps_ <= MAX_FEE_BPS, "fee too high"
    if kind_ == LINEAR:
        self._check_linear(first_, second_, target_)
    elif kind_ == CONSTANT_PRODUCT:
        self._check_constant_product(first_, second_, target_)
    else:
        raise "unknown curve"
    name = name_
    symbol = symbol_
    launchpad = msg.sender
    creator = creator_
    kind = kind_
    first = first_
    second = second_
    target = target_
    fee_bps = fee_bps_


# --- trading with the curve ------------------------------------------------------------------


@external
@payable
@nonreentrant
def buy(min_tokens: uint256) -> uint256:
    """
    @notice Buy for the ether sent; what the curve does not need any more to graduate comes back.
    @param min_tokens The fewest units to be content with
    @return The units bought
    """
    assert not self.graduated, "graduated"
    paid: uint256 = 0
    fee: uint256 = 0
    paid, fee = self._split(msg.value)
    amount: uint256 = self._units_for(paid - fee)
    assert amount > 0, "too little ether"
    assert amount >= min_tokens, "fewer tokens than asked for"

    self.reserve += paid - fee
    self.fees += fee
    self.totalSupply += amount
    self.balanceOf[msg.sender] += amount
    log IERC20.Transfer(sender=empty(address), receiver=msg.sender, value=amount)
    log Buy(
        token=self,
        trader=msg.sender,
        eth_amount=paid,
        token_amount=amount,
        supply=self.totalSupply,
        reserve=self.reserve,
        price=self._price(),
    )
    if self.reserve == target:
        self.graduated = True
        log Graduated(
            token=self, supply=self.totalSupply, reserve=self.reserve, price=self._price()
        )
    if msg.value > paid:
        raw_call(msg.sender, b"", value=msg.value - paid)
    return amount


@external
@nonreentrant
def sell(amount: uint256, min_eth: uint256) -> uint256:
    """
    @notice Sell units of one's own to the curve; no approval is needed.
    @param amount The units
    @param min_eth The least wei to be content with
    @return The wei paid out
    """
    assert not self.graduated, "graduated"
    assert self.balanceOf[msg.sender] >= amount, "more than there is"
    worth: uint256 = self._worth(amount)
    fee: uint256 = self._fee_of(worth)
    paid: uint256 = worth - fee
    assert paid > 0, "too few tokens"
    assert paid >= min_eth, "less ether than asked for"

    self.reserve -= worth
    self.fees += fee
    self.totalSupply -= amount
    self.balanceOf[msg.sender] -= amount
    log IERC20.Transfer(sender=msg.sender, receiver=empty(address), value=amount)
    log Sell(
        token=self,
        trader=msg.sender,
        eth_amount=paid,
        token_amount=amount,
        supply=self.totalSupply,
        reserve=self.reserve,
        price=self._price(),
    )
    raw_call(msg.sender, b"", value=paid)
    return paid


@external
@nonreentrant
def collect_fees() -> uint256:
    """
    @notice Send the fees to the launchpad's receiver of fees. Anybody may ask for it.
    @return The wei sent
    """
    collected: uint256 = self.fees
    self.fees = 0
    raw_call(staticcall Launchpad(launchpad).fee_receiver(), b"", value=collected)
    return collected


# --- what the curve says -------------------------------------------------------------------------


@external
@view
def supply() -> uint256:
    """
    @notice The units that circulate; the same as totalSupply.
    """
    return self.totalSupply


@external
@view
def price() -> uint256:
    """
    @notice What the next bit costs, in wei for a whole token, rounded down; without fee.
    """
    return self._price()


@external
@view
def market_cap() -> uint256:
    """
    @notice Price times circulating supply, in wei, rounded down.
    """
    return self._price() * self.totalSupply // TOKEN


@external
@view
def progress_percent() -> uint256:
    """
    @notice How much of the target is raised, in whole percent, rounded down: 100 is graduated.
    """
    return self.reserve * 100 // target


@external
@view
def quote_buy(eth_amount: uint256) -> (uint256, uint256, uint256):
    """
    @notice What buy would do now with so much ether.
    @return The units bought, the wei taken (the rest comes back), and the wei of it that are fee
    """
    assert not self.graduated, "graduated"
    paid: uint256 = 0
    fee: uint256 = 0
    paid, fee = self._split(eth_amount)
    return self._units_for(paid - fee), paid, fee


@external
@view
def quote_sell(amount: uint256) -> (uint256, uint256):
    """
    @notice What sell would do now with so many units.
    @return The wei paid out, and the wei of fee that were taken off
    """
    assert not self.graduated, "graduated"
    assert amount <= self.totalSupply, "more than there is"
    worth: uint256 = self._worth(amount)
    fee: uint256 = self._fee_of(worth)
    return worth - fee, fee


@internal
@view
def _units_for(eth: uint256) -> uint256:
    # The most units whose cost, rounded up, is no more than `eth` wei.
    if kind == LINEAR:
        now: uint256 = second * self.totalSupply + first * FINE
        if second == 0:
            return eth * (HALF // 2) // now
        # The greatest d with second*d*d + 2*now*d <= HALF*eth, completed to a square.
        return (isqrt(now * now + second * HALF * eth) - now) // second
    eths: uint256 = first + self.reserve
    return (second - self.totalSupply) * eth // (eths + eth)


@internal
@view
def _worth(amount: uint256) -> uint256:
    # What the curve pays for units, in wei, rounded down.
    left: uint256 = self.totalSupply - amount
    if kind == LINEAR:
        return amount * (2 * first * FINE + second * (left + self.totalSupply)) // HALF
    return (first + self.reserve) * amount // (second - left)


@internal
@view
def _price() -> uint256:
    if kind == LINEAR:
        return first + second * self.totalSupply // FINE
    return (first + self.reserve) * TOKEN // (second - self.totalSupply)


@internal
@view
def _split(eth: uint256) -> (uint256, uint256):
    # What of `eth` wei is taken, and how much of that is fee: no more than is left to be raised.
    fee: uint256 = self._fee_of(eth)
    left: uint256 = target - self.reserve
    if eth - fee <= left:
        return eth, fee
    fee = self._up(left * fee_bps, BASIS - fee_bps)
    return left + fee, fee


@internal
@view
def _fee_of(eth: uint256) -> uint256:
    # Multiplied in two parts, so that no amount of ether overflows.
    return eth // BASIS * fee_bps + self._up(eth % BASIS * fee_bps, BASIS)


@internal
@pure
def _up(numerator: uint256, denominator: uint256) -> uint256:
    return (numerator + denominator - 1) // denominator


# The checks of a new curve make sure of two things, for every state that it can get into: nothing
# overflows, and one wei always buys something, so that no curve is stuck just below its target.


@internal
@pure
def _check_linear(base: uint256, slope: uint256, target_: uint256):
    assert base > 0 or slope > 0, "the price is zero"
    assert base <= MAX_PRICE, "price too high"
    if slope == 0:
        assert target_ * TOKEN // base <= MAX_TOKENS, "too many tokens"
        return
    # now*now + second*HALF*eth in _units_for is never more than it is here: what the curve holds
    # pays at least for the area up to where it stands.
    assert slope <= max_value(uint256) // 2 // HALF // target_, "price too high"
    start: uint256 = base * FINE
    end: uint256 = isqrt(start * start + slope * HALF * target_)
    assert end <= MAX_PRICE * FINE, "price too high"
    assert (end - start) // slope <= MAX_TOKENS, "too many tokens"


@internal
@pure
def _check_constant_product(eths: uint256, tokens: uint256, target_: uint256):
    assert eths > 0 and eths <= MAX_TARGET, "virtual ether out of range"
    assert tokens <= MAX_TOKENS, "too many tokens"
    # At the target a unit costs less than a wei: tokens_left >= eths * tokens / (eths + target).
    assert eths * tokens >= (eths + target_) * (eths + target_), "price too high"


# --- ERC-20 --------------------------------------------------------------------------------------


@external
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice Give units away; also after graduation.
    """
    self._move(msg.sender, receiver, amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @notice Move units of somebody who has approved of it; an approval of everything does not wane.
    """
    allowed: uint256 = self.allowance[sender][msg.sender]
    assert allowed >= amount, "not approved"
    if allowed != max_value(uint256):
        self.allowance[sender][msg.sender] = allowed - amount
    self._move(sender, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let somebody else move so many units of one's own.
    """
    self.allowance[msg.sender][spender] = amount
    log IERC20.Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@internal
def _move(sender: address, receiver: address, amount: uint256):
    # Only selling burns: the curve has to know of everything that goes.
    assert receiver not in [empty(address), self], "no such receiver"
    assert self.balanceOf[sender] >= amount, "more than there is"
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log IERC20.Transfer(sender=sender, receiver=receiver, value=amount)
