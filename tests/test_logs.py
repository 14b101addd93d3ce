"""Log lines: one style for ours and the libraries', and no secret in any of them."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from openoutcry.logs import mask, mask_secrets

SCRIPT = """
import logging, structlog
from openoutcry import logs
logs.configure("info", "json")
structlog.get_logger().info("ours", url="redis://u:hidden1@h", api_key="hidden2", n=1)
logging.getLogger("theirs").warning("to postgresql://u:hidden3@h/db")
structlog.get_logger().debug("not shown")
try:
    raise ValueError("redis://:hidden4@h")
except ValueError:
    structlog.get_logger().exception("failed")
"""


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://user:pa@ss/w@host/db", "postgresql://user:***@host/db"),
        ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql://postgres@/db?host=/run", "postgresql://postgres@/db?host=/run"),
        ("https://host:80/path", "https://host:80/path"),
    ],
)
def test_passwords_in_urls_are_masked(text: str, masked: str) -> None:
    """The password goes, the rest of the address stays."""
    assert mask(text) == masked


def test_telling_names_are_masked() -> None:
    """A value under a name like `api_key` is not printed, whatever it looks like."""
    event = {
        "api_key": "x",
        "Authorization": "y",
        "tokens_seen": 3,
        "price": 1.5,
        "error": OSError(),
    }
    found = mask_secrets(None, "info", event)
    assert found["api_key"] == found["Authorization"] == "***"
    assert found["price"] == 1.5


def test_every_line_is_json_without_secrets() -> None:
    """Our lines, the libraries' and tracebacks come out as JSON, masked, at the chosen level."""
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stderr
    lines = [msgspec.json.decode(line) for line in said.splitlines()]
    assert [line["event"] for line in lines][:2] == ["ours", "to postgresql://u:***@h/db"]
    assert "ValueError" in lines[2]["exception"]
    assert len(lines) == 3
    assert "hidden" not in said
