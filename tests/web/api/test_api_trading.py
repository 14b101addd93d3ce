"""Orders, fills, log, analytics, portfolio and kill switch over HTTP; and who sees whose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from accounts import make_key, make_user
from openoutcry.adapters.postgres.analytics_reader import add_equity_points
from openoutcry.adapters.postgres.pool import connection
from openoutcry.core.intervals import INTERVALS
from openoutcry.core.trading.equity import sample
from openoutcry.model import Scope
from openoutcry.trading import OrderStatus
from tradingkit import BTC, NOW, SCALPER, list_market, load, prints, put

Headers = dict[str, str]


@asynccontextmanager
async def trader(api: httpx.AsyncClient, store: asyncpg.Pool, name: str) -> AsyncIterator[Headers]:
    """A user with a bot that has traded: one whole round, and a sale waiting."""
    user = await make_user(store, name)
    headers = {"X-API-Key": await make_key(store, user, Scope.TRADE)}
    body = {**SCALPER, "name": f"bot of {name}", "status": "ACTIVE"}
    answer = await api.post("/api/v1/bots", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    await put(store, user.id, prints(101, 1000, 980, 1020, 980, 981))
    yield headers


@pytest.fixture
async def ada(api: httpx.AsyncClient, store: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    """The client as somebody who has traded."""
    await list_market(store, 1005)
    async with trader(api, store, "ada") as headers:
        api.headers.update(headers)
        yield api


async def json(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def test_orders(ada: httpx.AsyncClient) -> None:
    """In the agreed shape, by bot, status and time, newest first, page by page."""
    bot = (await json(ada, "bots"))["bots"][0]["id"]
    orders = (await json(ada, "orders"))["orders"]
    assert [order["status"] for order in orders] == ["PENDING", "FILLED", "FILLED", "FILLED"]
    assert set(orders[0]) == {
        *("client_order_id", "bot_id", "ticker", "side", "type", "status", "quantity", "price"),
        *("filled_quantity", "average_price", "fee", "reason", "paired_order"),
        *("exchange_order_id", "created_at", "updated_at"),
    }
    assert orders[0]["paired_order"] == orders[1]["client_order_id"]
    assert (await json(ada, f"orders/{orders[2]['client_order_id']}")) == orders[2]
    open_ones = await json(ada, f"orders?bot_id={bot}&status=PENDING")
    assert open_ones == {"orders": orders[:1], "next": None}
    first = await json(ada, "orders?limit=3")
    rest = await json(ada, f"orders?limit=3&before={first['next']}")
    assert first["orders"] + rest["orders"] == orders
    assert (await json(ada, f"orders?to={orders[2]['created_at']}"))["orders"] == orders[3:]
    assert (await json(ada, f"orders?from={orders[2]['created_at']}"))["orders"] == orders[:3]
    assert (await json(ada, "orders?ticker=ETHUSDT"))["orders"] == []
    assert (await json(ada, f"orders?bot_id={bot + 1}"))["orders"] == []


async def test_fills(ada: httpx.AsyncClient) -> None:
    """Bought at the ask and sold at the bid; by bot and by order."""
    fills = (await json(ada, "fills"))["fills"]
    assert [(fill["side"], fill["price"]) for fill in reversed(fills)] == [
        *(("BUY", "980.98"), ("SELL", "1018.98"), ("BUY", "980.98")),
    ]
    one = await json(ada, f"fills?client_order_id={fills[1]['client_order_id']}")
    assert one["fills"] == [fills[1]]
    assert Decimal(fills[1]["realized_pnl"]) == Decimal("0.5") * (
        Decimal("1018.98") - Decimal("980.98")
    )


async def test_cancelling(ada: httpx.AsyncClient) -> None:
    """An open order is cancelled and its bot stopped; once only, and never one that is over."""
    order = (await json(ada, "orders?status=PENDING"))["orders"][0]
    path = f"/api/v1/orders/{order['client_order_id']}/cancel"
    answer = await ada.post(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert answer.json()["reason"]
    assert (await json(ada, "bots"))["bots"][0]["status"] == "STOPPED"
    again = await ada.post(path)
    assert (again.status_code, "CANCELLED already" in again.json()["message"]) == (409, True)
    for unknown in ("x", "oo-1-99", "%00", "a%20b"):
        assert (await ada.post(f"/api/v1/orders/{unknown}/cancel")).status_code == 404
        assert (await ada.get(f"/api/v1/orders/{unknown}")).status_code == 404


async def test_the_log(ada: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Written and read back, by bot and level; a message of the outbox for each line."""
    bot = (await json(ada, "bots"))["bots"][0]["id"]
    count = len((await json(ada, "logs"))["logs"])
    assert count > 3
    body = {"message": "my own signal", "level": "WARNING", "bot_id": bot}
    answer = await ada.post("/api/v1/logs", json=body)
    assert answer.status_code == 201
    written = answer.json()
    assert (written["message"], written["level"], written["bot_id"]) == tuple(body.values())
    assert (await json(ada, f"logs?level=WARNING&bot_id={bot}"))["logs"] == [written]
    plain = (await ada.post("/api/v1/logs", json={"message": "x"})).json()
    assert (plain["level"], plain["bot_id"]) == ("INFO", None)
    assert (await json(ada, "logs?limit=2"))["logs"] == [plain, written]
    told = await store.fetchval(
        "SELECT data FROM outbox WHERE type = 'log_created' ORDER BY id DESC LIMIT 1"
    )
    assert f'"id":{plain["id"]},' in told
    for wrong in ({}, {"message": ""}, {"message": "a\x00b"}, {"message": "x", "level": "LOUD"}):
        assert (await ada.post("/api/v1/logs", json=wrong)).status_code == 400
    lost = await ada.post("/api/v1/logs", json={"message": "x", "bot_id": bot + 1})
    assert lost.status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        *("orders?status=LOST", "orders?from=yesterday", "orders?to=2026-01-01T00:00:00"),
        *("orders?bot_id=x", "orders?before=-1", "orders?limit=0", "orders?exchange_order_id=%00"),
        *("fills?client_order_id=%00", "fills?bot_id=1.5", "logs?level=LOUD", "logs?from=1"),
        *("analytics/pnl?bot_id=x", "analytics/pnl?points=0", "analytics/pnl?points=501"),
        "analytics/pnl?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ],
)
async def test_wrong_questions(ada: httpx.AsyncClient, query: str) -> None:
    """A 400 in the one shape, with the name of the parameter."""
    answer = await ada.get(f"/api/v1/{query}")
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert query.split("?")[1].split("=", maxsplit=1)[0] in answer.json()["message"]


async def test_the_portfolio_adds_up(ada: httpx.AsyncClient) -> None:
    """Equity is balances at the last trade; its change is what was earned, less fees, to the digit."""
    folio = await json(ada, "portfolio")
    assert (folio["currency"], folio["kill_switch"], folio["unpriced"]) == ("USDT", False, [])
    values = [Decimal(each["value"]) for each in folio["balances"]]
    assert Decimal(folio["equity"]) == sum(values)
    position = folio["positions"][0]
    assert (position["quantity"], position["price"]) == ("0.5", "1005")
    summary = await json(ada, "analytics/summary")
    earned = Decimal(summary["pnl"]) + Decimal(summary["unrealized_pnl"])
    assert Decimal(folio["equity"]) - 10_000 == earned
    assert summary["equity"] == folio["equity"]
    assert (summary["win_rate"], summary["total_trades"], summary["open_orders"]) == ("100", 3, 1)
    (result,) = (await json(ada, "analytics/bots"))["bots"]
    assert (result["pnl"], result["unrealized_pnl"]) == (
        summary["pnl"],
        position["unrealized_pnl"],
    )


async def test_paper_money(ada: httpx.AsyncClient) -> None:
    """Put in and taken out; never more than is free, never of what is not traded."""
    path = "/api/v1/portfolio/funds"
    before = Decimal((await json(ada, "portfolio"))["equity"])
    after = (await ada.post(path, json={"asset": "usdt", "amount": "0.01"})).json()
    assert Decimal(after["equity"]) - before == Decimal("0.01")
    for wrong in (
        *({"asset": "USDT", "amount": "-99999"}, {"asset": "USDT", "amount": "0"}),
        *({"asset": "NOPE", "amount": "1"}, {"asset": "USDT", "amount": "1e5"}),
        *({"asset": "USDT", "amount": 5}, {"asset": "USDT", "amount": "999999999999999"}),
    ):
        assert (await ada.post(path, json=wrong)).status_code == 400, wrong


async def test_the_kill_switch(ada: httpx.AsyncClient) -> None:
    """Everything stops at once and stays stopped until it is reset."""
    path, bot = "/api/v1/kill-switch", (await json(ada, "bots"))["bots"][0]["id"]
    assert (await json(ada, "kill-switch")) == {"on": False}
    pulled = (await ada.post(path, json={"on": True})).json()
    assert pulled == {"on": True, "bots_stopped": 1, "orders_cancelled": 1}
    said = (await json(ada, "logs"))["logs"][0]["message"]
    assert said.startswith("The kill switch is on: 1 bot stopped, 1 order cancelled.")
    again = (await ada.post(path, json={"on": True})).json()
    assert again == {"on": True, "bots_stopped": 0, "orders_cancelled": 0}
    assert (await json(ada, "bots"))["bots"][0]["status"] == "STOPPED"
    assert (await json(ada, "orders?status=PENDING"))["orders"] == []
    refused = await ada.post(f"/api/v1/bots/{bot}/start")
    assert (refused.status_code, "kill switch" in refused.json()["message"]) == (409, True)
    fresh = await ada.post("/api/v1/bots", json={**SCALPER, "status": "ACTIVE"})
    assert fresh.status_code == 409
    assert len((await json(ada, "bots"))["bots"]) == 1
    reset = (await ada.post(path, json={"on": False})).json()
    assert reset == {"on": False, "bots_stopped": 0, "orders_cancelled": 0}
    assert (await ada.post(f"/api/v1/bots/{bot}/start")).status_code == 200
    for wrong in ({}, {"on": "yes"}, {"on": 1}):
        assert (await ada.post(path, json=wrong)).status_code == 400


async def test_the_curve(ada: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A point for each fill, sums from the very first on; fewer points are the last of their time."""
    bot = (await json(ada, "bots"))["bots"][0]
    until = "to=2026-01-01T00:10:00Z"
    whole = await json(ada, f"analytics/pnl?{until}")
    assert [point["total_trades"] for point in whole["points"]] == [1, 2, 3]
    assert whole["points"][-1]["pnl"] == bot["pnl"]
    assert (await json(ada, f"analytics/pnl?{until}&bot_id={bot['id']}"))["points"] == whole[
        "points"
    ]
    late = await json(ada, f"analytics/pnl?{until}&from={whole['points'][1]['time']}")
    assert late["points"] == whole["points"][1:]
    one = await json(ada, "analytics/pnl?points=1")
    assert one["points"] == whole["points"][-1:]
    nothing = await json(ada, "analytics/pnl?to=2020-01-01T00:00:00Z")
    assert (nothing["points"], nothing["equity"]) == ([], [])
    assert (await ada.get(f"/api/v1/analytics/pnl?bot_id={bot['id'] + 1}")).status_code == 404

    user = await store.fetchval("SELECT id FROM users")
    account = await load(store, user)
    prices = {"BTCUSDT": Decimal(1005)}
    points = sample(account, {"BTCUSDT": BTC}, prices, "USDT", NOW + 200_000_000)
    async with connection(store) as lent:
        await add_equity_points(lent, user, points)
        await add_equity_points(lent, user, points)
    sampled = await json(ada, "analytics/pnl")
    assert [each["equity"] for each in sampled["equity"]] == [
        (await json(ada, "portfolio"))["equity"]
    ]
    own = await json(ada, f"analytics/pnl?bot_id={bot['id']}")
    assert Decimal(own["equity"][0]["equity"]) == Decimal(sampled["equity"][0]["equity"]) - 10_000


async def test_somebody_without_an_account(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Who has never traded has the paper balance and empty lists, on every page of the dashboard."""
    await list_market(store)
    api.headers["X-API-Key"] = await make_key(store, await make_user(store))
    for path in ("bots", "orders", "fills", "logs", "analytics/bots"):
        body = await json(api, path)
        assert body.pop("next", None) is None
        assert list(body.values()) == [[]], path
    assert (await json(api, "portfolio"))["equity"] == "10000"
    summary = await json(api, "analytics/summary")
    assert (summary["equity"], summary["pnl"], summary["win_rate"]) == ("10000", "0", None)
    assert (await json(api, "analytics/pnl"))["points"] == []


async def test_strategies_describe_a_form(api: httpx.AsyncClient) -> None:
    """Every parameter with a type that a form knows, and words; open to everybody."""
    answer = await api.get("/api/v1/strategies")
    strategies = {each["name"]: each for each in answer.json()["strategies"]}
    assert {"scalper", "grid", "dca", "dip", "momentum"} <= set(strategies)
    for strategy in strategies.values():
        assert strategy["summary"]
        for parameter in strategy["parameters"]:
            assert parameter["description"]
            assert parameter["type"] in {"decimal", "integer", "boolean", "text", "choice"}
            assert (parameter["type"] == "choice") == bool(parameter["choices"])
    scalper = {each["name"]: each for each in strategies["scalper"]["parameters"]}
    assert scalper["first_order"]["choices"] == ["BUY", "SELL"]
    dca = {parameter["name"]: parameter for parameter in strategies["dca"]["parameters"]}
    assert dca["every"]["choices"] == list(INTERVALS)
    assert scalper["quantity"]["required"] is True
    cached = await api.get("/api/v1/strategies", headers={"If-None-Match": answer.headers["etag"]})
    assert cached.status_code == 304


def routes(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return method and path of every route of trading that somebody has to be signed in for."""
    return [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation.get("tags") == ["trading"] and path != "/api/v1/strategies"
    ]


async def test_nobody_sees_or_touches_anothers(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """On every route that the document names: bob gets nothing of ada's, as if it did not exist.

    What is ada's is in no answer, an id of hers is answered as one that nobody has, and afterwards
    not a row of hers has changed.
    """
    await list_market(store, 1005)
    async with trader(api, store, "ada") as hers, trader(api, store, "bob") as his:
        bot = (await api.get("/api/v1/bots", headers=hers)).json()["bots"][0]["id"]
        open_order = (await api.get("/api/v1/orders?status=PENDING", headers=hers)).json()
        order = open_order["orders"][0]["client_order_id"]
        ada = await store.fetchval("SELECT id FROM users WHERE name = 'ada'")
        before = await rows_of(store, ada)
        bodies = {
            "/api/v1/bots": SCALPER,
            "/api/v1/logs": {"message": "hers?", "bot_id": bot},
            "/api/v1/portfolio/funds": {"asset": "USDT", "amount": "1"},
            "/api/v1/kill-switch": {"on": True},
            "/api/v1/bots/{bot_id}": {"name": "mine now"},
        }
        document = (await api.get("/schema")).json()
        asked = routes(document)
        assert len(asked) >= 22
        for method, path in asked:
            whose = path.format(bot_id=bot, client_order_id=order)
            none = path.format(bot_id=10**6, client_order_id="oo-1000000-0")
            queries = [""]
            if method == "GET" and path == whose:
                queries += [f"?bot_id={bot}", f"?client_order_id={order}"]
            for query in queries:
                body = bodies.get(path) if method != "GET" else None
                answer = await api.request(method, whose + query, headers=his, json=body)
                where = f"{method} {whose}{query}"
                if path != whose or (path == "/api/v1/logs" and method == "POST"):
                    unknown = await api.request(method, none, headers=his, json=body)
                    assert answer.status_code == 404, where
                    if path != whose:
                        assert answer.text == unknown.text, where
                else:
                    assert answer.status_code in {200, 201, 404}, where
                for secret in ("bot of ada", f'"bot_id":{bot},', order):
                    assert secret not in answer.text, where
        assert await rows_of(store, ada) == before


async def test_who_may_trade(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """On every route: nobody without a credential; a read key reads, and changes nothing."""
    await list_market(store)
    reader = {"X-API-Key": await make_key(store, await make_user(store))}
    for method, path in routes((await api.get("/schema")).json()):
        where = path.format(bot_id=1, client_order_id="x")
        nobody = await api.request(method, where)
        assert nobody.status_code == 401, (method, path)
        answer = await api.request(method, where, headers=reader)
        expected = {200, 404} if method == "GET" else {403}
        assert answer.status_code in expected, (method, path)


async def rows_of(store: asyncpg.Pool, user: int) -> dict[str, list[asyncpg.Record]]:
    tables = ("trading_accounts", "balances", "bots", "orders", "fills", "activity_logs", "outbox")
    return {
        table: await store.fetch(f"SELECT * FROM {table} WHERE user_id = $1 ORDER BY 1, 2", user)
        for table in tables
    }


async def test_statuses_are_those_of_the_core(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """The filter names every status that an order can have, when it is asked for another."""
    api.headers["X-API-Key"] = await make_key(store, await make_user(store))
    message = (await api.get("/api/v1/orders?status=x")).json()["message"]
    assert all(status in message for status in OrderStatus)
