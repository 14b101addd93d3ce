"""The whole demo: from the command to `ready`, to the first candle, and the memory it takes.

Each run is `outcry up --sandbox` on a directory of its own (fresh) or on the one of a run before
(existing). Memory is PSS, which shares pages out fairly, of all processes three seconds later.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil

_LONGEST = 60.0


class Run(NamedTuple):
    """Seconds to `ready` and to the API's first candle, MB of PSS, seconds of processor time."""

    ready: float
    candle: float
    memory: float
    spent: float


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--processes", action="store_true", help="print the memory of each process")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    home = Path(tempfile.mkdtemp(prefix="outcry-startup-"))
    home.chmod(0o755)
    try:
        once(home / "warm", detail=options.processes)  # the files' pages, and byte code
        fresh = [once(home / f"fresh{number}") for number in range(options.runs)]
        show("fresh", fresh)
        existing = [once(home / "fresh0") for _ in range(options.runs)]
        show("existing", existing)
    finally:
        shutil.rmtree(home)
    print(f"load {os.getloadavg()[0]:.2f}")


def show(name: str, runs: list[Run]) -> None:
    """Print medians and ranges of one kind of run."""
    parts = [f"{name:<9} n={len(runs)}"]
    for label, values in zip(
        ("ready", "candle", "PSS", "CPU"), zip(*runs, strict=True), strict=True
    ):
        unit = "MB" if label == "PSS" else "s"
        shape = ".0f" if label == "PSS" else ".2f"
        low, mid, high = (f(values) for f in (min, statistics.median, max))
        parts.append(f"{label} {mid:{shape}} {unit} ({low:{shape}}-{high:{shape}})")
    print("  ".join(parts), flush=True)


def once(folder: Path, *, detail: bool = False) -> Run:
    """Start everything, wait for a candle, weigh it, stop it."""
    api, hub, rest, ws = ports(4)
    environ = os.environ | {
        "OUTCRY_SANDBOX_PORT": str(rest),
        "OUTCRY_SANDBOX_WS_PORT": str(ws),
        "OUTCRY_LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "openoutcry", "up", "--sandbox", "--data-dir", str(folder)]
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, "--port", str(api), "--ws-port", str(hub)],
        env=environ,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as up:
        said: list[str] = []
        ready = threading.Event()
        at = [0.0]

        def listen() -> None:
            for line in up.stdout or []:
                said.append(line)
                if "ready after" in line:
                    at[0] = time.perf_counter() - began
                    ready.set()

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            if not (candle := first_candle(api, began)) or not ready.wait(_LONGEST):
                sys.exit("No candle. It said:\n" + "".join(said[-50:]))
            time.sleep(3)
            memory, spent = weigh(up.pid, detail=detail)
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(30)
            listener.join()
    return Run(at[0], candle, memory, spent)


def first_candle(port: int, began: float) -> float:
    """Return when the API first gave a minute's candle, in seconds after `began`; 0 for never."""
    while time.perf_counter() < began + _LONGEST:
        now = datetime.now(UTC)
        query = {
            "asset": "BTC",
            "duration": "1m",
            "startTime": (now - timedelta(minutes=5)).isoformat(),
            "endTime": now.isoformat(),
        }
        try:
            with urlopen(
                f"http://127.0.0.1:{port}/candles?{urlencode(query)}", timeout=5
            ) as answer:
                if json.loads(answer.read())["candles"]:
                    return time.perf_counter() - began
        except OSError:
            pass
        time.sleep(0.02)
    return 0.0


def weigh(pid: int, *, detail: bool) -> tuple[float, float]:
    """Return PSS (MB) and processor time (s) of a process and of everything below it.

    The time is that of children which have ended too; an engine's helpers are left out.
    """
    up = psutil.Process(pid)
    total, spent = 0.0, 0.0
    for process in [up, *up.children(recursive=True)]:
        try:
            megabytes = process.memory_full_info().pss / 1e6
            spent += sum(process.cpu_times()[:4])
            words = " ".join(process.cmdline())[:90]
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        total += megabytes
        if detail:
            print(f"{megabytes:7.1f} MB  {process.pid:>7}  {words}")
    return total, spent


def ports(number: int) -> list[int]:
    """Return so many free TCP ports."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    main()
