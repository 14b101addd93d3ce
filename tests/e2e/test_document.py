"""The whole OpenAPI document against the running product, with requests that nobody would think of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from .sandboxed import sandboxed
from .system import ALL_ROLES, System, eventually, fetch, shared, wait
from .traders import PASSWORD

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

EXAMPLES = os.environ.get("OUTCRY_TEST_DOCUMENT_EXAMPLES", "10")
"""Made-up requests for each operation, beside those that its schema's limits ask for."""
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
BOTS = "/api/v1/(bots|orders|fills|logs|analytics|portfolio|kill-switch|strategies)"
"""About half of all that is to be tried: two workers can share it."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All roles, with an admin called ada and markets that are heard."""
    settings = sandboxed("BTCUSDT", "ETHUSDT", sandbox_rate=20.0)
    with shared(settings, tmp_path_factory.mktemp("system")) as system:
        system.start(*ALL_ROLES)

        async def heard() -> bool:
            return len(system.get("/api/v1/markets")["markets"]) == 2

        wait(lambda: eventually("both markets", heard))
        run(system, "user", "add", "ada", "--role", "admin", typed=PASSWORD + "\n")
        yield system


def run(system: System, *command: str, typed: str = "") -> str:
    """Run `outcry` on the system's engines and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "openoutcry", *command],
        input=typed,
        env=system.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def explore(system: System, *options: str) -> str:
    """Run schemathesis over the document; fails with its report if it finds anything."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{system.url}/schema"]
    fixed = ["--checks", ",".join(CHECKS), "--seed", "1", "--max-examples", EXAMPLES, "--no-color"]
    fixed += ["--phases", "examples,coverage,fuzzing", "--generation-database", "none"]
    # Of itself it shows an Authorization beside ours in most requests: two of them are a 401.
    fixed += ["--generation-with-security-parameters", "false"]
    done = subprocess.run(
        [*command, *fixed, *options],
        cwd=system.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("bots", [True, False], ids=["bots", "everything else"])
def test_no_request_breaks_the_api_or_its_document(system: System, bots: bool) -> None:
    """With a key that may do all: no 5xx, and no answer that the document does not describe."""
    printed = run(system, "key", "create", "ada", "--name", "all", "--scopes", "trade,admin")
    which = "--include-path-regex" if bots else "--exclude-path-regex"
    report = explore(system, "--header", f"X-API-Key: {printed.split()[0]}", which, BOTS)
    documented = system.get("/schema")["paths"]
    meant = [methods for path, methods in documented.items() if bool(re.match(BOTS, path)) == bots]
    assert f"Tested: {sum(map(len, meant))}" in report
    assert system.get("/health/ready")["ready"]


def test_no_request_of_somebody_signed_in_breaks_it(system: System) -> None:
    """The same for what only a session may ask, but for what would end the session itself."""
    sign_in = {"name": "ada", "password": PASSWORD}
    token = fetch(f"{system.url}/api/v1/auth/token", "POST", sign_in)["accessToken"]
    explore(
        system,
        *("--header", f"Authorization: Bearer {token}", "--include-path-regex", "/api/v1/auth"),
        *("--exclude-path-regex", "sign-out|sessions/|token"),
    )
    assert system.get("/health/ready")["ready"]
