"""`outcry up --tokens`: what it looks for, fetches and refuses; the whole of it is tried once."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.system import fetch
from openoutcry.commands import chain_demo
from openoutcry.commands.chain_demo import ANVIL, provide_anvil, with_chain
from openoutcry.commands.up import _refuse_taken_ports, roles_of
from openoutcry.config import Settings
from openoutcry.errors import EngineError

OUTCRY = (sys.executable, "-m", "openoutcry")
EXAMPLE = Path(__file__).parent.parent / "examples" / "tokens.sh"
PACKAGE = Path(__file__).parent / "chain" / "package.json"


def program(path: Path, text: str) -> Path:
    """Write a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without anvil, and the folder of the programs that it has."""
    monkeypatch.setattr(chain_demo, "_CHECKOUT", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    return tmp_path / "bin"


def test_anvil_is_fetched_once(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By npm, one exact version, without running scripts of it; the next time it is there."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    place = tmp_path / "kept" / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin"
    program(
        nowhere / "npm", f'echo "$@" >> {tmp_path}/asked; /bin/mkdir -p {place}; : > {place}/anvil'
    )
    assert provide_anvil(kept=tmp_path / "kept") == place / "anvil"
    assert provide_anvil(kept=tmp_path / "kept") == place / "anvil"
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert "--ignore-scripts" in asked
    assert asked.endswith(f"@foundry-rs/anvil-{sys.platform}-amd64@{ANVIL}")
    wanted = json.loads(PACKAGE.read_text())["optionalDependencies"]
    assert set(wanted.values()) == {ANVIL}


def test_what_cannot_be_fetched_is_said(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing npm, none at all, and a machine that there is no anvil for: what to do instead."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    program(nowhere / "npm", "echo no network >&2; exit 1")
    with pytest.raises(EngineError, match=r"no network.*Install Foundry's anvil"):
        provide_anvil(kept=tmp_path / "kept")
    monkeypatch.setattr("platform.machine", lambda: "vax")
    with pytest.raises(EngineError, match="none for vax"):
        provide_anvil(kept=tmp_path / "kept")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=r"npm is not here.*Install"):
        provide_anvil(kept=tmp_path / "kept")


def test_settings_of_a_chain_on_this_machine(anvil_program: Path, tmp_path: Path) -> None:
    """A temporary data directory, unless one is named; the sample launchpad; an indexer with it."""
    named = str(anvil_program)
    with with_chain(Settings(sandbox_anvil=named, sandbox_chain_port=4321)) as settings:
        assert settings.chain_rpc_urls == ["ws://127.0.0.1:4321"]
        assert settings.launchpads[0].startswith("outcry@0x")
        assert "indexer" in roles_of(settings)
        folder = Path(settings.data_dir).parent
        assert folder.is_dir()
    assert not folder.exists()
    with with_chain(Settings(sandbox_anvil=named, data_dir=str(tmp_path))) as settings:
        assert settings.data_dir == str(tmp_path)
    assert tmp_path.exists()


def test_what_is_missing_is_said_before_anything_starts(
    anvil_program: Path, monkeypatch: pytest.MonkeyPatch, free_ports: Callable[[int], list[int]]
) -> None:
    """The compiler by the command that installs it, a taken port by its setting."""
    monkeypatch.setattr(chain_demo, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"openoutcry\[launchpad\]"):
        with_chain(Settings(sandbox_anvil=str(anvil_program))).__enter__()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api, hub = free_ports(2)
        settings = Settings(port=api, ws_port=hub, sandbox_chain_port=taken.getsockname()[1])
        with pytest.raises(EngineError, match="OUTCRY_SANDBOX_CHAIN_PORT"):
            _refuse_taken_ports(settings, ["chain"])


def check_example(base: str, environ: dict[str, str]) -> None:
    """Check what the example of the README prints: price and confirmation of a trade."""
    said = subprocess.run(
        ["sh", str(EXAMPLE)],
        env=environ | {"OUTCRY_API": base}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    price, confirmed = (json.loads(line)["data"] for line in said.stdout.splitlines())
    assert price["holderCount"] > 0
    assert float(price["volumeTotal"]) > 0
    assert int(confirmed["volumeMetrics"]["volumeTotal"]) > 10**9
    assert confirmed["holderCount"] > 0


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_one_command_shows_tokens(
    anvil_program: Path, free_ports: Callable[[int], list[int]]
) -> None:
    """`outcry up --sandbox --tokens`: within a minute or two tokens of the chain are in the store."""
    api, hub, rest, ws, chain = map(str, free_ports(5))
    environ = os.environ | {
        "OUTCRY_SANDBOX_PORT": rest,
        "OUTCRY_SANDBOX_WS_PORT": ws,
        "OUTCRY_SANDBOX_CHAIN_PORT": chain,
        "OUTCRY_SANDBOX_ANVIL": str(anvil_program),
    }
    with subprocess.Popen(
        [*OUTCRY, "up", "--sandbox", "--tokens", "--port", api, "--ws-port", hub],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
    ) as up:
        try:
            said: list[str] = []
            for line in up.stdout or []:
                said.append(line)
                if "market of tokens is open" in line:
                    break
            text = "".join(said)
            assert "market of tokens is open" in text, text[-3000:]
            (folder,) = {one.split()[-1] for one in said if one.strip().startswith("Data ")}
            status = subprocess.run(
                [*OUTCRY, "status", "--json", "--data-dir", folder],
                env=environ, capture_output=True, text=True, check=False, cwd="/",
            )  # fmt: skip
            roles = {one["role"]: one for one in json.loads(status.stdout)["roles"]}
            assert roles["indexer"]["gauges"]["block"] > 100
            assert roles["indexer"]["counters"]["trades"] > 100
            assert roles["indexer"]["notes"] == {"node": f"ws://127.0.0.1:{chain}"}
            base = f"http://127.0.0.1:{api}"
            assert fetch(f"{base}/api/v1/config")["tokens"] is True
            check_example(base, environ)
            up.send_signal(signal.SIGTERM)
            rest_of_it = up.stdout.read() if up.stdout else ""
            assert up.wait(60) == 0, rest_of_it[-2000:]
        finally:
            up.kill()
    assert not Path(folder).exists()
