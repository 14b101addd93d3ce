"""Connects to one server: Valkey or Redis on its own, or one node of a cluster."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as ValkeyConnectionError

RETRIES = 4
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 15.0
_HEALTH_SECONDS = 15


def connect_server(url: str, *, retries: int = RETRIES) -> Redis:
    """Return a client with its own pool; nothing is sent before the first command.

    `url` is `redis://`, `rediss://` or `unix://`. Answers are bytes. A lost connection is dialled
    again up to `retries` times within about two seconds, and the command is sent again: it may have
    run twice, so what is sent must bear that. A timeout is not retried. Blocking reads may ask for
    at most 10 s. The caller closes it with `aclose()`.
    """
    # Unix sockets know no keepalive, and the driver refuses the option for them.
    tcp = {} if url.startswith("unix:") else {"socket_keepalive": True}
    client: Redis = Redis.from_url(
        url,
        decode_responses=False,
        health_check_interval=_HEALTH_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(pause(), retries, supported_errors=(ValkeyConnectionError,)),
        **tcp,
    )
    return client


def pause() -> ExponentialWithJitterBackoff:
    """Return how long to wait before each further attempt, in seconds."""
    return ExponentialWithJitterBackoff(cap=1.0, base=0.1)
