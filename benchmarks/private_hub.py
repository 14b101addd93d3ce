"""Private messages to 5,000 sockets of one hub, 50 of which do not read.

    python benchmarks/private_hub.py [--sockets 5000] [--stuck 50] [--seconds 15] [--quotes 1]
    python benchmarks/private_hub.py --watchers 4450 --quotes 5

Prints how late messages are at the others, and the hub's memory. Engines, history, hub and accounts are
the real ones; the hub is pinned to one core, Valkey, PostgreSQL and the readers to another. Each user
has five tabs, each with the channels `user` and `price:BTCUSDT`. The stuck sockets are one user's, who
gets enough to go past their bound. Latency is from before a message is appended to the history to its
arrival in a reader. The readers are picows too, in one process: what it takes them to read a price at
every socket is in the figures. `--watchers` of the sockets are the C load client's instead, which cannot
sign in and only hears the prices (`wsload`: `$OUTCRY_TEST_WSLOAD`, else ../shared/tools/wsload.c).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import picows
import structlog
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from openoutcry import engines
from openoutcry.adapters.postgres import migrate
from openoutcry.adapters.postgres.pool import fetch_value, open_pool
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.user_history import Message, UserHistory
from openoutcry.core.keys import market_channel
from openoutcry.core.trading.wire import user_message
from openoutcry.model import Role, Scope, User
from openoutcry.services.key_maker import make_key

HERE = Path(__file__).resolve()
HUB_CORE, OTHER_CORE = 0, 1
PATH = "/api/v1/ws/app"
TABS = 5
RATE = 100
"""Users that get a message each second."""
FLOOD = 100, 8000
"""Messages a second to the user whose tabs do not read, and bytes of each."""
QUOTE = (
    '{"symbol":"BTCUSDT","originalPrice":"61837.63","bidPrice":"61775.79237",'
    '"askPrice":"61899.46763","timestamp":%d}'
)


class Reader(WSListener):
    """A tab that reads, and notes how late each message is."""

    def __init__(self, book: Book, key: str) -> None:
        self._book = book
        self._key = key

    def on_ws_connected(self, transport: WSTransport) -> None:
        for message in requests(self._key):
            transport.send(WSMsgType.TEXT, message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                self._book.lost += 1
                transport.disconnect()
            return
        text = frame.get_payload_as_bytes()
        if text.startswith(b'{"type":"log_created"'):
            at = text.index(b'"sent":') + 7
            sent = int(text[at : text.index(b",", at)])
            self._book.late.append((time.monotonic_ns() - sent) / 1e6)
        elif text.startswith(b'{"type":"subscribed","channel":"user"'):
            self._book.ready += 1
        elif text.startswith(b'{"type":"price_update"'):
            self._book.quotes += 1


class Book:
    """What all readers have seen."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.ready = self.quotes = self.lost = 0


def requests(key: str) -> list[bytes]:
    """Return what a tab sends."""
    asked = [{"type": "auth", "token": key}]
    asked += [{"type": "subscribe", "channel": name} for name in ("user", "price:BTCUSDT")]
    return [json.dumps(each).encode() for each in asked]


async def serve(port: int, database_url: str, valkey_url: str) -> None:
    """Run a hub; print its figures when standard input ends."""
    from openoutcry.adapters.postgres.private_reader import PrivateReader
    from openoutcry.adapters.postgres.recent import RecentReader
    from openoutcry.services.accounts import secret_of
    from openoutcry.services.identity import Identities
    from openoutcry.services.tokens import AccessTokens
    from openoutcry.web.hub.meter import Meter
    from openoutcry.web.hub.server import Accounts, HubOptions
    from openoutcry.web.hub.server import serve as serve_hub
    from openoutcry.web.hub.sources import ValkeyBus

    pool = await open_pool(database_url, application_name="hub")
    identities = Identities(pool, AccessTokens(lambda: secret_of(pool, "")))
    accounts = Accounts(identities, UserHistory(connect(valkey_url)), PrivateReader(pool))
    meter, stop = Meter(), asyncio.Event()
    asyncio.get_running_loop().add_reader(0, stop.set)
    options = HubOptions(symbols=("BTCUSDT",), port=port)
    store = RecentReader(pool, "binance")
    await serve_hub(options, ValkeyBus(valkey_url), store, meter, stop, accounts=accounts)
    counters, gauges, _ = meter.status()
    print(json.dumps(counters | gauges), flush=True)


def stuck(port: int, key: str) -> socket.socket:
    """Return a tab that does not read."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    one.connect(("127.0.0.1", port))
    one.sendall(
        f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    for message in requests(key):
        head = bytes((0x81, 0x80 | len(message))) if len(message) < 126 else b""
        head = head or b"\x81\xfe" + len(message).to_bytes(2, "big")
        one.sendall(head + bytes(4) + message)
    return one


class Sender:
    """Appends messages to histories, as the publisher does, by the clock."""

    def __init__(
        self, valkey_url: str, users: list[int], epoch: str, options: argparse.Namespace
    ) -> None:
        self._valkey = connect(valkey_url)
        self._history = UserHistory(self._valkey)
        self._users = users
        self._epoch = epoch
        self._offsets = dict.fromkeys(users, 0)
        self._quotes = options.quotes
        self._until = time.monotonic() + options.seconds

    async def run(self) -> None:
        """Send until the time is over."""
        await asyncio.gather(
            self._each(
                RATE, lambda n: self._tell(self._users[1 + n % (len(self._users) - 1)], 150)
            ),
            self._each(FLOOD[0], lambda _: self._tell(self._users[0], FLOOD[1])),
            self._each(self._quotes, lambda _: self._quote()),
        )

    async def _each(self, rate: float, work: Any) -> None:
        if not rate:
            return
        begun, number = time.monotonic(), 0
        while time.monotonic() < self._until:
            await work(number)
            number += 1
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))

    async def _tell(self, user: int, size: int) -> None:
        self._offsets[user] += 1
        at = self._offsets[user]
        data = f'{{"sent":{time.monotonic_ns()},"text":"{"x" * size}"}}'
        text = user_message("log_created", data, 0, at, self._epoch)
        await self._history.append(self._epoch, {user: [Message(at, text)]})

    async def _quote(self) -> None:
        now = time.time_ns() // 1_000_000
        await self._valkey.publish(market_channel("BTCUSDT"), QUOTE % now)


def memory(pid: int) -> float:
    """Return a process's resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


async def measure(options: argparse.Namespace) -> None:
    """Start everything, run, and print the figures."""
    os.sched_setaffinity(0, {OTHER_CORE})
    async with contextlib.AsyncExitStack() as stack:
        running = await engines.start(temporary=True)
        stack.push_async_callback(running.stop)
        await migrate.upgrade(running.database_url)
        pool = await open_pool(running.database_url, application_name="bench")
        stack.push_async_callback(pool.close)
        readers = options.sockets - options.stuck - options.watchers
        users, keys = [], []
        for number in range(1 + -(-readers // TABS)):
            sql = (
                "INSERT INTO users (name, role, password_hash)"
                " VALUES ($1, 'user', '$argon2id$x') RETURNING id"
            )
            user = User(await fetch_value(pool, sql, f"user{number}"), f"user{number}", Role.USER)
            sql = "INSERT INTO trading_accounts (user_id) VALUES ($1)"
            await fetch_value(pool, sql, user.id)
            users.append(user.id)
            keys.append((await make_key(pool, user, "bench", [Scope.READ], None))[1])
        epoch = await fetch_value(pool, "SELECT epoch FROM trading_epoch")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        hub = subprocess.Popen(
            [
                *(sys.executable, str(HERE), "--serve", str(port)),
                *(running.database_url, running.valkey_url),
            ],
            preexec_fn=lambda: os.sched_setaffinity(0, {HUB_CORE}),  # noqa: PLW1509
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        stack.callback(hub.kill)
        await wait_for(port)
        book = Book()
        for number in range(0, readers, 50):
            await asyncio.gather(
                *(
                    picows.ws_connect(
                        lambda key=keys[1 + (number + more) // TABS]: Reader(book, key),
                        f"ws://127.0.0.1:{port}{PATH}",
                    )
                    for more in range(min(50, readers - number))
                )
            )
            async with asyncio.timeout(30):
                while book.ready < min(number + 50, readers):
                    await asyncio.sleep(0.01)
        if options.watchers:
            watching = watch(port, options.watchers, options.seconds + 2)
            stack.callback(watching.kill)
            await asyncio.to_thread(watching.stdout.readline)  # type: ignore[union-attr]
        silent = [stuck(port, keys[0]) for _ in range(options.stuck)]
        await asyncio.sleep(0.5)
        before = memory(hub.pid)
        sender = Sender(running.valkey_url, users, epoch, options)
        sending = asyncio.create_task(sender.run())
        most = before
        while not sending.done():
            most = max(most, memory(hub.pid))
            await asyncio.sleep(0.1)
        await sending
        await asyncio.sleep(0.5)
        report(book, readers, (before, most, memory(hub.pid)))
        out, _ = await asyncio.to_thread(hub.communicate)
        figures = json.loads(out.splitlines()[-1])
        print(
            f"stuck {options.stuck}: closed with 3008 {figures['closed_3008']:.0f},"
            f" conflated messages {figures['conflated']:.0f}"
        )
        for one in silent:
            one.close()


def report(book: Book, readers: int, hub_memory: tuple[float, float, float]) -> None:
    """Print what the readers have seen."""
    late = sorted(book.late)
    at = {share: late[int(len(late) * share)] for share in (0.5, 0.99, 0.999)}
    print(
        f"readers {readers}, lost {book.lost}: {len(late)} private messages and {book.quotes} quotes;"
        f" late by p50 {at[0.5]:.2f} ms, p99 {at[0.99]:.2f} ms, p99.9 {at[0.999]:.2f} ms,"
        f" most {late[-1]:.2f} ms"
    )
    print("hub's memory, MB: before {:.0f}, at most {:.0f}, after {:.0f}".format(*hub_memory))


def watch(port: int, sockets: int, seconds: float) -> subprocess.Popen[bytes]:
    """Start the C load client on the prices; it prints a line when all its sockets are connected."""
    places = [os.environ.get("OUTCRY_TEST_WSLOAD", "")]
    places += [str(parent / "shared" / "tools" / "wsload.c") for parent in HERE.parents]
    source = next((place for place in places if Path(place).is_file()), None)
    if source is None:
        raise SystemExit("--watchers needs wsload.c: set OUTCRY_TEST_WSLOAD to it.")
    program = Path(tempfile.mkdtemp(prefix="outcry-bench-")) / "wsload"
    subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
    subscribe = '{"type":"subscribe","channel":"price:BTCUSDT"}'
    return subprocess.Popen(
        [program, str(port), PATH, str(sockets), str(seconds), subscribe],
        preexec_fn=lambda: os.sched_setaffinity(0, {OTHER_CORE}),  # noqa: PLW1509
        stdout=subprocess.PIPE,
    )


async def wait_for(port: int) -> None:
    """Return when somebody listens on `port`."""
    for _ in range(500):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise SystemExit("the hub did not start")


def main() -> None:
    """Run."""
    import uvloop

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if "--serve" in sys.argv:
        port, database_url, valkey_url = sys.argv[2:5]
        limit()
        uvloop.run(serve(int(port), database_url, valkey_url))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--stuck", type=int, default=50)
    parser.add_argument("--watchers", type=int, default=0, help="sockets that hear prices only")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--quotes", type=float, default=1, help="a second, each to every socket")
    limit()
    uvloop.run(measure(parser.parse_args()))


def limit() -> None:
    """Take as many open files as are to be had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
