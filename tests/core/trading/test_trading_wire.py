"""The wire shapes: what browsers and bots read, and what they send."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from openoutcry.core.trading.drafts import new_bot, read_draft
from openoutcry.core.trading.events import BotAction
from openoutcry.core.trading.wire import (
    bot_body,
    log_body,
    messages,
    order_body,
    snapshot_body,
    user_message,
)
from openoutcry.errors import BadRequestError
from openoutcry.trading import BotStatus, Limits, LogEntry, LogLevel
from tradekit import D, account, act, bot_of, run, scalper, tape


def built(body: Any) -> Any:
    """Return what a reader of the JSON sees."""
    return msgspec.json.decode(msgspec.json.encode(body))


def test_a_bot_reads_as_agreed() -> None:
    """Snake case, decimal strings, milliseconds; a scalper's parameters on the top level too."""
    done = run(account(scalper()), tape("99.9", "99.9", "111"))
    assert built(bot_body(done.account.bots[1])) == {
        "id": 1,
        "name": "bot 1",
        "strategy": "scalper",
        "exchange": "paper",
        "ticker": "BTCUSDT",
        "status": "ACTIVE",
        "parameters": {
            "quantity": "1",
            "buy_price": "100",
            "sell_price": "110",
            "infinite_loop": True,
        },
        "limits": {"max_order": None, "max_position": None, "price_band": None},
        "leverage": "1",
        "pnl": "10.6782111",
        "realized_pnl": "10.8891",
        "fees": "0.2108889",
        "position": {"quantity": "0", "cost": "0", "average_price": None, "loan": "0"},
        "total_trades": 2,
        "win_rate": "100",
        "last_fill_price": "110.889",
        "last_fill_side": "SELL",
        "last_fill_at": "1970-01-01T00:00:03.000Z",
        "created_at": "1970-01-01T00:00:00.000Z",
        "updated_at": "1970-01-01T00:00:03.000Z",
        "quantity": "1",
        "buy_price": "100",
        "sell_price": "110",
        "infinite_loop": True,
    }


def test_an_order_reads_as_agreed() -> None:
    """Every field is there, null where there is nothing to say."""
    done = run(account(scalper()), tape("105"))
    assert built(order_body(done.orders[0])) == {
        "client_order_id": "oo-1-0",
        "bot_id": 1,
        "ticker": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "status": "PENDING",
        "quantity": "1",
        "price": "100",
        "filled_quantity": "0",
        "average_price": None,
        "fee": "0",
        "reason": None,
        "paired_order": None,
        "exchange_order_id": None,
        "created_at": "1970-01-01T00:00:01.000Z",
        "updated_at": "1970-01-01T00:00:01.000Z",
    }


def test_a_change_is_told_in_order() -> None:
    """Orders, fills, results, bots, logs; a deleted bot last; one `order_filled` for each fill."""
    done = run(account(scalper()), tape("99", ("99", "0.4"), "99"))
    told = messages(done, [11])
    assert [message.type for message in told] == [
        "order_update",
        "order_update",
        "order_filled",
        "order_filled",
        "pnl_update",
        "bot_update",
        "log_created",
    ]
    filled = built(told[2].data)
    assert filled["order"]["client_order_id"] == filled["fill"]["client_order_id"] == "oo-1-0"
    assert filled["fill"] == {
        "client_order_id": "oo-1-0",
        "bot_id": 1,
        "ticker": "BTCUSDT",
        "side": "BUY",
        "price": "99.099",
        "quantity": "0.4",
        "fee": "0.0396396",
        "realized_pnl": "0",
        "time": "1970-01-01T00:00:02.000Z",
    }
    assert built(told[4].data)["position"]["average_price"] == "99.099"
    assert built(told[6].data)["id"] == 11
    made = run(account(), act(BotAction.CREATE, bot=scalper()))
    assert [m.type for m in messages(made, [1])] == ["bot_created", "log_created"]
    gone = run(account(scalper()), act(BotAction.DELETE))
    assert [m.type for m in messages(gone, [1])] == ["log_created", "bot_deleted"]


def test_what_moves_in_silence_is_not_told() -> None:
    """A strategy's memory and the last trade seen are nobody's news."""
    trailing = account(scalper(trailing_percent="1"))
    quiet = run(trailing, tape("105", "99", "98"))
    assert quiet.touched == (1,)
    assert not quiet.must_be_stored
    assert not messages(quiet, [])


def test_a_user_message_carries_its_place_in_the_stream() -> None:
    """Type, channel, data as it is stored, time, offset and epoch."""
    text = user_message("bot_deleted", b'{"id":7}', 1_500, 41, "e1")
    assert msgspec.json.decode(text) == {
        "type": "bot_deleted",
        "channel": "user",
        "data": {"id": 7},
        "timestamp": "1970-01-01T00:00:00.001Z",
        "offset": 41,
        "epoch": "e1",
    }


def test_a_snapshot_holds_all_that_a_client_starts_from() -> None:
    """Bots, open orders, logs and balances."""
    done = run(account(scalper()), tape("105"))
    now = done.account
    body = built(snapshot_body(now.bots.values(), now.orders.values(), [], now.balances))
    assert [len(body[name]) for name in ("bots", "orders", "logs", "balances")] == [1, 1, 0, 2]
    assert body["balances"][1] == {"asset": "USDT", "free": "9899.9", "locked": "100.1"}


def test_logs_without_a_bot_say_null() -> None:
    """The kill switch, money: what concerns no bot."""
    entry = log_body(3, LogEntry(LogLevel.INFO, "hello", 0))
    assert built(entry)["bot_id"] is None


def test_a_draft_may_be_flat_or_nested() -> None:
    """The flat shape of a scalper and `parameters` say the same; numbers stay exact."""
    flat = msgspec.json.Decoder(float_hook=D).decode(
        b'{"ticker":"btcusdt","quantity":0.1,"buy_price":100,"sell_price":"110",'
        b'"limits":{"max_order":500},"leverage":2,"status":"ACTIVE"}'
    )
    bot = new_bot(read_draft(flat), 5, 9)
    assert bot.parameters == {"quantity": D("0.1"), "buy_price": 100, "sell_price": "110"}
    assert (bot.symbol, bot.status, bot.leverage) == ("BTCUSDT", BotStatus.ACTIVE, D(2))
    assert bot.limits == Limits(max_order=D(500))
    nested = {"ticker": "BTCUSDT", "parameters": {"quantity": "0.1"}}
    assert new_bot(read_draft(nested), 5, 9).name == "scalper BTCUSDT"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"colour": 1}, "colour: there is no such field; there are name, strategy"),
        ({"name": 7}, "name must be a text."),
        ({"parameters": []}, "parameters must be an object."),
        ({"status": "ERROR"}, "status must be ACTIVE or STOPPED, not ERROR."),
        ({"leverage": "much"}, "leverage must be a decimal number such as 0.01, not much."),
        ({"limits": {"max": 1}}, "max is not a parameter of this; the parameters are max_order"),
        ({"strategy": "grid", "quantity": 1}, "quantity: a grid bot's parameters stand in"),
    ],
)
def test_a_wrong_draft_is_explained(body: dict[str, Any], complaint: str) -> None:
    """The form of a request is checked before anything is looked up."""
    with pytest.raises(BadRequestError, match="^" + complaint.replace("`", ".")):
        read_draft(body)


def test_other_strategies_have_no_flat_fields() -> None:
    """Only a scalper has its parameters twice."""
    body = built(bot_body(bot_of(strategy="dca", amount="1", every="1h")))
    assert "quantity" not in body
    assert body["parameters"] == {"amount": "1", "every": "1h"}
