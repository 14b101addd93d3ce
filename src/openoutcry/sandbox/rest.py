"""The HTTP side: Binance's REST endpoints, and the sandbox's own controls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from openoutcry.core.intervals import SECOND
from openoutcry.errors import BadRequestError
from openoutcry.sandbox.customers import Customers
from openoutcry.sandbox.faults import Fault, Faults, parse_faults
from openoutcry.sandbox.garbage import spoil
from openoutcry.sandbox.limits import Verdict, WeightMeter
from openoutcry.sandbox.matching import Refused
from openoutcry.sandbox.signed import PLACE, SIGNED, TEST, Till, weigh_signed
from openoutcry.venues.binance_server_data import MarketData
from openoutcry.venues.binance_server_rest import Reply, answer, weigh
from openoutcry.venues.binance_server_shapes import WEIGHT_LIMIT, refusal_text

_REPLAY_TEXT = 'No body, or one like {"until": 5000}: the number of messages to play, then to wait.'
_RATE_TEXT = 'A body like {"rate": 20} is needed: trades a second, above 0, at most 200000.'


class _Rate(Struct, forbid_unknown_fields=True):
    rate: float


class _Replay(Struct, forbid_unknown_fields=True):
    until: Annotated[int, Meta(ge=0)] | None = None


class Controls(Struct, frozen=True):
    """What the control endpoints act on; None where a replay has nothing to act on."""

    stats: Callable[[], dict[str, Any]]
    add_fault: Callable[[Fault], None]
    set_rate: Callable[[float], None] | None
    start_replay: Callable[[], None] | None
    play_until: Callable[[int], None] | None


class Desk(Struct, frozen=True):
    """Where customers trade."""

    till: Till
    customers: Customers

    @classmethod
    def of(cls, till: Till | None, customers: Customers | None) -> Desk | None:
        """Return a desk; None where nobody trades, as in a replay."""
        return None if till is None or customers is None else cls(till, customers)


class Rest:
    """Answers HTTP for one market. `clock` gives µs. Without a `desk` nobody trades here."""

    def __init__(
        self,
        market: MarketData,
        faults: Faults,
        clock: Callable[[], int],
        controls: Controls,
        desk: Desk | None = None,
    ) -> None:
        self._desk = desk
        self.calls: Counter[str] = Counter()
        self._market = market
        self._faults = faults
        self._clock = clock
        self._controls = controls
        self._meter = WeightMeter()

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application()
        application.router.add_get("/sandbox/faults", self._list_faults)
        application.router.add_post("/sandbox/faults", _checked(self._add_faults))
        application.router.add_delete("/sandbox/faults", self._clear_faults)
        application.router.add_post("/sandbox/rate", _checked(self._set_rate))
        application.router.add_post("/sandbox/replay", _checked(self._start_replay))
        application.router.add_get("/sandbox/stats", self._stats)
        for method in ("GET", "POST", "DELETE"):
            application.router.add_route(method, "/{path:.*}", self._binance)
        return application

    async def _binance(self, request: web.Request) -> web.Response:
        method, path, params = request.method, request.path, dict(request.query)
        signed = (method, path) in SIGNED and self._desk is not None
        content = "" if method == "GET" else (await request.read()).decode("utf-8", "replace")
        params |= dict(parse_qsl(content))
        if not signed and method != "GET":
            return _no_page()
        self.calls[path if method == "GET" else f"{method} {path}"] += 1
        now = self._clock()
        faults = self._faults.rest(params.get("symbol", ""), now, path, method)
        if (stopped := await _held_up(faults, now)) is not None:
            return stopped
        weight = weigh_signed(method, path, params) if signed else weigh(path, params)
        verdict = self._meter.spend(request.remote or "", weight, now)
        headers = {
            "X-MBX-USED-WEIGHT": str(verdict.used),
            "X-MBX-USED-WEIGHT-1M": str(verdict.used),
        }
        if verdict.status != 200:
            return _refused(verdict, headers)
        if signed:
            reply = await self._signed(request, params, content)
        else:
            micro = request.headers.get("X-MBX-TIME-UNIT", "").upper() == "MICROSECOND"
            found = await answer(self._market, path, params, micro=micro)
            if found is None:
                return _no_page()
            reply = found
        if request.transport is not None and any(fault.kind == "rest_lost" for fault in faults):
            request.transport.abort()
        return _told(reply, faults, headers)

    async def _signed(self, request: web.Request, params: dict[str, str], body: str) -> Reply:
        """Carry out a signed request; how late it is counts when it has come, delays included."""
        assert self._desk is not None  # noqa: S101 - otherwise no request is signed
        desk, action = self._desk, (request.method, request.path)
        key, query = request.headers.get("X-MBX-APIKEY"), request.rel_url.raw_query_string
        try:
            customer = desk.customers.identify(key, query, body, self._clock())
            if action not in {PLACE, TEST}:
                result = desk.till.answer(*action, params, customer, self._clock())
            elif action == TEST:
                result = desk.till.check(params, self._clock())
            else:
                symbol = desk.till.listing(params).symbol
                book = (await self._market.books([symbol]))[symbol]
                # Again: looking the book up may have taken a while.
                customer = desk.customers.identify(key, query, body, self._clock())
                result = desk.till.place(params, customer, book, self._clock())
        except Refused as refusal:
            status = 401 if refusal.code in {-2014, -2015} else 400
            return Reply(status, _error(refusal.code, str(refusal)))
        return Reply(200, msgspec.json.encode(result))

    async def _list_faults(self, _request: web.Request) -> web.Response:
        now = self._clock()
        rows = [
            {
                **msgspec.to_builtins(running.fault),
                "starts_in": max(0.0, (running.start - now) / SECOND),
                "ends_in": None if running.end is None else (running.end - now) / SECOND,
                "hits": running.hits,
            }
            for running in self._faults.active(now)
        ]
        return _json(200, msgspec.json.encode({"faults": rows}))

    async def _add_faults(self, request: web.Request) -> web.Response:
        for fault in parse_faults(await request.read()):
            self._controls.add_fault(fault)
        return await self._list_faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self._list_faults(request)

    async def _set_rate(self, request: web.Request) -> web.Response:
        if self._controls.set_rate is None:
            raise BadRequestError("A replay has no rate.")
        try:
            rate = msgspec.json.decode(await request.read(), type=_Rate).rate
        except msgspec.MsgspecError:
            raise BadRequestError(_RATE_TEXT) from None
        if not 0 < rate <= 200_000:
            raise BadRequestError(_RATE_TEXT)
        self._controls.set_rate(rate)
        return _json(200, msgspec.json.encode({"rate": rate}))

    async def _start_replay(self, request: web.Request) -> web.Response:
        if self._controls.start_replay is None or self._controls.play_until is None:
            raise BadRequestError("This sandbox makes its market up; there is nothing to replay.")
        try:
            until = msgspec.json.decode(await request.read() or b"{}", type=_Replay).until
        except msgspec.MsgspecError:
            raise BadRequestError(_REPLAY_TEXT) from None
        if until is None:
            self._controls.start_replay()
        else:
            self._controls.play_until(until)
        return _json(200, b"{}")

    async def _stats(self, _request: web.Request) -> web.Response:
        stats = {"rest_calls": dict(sorted(self.calls.items())), **self._controls.stats()}
        return _json(200, msgspec.json.encode(stats))


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _checked(handler: Handler) -> Handler:
    async def checked(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except BadRequestError as error:
            return _json(400, msgspec.json.encode({"error": str(error)}))

    return checked


async def _held_up(faults: list[Fault], now: int) -> web.Response | None:
    """Wait as faults say; return what one of them answers instead."""
    for fault in faults:
        if fault.kind == "rest_delay":
            await asyncio.sleep(fault.ms / 1000)
    for fault in faults:
        if fault.kind == "rest_status":
            return _status(fault, now)
    return None


def _told(reply: Reply, faults: list[Fault], headers: dict[str, str]) -> web.Response:
    for fault in faults:
        if fault.kind == "rest_garbage":
            body = spoil(reply.body, fault.body)
            if fault.body == "html":
                return web.Response(body=body, content_type="text/html", headers=headers)
            return _json(200, body, headers)
    return _json(reply.status, reply.body, headers)


def _no_page() -> web.Response:
    return web.Response(status=404, text="<html><body><h2>404 Not found</h2></body></html>")


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=body, content_type="application/json", charset="UTF-8", headers=headers
    )


def _error(code: int, message: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message})


def _refused(verdict: Verdict, headers: dict[str, str]) -> web.Response:
    text = refusal_text(verdict.status, WEIGHT_LIMIT, verdict.banned_until)
    headers = {**headers, "Retry-After": str(verdict.retry_after)}
    return _json(verdict.status, _error(-1003, text), headers)


def _status(fault: Fault, now: int) -> web.Response:
    """Return the answer of a rest_status fault."""
    wait = fault.retry_after
    if wait is None and fault.status in {418, 429}:
        wait = max(1, round(fault.seconds or 60))
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if fault.status in {418, 429}:
        text = refusal_text(fault.status, WEIGHT_LIMIT, now + (wait or 0) * SECOND)
        return _json(fault.status, _error(-1003, text), headers)
    if fault.status == 403:
        return web.Response(status=403, text="<html><body>403 Forbidden</body></html>")
    if fault.status == 451:
        return _json(451, _error(0, "Service unavailable from a restricted location."), headers)
    text = "Internal error; unable to process your request. Please try again."
    return _json(fault.status, _error(-1001, text), headers)
