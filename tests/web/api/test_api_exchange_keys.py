"""Keys of exchanges over HTTP: sealed in the store, told to nobody, and each user's own."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import httpx
import pytest

from accounts import make_key, make_user, sign_in
from openoutcry.core.sealing import SealError
from openoutcry.model import Scope
from openoutcry.services.accounts import secret_of
from openoutcry.services.exchange_keys import ExchangeKeys
from tradingkit import create, list_market, open_user

PATH = "/api/v1/exchange-keys"
KEY, SECRET = "AKEYofTheEXCHANGE1234567890", "sEcReT/of+the=EXCHANGE"
BODY = {"exchange": "binance", "name": "main", "api_key": KEY, "secret": SECRET}


def keys_of(store: asyncpg.Pool, secret: str = "") -> ExchangeKeys:
    async def found() -> bytes:
        return await secret_of(store, secret)

    return ExchangeKeys(store, found)


async def test_a_key_goes_in_and_never_comes_out(
    api: httpx.AsyncClient, store: asyncpg.Pool, capfd: pytest.CaptureFixture[str]
) -> None:
    """No answer, no row and no log line has it; who trades with it has it whole."""
    user = await make_user(store)
    headers = await sign_in(api)
    made = await api.post(PATH, json=BODY, headers=headers)
    assert made.status_code == 201, made.text
    listed = await api.get(PATH, headers=headers)
    assert [(k["exchange"], k["name"], k["hint"]) for k in listed.json()["keys"]] == [
        ("binance", "main", KEY[-4:])
    ]
    again = await api.post(PATH, json=BODY, headers=headers)
    assert again.status_code == 409
    rows = str([tuple(row) for row in await store.fetch("SELECT * FROM exchange_keys")])
    out, err = capfd.readouterr()
    for text in (made.text, listed.text, again.text, rows, out, err):
        assert SECRET not in text
        assert KEY not in text
    opened = await keys_of(store).open(user.id, "binance")
    assert opened is not None
    assert (opened.key, opened.secret) == (KEY, SECRET)
    assert SECRET not in f"{opened} {opened!r} {[opened]}"


@pytest.mark.parametrize(
    "change",
    [
        {"exchange": "nowhere"},
        {"api_key": "has blanks in it"},
        {"api_key": ""},
        {"api_key": 12345},
        {"secret": ""},
        {"secret": "naïve secret"},
        {"secret": None},
        {"name": ""},
        {"more": "fields"},
    ],
)
async def test_what_is_wrong_is_told_without_the_key(
    api: httpx.AsyncClient, store: asyncpg.Pool, change: dict[str, Any]
) -> None:
    """A 400 that repeats neither key nor secret, whichever of them is at fault."""
    await make_user(store)
    said = BODY | change
    answer = await api.post(PATH, json=said, headers=await sign_in(api))
    assert answer.status_code == 400, answer.text
    for name in ("api_key", "secret"):
        value = str(said[name])
        assert len(value) < 5 or value not in answer.text
    assert await store.fetchval("SELECT count(*) FROM exchange_keys") == 0


async def test_broken_json_is_not_repeated(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Whoever sends half a body gets no part of it back."""
    await make_user(store)
    content = json.dumps(BODY)[:-2].encode()
    answer = await api.post(PATH, content=content, headers=await sign_in(api))
    assert answer.status_code == 400
    assert SECRET[:8] not in answer.text


async def test_keys_are_for_who_has_signed_in(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """A stolen API key, even one that may do everything, neither sees nor changes them."""
    user = await make_user(store)
    key = await make_key(store, user, Scope.TRADE)
    for method, path in (("GET", PATH), ("POST", PATH), ("DELETE", f"{PATH}/1")):
        for headers in ({}, {"X-API-Key": key}):
            answer = await api.request(method, path, headers=headers, json=BODY)
            assert answer.status_code in {401, 403}, answer.text
    assert await store.fetchval("SELECT count(*) FROM exchange_keys") == 0


async def test_nobody_touches_anothers_key(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Not in the list, not removed; a row that is moved to somebody else does not open there."""
    ada, bob = await make_user(store, "ada"), await make_user(store, "bob")
    hers, his = await sign_in(api, "ada"), await sign_in(api, "bob")
    number = (await api.post(PATH, json=BODY, headers=hers)).json()["id"]
    assert (await api.get(PATH, headers=his)).json() == {"keys": []}
    for wrong in (number, "0", "x", "9" * 30):
        assert (await api.delete(f"{PATH}/{wrong}", headers=his)).status_code == 404
    assert await keys_of(store).open(bob.id, "binance") is None
    await store.execute("UPDATE exchange_keys SET user_id = $1", bob.id)
    with pytest.raises(SealError):
        await keys_of(store).open(bob.id, "binance")
    await store.execute("UPDATE exchange_keys SET user_id = $1", ada.id)
    with pytest.raises(SealError):
        await keys_of(store, "another secret of this installation").open(ada.id, "binance")
    assert (await api.delete(f"{PATH}/{number}", headers=hers)).json() == {"removed": number}
    assert (await api.get(PATH, headers=hers)).json() == {"keys": []}


async def test_two_keys_alike_are_not_alike_in_the_store(
    api: httpx.AsyncClient, store: asyncpg.Pool
) -> None:
    """Sealing the same twice gives two different rows: nobody can tell that they are the same."""
    for name in ("ada", "bob"):
        await make_user(store, name)
        made = await api.post(PATH, json=BODY, headers=await sign_in(api, name))
        assert made.status_code == 201
    one, two = await store.fetch("SELECT sealed FROM exchange_keys")
    assert one["sealed"][13:] != two["sealed"][13:]


async def test_a_key_stays_while_it_is_needed(api: httpx.AsyncClient, store: asyncpg.Pool) -> None:
    """Without it nobody could cancel the orders of a bot at work, or hear of them."""
    user = await open_user(store)
    await list_market(store)
    headers = await sign_in(api)
    number = (await api.post(PATH, json=BODY, headers=headers)).json()["id"]
    await create(store, user)
    assert (await api.get(PATH, headers=headers)).status_code == 200
    await store.execute("UPDATE bots SET exchange = 'binance'")
    answer = await api.delete(f"{PATH}/{number}", headers=headers)
    assert answer.status_code == 409
    assert "stop them first" in answer.json()["message"]
    await store.execute("UPDATE bots SET status = 'STOPPED'")
    assert (await api.delete(f"{PATH}/{number}", headers=headers)).status_code == 200
