"""Accounts and the aggregator's figures, as far as pages need them: names, tokens, a cache to clear."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from aiohttp import web

PASSWORD = "correct horse"  # noqa: S105 - of made-up people
ROLES = {"ada": "admin", "bob": "user"}
ENTRIES = (("tickers", 3012), ("symbol:BTCUSDT", 1))


class BackOffice:
    """Attributes may be changed from any thread at any time."""

    def __init__(self) -> None:
        self.broken = False
        self.cleared = 0
        self.source = "stream"
        self.breaker = "closed"
        self.blocked = 0.0
        self.last_error: str | None = None
        self.access: dict[str, str] = {}
        self.refresh: dict[str, str] = {}
        self._count = 0
        self._since = time.time()
        self._emptied = False
        self.password = PASSWORD
        self.sessions: list[dict[str, Any]] = []
        self.keys: list[dict[str, Any]] = []
        self.exchange_keys: list[dict[str, Any]] = []
        self.account_broken = False

    def expire(self) -> None:
        """Let every access token run out; refresh tokens stay good."""
        self.access.clear()

    def revoke(self) -> None:
        """End every session."""
        self.access.clear()
        self.refresh.clear()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the API."""
        return [
            web.post("/api/v1/auth/token", self._token),
            web.post("/api/v1/auth/refresh", self._refresh),
            web.get("/api/v1/auth/me", self._me),
            web.post("/api/v1/auth/sign-out", self._sign_out),
            web.post("/api/v1/auth/sign-out-everywhere", self._sign_out),
            web.post("/api/v1/auth/password", self._change_password),
            web.get("/api/v1/auth/sessions", self._sessions),
            web.delete("/api/v1/auth/sessions/{id}", self._end_session),
            web.get("/api/v1/auth/keys", self._keys),
            web.post("/api/v1/auth/keys", self._make_key),
            web.delete("/api/v1/auth/keys/{prefix}", self._revoke_key),
            web.get("/api/v1/exchange-keys", self._exchange_keys),
            web.post("/api/v1/exchange-keys", self._add_exchange_key),
            web.delete("/api/v1/exchange-keys/{id}", self._remove_exchange_key),
            web.get("/api/admin/price-cache-stats", self._stats),
            web.post("/api/admin/price-cache-stats", self._clear),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        said = await request.json()
        if said["name"] not in ROLES or said["password"] != self.password:
            return _refuse(401, "The name or the password is wrong.")
        agent = request.headers.get("User-Agent", "")
        self.sessions = [{**one, "current": False} for one in self.sessions]
        self.sessions.insert(0, session(f"s{len(self.sessions)}", agent, current=True))
        return self._tokens(said["name"])

    async def _refresh(self, request: web.Request) -> web.Response:
        name = self.refresh.pop((await request.json())["refreshToken"], None)
        return self._tokens(name) if name else _refuse(401, "Sign in again: this session is over.")

    async def _me(self, request: web.Request) -> web.Response:
        name = self.who(request)
        if name is None:
            return _refuse(401, "Sign in first.")
        return web.json_response({"id": len(name), "name": name, "role": ROLES[name]})

    async def _sign_out(self, request: web.Request) -> web.Response:
        name = self.who(request)
        if name is None:
            return _refuse(401, "Sign in first.")
        self.revoke()
        return web.json_response({"ended": 1})

    async def _sessions(self, request: web.Request) -> web.Response:
        return self._no(request) or web.json_response({"sessions": self.sessions})

    async def _change_password(self, request: web.Request) -> web.Response:
        if refusal := self._no(request):
            return refusal
        said = await request.json()
        if said["current"] != self.password:
            return _refuse(403, "The current password is wrong.")
        if said["new"] == "password1234":
            return _refuse(400, "The password is among those that are tried first; choose another.")
        self.password = said["new"]
        others = [one for one in self.sessions if not one["current"]]
        self.sessions = [one for one in self.sessions if one["current"]]
        return web.json_response({"ended": len(others)})

    async def _end_session(self, request: web.Request) -> web.Response:
        if refusal := self._no(request):
            return refusal
        self.sessions = [one for one in self.sessions if one["id"] != request.match_info["id"]]
        return web.json_response({"ended": 1})

    async def _keys(self, request: web.Request) -> web.Response:
        return self._no(request) or web.json_response({"keys": self.keys})

    async def _make_key(self, request: web.Request) -> web.Response:
        if refusal := self._no(request):
            return refusal
        said = await request.json()
        days = said.get("expiresInDays")
        prefix = f"made{len(self.keys)}"
        info = api_key(prefix, said["name"], said["scopes"], None if days is None else -days)
        self.keys.insert(0, info)
        return web.json_response({"key": f"ok_{prefix}_secret", "info": info}, status=201)

    async def _revoke_key(self, request: web.Request) -> web.Response:
        if refusal := self._no(request):
            return refusal
        for key in self.keys:
            if key["prefix"] == request.match_info["prefix"]:
                key["revokedAt"] = moment(0)
        return web.json_response({"revoked": request.match_info["prefix"]})

    async def _exchange_keys(self, request: web.Request) -> web.Response:
        return self._no(request) or web.json_response({"keys": self.exchange_keys})

    async def _add_exchange_key(self, request: web.Request) -> web.Response:
        if refusal := self._no(request):
            return refusal
        said = await request.json()
        told = {"exchange": said["exchange"], "name": said["name"], "hint": said["api_key"][-4:]}
        key = {"id": len(self.exchange_keys) + 1, **told, "created_at": moment(0)}
        self.exchange_keys.append(key)
        return web.json_response(key, status=201)

    async def _remove_exchange_key(self, request: web.Request) -> web.Response:
        if refusal := self._no(request):
            return refusal
        gone = int(request.match_info["id"])
        self.exchange_keys = [one for one in self.exchange_keys if one["id"] != gone]
        return web.json_response({"removed": gone})

    def _no(self, request: web.Request) -> web.Response | None:
        if self.account_broken:
            return _refuse(503, "The store does not answer. Try again in a moment.")
        return None if self.who(request) else _refuse(401, "Sign in first.")

    async def _stats(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response(self._figures())

    async def _clear(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        cleared = self._figures()
        self.cleared += 1
        self._emptied = True
        return web.json_response({"success": True, "cleared": cleared})

    def _figures(self) -> dict[str, Any]:
        age = time.time() - self._since
        entries = [
            {
                "key": key,
                "age": f"{int(age) % 10}s",
                "requestsServed": int(age * 700),
                "symbolCount": n,
            }
            for key, n in (() if self._emptied else ENTRIES)
        ]
        return {
            "cacheSize": len(entries),
            "activeFetches": 0,
            "entries": entries,
            "source": self.source,
            "breaker": self.breaker,
            "upstreamCallsLastMinute": 2 + int(age) % 5,
            "usedWeight": 240 + int(age) % 60,
            "weightLimit": 1200,
            "weightBlockedSeconds": self.blocked,
            "streamAge": 0.4,
            "switches": int(self.source != "stream"),
            "lastError": self.last_error,
            "hits": int(age * 700),
            "staleServed": 0,
        }

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.broken:
            return _refuse(503, "The cache does not answer. Try again in a moment.")
        name = self.who(request)
        if name is None:
            return _refuse(401, "Sign in first.")
        return None if ROLES[name] == "admin" else _refuse(403, "This is for administrators.")

    def who(self, request: web.Request) -> str | None:
        """Return who asks, None if nobody who is signed in."""
        return self.access.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def _tokens(self, name: str) -> web.Response:
        self._count += 1
        access, refresh = f"access-{self._count}", f"refresh-{self._count}"
        self.access[access] = self.refresh[refresh] = name
        body = {"accessToken": access, "tokenType": "Bearer", "expiresIn": 900}
        return web.json_response({**body, "refreshToken": refresh})


def moment(days_ago: float) -> str:
    """Return a time so many days ago; negative for one that is to come."""
    at = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def session(number: str, agent: str, *, current: bool = False, used: float = 0) -> dict[str, Any]:
    """Return a session that was used so many days ago."""
    return {
        "id": number,
        "current": current,
        "userAgent": agent,
        "address": "192.0.2.7",
        "createdAt": moment(used + 3),
        "lastUsedAt": moment(used),
        "expiresAt": moment(used - 30),
    }


def api_key(
    prefix: str, name: str, scopes: list[str], ended: float | None, used: float | None = None
) -> dict[str, Any]:
    """Return an API key that expired so many days ago (negative: will), and was used then."""
    return {
        "prefix": prefix,
        "name": name,
        "scopes": scopes,
        "createdAt": moment(40),
        "lastUsedAt": None if used is None else moment(used),
        "expiresAt": None if ended is None else moment(ended),
        "revokedAt": None,
    }


def _refuse(status: int, message: str) -> web.Response:
    return web.json_response({"success": False, "message": message}, status=status)
