"""What Prometheus and Grafana are given: the files of `ops/`, and the metrics that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OPS = Path(__file__).parent.parent / "ops"
RULES = OPS / "prometheus" / "rules.yml"
DASHBOARD = OPS / "grafana" / "openoutcry.json"

INDEXER = {
    "outcry_role_lag_blocks",
    "outcry_role_node_silent_seconds",
    "outcry_role_transfers_total",
    "outcry_role_blocks_undone_total",
    "outcry_role_logs_refused_total",
    "outcry_role_node_failovers_total",
}
"""What is told by a role that runs only where a chain is followed (services/indexer_stats.py)."""

# A recorded series is one of ours under another name: it has a colon.
_METRIC = re.compile(r"(?<![\w:])outcry_\w+(?![\w:])")


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def panels() -> Iterator[dict[str, Any]]:
    """Yield the panels that show something."""
    yield from (each for each in dashboard()["panels"] if each["type"] != "row")


def expressions() -> list[str]:
    """Return every expression of the dashboard."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def named(text: str) -> set[str]:
    """Return the metrics that a text names."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return set(_METRIC.findall("\n".join(lines)))
