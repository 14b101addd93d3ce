"""A real Prometheus on a whole system, with the files of `ops/`: it scrapes, and panels have data."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from opskit import OPS, panels

from .sandboxed import sandboxed
from .system import ALL_ROLES, System, eventually, fetch

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# Of a chain and of a read replica, which this system has not got.
EMPTY = {
    *("Indexer behind the chain", "Token trades and transfers a second"),
    *("Taken back, refused, failed over", "Read replica", "Reads by server", "Replica behind"),
}


@contextmanager
def prometheus(folder: Path, api: int, port: int) -> Iterator[str]:
    """Run Prometheus on our configuration, told where the API is; yield its URL."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed: Debian has it in the package prometheus")
    text = (OPS / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    for ours, here in (("127.0.0.1:8000", f"127.0.0.1:{api}"), ("interval: 5s", "interval: 1s")):
        assert ours in text
        text = text.replace(ours, here)
    config = folder / "prometheus.yml"
    config.write_text(text)
    shutil.copy(OPS / "prometheus" / "rules.yml", folder)
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


async def test_prometheus_scrapes_and_shows(tmp_path: Path, free_port: int) -> None:
    """The target is up, every rule is evaluated, and each panel of the dashboard has something."""
    settings = sandboxed("BTCUSDT", sandbox_rate=40, backfill=False)
    async with System(settings, tmp_path) as system:
        system.start(*ALL_ROLES, "trader")
        with prometheus(tmp_path, settings.port, free_port) as url:

            async def ask(path: str) -> Any:
                return (await asyncio.to_thread(fetch, f"{url}/api/v1/{path}"))["data"]

            async def up() -> bool:
                targets = (await ask("targets"))["activeTargets"]
                return [each["health"] for each in targets] == ["up"]

            await eventually("Prometheus scrapes the API", up)

            async def evaluated() -> bool:
                groups = (await ask("rules"))["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                assert not [rule for rule in rules if rule["health"] == "err"], rules
                return len(rules) >= 30 and all(rule["health"] == "ok" for rule in rules)

            await eventually("every rule is evaluated", evaluated)

            async def panels_full() -> bool:
                # Something that fails, for the panel of failures.
                with suppress(HTTPError):
                    await asyncio.to_thread(system.get, "/nothing-here")
                empty = set()
                for panel in panels():
                    asked = [f"query?query={quote(each['expr'])}" for each in panel["targets"]]
                    if not any([(await ask(path))["result"] for path in asked]):
                        empty.add(panel["title"])
                if empty - EMPTY:
                    raise ValueError(f"nothing in {sorted(empty - EMPTY)}")
                return True

            await eventually("every panel has something", panels_full, 90)
