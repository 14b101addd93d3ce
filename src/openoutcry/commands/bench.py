"""`outcry bench`: runs a benchmark of the checkout that this package was installed from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from openoutcry.errors import ConfigError

NAMES = (
    *("decode", "pipeline", "recorder", "hub", "candles", "latency", "startup"),
    *("prices", "outage", "klines", "public_stats", "private_hub", "tabs", "trading_core"),
    *("volume", "tokens", "token_search"),
)
"""The benchmarks that benchmarks/README.md describes."""
CHECKOUT = Path(__file__).parents[3]


def bench(name: str, arguments: list[str]) -> None:
    """Run `benchmarks/<name>.py` in a process of its own and pass on its exit code."""
    if name not in NAMES:
        raise ConfigError(f"There is no benchmark {name!r}. There are: {', '.join(NAMES)}.")
    script = CHECKOUT / "benchmarks" / f"{name}.py"
    if not script.is_file():
        raise ConfigError(
            f"{script} does not exist. Benchmarks are part of the repository, not of the installed "
            "package: clone it and run `make setup`."
        )
    finished = subprocess.run([sys.executable, str(script), *arguments], check=False)  # noqa: S603
    raise typer.Exit(finished.returncode)
