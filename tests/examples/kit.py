"""What the tests of the examples share: a whole system, and ways to run programs against it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from e2e.system import System
from openoutcry.config import Settings

EXAMPLES = Path(__file__).parents[2] / "examples"
SYMBOLS = ["BTCUSDT", "ETHUSDT"]


class Running:
    """The system that all examples talk to."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.settings = settings
        self.hub = f"ws://127.0.0.1:{settings.ws_port}"

    def environment(self) -> dict[str, str]:
        """Return the environment of a user whose engines are the system's."""
        return os.environ | {
            "OUTCRY_DATABASE_URL": self.system.database_url,
            "OUTCRY_VALKEY_URL": self.system.engines.valkey_url,
            "OUTCRY_BINANCE_REST_URL": self.settings.binance_rest_url,
            "COLUMNS": "160",
        }

    def run(self, *command: str, code: int = 0) -> str:
        """Run an example to its end and return what it printed."""
        done = subprocess.run(
            command,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def python(self, name: str, *arguments: str, code: int = 0) -> str:
        """Run one of the Python examples."""
        return self.run(sys.executable, str(EXAMPLES / name), *arguments, code=code)
