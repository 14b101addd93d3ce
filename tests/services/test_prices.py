"""One upstream call for everyone: in a process, across processes, through outages of everything."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from pricing import Script, instance, over_rest, rules, ticker
from redis.asyncio import Redis

from openoutcry.adapters.valkey.price_board import PriceBoard, SharedPrices
from openoutcry.core.breaker import State
from openoutcry.core.keys import (
    PRICES_LOCK,
    PRICES_SNAPSHOT,
    TICKERS,
    TICKERS_SECONDS,
    TICKERS_SNAPSHOT,
)
from openoutcry.core.tickers import Ticker
from openoutcry.engines import Engines
from openoutcry.errors import ProtocolError, VenueUnavailableError
from openoutcry.services.price_asker import PriceRules
from openoutcry.services.price_refresh import LEASE_SECONDS, POLL_SECONDS, take_shared
from openoutcry.services.prices import Prices, PricesUnavailableError, View
from sandbox.support import Sandbox, running
from tape import until

SLOW = {"fresh": 30.0, "grace": 10.0}


def price(view: View) -> str:
    """Return what BTCUSDT costs in a view."""
    return view.snapshot.tickers["BTCUSDT"].price


async def test_concurrent_readers_make_one_call_and_share_one_object(valkey_url: str) -> None:
    """A thousand misses at once cost one question, and all get the very same snapshot."""
    script = Script()
    script.seconds = 0.3
    async with instance(valkey_url, script, rules(**SLOW)) as prices:
        views = await asyncio.gather(*(prices.view() for _ in range(1000)))
        assert script.asked == 1
        assert len({id(view.snapshot) for view in views}) == 1
        assert not any(view.stale for view in views)


async def test_three_instances_make_one_call(valkey_url: str) -> None:
    """Readers of three processes together wait for one question and see the same prices."""
    scripts = [Script() for _ in range(3)]
    for script in scripts:
        script.seconds = 0.4
    how = rules(**SLOW)
    async with (
        instance(valkey_url, scripts[0], how) as one,
        instance(valkey_url, scripts[1], how) as two,
        instance(valkey_url, scripts[2], how) as three,
    ):
        views = await asyncio.gather(*(p.view() for p in (one, two, three) for _ in range(50)))
        assert sum(script.asked for script in scripts) == 1
        assert {price(view) for view in views} == {"101"}
        assert await one.asker.calls_last_minute() == 1


async def test_readers_cost_one_call_a_period(valkey_url: str) -> None:
    """While three instances are read without pause, the venue is asked once a period, no more."""
    scripts = [Script() for _ in range(3)]
    how = rules(fresh=0.5, grace=0.3)
    async with (
        instance(valkey_url, scripts[0], how) as one,
        instance(valkey_url, scripts[1], how) as two,
        instance(valkey_url, scripts[2], how) as three,
    ):
        started = time.monotonic()

        async def read(prices: Prices) -> None:
            while time.monotonic() - started < 2.8:
                await prices.view()
                await asyncio.sleep(0.01)

        await asyncio.gather(*(read(prices) for prices in (one, two, three)))
        took = time.monotonic() - started
        asked = sum(script.asked for script in scripts)
        assert 2 <= asked <= took / 0.5 + 1


async def test_an_old_snapshot_is_served_at_once_while_it_is_renewed(valkey_url: str) -> None:
    """Within the grace nobody waits: the old one goes out, unmarked, and the next is the new one."""
    script = Script()
    async with instance(valkey_url, script, rules(fresh=0.3, grace=30.0)) as prices:
        first = await prices.view()
        await asyncio.sleep(0.35)
        script.seconds = 0.2
        old = prices.ready()
        assert old is not None
        assert (old.snapshot, old.stale) == (first.snapshot, False)

        async def renewed() -> bool:
            return price(await prices.view()) == "102"

        await until(renewed)
        assert script.asked == 2


async def test_past_the_grace_a_reader_waits_for_a_fresh_one(valkey_url: str) -> None:
    """What is too old to be shown is not shown while a new one can be had."""
    script = Script()
    async with instance(valkey_url, script, rules(fresh=0.2, grace=0.1)) as prices:
        await prices.view()
        await asyncio.sleep(0.5)
        assert price(await prices.view()) == "102"


async def test_a_hanging_venue_holds_nobody_longer_than_the_timeout(valkey_url: str) -> None:
    """Those who came first wait the timeout, later ones not at all; all get the last good prices."""
    script = Script()
    how = rules(fresh=0.2, grace=0.0, timeout=0.6)
    async with instance(valkey_url, script, how) as prices:
        await prices.view()
        await asyncio.sleep(0.3)
        script.seconds = 60.0
        async with asyncio.timeout(script.seconds / 2):
            views = await asyncio.gather(*(prices.view() for _ in range(20)))
        assert all(view.stale and view.age > 0.5 for view in views)
        later = prices.ready()
        assert later is not None
        assert later.stale


async def test_failures_are_retried_then_the_breaker_opens(valkey_url: str) -> None:
    """Three questions, then none until the pause is over, then one probe at a time."""
    script = Script()
    async with instance(valkey_url, script, rules(fresh=0.2, grace=0.0, pause=2.5)) as prices:
        await prices.view()
        script.error = VenueUnavailableError("503")
        asked = script.asked

        async def opened() -> bool:
            await prices.view()
            return (await prices.asker.breaker()).state is State.OPEN

        before = time.monotonic()  # the pause ends 2.5 s after this at the earliest
        await until(opened)
        while True:
            assert (await prices.view()).stale
            questions = script.asked - asked
            if time.monotonic() - before > 2.2:
                break
            assert questions == 3
            await asyncio.sleep(0.02)
        script.error = None

        async def closed() -> bool:
            return not (await prices.view()).stale

        await until(closed)
        assert script.asked - asked <= 5, "one probe each time a pause is over"
        assert (await prices.asker.breaker()).state is State.CLOSED


async def test_without_any_snapshot_the_error_says_why(valkey_url: str) -> None:
    """Only who has never had prices gets an error; the first prices end it."""
    script = Script()
    script.error = ProtocolError("gibberish")
    async with instance(valkey_url, script, rules(pause=0.3)) as prices:
        with pytest.raises(PricesUnavailableError, match="gibberish"):
            await prices.view()
        script.error = None

        async def recovered() -> bool:
            try:
                return bool(price(await prices.view()))
            except PricesUnavailableError:
                return False

        await until(recovered)


async def test_a_new_process_starts_with_what_others_know(valkey: Redis, valkey_url: str) -> None:
    """An outage of upstream at the start: the shared snapshot is served, with its true age."""
    board = PriceBoard(valkey)
    await board.publish(SharedPrices(time.time() - 300, [ticker(price="77")]))
    script = Script()
    script.error = VenueUnavailableError("out")
    async with instance(valkey_url, script) as prices:
        view = await prices.view()
        assert price(view) == "77"
        assert view.stale
        assert 299 < view.age < 320


async def test_no_call_while_the_stream_lives(valkey: Redis, valkey_url: str) -> None:
    """Tickers of the feed are the prices; when they cease, REST takes over, and back again."""
    script = Script()
    async with instance(valkey_url, script, rules(fresh=0.4, grace=0.0, stream=2.0)) as prices:
        await prices.view()
        asked = script.asked
        for number in range(15):
            changed = [ticker(price=f"7{number:02}"), ticker("ETHUSDT", "5")]
            await valkey.publish(TICKERS, msgspec.json.encode(changed[: 1 + (number == 0)]))
            await asyncio.sleep(0.1)
            view = await prices.view(0.01, 0.0)
            assert view.stale is False
        assert script.asked == asked
        assert prices.source == "stream"
        assert price(view).startswith("7")
        assert view.snapshot.tickers["ETHUSDT"].price == "5"

        async def fell_back() -> bool:
            return price(await prices.view()).startswith("10") and prices.source == "rest"

        await until(fell_back)
        assert script.asked > asked
        await valkey.publish(TICKERS, msgspec.json.encode([ticker(price="900")]))

        async def back() -> bool:
            return prices.source == "stream" and price(await prices.view()) == "900"

        await until(back)
        assert prices.stats.switches == 3


async def test_a_process_that_starts_beside_a_living_stream_asks_nobody(
    valkey: Redis, valkey_url: str
) -> None:
    """The stream's merged whole is the start, and the wait for its next message is short."""
    whole = [ticker(price="55"), ticker("ADAUSDT", "1")]
    await valkey.set(TICKERS_SNAPSHOT, msgspec.json.encode(whole), ex=3600)
    script = Script()
    async with instance(valkey_url, script, rules(stream=5.0)) as prices:

        async def heard() -> bool:
            return bool(await valkey.publish(TICKERS, msgspec.json.encode([ticker(price="56")])))

        async def there() -> bool:
            view = await prices.view()
            assert view.snapshot.tickers["ADAUSDT"].price == "1"
            return price(view) == "56"

        await until(heard)
        await until(there)
        assert script.asked == 0


async def test_clearing_reaches_every_process_and_keeps_a_last_resort(valkey_url: str) -> None:
    """After a clear everybody waits for new prices; without any the old ones go out as stale."""
    first, second = Script(), Script()
    how = rules(**SLOW, pause=0.2)
    async with instance(valkey_url, first, how) as one, instance(valkey_url, second, how) as two:
        await asyncio.gather(one.view(), two.view())
        await one.clear()

        async def forgotten() -> bool:
            return one.snapshot is None and two.snapshot is None

        await until(forgotten)
        assert price(await two.view()) == price(await one.view())
        assert first.asked + second.asked == 2
        await one.clear()
        await until(forgotten)
        first.error = second.error = VenueUnavailableError("out")
        view = await two.view()
        assert view.stale
        assert price(view) in {"101", "102"}


async def test_a_list_is_whole_or_is_not_shown(valkey: Redis, valkey_url: str) -> None:
    """What the stream tells first, at the start and after a clear, goes out with all it has told."""
    whole = [ticker(price="55"), ticker("ADAUSDT", "1"), ticker("XRPUSDT", "3", time=9)]
    await valkey.set(TICKERS_SNAPSHOT, msgspec.json.encode(whole), ex=TICKERS_SECONDS)
    async with instance(valkey_url, Script(), rules(stream=60.0)) as prices:

        def shown() -> dict[str, str]:
            known = prices.snapshot.tickers.values() if prices.snapshot else ()
            return {each.symbol: each.price for each in known}

        async def said(number: int, *more: Ticker) -> None:
            """Say what BTCUSDT costs once somebody listens, and wait until it is shown."""
            message = msgspec.json.encode([ticker(price=str(number)), *more])

            async def heard() -> bool:
                return bool(await valkey.publish(TICKERS, message))

            async def seen() -> bool:
                return shown().get("BTCUSDT") == str(number)

            await until(heard)
            await until(seen)

        await said(56)
        for number in range(57, 62):
            await prices.clear()
            assert shown() == {}
            await said(number, ticker("XRPUSDT", "2", time=8))
            assert shown() == {"BTCUSDT": str(number), "ADAUSDT": "1", "XRPUSDT": "3"}


async def test_a_clear_counts_for_what_was_read_before_it(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared snapshot that was on its way when everything was cleared does not come back."""
    how = rules(**SLOW, pause=0.2)
    script = Script()
    async with instance(valkey_url, script, how) as one, instance(valkey_url, script, how) as two:
        await asyncio.gather(one.view(), two.view())
        read, reading, go_on = PriceBoard.read, asyncio.Event(), asyncio.Event()

        async def slow(board: PriceBoard) -> SharedPrices | None:
            found = await read(board)
            reading.set()
            await go_on.wait()
            return found

        monkeypatch.setattr(PriceBoard, "read", slow)
        taking = asyncio.create_task(take_shared(two._shelf, two._board))
        await reading.wait()
        await one.clear()

        async def forgotten() -> bool:
            return two.snapshot is None

        await until(forgotten)
        go_on.set()
        await taking
        assert two.snapshot is None


async def test_without_valkey_each_process_goes_on_alone(valkey_url: str, alive: Engines) -> None:
    """Valkey's outage costs the sharing, not the prices; readers never wait for it."""
    script = Script()
    async with instance(valkey_url, script, rules(fresh=0.3, grace=0.2)) as prices:
        await prices.view()
        alive.kill_valkey()
        asked = script.asked
        began = time.monotonic()
        while time.monotonic() - began < 2.0:
            view = await prices.view()
            await asyncio.sleep(0.02)
        assert script.asked > asked
        assert view.age < 2.0
        await alive.restart_valkey()

        async def shared_again() -> bool:
            await prices.view()
            async with Redis.from_url(valkey_url) as client:
                return bool(await client.exists(PRICES_SNAPSHOT))

        await until(shared_again)


async def test_a_leader_that_is_killed_is_replaced(valkey: Redis, valkey_url: str) -> None:
    """A process killed with -9 in the middle of its question delays nobody past the timeout."""
    async with running(symbols=["BTCUSDT"]) as exchange:
        await exchange.fault(kind="rest_delay", ms=60_000, path="/api/v3/ticker/24hr", count=1)
        leader = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "price_process.py", valkey_url, exchange.rest]
        )
        try:

            async def leads() -> bool:
                return bool(await valkey.exists(PRICES_LOCK)) and await asked(exchange) == 1

            await until(leads)
            how = rules(**SLOW, timeout=5.0)
            async with over_rest(valkey_url, exchange.rest, how) as prices:
                reading = [asyncio.create_task(prices.view()) for _ in range(50)]
                await asyncio.sleep(0.5)
                assert not any(task.done() for task in reading)
                leader.send_signal(signal.SIGKILL)
                leader.wait()
                views = await asyncio.gather(*reading)
                assert not any(view.stale for view in views)  # as they would be past the timeout
            assert await asked(exchange) == 2
        finally:
            leader.kill()
            leader.wait()


async def first(prices: Prices) -> View:
    """Return the first prices, however long the exchange takes to fold its history."""
    while True:
        try:
            return await prices.view()
        except PricesUnavailableError:
            await asyncio.sleep(0.05)


async def asked(exchange: Sandbox) -> int:
    """Return how often the exchange was asked for every ticker."""
    stats = await exchange.get("/sandbox/stats")
    return int(stats["rest_calls"].get("/api/v3/ticker/24hr", 0))


FAULTS = [
    {"kind": "rest_delay", "ms": 30_000},
    {"kind": "rest_status", "status": 500},
    {"kind": "rest_status", "status": 503},
    {"kind": "rest_status", "status": 403},
    {"kind": "rest_garbage", "body": "html"},
    {"kind": "rest_garbage", "body": "truncated"},
    {"kind": "rest_garbage", "body": "empty"},
    {"kind": "rest_garbage", "body": "types"},
    {"kind": "rest_garbage", "body": "zeros"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
async def test_whatever_the_venue_answers_prices_are_served(
    valkey_url: str, fault: dict[str, object]
) -> None:
    """Every kind of failure: the last good prices, marked, with their age; then fresh ones again."""
    how = rules(fresh=0.2, grace=0.0, timeout=2.0, pause=0.3, retries=0)
    async with (
        running(symbols=["BTCUSDT", "ETHUSDT"]) as exchange,
        over_rest(valkey_url, exchange.rest, how) as prices,
    ):
        good = await first(prices)
        await exchange.fault(**fault)

        async def failing() -> bool:
            return (await prices.view()).stale

        await until(failing)
        view = await prices.view()
        assert set(view.snapshot.tickers) == set(good.snapshot.tickers)

        async def explained() -> bool:
            return bool(prices.stats.last_error)

        await until(explained)
        async with exchange.http.delete(exchange.rest + "/sandbox/faults") as answer:
            assert answer.status == 200

        async def fresh() -> bool:
            return not (await prices.view()).stale

        await until(fresh)


@pytest.mark.parametrize("status", [429, 418])
async def test_all_processes_obey_retry_after(valkey_url: str, status: int) -> None:
    """One process is told to wait; none of two asks before the time is over."""
    how = rules(fresh=0.2, grace=0.0)
    async with (
        running(symbols=["BTCUSDT"]) as exchange,
        over_rest(valkey_url, exchange.rest, how) as one,
        over_rest(valkey_url, exchange.rest, how) as two,
    ):
        await asyncio.gather(first(one), first(two))
        await exchange.fault(kind="rest_status", status=status, retry_after=3, count=1)

        async def told() -> bool:
            return (await one.view()).stale and (await two.view()).stale

        before = time.monotonic()
        await until(told)
        calls = await asked(exchange)
        while True:
            stale = [(await prices.view()).stale for prices in (one, two)]
            now = await asked(exchange)
            if time.monotonic() - before > 2.5:
                break
            assert (stale, now) == ([True, True], calls)
            await asyncio.sleep(0.05)

        async def fresh() -> bool:
            return not (await one.view()).stale and not (await two.view()).stale

        await until(fresh)


async def test_the_shared_budget_is_not_overdrawn(valkey_url: str) -> None:
    """When our share of the venue's weight is spent, old prices go out instead of questions."""
    async with (
        running(symbols=["BTCUSDT"]) as exchange,
        over_rest(valkey_url, exchange.rest, rules(fresh=0.05, grace=0.0), 200 / 6000) as prices,
    ):
        await first(prices)

        async def spent() -> bool:
            return (await prices.view()).stale

        await until(spent)
        assert "weight" in prices.stats.last_error
        assert await asked(exchange) <= 4


def test_patience_fits_the_defaults() -> None:
    """A leader that dies is replaced well within the time that readers wait at most."""
    replaced = LEASE_SECONDS + POLL_SECONDS
    assert replaced < PriceRules().timeout / 2
