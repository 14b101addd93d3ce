"""Which node of a cluster carries what, as the cluster's own nodes say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from redis.crc import key_slot
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import RedisError, ResponseError

from openoutcry.adapters.valkey.server import connect_server
from openoutcry.errors import ConfigError

SLOTS: Final = 16_384
CLUSTER_HINT: Final = (
    "The Valkey at OUTCRY_VALKEY_URL is a node of a cluster: write redis+cluster://host:port (or "
    "rediss+cluster://, and several nodes separated by commas) instead of redis://."
)
_SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_PORT: Final = 6379
_PATIENCE: Final = 2.0

log = structlog.get_logger(__name__)


def is_cluster(url: str) -> bool:
    """Return whether a URL names a cluster."""
    return url.partition("://")[0] in _SCHEMES


def slot_of(name: str | bytes) -> int:
    """Return the slot of a key or a channel."""
    return int(key_slot(name.encode() if isinstance(name, str) else name))


class Topology:
    """The primaries of a cluster and their slots, as they were when somebody looked last.

    Nodes are URLs for `connect_server`, with the user, password and options of the cluster's own.
    """

    def __init__(self, url: str) -> None:
        self._seeds, self._form = _parse(url)
        self._owners: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self.nodes: tuple[str, ...] = ()

    def owner(self, slot: int) -> str:
        """Return the node that carries a slot. Raises ValkeyConnectionError before the first look."""
        if not self._owners:
            raise ValkeyConnectionError("no node of the cluster has been asked yet")
        return self._owners[slot]

    def moved(self, slot: int, host: str, port: int) -> None:
        """Note what a MOVED says, until somebody looks."""
        if self._owners:
            self._owners[slot] = self.node(host, port)

    def node(self, host: str, port: int) -> str:
        """Return the URL of a node."""
        return self._form.format(f"[{host}]" if ":" in host else host, port)

    async def look(self) -> None:
        """Ask the nodes; whoever calls meanwhile shares the answer.

        A node that does not see the whole cluster is not believed: it may be cut off from the rest.
        Raises ValkeyConnectionError if no node answers that does, and ConfigError if they are no
        cluster.
        """
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._looked)
        await asyncio.shield(self._looking)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()  # who asked has it; who was cancelled meanwhile does not want it

    async def _look(self) -> None:
        known = random.sample(self.nodes, len(self.nodes))
        reason = "none"
        for node in dict.fromkeys((*known, *self._seeds)):
            try:
                async with asyncio.timeout(_PATIENCE):
                    owners = await self._ask(node)
            except (RedisError, OSError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
                continue
            nodes = tuple(dict.fromkeys(owners))
            if self.nodes and nodes != self.nodes:
                log.info("the cluster's nodes", primaries=[_address(one) for one in nodes])
            self._owners, self.nodes = owners, nodes
            return
        raise ValkeyConnectionError(
            f"no node of the cluster can serve; the last one says: {reason}"
        )

    async def _ask(self, node: str) -> list[str]:
        client = connect_server(node, retries=0)
        ask: Any = client.execute_command
        try:
            try:
                info, ranges = await ask("CLUSTER INFO"), await ask("CLUSTER SLOTS")
            except ResponseError as error:
                if "cluster support disabled" not in str(error):
                    raise
                raise ConfigError(
                    f"The server at {_address(node)} is no cluster. Write redis:// instead of "
                    "redis+cluster:// in OUTCRY_VALKEY_URL."
                ) from None
        finally:
            await client.aclose()
        if info["cluster_state"] != "ok":
            raise ValkeyConnectionError(f"cluster_state:{info['cluster_state']}")
        owners = [""] * SLOTS
        for first, last, (host, port, *_), *_ in ranges:
            # A node that was not told its own name leaves it empty: it is the one we asked.
            name = host.decode() if host else urlsplit(node).hostname or ""
            owner = self.node(name, port)
            owners[first : last + 1] = [owner] * (last + 1 - first)
        if "" in owners:
            raise ValkeyConnectionError(f"nobody carries slot {owners.index('')}")
        return owners


def _parse(url: str) -> tuple[Sequence[str], str]:
    """Return the nodes that a cluster's URL names, and the form of any node's."""
    scheme, _, rest = url.partition("://")
    place, question, options = rest.partition("?")
    place, _, database = place.partition("/")
    user, at, hosts = place.rpartition("@")
    if database not in {"", "0"}:
        raise ConfigError("A cluster has one database only: leave the number out of its URL.")
    parts = (user + at, question + options)
    before, after = (part.replace("{", "{{").replace("}", "}}") for part in parts)
    form = f"{_SCHEMES[scheme]}://{before}{{}}:{{}}{after}"
    seeds = []
    for each in hosts.split(","):
        try:
            found = urlsplit(f"//{each.strip()}")
            host, port = found.hostname, found.port or _PORT
        except ValueError:
            host, port = None, _PORT
        if not host:
            raise ConfigError(
                f"{each!r} is no node of a cluster, write redis+cluster://host:port,host:port"
            )
        seeds.append(form.format(f"[{host}]" if ":" in host else host, port))
    return seeds, form


def _address(node: str) -> str:
    return urlsplit(node).netloc.rpartition("@")[2]
