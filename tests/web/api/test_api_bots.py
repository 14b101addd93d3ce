"""Bots over HTTP: made, read, edited, told, deleted; what is refused, and in which words."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from accounts import make_key, make_user
from openoutcry.core.keys import OUTBOX_WAKE, TRADER_WAKE
from openoutcry.model import Scope
from tradingkit import SCALPER, list_market, load, prints, put

BOTS = "/api/v1/bots"


@pytest.fixture
async def ada(api: httpx.AsyncClient, store: asyncpg.Pool) -> int:
    """A user whose key the client shows, and a market; return the user's id."""
    await list_market(store)
    user = await make_user(store)
    api.headers["X-API-Key"] = await make_key(store, user, Scope.TRADE)
    return user.id


async def made(api: httpx.AsyncClient, **described: Any) -> dict[str, Any]:
    answer = await api.post(BOTS, json={**SCALPER, **described})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.usefixtures("ada")
async def test_a_scalper_in_the_flat_shape(api: httpx.AsyncClient) -> None:
    """Its parameters are taken from, and shown on, the top level; amounts are exact texts."""
    body = await made(api, quantity=0.5, buy_price="990.10")
    assert body == (await api.get(f"{BOTS}/{body['id']}")).json()
    shown = {name: body[name] for name in ("first_order", "quantity", "buy_price", "sell_price")}
    assert shown == {
        "first_order": "BUY",
        "quantity": "0.5",
        "buy_price": "990.1",
        "sell_price": "1010",
    }
    assert (body["ticker"], body["exchange"], body["status"]) == ("BTCUSDT", "paper", "STOPPED")
    assert (body["pnl"], body["total_trades"], body["last_fill_at"]) == ("0", 0, None)
    assert body["parameters"]["infinite_loop"] is True


@pytest.mark.parametrize("status", ["ACTIVE", "STOPPED"])
async def test_a_bot_begins_as_it_is_told(
    api: httpx.AsyncClient, ada: int, store: asyncpg.Pool, status: str
) -> None:
    """One that is to start at once takes the tape from the newest trade on."""
    body = await made(api, status=status)
    assert body["status"] == status
    bot = (await load(store, ada)).bots[body["id"]]
    assert bot.seen == 100
    created = await store.fetchval("SELECT data FROM outbox WHERE type = 'bot_created'")
    assert f'"status":"{status}"' in created


WRONG: list[tuple[Any, str]] = [
    (b"", "ticker"),
    (b"{", "JSON"),
    (b"[]", "object"),
    (b"[" * 100_000, "body"),
    (b'{"name":"\\u0000"}', "U+0000"),
    ({"ticker": "BTCUSDT"}, "quantity is missing"),
    ({**SCALPER, "ticker": "NOPE"}, "NOPE is not recorded"),
    ({**SCALPER, "ticker": 5}, "ticker must be a text"),
    ({**SCALPER, "colour": "red"}, "there is no such field"),
    ({"ticker": "BTCUSDT", "strategy": "magic"}, "strategy must be one of"),
    ({**SCALPER, "strategy": "grid"}, "stand in `parameters`"),
    ({**SCALPER, "exchange": "binance"}, '"live": true'),
    ({**SCALPER, "exchange": "binance", "live": False}, '"live": true'),
    ({**SCALPER, "exchange": "binance", "live": "yes"}, "live must be true or false"),
    ({**SCALPER, "exchange": "binance", "live": True}, "OUTCRY_LIVE_TRADING=1"),
    ({**SCALPER, "exchange": "kraken", "live": True}, "one of paper, binance"),
    ({**SCALPER, "live": True}, "name the exchange"),
    ({**SCALPER, "status": "ERROR"}, "ACTIVE or STOPPED"),
    ({**SCALPER, "sell_price": "980"}, "loses money"),
    ({**SCALPER, "quantity": "-1"}, "above 0"),
    ({**SCALPER, "quantity": "0.000001"}, "multiple of 0.00001"),
    ({**SCALPER, "quantity": "1e-999999"}, "18"),
    ({**SCALPER, "buy_price": "NaN"}, "decimal number"),
    ({**SCALPER, "leverage": "100"}, "between 1 and 10"),
    ({**SCALPER, "limits": {"max_order": "-1"}}, "above 0"),
    ({**SCALPER, "limits": {"max": "1"}}, "max is not"),
    ({**SCALPER, "name": "x" * 65}, "1 to 64 characters"),
]


@pytest.mark.parametrize(("body", "words"), WRONG)
@pytest.mark.usefixtures("ada")
async def test_what_is_not_a_bot(
    api: httpx.AsyncClient, store: asyncpg.Pool, body: Any, words: str
) -> None:
    """A 400 that says what is wrong, and nothing in the store."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = await api.post(BOTS, **content)
    assert (answer.status_code, answer.json()["success"]) == (400, False), answer.text
    assert words in answer.json()["message"]
    assert await store.fetchval("SELECT count(*) FROM bots") == 0
    assert await store.fetchval("SELECT count(*) FROM outbox") == 0


@pytest.mark.usefixtures("ada")
async def test_lists_go_page_by_page(api: httpx.AsyncClient) -> None:
    """Newest first; every bot once, whatever the pages are narrowed by."""
    ids = [
        (await made(api, status=status))["id"]
        for status in ("ACTIVE", "STOPPED", "ACTIVE", "STOPPED", "ACTIVE")
    ]

    async def listed(query: str) -> list[int]:
        found: list[int] = []
        following: str | None = ""
        while following is not None:
            before = following and f"&before={following}"
            page = (await api.get(f"{BOTS}?limit=2{query}{before}")).json()
            found += [bot["id"] for bot in page["bots"]]
            following = page["next"]
        return found

    assert await listed("") == ids[::-1]
    assert await listed("&status=active") == ids[::-2]
    assert await listed("&exchange=paper&ticker=btcusdt") == ids[::-1]
    assert await listed("&exchange=binance") == []


@pytest.mark.parametrize(
    "query",
    [
        *("status=BROKEN", "limit=0", "limit=501", "limit=x", "before=1", "before=x-y"),
        *("before=1-99999999999", "exchange=%00", "ticker=", "ticker=" + "x" * 200),
    ],
)
@pytest.mark.usefixtures("ada")
async def test_wrong_lists(api: httpx.AsyncClient, query: str) -> None:
    """A 400 that names the parameter."""
    answer = await api.get(f"{BOTS}?{query}")
    assert answer.status_code == 400
    assert query.split("=", maxsplit=1)[0] in answer.json()["message"]


@pytest.mark.usefixtures("ada")
async def test_an_edit_changes_what_it_names(api: httpx.AsyncClient) -> None:
    """PATCH keeps what it does not name, of parameters and limits too; PUT replaces both."""
    bot = await made(api, limits={"max_order": "600"}, trailing_percent="1")
    path = f"{BOTS}/{bot['id']}"
    body = {"name": "other", "sell_price": "1020", "limits": {"price_band": "5"}}
    after = (await api.patch(path, json=body)).json()
    assert (after["name"], after["sell_price"], after["buy_price"]) == ("other", "1020", "990")
    assert after["limits"] == {"max_order": "600", "max_position": None, "price_band": "5"}
    assert after["trailing_percent"] == "1"
    assert (await api.patch(path, json={"trailing_percent": None})).json()[
        "trailing_percent"
    ] is None
    whole = {"quantity": "1", "buy_price": "980", "sell_price": "1000", "ticker": "BTCUSDT"}
    after = (await api.put(path, json=whole)).json()
    assert after["limits"] == {"max_order": None, "max_position": None, "price_band": None}
    assert (after["infinite_loop"], after["name"]) == (False, "other")
    assert (await api.patch(path, json={"status": "ACTIVE"})).json()["status"] == "ACTIVE"
    for wrong in ({"ticker": "ETHUSDT"}, {"strategy": "grid"}, {"quantity": "0"}, {"id": 5}):
        answer = await api.patch(path, json=wrong)
        assert answer.status_code == 400, wrong
    assert (await api.put(path, json={"name": "x"})).status_code == 400
    both = await api.patch(path, json={"status": "STOPPED", "buy_price": "2000"})
    assert both.status_code == 400
    assert (await api.get(path)).json()["status"] == "ACTIVE", "half of it was done"


@pytest.mark.usefixtures("ada")
async def test_telling_a_bot(api: httpx.AsyncClient) -> None:
    """Start, stop and toggle; saying the same twice is no error and tells nobody."""
    bot = await made(api)
    path = f"{BOTS}/{bot['id']}"
    said = ["start", "start", "toggle", "toggle", "stop", "stop"]
    found = [(await api.post(f"{path}/{each}")).json()["status"] for each in said]
    assert found == ["ACTIVE", "ACTIVE", "STOPPED", "ACTIVE", "STOPPED", "STOPPED"]
    answer = await api.post(f"{path}/close")
    assert (answer.status_code, "holds nothing" in answer.json()["message"]) == (409, True)


async def test_toggles_at_once(api: httpx.AsyncClient, ada: int, store: asyncpg.Pool) -> None:
    """Each sees what the other has done: an even number ends where it began."""
    bot = await made(api)
    answers = await asyncio.gather(*(api.post(f"{BOTS}/{bot['id']}/toggle") for _ in range(10)))
    assert sorted(each.json()["status"] for each in answers) == ["ACTIVE"] * 5 + ["STOPPED"] * 5
    assert (await api.get(f"{BOTS}/{bot['id']}")).json()["status"] == "STOPPED"
    versions = (await load(store, ada)).version
    assert versions == 11


async def test_a_clone(api: httpx.AsyncClient, ada: int, store: asyncpg.Pool) -> None:
    """The same parameters and limits, another id; no position, no results, not at work."""
    bot = await made(api, status="ACTIVE", limits={"max_order": "600"})
    await put(store, ada, prints(101, 1000, 980, 1020, 980))
    before = (await api.get(f"{BOTS}/{bot['id']}")).json()
    assert before["total_trades"] > 1
    answer = await api.post(f"{BOTS}/{bot['id']}/clone")
    assert answer.status_code == 201
    clone = answer.json()
    assert (clone["parameters"], clone["limits"]) == (before["parameters"], before["limits"])
    assert (clone["name"], clone["status"]) == ("up and down copy", "STOPPED")
    assert (clone["total_trades"], clone["position"]["quantity"]) == (0, "0")
    assert clone["id"] != bot["id"]
    other = {"name": "third", "sell_price": "1100", "status": "ACTIVE"}
    third = (await api.post(f"{BOTS}/{bot['id']}/clone", json=other)).json()
    assert (third["name"], third["sell_price"], third["status"]) == ("third", "1100", "ACTIVE")
    assert (await api.post(f"{BOTS}/{bot['id']}/clone", json={"ticker": "NOPE"})).status_code == 400


async def test_a_deleted_bot_leaves_its_history(
    api: httpx.AsyncClient, ada: int, store: asyncpg.Pool
) -> None:
    """It is gone from every list; its orders and fills are there, and count in the sums."""
    bot = await made(api, status="ACTIVE")
    await put(store, ada, prints(101, 1000, 980, 1020))
    answer = await api.delete(f"{BOTS}/{bot['id']}")
    assert (answer.status_code, answer.json()) == (200, {"id": bot["id"]})
    assert (await api.get(f"{BOTS}/{bot['id']}")).status_code == 404
    assert (await api.delete(f"{BOTS}/{bot['id']}")).status_code == 404
    assert (await api.get(BOTS)).json() == {"bots": [], "next": None}
    assert len((await api.get(f"/api/v1/fills?bot_id={bot['id']}")).json()["fills"]) == 2
    summary = (await api.get("/api/v1/analytics/summary")).json()
    assert (summary["bots"], summary["total_trades"]) == (0, 2)
    assert float(summary["pnl"]) > 0
    orders = (await api.get("/api/v1/orders")).json()["orders"]
    assert {each["status"] for each in orders} <= {"FILLED", "CANCELLED"}


@pytest.mark.usefixtures("ada")
async def test_what_is_not_there(api: httpx.AsyncClient) -> None:
    """A 404 for every route of a bot, whatever the id looks like."""
    for number in ("1", "0", "-1", "x", "99999999999999999999", "%00"):
        for method, path in (
            *(("GET", ""), ("PATCH", ""), ("PUT", ""), ("DELETE", "")),
            *(("POST", f"/{each}") for each in ("start", "stop", "toggle", "close", "clone")),
        ):
            answer = await api.request(method, f"{BOTS}/{number}{path}", json=None)
            assert answer.status_code == 404, (method, number, path)


async def test_changes_wake_trader_and_publisher(
    api: httpx.AsyncClient, ada: int, valkey: Redis
) -> None:
    """Both are told after the commit; a change that changes nothing tells nobody."""
    heard: list[tuple[bytes, bytes]] = []
    async with valkey.pubsub() as pubsub:
        await pubsub.subscribe(TRADER_WAKE, OUTBOX_WAKE)

        async def listen(seconds: float) -> list[tuple[bytes, bytes]]:
            heard.clear()
            end = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < end:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2)
                if message:
                    heard.append((message["channel"], message["data"]))
            return heard

        bot = await made(api)
        assert sorted(await listen(1)) == [
            (OUTBOX_WAKE.encode(), b""),
            (TRADER_WAKE.encode(), str(ada).encode()),
        ]
        await api.post(f"{BOTS}/{bot['id']}/stop")
        assert await listen(1) == []
