"""The protocol by values: text in, commands and answers out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.core.user_messages import Position
from openoutcry.web.hub import protocol
from openoutcry.web.hub.channels import Channel
from openoutcry.web.hub.protocol import (
    Auth,
    Command,
    Ping,
    Refusal,
    Subscribe,
    Unsubscribe,
    decide,
    parse,
)

SYMBOLS = ("BTCUSDT",)
PRICE = Channel("price", "BTCUSDT")
USER = Channel("user")
NOW = "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"ping"}', Ping()),
        ('{"type":"ping","id":"a"}', Ping("a")),
        ('{"type":"ping","id":null}', Ping()),
        ('{"type":"subscribe","channel":"price:BTCUSDT","id":7}', Subscribe(PRICE, 7)),
        ('{"type":"unsubscribe","channel":"price:BTCUSDT"}', Unsubscribe(PRICE)),
        ('{"type":"subscribe","channel":"price:BTCUSDT","more":[]}', Subscribe(PRICE)),
        ('{"type":"subscribe","channel":"price:BTCUSDT","offset":-1}', Subscribe(PRICE)),
        ('{"type":"auth","token":"t","id":1}', Auth("t", 1)),
        ('{"type":"subscribe","channel":"user"}', Subscribe(USER)),
        ('{"type":"subscribe","channel":"stats:trades"}', Subscribe(Channel("stats:trades"))),
        (
            '{"type":"subscribe","channel":"user","offset":0,"epoch":"e","id":2}',
            Subscribe(USER, 2, Position(0, "e")),
        ),
        ('{"type":"unsubscribe","channel":"user","offset":7}', Unsubscribe(USER)),
    ],
)
def test_commands(text: str, command: Command) -> None:
    """Each message of the protocol is read as its command; unknown members are ignored."""
    assert parse(text.encode(), SYMBOLS) == command


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b'{"type":"ping"} x', "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b"[" * 4096, "bad_json"),
        (b"[]", "bad_message"),
        (b"1", "bad_message"),
        (b"{}", "bad_message"),
        (b'{"type":1}', "bad_message"),
        (b'{"type":"ping","id":true}', "bad_message"),
        (b'{"type":"ping","id":1.5}', "bad_message"),
        (b'{"type":"ping","id":{}}', "bad_message"),
        (b'{"type":"subscribe"}', "bad_message"),
        (b'{"type":"subscribe","channel":7}', "bad_message"),
        (b'{"type":"hello"}', "unknown_type"),
        (b'{"type":"auth"}', "bad_message"),
        (b'{"type":"auth","token":""}', "bad_message"),
        (b'{"type":"auth","token":7}', "bad_message"),
        (b'{"type":"subscribe","channel":"user","offset":1}', "bad_message"),
        (b'{"type":"subscribe","channel":"user:1"}', "unknown_channel"),
        (b'{"type":"subscribe","channel":"prices"}', "unknown_channel"),
        (b'{"type":"subscribe","channel":"price:X"}', "unknown_symbol"),
        (b'{"type":"unsubscribe","channel":"candle:BTCUSDT:7m"}', "unknown_interval"),
    ],
)
def test_refusals(payload: bytes, code: str) -> None:
    """What is not the protocol is refused with its code."""
    refusal = parse(payload, SYMBOLS)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


def test_refusal_carries_the_id_and_the_channel() -> None:
    """A refusal can be told apart by the client's id and channel."""
    refusal = parse(b'{"type":"subscribe","channel":"price:X","id":3}', SYMBOLS)
    assert isinstance(refusal, Refusal)
    assert json.loads(protocol.error(refusal, NOW)) == {
        "type": "error",
        "code": "unknown_symbol",
        "message": "There is no symbol X; symbols are BTCUSDT.",
        "channel": "price:X",
        "id": 3,
        "timestamp": NOW,
    }


def test_decisions() -> None:
    """A subscription past the limit and the end of none are refused; a repeated one is not."""
    other = Channel("trade", "BTCUSDT")
    assert decide(Subscribe(PRICE), [], limit=1) is None
    assert decide(Subscribe(PRICE), [PRICE], limit=1) is None
    assert decide(Unsubscribe(PRICE), [PRICE]) is None
    too_many = decide(Subscribe(other, 1), [PRICE], limit=1)
    assert too_many is not None
    assert (too_many.code, too_many.channel, too_many.id) == (
        "too_many_subscriptions",
        "trade:BTCUSDT",
        1,
    )
    missing = decide(Unsubscribe(other), [PRICE])
    assert missing is not None
    assert missing.code == "not_subscribed"
    assert protocol.unavailable(Subscribe(PRICE)).code == "unavailable"


def test_answers() -> None:
    """Answers are the documented ones, byte for byte."""
    assert (
        protocol.subscribed(Subscribe(PRICE, 1), b"null", NOW)
        == b'{"type":"subscribed","channel":"price:BTCUSDT","id":1,"data":null,'
        b'"timestamp":"2026-01-01T00:00:00.000Z"}'
    )
    assert (
        protocol.unsubscribed(Unsubscribe(PRICE), NOW)
        == b'{"type":"unsubscribed","channel":"price:BTCUSDT",'
        b'"timestamp":"2026-01-01T00:00:00.000Z"}'
    )
    at = Position(41, "e")
    assert (
        protocol.resumed(Subscribe(USER, 7), at, NOW)
        == b'{"type":"subscribed","channel":"user","id":7,"recovered":true,"offset":41,"epoch":"e",'
        b'"timestamp":"2026-01-01T00:00:00.000Z"}'
    )
    assert (
        protocol.renewed(None, at, b"{}", NOW)
        == b'{"type":"subscribed","channel":"user","recovered":false,"offset":41,"epoch":"e",'
        b'"data":{},"timestamp":"2026-01-01T00:00:00.000Z"}'
    )
    assert (
        protocol.authenticated(1, (5, "ada", "user"), None, NOW)
        == b'{"type":"authenticated","data":{"user_id":5,"name":"ada","role":"user",'
        b'"expires_at":null},"timestamp":"2026-01-01T00:00:00.000Z","id":1}'
    )
    assert protocol.pong(Ping("x"), NOW) == (
        b'{"type":"pong","id":"x","timestamp":"2026-01-01T00:00:00.000Z"}'
    )
    assert protocol.connected("OpenOutcry", SYMBOLS, 25, NOW) == (
        b'{"type":"system","data":{"message":"Connected to OpenOutcry","symbols":["BTCUSDT"],'
        b'"ping":25},"timestamp":"2026-01-01T00:00:00.000Z"}'
    )
    assert protocol.connected_plain("OpenOutcry", ["BTCUSDT", "ETHUSDT"]) == (
        b'{"type":"connection","message":"Connected to OpenOutcry","assets":["BTCUSDT","ETHUSDT"]}'
    )


def test_who_may_have_what() -> None:
    """What is private needs a sign-in; market data only where it is not public."""
    private, price = Subscribe(USER, 3), Subscribe(PRICE)
    refused = protocol.may_not(private, signed_in=False, public=True)
    assert refused is not None
    assert (refused.code, refused.channel, refused.id) == ("unauthorized", "user", 3)
    assert protocol.may_not(price, signed_in=False, public=True) is None
    assert protocol.may_not(price, signed_in=False, public=False) is not None
    assert protocol.may_not(private, signed_in=True, public=False) is None


def test_a_token_is_not_shown() -> None:
    """What a client has shown does not get into a log by way of the command."""
    assert "secret" not in repr(parse(b'{"type":"auth","token":"secret"}', SYMBOLS))


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["type", "channel", "id"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_anything_is_answered(payload: bytes) -> None:
    """Whatever a client sends is a command or a refusal, never an exception."""
    found = parse(payload, SYMBOLS)
    if isinstance(found, Refusal):
        json.loads(protocol.error(found, NOW))
