"""A venue's REST answers, good and bad, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openoutcry.adapters.venue_rest import VenueRest
from openoutcry.errors import RateLimitedError, VenueError, VenueUnavailableError
from openoutcry.venues.binance_rest import Request

Serve = Callable[[web.Response], Awaitable[VenueRest]]


class Ledger:
    """A budget that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    async def spend(self, weight: int) -> None:
        self.told.append(("spend", weight))

    async def observed(self, used: int) -> None:
        self.told.append(("observed", used))

    async def allowed(self, limit: int) -> None:
        self.told.append(("allowed", limit))

    async def forbidden(self, seconds: float) -> None:
        self.told.append(("forbidden", seconds))


@pytest.fixture
def budget() -> Ledger:
    return Ledger()


@pytest.fixture
async def serve(budget: Ledger) -> AsyncIterator[Serve]:
    """A function that answers every request with one response, and returns a client of it."""
    servers: list[TestServer] = []
    session = aiohttp.ClientSession()

    async def start(response: web.Response) -> VenueRest:
        application = web.Application()

        async def answer(_request: web.Request) -> web.Response:
            return response

        application.router.add_get("/{path:.*}", answer)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        return VenueRest(session, str(server.make_url("/")), budget)

    yield start
    await session.close()
    for server in servers:
        await server.close()


ASK = Request("/api/v3/time", {}, 1)


async def test_a_good_answer_is_paid_for_and_its_header_read(serve: Serve, budget: Ledger) -> None:
    """Weight is spent before asking; what the venue counts is passed on, in any case of letters."""
    rest = await serve(web.Response(text="{}", headers={"x-mbx-used-weight-1m": "42"}))
    assert await rest.get(ASK) == b"{}"
    assert budget.told == [("spend", 1), ("observed", 42)]


@pytest.mark.parametrize("status", [429, 418])
async def test_a_venue_that_has_had_enough_is_obeyed(
    serve: Serve, budget: Ledger, status: int
) -> None:
    """429 and 418 forbid everybody to ask for as long as Retry-After says."""
    rest = await serve(web.Response(status=status, headers={"Retry-After": "17"}))
    with pytest.raises(RateLimitedError) as caught:
        await rest.get(ASK)
    assert caught.value.retry_after == 17
    assert budget.told[-1] == ("forbidden", 17)


async def test_without_retry_after_a_minute_is_waited(serve: Serve, budget: Ledger) -> None:
    """A 429 that does not say how long is taken seriously all the same."""
    rest = await serve(web.Response(status=429))
    with pytest.raises(RateLimitedError):
        await rest.get(ASK)
    assert budget.told[-1] == ("forbidden", 60)


@pytest.mark.parametrize(
    ("status", "retry"), [(500, True), (503, True), (400, False), (451, False)]
)
async def test_errors_say_whether_to_try_again(serve: Serve, status: int, retry: bool) -> None:
    """5xx passes, 4xx does not; both name the path and the status."""
    rest = await serve(web.Response(status=status, text="no"))
    with pytest.raises(VenueError, match=rf"/api/v3/time answered {status}: no") as caught:
        await rest.get(ASK)
    assert caught.value.retry is retry


async def test_a_venue_that_is_not_there_is_unavailable(budget: Ledger, free_port: int) -> None:
    """A refused connection is an error that may be tried again."""
    async with aiohttp.ClientSession() as session:
        rest = VenueRest(session, f"http://127.0.0.1:{free_port}", budget)
        with pytest.raises(VenueUnavailableError):
            await rest.get(ASK)
