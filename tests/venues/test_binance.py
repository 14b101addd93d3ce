"""Binance's WebSocket protocol on recorded bytes, and on bytes that are wrong."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from openoutcry.core.scales import to_decimal
from openoutcry.errors import ScaleOverflowError
from openoutcry.venues.binance import STREAMS_PER_MESSAGE, BinanceProtocol
from openoutcry.venues.interface import ControlKind

RECORDING = "ws/binance_spot_btcusdt_20240808.jsonl.gz"


def trade(trade_id: int, **changes: Any) -> bytes:
    """Return a `@trade` message."""
    message = {
        "e": "trade", "E": 1723161255343, "s": "BTCUSDT", "t": trade_id, "p": "61837.63000000",
        "q": "0.02000000", "T": 1723161255342, "m": True, "M": True,
    }  # fmt: skip
    return json.dumps(message | changes).encode()


@pytest.fixture(scope="module")
def recorded(test_data: Path) -> list[dict[str, Any]]:
    """The recording's trades, as Python decoded them."""
    with gzip.open(test_data / RECORDING, "rt") as file:
        messages = [json.loads(line)["m"].get("data", {}) for line in file]
    return [message for message in messages if message.get("e") == "trade"]


@pytest.mark.parametrize("at_once", [1, 7, 20_000])
def test_the_recording_is_read_exactly(recorded: list[dict[str, Any]], at_once: int) -> None:
    """All 19,904 trades come out with their ids, exact sums, sides and times, however cut."""
    protocol = BinanceProtocol()
    raw = [json.dumps(message).encode() for message in recorded]
    ids: list[int] = []
    times: list[int] = []
    volume = quote = Decimal(0)
    bought = 0
    for at in range(0, len(raw), at_once):
        trades, controls = protocol.receive(raw[at : at + at_once])
        assert trades is not None
        assert controls == []
        ids += trades.trade_id.tolist()
        times += trades.venue_time.tolist()
        bought += int((trades.side == 1).sum())
        volume += to_decimal(int(trades.size.sum()), trades.size_scale)
        total = int((trades.price.astype(object) * trades.size).sum())
        quote += Decimal(total).scaleb(-trades.price_scale - trades.size_scale)
        assert trades.event_time >= max(trades.venue_time.tolist())
    assert ids == list(range(3_735_683_259, 3_735_703_163))
    assert times == [message["T"] * 1000 for message in recorded]
    assert volume == Decimal("437.91552000")
    assert quote == Decimal("27006929.5910348")
    assert bought == 9_093


def test_every_recorded_message_is_told_apart(test_data: Path) -> None:
    """Book updates among the trades harm none of them and are not taken for any."""
    protocol = BinanceProtocol()
    with gzip.open(test_data / RECORDING, "rt") as file:
        lines = [json.loads(next(file))["m"].get("data", {}) for _ in range(3_000)]
    raw = [json.dumps(message).encode() for message in lines]
    wanted = [message["t"] for message in lines if message.get("e") == "trade"]
    trades, controls = protocol.receive(raw)
    assert trades is not None
    assert trades.trade_id.tolist() == wanted
    assert {control.kind for control in controls} == {ControlKind.MALFORMED}
    assert len(controls) == len(raw) - len(wanted)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b'{"result":null,"id":1}', ControlKind.SUBSCRIBED),
        (b'{"result":null,"id":"abc"}', ControlKind.SUBSCRIBED),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', ControlKind.REFUSED),
        (b'{"code":2,"msg":"x","error":{"code":3}}', ControlKind.REFUSED),
        (b'{"e":"serverShutdown","E":1723161255343}', ControlKind.SHUTDOWN),
        (b'{"e":"depthUpdate","E":1}', ControlKind.MALFORMED),
        (b"{}", ControlKind.MALFORMED),
        (b"[", ControlKind.MALFORMED),
        (b"null", ControlKind.MALFORMED),
        (b'"\xff\xfe"', ControlKind.MALFORMED),
        (trade(1, p="NaN"), ControlKind.MALFORMED),
        (trade(1, p="1.2.3"), ControlKind.MALFORMED),
        (trade(1, p="1E+999999999"), ControlKind.MALFORMED),
        (trade(1, q="0." + "0" * 30 + "1"), ControlKind.MALFORMED),
        (trade(1, p=61837.63), ControlKind.MALFORMED),
        (trade(2**63), ControlKind.MALFORMED),
        (trade(1, T=2**62), ControlKind.MALFORMED),
        (trade(1, T=-5), ControlKind.MALFORMED),
        (trade(1, T=2**70), ControlKind.MALFORMED),
        (trade(1, m="yes"), ControlKind.MALFORMED),
        (trade(1)[:-5], ControlKind.MALFORMED),
    ],
)
def test_other_messages_are_controls_and_harm_nobody(message: bytes, kind: ControlKind) -> None:
    """Alone or between two trades, each says what it is, and the trades come through."""
    protocol = BinanceProtocol()
    trades, controls = protocol.receive([message])
    assert trades is None
    assert [control.kind for control in controls] == [kind]
    trades, controls = protocol.receive([trade(5), message, trade(6, p="1.5")])
    assert trades is not None
    assert trades.trade_id.tolist() == [5, 6]
    assert [control.kind for control in controls] == [kind]
    prices = [to_decimal(price, trades.price_scale) for price in trades.price.tolist()]
    assert prices == [Decimal("61837.63"), Decimal("1.5")]


def test_an_answer_says_which_request_it_is_for() -> None:
    """The id of a subscription comes back as the control's detail."""
    _, controls = BinanceProtocol().receive([b'{"result":null,"id":17}'])
    assert controls[0].detail == "17"


def test_numbers_that_share_no_scale_are_given_back() -> None:
    """A billion coins beside eight decimals: an overflow that says so, and nothing wrapped."""
    protocol = BinanceProtocol()
    many, fine = trade(1, q="100000000000.00000000"), trade(2, q="0.00000001")
    with pytest.raises(ScaleOverflowError):
        protocol.receive([many, fine])
    for message in (many, fine):
        trades, controls = protocol.receive([message])
        assert trades is not None
        assert (len(trades), controls) == (1, [])


def test_times_may_be_in_microseconds() -> None:
    """With `timeUnit=MICROSECOND` the same moment comes out the same."""
    micro = {"T": 1723161255342123, "E": 1723161255343123}
    trades, _ = BinanceProtocol().receive([trade(1), trade(2, **micro)])
    assert trades is not None
    assert trades.venue_time.tolist() == [1723161255342000, 1723161255342123]
    assert trades.event_time == 1723161255343123


def test_the_taker_is_whoever_was_not_the_maker() -> None:
    """`m` says that the buyer was the maker, so the taker sold."""
    trades, _ = BinanceProtocol().receive([trade(1, m=True), trade(2, m=False)])
    assert trades is not None
    assert trades.side.tolist() == [-1, 1]
    assert trades.side.dtype == np.int32


def test_subscriptions_are_few_messages_with_ids_of_their_own() -> None:
    """Lower-case streams, at most 200 a message, ids that count up."""
    protocol = BinanceProtocol()
    symbols = [f"C{number}USDT" for number in range(2 * STREAMS_PER_MESSAGE + 50)]
    messages = [json.loads(one) for one in protocol.subscribe(symbols)]
    assert [one["id"] for one in messages] == [1, 2, 3]
    assert {one["method"] for one in messages} == {"SUBSCRIBE"}
    asked = [stream for one in messages for stream in one["params"]]
    assert asked == [f"{symbol.lower()}@trade" for symbol in symbols]
    assert max(len(one["params"]) for one in messages) <= STREAMS_PER_MESSAGE


def test_pings_tell_the_venues_time() -> None:
    """A ping's payload is the venue's clock in ms; anything else is none."""
    protocol = BinanceProtocol()
    assert protocol.ping_time(b"1723161255343") == 1723161255343000
    for payload in (b"", b"hello", b"17231612553430", b"172316125534a"):
        assert protocol.ping_time(payload) is None


def test_the_address_is_the_raw_endpoint() -> None:
    """Whether or not the configured host ends in a slash."""
    for base in ("wss://host:9443", "wss://host:9443/"):
        assert BinanceProtocol().url(base) == "wss://host:9443/ws"
