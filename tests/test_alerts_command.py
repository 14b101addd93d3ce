"""`outcry alerts`: what is shown, its exit code, and a message to try the webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner, Result

from conftest import run
from openoutcry.adapters.valkey.alert_board import AlertBoard
from openoutcry.adapters.valkey.client import connect
from openoutcry.cli import app
from openoutcry.core.alerts import Alert, Condition, Severity

Run = Callable[..., Result]


@pytest.fixture
def outcry(database_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, on the test's engines."""
    monkeypatch.setenv("OUTCRY_DATABASE_URL", database_url)
    monkeypatch.setenv("OUTCRY_VALKEY_URL", valkey_url)
    return lambda *arguments: CliRunner().invoke(app, ["alerts", *arguments])


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[dict[str, str], bytes]]]:
    """What came to the configured webhook; it refuses what comes after the first message."""
    got: list[tuple[dict[str, str], bytes]] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if len(got) == 1 else 403)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Take)
    monkeypatch.setenv("OUTCRY_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/x")
    monkeypatch.setenv("OUTCRY_ALERT_WEBHOOK_SECRET", "sixteen characters at least")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield got
    server.shutdown()
    thread.join()
    server.server_close()


async def _keep(url: str, *alerts: Alert) -> None:
    valkey = connect(url)
    board = AlertBoard(valkey, "somebody")
    assert await board.hold()
    await board.save({each.condition.key: each for each in alerts})
    await valkey.aclose()


def test_what_is_wrong_is_shown(outcry: Run, valkey_url: str) -> None:
    """Nothing, then something that has not held for long enough, then an alert: exit code 1."""
    assert "Nothing is wrong." in outcry().output
    hub = Condition("role_missing", "hub", Severity.CRITICAL, "no process reports as hub", 0, 1)
    run(_keep(valkey_url, Alert(hub, 1, 2)))
    pending = outcry()
    assert (pending.exit_code, "pending" in pending.output) == (0, True)
    run(_keep(valkey_url, Alert(hub, 1, 2, firing=True, told=3)))
    firing = outcry()
    assert (firing.exit_code, "role_missing" in firing.output) == (1, True)
    told = json.loads(outcry("--json").stdout)
    assert told["alerts"][0]["condition"]["subject"] == "hub"


def test_the_webhook_can_be_tried(outcry: Run, hook: list[tuple[dict[str, str], bytes]]) -> None:
    """A signed message that says what it is; what the other side says of it is told."""
    assert outcry("--test").output.strip() == "127.0.0.1 took the message (signed)."
    headers, body = hook[0]
    assert json.loads(body)["rule"] == "test"
    assert headers["X-Outcry-Signature"].startswith("t=")
    refused = outcry("--test")
    assert refused.exit_code != 0
    assert "127.0.0.1 answered 403" in str(refused.exception) + refused.output


def test_without_a_webhook(outcry: Run) -> None:
    """What is missing is named."""
    refused = outcry("--test")
    assert "OUTCRY_ALERT_WEBHOOK_URL" in str(refused.exception) + refused.output
