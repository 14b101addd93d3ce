"""Launchpads by description: what logs tell, what is not believed, and what a description must say."""

from __future__ import annotations

import msgspec
import pytest
from eth_abi import abi as eth_abi
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.chain import descriptions
from openoutcry.core.chain.abi import parse_event
from openoutcry.core.chain.builtin import BUILTIN
from openoutcry.core.chain.launchpads import TRANSFER, Decoder, Followed
from openoutcry.errors import ConfigError
from openoutcry.tokens import (
    Log,
    TokenCreated,
    TokenGraduated,
    TokenTrade,
    TokenTransfer,
    TradeSide,
)

FACTORY, STRANGER = b"\xfa" * 20, b"\x66" * 20
TOKEN, TRADER = b"\x70" * 20, b"\x77" * 20
BLOCK, TX = b"\xbb" * 32, b"\xcc" * 32
SAMPLE = descriptions.parse(BUILTIN["outcry"], "outcry", ("0x" + FACTORY.hex(),))
TOPICS = {rule.event.name: rule.event.topic for rule in SAMPLE.rules}
KNOWN = {TOKEN: Followed("outcry", 18, 0)}


def emitted(
    name: str,
    *values: object,
    index: int = 0,
    by: bytes = TOKEN,
    about: tuple[bytes, ...] = (TOKEN, TRADER),
) -> Log:
    """Return a log of the sample launchpad's event."""
    event = next(rule.event for rule in SAMPLE.rules if rule.event.name == name)
    types = [one.type for one in event.inputs if not one.indexed]
    topics = (event.topic, *(bytes(12) + one for one in about))
    return Log(5, BLOCK, TX, index, by, topics, eth_abi.encode(types, values))


def created(index: int = 0, name: str = "Name", by: bytes = FACTORY) -> Log:
    return emitted("TokenCreated", name, "SYM", 1, 9 * 10**18, index=index, by=by)


def moved(index: int, sender: bytes, receiver: bytes, amount: int, block: int = 5) -> Log:
    topics = (TRANSFER, bytes(12) + sender, bytes(12) + receiver)
    return Log(block, BLOCK, TX, index, TOKEN, topics, amount.to_bytes(32, "big"))


def test_a_token_is_made_traded_moved_and_graduates_in_one_block() -> None:
    """Logs in any order come out in the chain's; the mint before the announcement counts, too."""
    logs = [
        emitted("Graduated", 4, 2, 3, index=6, about=(TOKEN,)),
        emitted("Sell", 1, 2, 3, 4, 5, index=4),
        emitted("Buy", 10, 20, 30, 40, 50, index=3),
        created(index=2),
        moved(1, bytes(20), TRADER, 7),
    ]
    decoded = Decoder([SAMPLE]).decode(logs, {})
    assert decoded.events == {
        BLOCK: [
            TokenTransfer(1, TX, TOKEN, bytes(20), TRADER, 7),
            TokenCreated(2, TX, TOKEN, TRADER, "outcry", "Name", "SYM", 18, 9 * 10**18),
            TokenTrade(3, TX, TOKEN, TRADER, TradeSide.BUY, 10, 20, 50 * 10**18, 30, 40),
            TokenTrade(4, TX, TOKEN, TRADER, TradeSide.SELL, 1, 2, 5 * 10**18, 3, 4),
            TokenGraduated(6, TX, TOKEN),
        ]
    }
    assert decoded.seen == {TOKEN: Followed("outcry", 18, 5)}
    assert decoded.refused == []


def test_strangers_are_not_believed() -> None:
    """The same events from another contract, or of a token that our factory never made, are nothing."""
    logs = [
        created(by=STRANGER),
        emitted("Buy", 1, 1, 1, 1, 1, by=STRANGER),
        moved(3, TRADER, TOKEN, 1),
    ]
    decoded = Decoder([SAMPLE]).decode(logs, {})
    assert (decoded.events, decoded.seen, decoded.refused) == ({}, {}, [])


def test_a_token_speaks_for_itself_only() -> None:
    """A followed token that tells of trades of another one is refused."""
    decoded = Decoder([SAMPLE]).decode(
        [emitted("Buy", 1, 1, 1, 1, 1, about=(STRANGER, TRADER))], KNOWN
    )
    assert decoded.events == {}
    assert [one.reason for one in decoded.refused] == ["token"]


def test_a_price_that_nothing_could_store_is_refused() -> None:
    """Whatever a curve says, a block can be stored: prices end where the store's numbers do."""
    most = 10**60 - 1
    logs = [
        emitted("Buy", 1, 1, 1, 1, most, index=1),
        emitted("Buy", 1, 1, 1, 1, most + 1, index=2),
        emitted("Sell", 1, 1, 1, 1, 2**256 - 1, index=3),
    ]
    decoded = Decoder([SAMPLE]).decode(logs, KNOWN)
    assert [one.index for one in decoded.events[BLOCK]] == [1]
    assert [one.reason for one in decoded.refused] == ["amount", "amount"]


def test_transfers_from_before_a_token_was_known_do_not_count() -> None:
    """The same blocks come out whether they were asked for one by one or together."""
    known = {TOKEN: Followed("outcry", 18, 5)}
    logs = [moved(0, TRADER, STRANGER, 1, block=4), moved(0, TRADER, STRANGER, 2, block=5)]
    decoded = Decoder([SAMPLE]).decode(logs, known)
    assert [one.amount for one in decoded.events[BLOCK] if isinstance(one, TokenTransfer)] == [2]


def test_names_that_strangers_chose_can_be_stored_and_shown() -> None:
    """No control characters (PostgreSQL takes no zero), no endless names."""
    decoded = Decoder([SAMPLE]).decode([created(name="a\0b\n\u202e" + "x" * 5000)], {})
    (event,) = decoded.events[BLOCK]
    assert isinstance(event, TokenCreated)
    assert event.name == "ab" + "x" * 126


def test_malformed_logs_are_left_out_with_their_reason() -> None:
    """One that does not fit does not keep the others from being read."""
    whole = emitted("Buy", 10, 20, 30, 40, 50, index=1)
    short = msgspec.structs.replace(whole, data=whole.data[:-1], index=2)
    few = msgspec.structs.replace(whole, topics=whole.topics[:2], index=3)
    fat = msgspec.structs.replace(moved(4, TRADER, STRANGER, 1), data=bytes(33))
    decoded = Decoder([SAMPLE]).decode([short, few, fat, whole], KNOWN)
    assert [(one.log.index, one.reason) for one in decoded.refused] == [
        (2, "data"), (3, "topics"), (4, "data"),
    ]  # fmt: skip
    assert [one.index for one in decoded.events[BLOCK]] == [1]


@given(
    st.lists(
        st.builds(
            Log,
            st.integers(0, 2**64), st.just(BLOCK), st.just(TX), st.integers(0, 2**32),
            st.sampled_from([FACTORY, TOKEN, STRANGER]),
            st.tuples(
                st.sampled_from([*TOPICS.values(), TRANSFER]), st.binary(min_size=32, max_size=32),
                st.just(bytes(12) + TOKEN),
            ),
            st.one_of(st.binary(max_size=300), st.just(eth_abi.encode(["uint256"] * 7, [3] * 7))),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_no_log_breaks_the_decoder(logs: list[Log]) -> None:
    """Each log ends as an event, as a refusal, or is not ours."""
    decoded = Decoder([SAMPLE]).decode(logs, KNOWN)
    assert sum(map(len, decoded.events.values())) + len(decoded.refused) <= len(logs)


SIGNED = """
name = "signed"
factories = ["0xfafafafafafafafafafafafafafafafafafafafa"]
decimals = 6
[[events]]
is = "trade"
signature = "event Traded(address token, address who, int256 eth, int256 amount)"
token = "token"
trader = "who"
eth = "eth"
tokens = "-amount"
buy_if_positive = "eth"
[[events]]
is = "trade"
signature = "event Dealt(address token, address who, bool isBuy, uint256 eth, uint256 amount)"
token = "token"
trader = "who"
eth = "eth"
tokens = "amount"
buy_if = "isBuy"
"""


@pytest.mark.parametrize(
    ("signature", "values", "side", "price"),
    [
        ("Traded(address,address,int256,int256)", (30, -2_000_000), TradeSide.BUY, 15 * 10**18),
        ("Traded(address,address,int256,int256)", (-30, 1_000_000), TradeSide.SELL, 30 * 10**18),
        (
            "Dealt(address,address,bool,uint256,uint256)",
            (True, 1, 3_000_000),
            TradeSide.BUY,
            10**18 // 3,
        ),
        ("Dealt(address,address,bool,uint256,uint256)", (False, 1, 1), TradeSide.SELL, 10**24),
        ("Traded(address,address,int256,int256)", (0, 1), None, "side"),
        ("Dealt(address,address,bool,uint256,uint256)", (True, 1, 0), None, "amount"),
    ],
)
def test_sides_by_sign_and_by_flag(
    signature: str, values: tuple[int, ...], side: TradeSide | None, price: object
) -> None:
    """Prices are those of the trade where none is told: for a whole token, with its own decimals."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    data = eth_abi.encode(types, (TOKEN, TRADER, *values))
    log = Log(1, BLOCK, TX, 0, FACTORY, (parse_event(signature).topic,), data)
    decoded = Decoder([descriptions.parse(SIGNED, "signed")]).decode([log], {})
    if side is None:
        assert [one.reason for one in decoded.refused] == [price]
    else:
        (event,) = decoded.events[BLOCK]
        assert isinstance(event, TokenTrade)
        assert (event.side, event.price) == (side, price)
        assert event.supply is None


WRONG = 'is = "trade"\nside = "buy"\n'
BUY = 'signature = "event Buy(address indexed token, address who, uint256 eth, uint256 amount, string s)"'  # noqa: E501
ROLES = 'token = "token"\ntrader = "who"\neth = "eth"\ntokens = "amount"\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('is = "trade"\n' + ROLES, "missing required field `signature`"),
        ('is = "swap"\n' + BUY, "Invalid enum value 'swap'"),
        ('is = "trade"\nside = "up"\n' + BUY, "Invalid enum value 'up'"),
        ('is = "trade"\nsupplly = "eth"\n' + BUY, "unknown field `supplly`"),
        (WRONG + BUY, "which argument is its `token`"),
        ('is = "trade"\n' + BUY + "\n" + ROLES, "one of `side`, `buy_if` and"),
        (WRONG + 'buy_if = "x"\n' + BUY + "\n" + ROLES, "one of `side`"),
        (WRONG + 'price = "cost"\n' + BUY + "\n" + ROLES, "no argument 'cost', but token"),
        (WRONG + 'price = "who"\n' + BUY + "\n" + ROLES, "who is address"),
        (WRONG + 'price = "eth * 2"\n' + BUY + "\n" + ROLES, "is no sum"),
        (WRONG + 'creator = "who"\n' + BUY + "\n" + ROLES, "`creator` has no meaning"),
        (WRONG + BUY + '\ntoken = "@pool"\ntrader = "who"\neth="eth"\ntokens="eth"',
         "'@pool' is not known"),
        (WRONG + BUY + '\ntoken = "token"\ntrader = "who"\neth="eth"',
         "its `eth` and `tokens`"),
        ('is = "created"\nname = "eth"\ntoken = "token"\n' + BUY, "eth is uint256"),
        ('is = "created"\ntoken = "token"\nfrom = "pool"\n' + BUY, "pools: at least one"),
        ('is = "graduated"\ntoken = "token"\nfrom = "token"\n' + BUY, "an event `created`"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_told_at_start(body: str, says: str) -> None:
    """What is wrong, and where: the file's name comes first."""
    text = (
        'name = "x"\nfactories = ["0xfafafafafafafafafafafafafafafafafafafafa"]\n[[events]]\n'
        + body
    )
    with pytest.raises(ConfigError, match=says) as told:
        descriptions.parse(text, "my.toml")
    assert str(told.value).startswith("Launchpad my.toml: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "Invalid value"),
        (SIGNED.replace('"signed"', '"Signed Sealed"'), "up to 32 of a-z"),
        (SIGNED.replace("0xfafa", "0xfaf"), "factories: must be 0x and 40"),
        (SIGNED.replace('factories = ["0xfafafafafafafafafafafafafafafafafafafafa"]', ""),
         "at least one address"),
        (BUILTIN["uniswap-v2"].replace("weth", "# weth") + '[[pools]]\naddress = "0x' + "1" * 40 + '"',
         "weth: needed"),
        (BUILTIN["uniswap-v2"].replace("amount1 =", "eth ="), "go together"),
        (BUILTIN["uniswap-v3"].replace("from", 'side = "buy"\nfrom'), "say themselves"),
    ],
)  # fmt: skip
def test_a_wrong_launchpad_is_told_at_start(text: str, says: str) -> None:
    """Names, addresses, and what pools need."""
    with pytest.raises(ConfigError, match=says):
        descriptions.parse(text, "my.toml")


def test_descriptions_do_not_fight() -> None:
    """One log means one thing; pools are looked up before anything is decoded."""
    pad = descriptions.parse(SIGNED, "signed")
    with pytest.raises(ConfigError, match="same name"):
        Decoder([pad, pad])
    with pytest.raises(ConfigError, match="described twice"):
        Decoder([pad, msgspec.structs.replace(pad, name="other")])
    with pytest.raises(ConfigError, match="not been looked up"):
        Decoder([descriptions.parse(BUILTIN["uniswap-v3"], "v3", ("0x" + "1" * 40,))])


@pytest.mark.parametrize("call", ["supply", "supply(address)", "supply() ", "1x()", "a b()", ""])
def test_a_supply_is_told_by_a_function_without_arguments(call: str) -> None:
    """The built-in ones take what every token has; anything that cannot be called is refused."""
    assert SAMPLE.supply_call == "totalSupply()"
    text = f'supply_call = "{call}"\n' + BUILTIN["outcry"]
    with pytest.raises(ConfigError, match="supply_call"):
        descriptions.parse(text, "mine", ("0x" + FACTORY.hex(),))
    right = 'supply_call = "circulating()"\n' + BUILTIN["outcry"]
    assert descriptions.parse(right, "mine", ("0x" + FACTORY.hex(),)).supply_call == "circulating()"
