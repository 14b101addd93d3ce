"""The server's side of Binance's WebSocket, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.venues.binance_server import (
    MAX_STREAMS,
    Opening,
    Session,
    parse_stream,
    parse_target,
)


def ask(session: Session, **request: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(session.receive(json.dumps(request).encode()))
    return reply


@pytest.mark.parametrize(
    ("target", "opening"),
    [
        ("/ws", Opening(False)),
        ("/ws/", Opening(False)),
        ("/ws/12", Opening(False)),
        ("/ws/btcusdt@trade", Opening(False, ("btcusdt@trade",))),
        ("/ws/a@trade/b@trade", Opening(False, ("a@trade", "b@trade"))),
        ("/ws/!miniTicker@arr@1000ms", Opening(False, ("!miniTicker@arr@1000ms",))),
        ("/ws/!miniTicker%40arr", Opening(False, ("!miniTicker@arr",))),
        ("/stream", Opening(True)),
        ("/stream?streams=a@trade/b@kline_1m", Opening(True, ("a@trade", "b@kline_1m"))),
        ("/stream?streams=a%40trade%2Fb%40trade", Opening(True, ("a@trade", "b@trade"))),
        (
            "/stream?streams=a@trade&timeUnit=MICROSECOND",
            Opening(True, ("a@trade",), micro=True),
        ),
        ("/ws/a@trade?timeUnit=microsecond", Opening(False, ("a@trade",), micro=True)),
        ("/", None),
        ("/wsx", None),
        ("/api/v3/ping", None),
        ("//[", None),
        ("/stream?streams=" + "/".join(f"s{n}@trade" for n in range(MAX_STREAMS + 1)), None),
    ],
)
def test_paths_ask_for_streams(target: str, opening: Opening | None) -> None:
    """Every form of path that clients use is understood, and others are not."""
    assert parse_target(target) == opening


@pytest.mark.parametrize(
    ("name", "kind", "symbol", "interval"),
    [
        ("btcusdt@trade", "trade", "BTCUSDT", ""),
        ("btcusdt@aggTrade", "aggTrade", "BTCUSDT", ""),
        ("btcusdt@kline_1M", "kline", "BTCUSDT", "1M"),
        ("btcusdt@kline_30s", "other", "BTCUSDT", ""),
        ("!miniTicker@arr", "miniTickers", "", ""),
        ("btcusdt@depth@100ms", "other", "BTCUSDT", ""),
        ("BTCUSDT@trade", "other", "BTCUSDT", ""),
    ],
)
def test_stream_names_are_taken_apart(name: str, kind: str, symbol: str, interval: Any) -> None:
    """Kinds, symbols and intervals come out; upper-case symbols are heard by nobody."""
    stream = parse_stream(name)
    assert stream is not None
    assert (stream.kind, stream.symbol, stream.interval) == (kind, symbol, interval)


def test_subscriptions_come_and_go() -> None:
    """SUBSCRIBE adds once, UNSUBSCRIBE takes away, LIST tells in order."""
    session = Session(Opening(False))
    names = ["btcusdt@trade", "ethusdt@kline_1m"]
    assert ask(session, method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
    ask(session, method="SUBSCRIBE", params=names[:1], id=2)
    assert ask(session, method="LIST_SUBSCRIPTIONS", id="x") == {"result": names, "id": "x"}
    reply = ask(session, method="UNSUBSCRIBE", params=[names[0], "no@trade"], id=None)
    assert reply == {"result": None, "id": None}
    assert list(session.streams) == names[1:]


def test_the_combined_property_can_be_read_and_set() -> None:
    """SET_PROPERTY switches the wrapping, GET_PROPERTY tells it."""
    session = Session(Opening(False))
    assert ask(session, method="GET_PROPERTY", params=["combined"], id=1)["result"] is False
    ask(session, method="SET_PROPERTY", params=["combined", True], id=2)
    assert session.combined
    assert ask(session, method="GET_PROPERTY", params=["combined"], id=3)["result"] is True


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ("{}", 2),
        ('{"method":"DANCE","id":1}', 2),
        ('{"method":"SUBSCRIBE","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["nonsense"],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[7],"id":1}', 2),
        ("[" * 60_000, 3),
        ('{"method":"LIST_SUBSCRIPTIONS","id":1.5}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS","id":true}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS","id":"' + "x" * 37 + '"}', 2),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1),
    ],
)
def test_wrong_requests_get_binances_codes(request_text: str, code: int) -> None:
    """Each kind of mistake has its code, and changes nothing."""
    session = Session(Opening(False, ("btcusdt@trade",)))
    reply = json.loads(session.receive(request_text.encode()))
    assert reply["error"]["code"] == code
    assert list(session.streams) == ["btcusdt@trade"]


def test_more_streams_than_allowed_are_refused_as_a_whole() -> None:
    """The 1025th stream is refused and the others stay."""
    session = Session(Opening(False))
    names = [f"s{number}@trade" for number in range(MAX_STREAMS)]
    assert "result" in ask(session, method="SUBSCRIBE", params=names, id=1)
    assert "error" in ask(session, method="SUBSCRIBE", params=["one@trade", "more@trade"], id=2)
    assert list(session.streams) == names


@given(target=st.text(max_size=60) | st.text("/[]?&=@%:#ws stream", max_size=30).map("/".__add__))
def test_no_path_can_break_a_server(target: str) -> None:
    """Whatever path is asked for, it means something or nothing."""
    opening = parse_target(target)
    assert opening is None or isinstance(opening, Opening)


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_nothing_that_is_sent_can_break_a_session(data: bytes) -> None:
    """Whatever bytes come, the answer is JSON."""
    assert isinstance(json.loads(Session(Opening(False)).receive(data)), dict)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)


@given(
    method=st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "GET_PROPERTY"]) | _JSON,
    params=_JSON,
    identifier=_JSON,
)
def test_no_json_can_break_a_session(method: Any, params: Any, identifier: Any) -> None:
    """Whatever the fields hold, the answer is a result or an error."""
    reply = ask(Session(Opening(True)), method=method, params=params, id=identifier)
    assert ("result" in reply) != ("error" in reply)
