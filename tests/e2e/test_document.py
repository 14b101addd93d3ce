"""The whole OpenAPI document against the running product, with requests that nobody would think of."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.sandboxed import sandboxed
from e2e.system import ALL_ROLES, System, eventually, fetch
from e2e.traders import PASSWORD

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
)
"""Not among them: whether an answer of 200 or 400 was right. Binance and UDF answer some wrong
questions with 200, and a start after its end is wrong without any schema to say so."""


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """All roles, with an admin called ada and markets that are heard."""
    settings = sandboxed("BTCUSDT", "ETHUSDT", sandbox_rate=20.0)
    async with System(settings, tmp_path) as system:
        system.start(*ALL_ROLES)

        async def heard() -> bool:
            return len(system.get("/api/v1/markets")["markets"]) == 2

        await eventually("both markets", heard)
        await run(system, "user", "add", "ada", "--role", "admin", typed=PASSWORD + "\n")
        yield system


async def run(system: System, *command: str, typed: str = "") -> str:
    """Run `outcry` on the system's engines and return what it printed."""
    return await asyncio.to_thread(
        lambda: (
            subprocess.run(
                [sys.executable, "-m", "openoutcry", *command],
                input=typed,
                env=system.environment(),
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            ).stdout
        )
    )


async def explore(system: System, *options: str) -> str:
    """Run schemathesis over the document; fails with its report if it finds anything."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{system.url}/schema"]
    fixed = ["--checks", ",".join(CHECKS), "--seed", "1", "--max-examples", "20", "--no-color"]
    fixed += ["--phases", "examples,coverage,fuzzing", "--generation-database", "none"]
    done = await asyncio.to_thread(
        lambda: subprocess.run(
            [*command, *fixed, *options],
            cwd=system.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


async def test_no_request_breaks_the_api_or_its_document(system: System) -> None:
    """No 5xx, and no answer that the document does not describe: with an admin's key, then signed in.

    The second run leaves out what would end its own session.
    """
    printed = await run(system, "key", "create", "ada", "--name", "all", "--scopes", "trade,admin")
    key = printed.split()[0]
    report = await explore(system, "--header", f"X-API-Key: {key}")
    documented = system.get("/schema")["paths"]
    operations = sum(len(methods) for methods in documented.values())
    assert f"Tested: {operations}" in report

    sign_in = {"name": "ada", "password": PASSWORD}
    token = fetch(f"{system.url}/api/v1/auth/token", "POST", sign_in)["accessToken"]
    await explore(
        system,
        *("--header", f"Authorization: Bearer {token}", "--include-path-regex", "/api/v1/auth"),
        *("--exclude-path-regex", "sign-out|sessions/|token"),
    )
    assert system.get("/health/ready")["ready"]
