"""Valkey (or Redis 7) as a child process: append-only file, no eviction, a unix socket."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from openoutcry.engines._directory import DataDir
from openoutcry.engines._process import Command, Engine

_SOCKET = "valkey.sock"
_PID_FILE = "valkey.pid"


def url(folders: DataDir) -> str:
    """Return the URL of the engine on these folders."""
    return f"unix://{folders.valkey_run / _SOCKET}"


def engine(program: Path, folders: DataDir, port: int = 0) -> Engine:
    """Return the engine, not started. `port` also opens localhost TCP, to every local user."""
    sock = folders.valkey_run / _SOCKET
    options = {
        "dir": folders.valkey,
        "unixsocket": sock,
        "unixsocketperm": "700",
        "port": port,
        "bind": "127.0.0.1",
        "pidfile": folders.valkey_run / _PID_FILE,
        "daemonize": "no",
        # Every acknowledged write is with the kernel before the answer: killing the process loses
        # nothing, a power cut at most a second.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "aof-use-rdb-preamble": "yes",
        "auto-aof-rewrite-min-size": "256mb",
        "save": "",
        # A full memory refuses writes, loudly; it never drops part of the tape.
        "maxmemory-policy": "noeviction",
        # A hub that does not read is cut off before it eats the memory of everyone.
        "client-output-buffer-limit": "pubsub 128mb 32mb 30",
        "stream-node-max-bytes": "65536",
        "lazyfree-lazy-user-del": "yes",
        "tcp-keepalive": "30",
        "databases": "2",
    }
    argv = [str(program)]
    for name, value in options.items():
        argv += [f"--{name}", str(value)]
    return Engine(
        "Valkey",
        Command(argv=tuple(argv)),
        directory=folders.valkey,
        log=folders.logs / "valkey.log",
        ready=lambda _pid: _answers(sock),
        stop_signal=signal.SIGTERM,  # the same as SHUTDOWN: the file is flushed first
        leftover=lambda: _leftover(folders),
    )


def _leftover(folders: DataDir) -> int | None:
    try:
        return int((folders.valkey_run / _PID_FILE).read_text())
    except (OSError, ValueError):
        return None


def _answers(sock: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.2)
        try:
            client.connect(str(sock))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")  # -LOADING while it reads its file
        except OSError:
            return False
