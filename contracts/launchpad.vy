# pragma version ~=0.4.1
# pragma evm-version cancun
# @license Apache-2.0
"""
@title A launchpad: makes tokens that are sold by bonding curves
@notice Anybody may create a token. What it costs at first and how it rises is told once and holds.
@dev TokenCreated comes from here, all that happens to a token afterwards from the token itself:
     so the address of a log says whom to believe. A stranger's contract can emit the same events,
     but not from an address that this contract has made known.
"""

event TokenCreated:
    token: indexed(address)
    creator: indexed(address)
    name: String[64]
    symbol: String[16]
    kind: uint8  # 1: linear, 2: constant product
    target: uint256

LINEAR: constant(uint8) = 1
CONSTANT_PRODUCT: constant(uint8) = 2
MAX_FEE_BPS: constant(uint256) = 1000

blueprint: public(immutable(address))
fee_bps: public(immutable(uint256))
fee_receiver: public(immutable(address))

token_count: public(uint256)
tokens: public(HashMap[uint256, address])  # by the order of creation, from 0
is_token: public(HashMap[address, bool])


@deploy
def __init__(blueprint_: address, fee_bps_: uint256, fee_receiver_: address):
    assert blueprint_.is_contract, "no blueprint there"
    assert fee_bps_ <= MAX_FEE_BPS, "fee too high"
    assert fee_bps_ == 0 or fee_receiver_ != empty(address), "nobody receives the fee"
    blueprint = blueprint_
    fee_bps = fee_bps_
    fee_receiver = fee_receiver_


@external
def create_linear(
    name: String[64], symbol: String[16], base: uint256, slope: uint256, target: uint256
) -> address:
    """
    @notice Create a token whose price rises evenly with its supply.
    @param base The price at first, in wei for a whole token
    @param slope By how much it rises with every whole token, in thousandths of a wei
    @param target The wei to be raised
    @return The token
    """
    return self._create(name, symbol, LINEAR, base, slope, target)


@external
def create_constant_product(
    name: String[64],
    symbol: String[16],
    virtual_eth: uint256,
    virtual_tokens: uint256,
    target: uint256,
) -> address:
    """
    @notice Create a token that is sold as by a pool with so much of both in it at first.
    @param virtual_eth The pool's ether, in wei; it is not there and cannot be taken out
    @param virtual_tokens The pool's tokens, in units of 10**-18
    @param target The wei to be raised
    @return The token
    """
    return self._create(
        name, symbol, CONSTANT_PRODUCT, virtual_eth, virtual_tokens, target
    )


@internal
def _create(
    name: String[64],
    symbol: String[16],
    kind: uint8,
    first: uint256,
    second: uint256,
    target: uint256,
) -> address:
    token: address = create_from_blueprint(
        blueprint, name, symbol, msg.sender, kind, first, second, target, fee_bps
    )
    self.tokens[self.token_count] = token
    self.token_count += 1
    self.is_token[token] = True
    log TokenCreated(
        token=token, creator=msg.sender, name=name, symbol=symbol, kind=kind, target=target
    )
    return token
