"""Who listens on a TCP port of this machine."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def free(host: str, port: int) -> bool:
    """Return whether we could listen on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Return who listens on the port, as `name (pid N)`; "another process" where that is hidden.

    Linux only, and other users' processes are visible to root alone.
    """
    inodes = _listeners(port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        words = (process / "cmdline").read_text().replace("\0", " ").strip()
                        return f"{words[:80] or '?'} (pid {process.name})"
    return "another process"


def _listeners(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found


def reachable(host: str) -> str:
    """Return the host as it stands in a URL for somebody on this machine."""
    host = _WILDCARDS.get(host, host)
    return f"[{host}]" if ":" in host else host
