"""A real cluster for tests: three primaries, each with a replica, as child processes."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from conftest import run
from openoutcry import engines
from openoutcry.adapters.valkey.client import connect
from openoutcry.adapters.valkey.server import connect_server
from openoutcry.adapters.valkey.topology import slot_of

PRIMARIES = 3
PATIENCE = 60.0


class Node:
    """One server of the cluster."""

    def __init__(self, program: str, folder: Path, port: int, bus_port: int) -> None:
        self.port, self.bus_port = port, bus_port
        self.url = f"redis://127.0.0.1:{port}"
        self.folder = folder
        folder.mkdir()
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": folder,
            "logfile": folder / "log",
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "cluster-enabled": "yes",
            "cluster-port": bus_port,
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": 1000,
            "repl-diskless-sync-delay": 0,
        }
        self._argv = [program]
        for name, value in options.items():
            self._argv += [f"--{name}", str(value)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, unless it runs."""
        if not self.running:
            ends_with_us = engines.die_with_parent(signal.SIGKILL)
            self._process = subprocess.Popen(
                self._argv,
                preexec_fn=ends_with_us,  # noqa: PLW1509  (tests have one thread here)
                stdout=subprocess.DEVNULL,
            )

    def kill(self) -> None:
        """Kill it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def ask(self, *words: Any) -> Any:
        """Send it a command."""
        client: Any = connect_server(self.url, retries=0)
        try:
            return await client.execute_command(*words)
        finally:
            await client.aclose()


class Cluster:
    """Nodes 0..2 begin as primaries, 3..5 as their replicas. `url` names two: that has to do."""

    def __init__(self) -> None:
        program = engines.find_valkey()
        self.folder = Path(tempfile.mkdtemp(prefix="outcry-cluster-"))
        ports = _free_ports(4 * PRIMARIES)
        self.nodes = [
            Node(program, self.folder / str(number), ports[number], ports[~number])
            for number in range(2 * PRIMARIES)
        ]
        self.url = f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"

    async def start(self) -> None:
        """Start the nodes, make them one cluster and wait until it serves."""
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            await self._until(partial(node.ask, "PING"))
        step = 16_384 // PRIMARIES + 1
        for number, node in enumerate(self.nodes):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < PRIMARIES:
                last = min((number + 1) * step, 16_384) - 1
                await node.ask("CLUSTER", "ADDSLOTSRANGE", number * step, last)
        first = self.nodes[0]
        for node in self.nodes[1:]:
            await node.ask("CLUSTER", "MEET", "127.0.0.1", first.port, first.bus_port)
        for number, node in enumerate(self.nodes[PRIMARIES:]):
            primary = await self.nodes[number].ask("CLUSTER", "MYID")
            await self._until(partial(node.ask, "CLUSTER", "REPLICATE", primary))
        await self.settled()

    async def settled(self) -> None:
        """Return when every node runs, serves, and knows the same, replicas and all."""
        for node in self.nodes:
            node.start()

        async def one_view() -> bool:
            views = set()
            for node in self.nodes:
                info = await node.ask("CLUSTER INFO")
                slots = await node.ask("CLUSTER SLOTS")
                replicas = sum(len(replicas) for _, _, _, *replicas in slots)
                if info["cluster_state"] != "ok" or replicas < PRIMARIES:
                    return False
                views.add(str(sorted((first, last, one[1]) for first, last, one, *_ in slots)))
                state = await node.ask("INFO", "replication")
                if state["role"] == "slave" and state["master_link_status"] != "up":
                    return False
            return len(views) == 1

        await self._until(one_view)

    async def primary_of(self, name: str) -> Node:
        """Return the node that carries a key or a channel, as a node that runs sees it."""
        for node in self.nodes:
            try:
                slots = await node.ask("CLUSTER SLOTS")
            except (RedisError, OSError):
                continue
            for first, last, (_, port, *_), *_ in slots:
                if first <= slot_of(name) <= last:
                    return next(one for one in self.nodes if one.port == port)
        raise AssertionError("nobody knows")

    async def begin_move(self, name: str) -> tuple[Node, Node]:
        """Begin to move the slot of a key or a channel; return where it is and where it goes."""
        slot, source = slot_of(name), await self.primary_of(name)
        primaries = [await self.primary_of(each) for each in ("0", "1", "2", "3", "4", "5")]
        target = next(node for node in primaries if node is not source)
        ids = {node: await node.ask("CLUSTER", "MYID") for node in (source, target)}
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        return source, target

    async def end_move(self, name: str, source: Node, target: Node) -> None:
        """Take the slot's keys along and let everybody know."""
        slot, new = slot_of(name), await target.ask("CLUSTER", "MYID")
        keys = await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        if keys:
            where = ("127.0.0.1", target.port, "", 0, 5000)
            await source.ask("MIGRATE", *where, "KEYS", *keys)
        for node in (target, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", new)

    def stop(self) -> None:
        """Stop everything and remove the folder."""
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _until(self, check: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    if await check():
                        return
                except (RedisError, OSError):
                    pass
                await asyncio.sleep(0.05)


def _free_ports(number: int) -> list[int]:
    """Return free ports of those that nobody is given by chance: a node comes back to its own."""
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < number:
            each = stack.enter_context(socket.socket())
            port = random.randrange(15_000, 32_000)
            try:
                each.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Cluster]:
    """A cluster for the whole session; a test may leave some of it dead."""
    cluster = Cluster()
    try:
        run(cluster.start())
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(whole_cluster: Cluster) -> Cluster:
    """The session's cluster, whole and empty."""

    async def empty() -> None:
        await whole_cluster.settled()
        client = connect(whole_cluster.url)
        await client.flushall()
        await client.aclose()

    run(empty())
    return whole_cluster


@pytest.fixture
def valkey_url(cluster: Cluster) -> str:
    """The URL of an empty cluster: what a module imports stands in for the single server's."""
    return cluster.url


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of an empty cluster."""
    client = connect(valkey_url)
    yield client
    await client.aclose()
