"""The files for Prometheus and Grafana hold together, and do what they say."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from openoutcry.config import Settings
from openoutcry.services.indexer_stats import IndexerStats, figures
from openoutcry.tokens import Header
from opskit import INDEXER, OPS, RULES, dashboard, expressions, named, panels


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it said; skips where there is none."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: Debian has it in the package prometheus")
    done = subprocess.run(
        [found, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=OPS
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_prometheus_takes_the_files() -> None:
    """Configuration and rules are what Prometheus understands."""
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("check", "config", OPS / "prometheus" / "prometheus.yml")


def test_rules_fire_when_they_should() -> None:
    """Made-up series and what is to be told of them, by Prometheus's own tester."""
    assert "SUCCESS" in promtool("test", "rules", OPS / "prometheus" / "rules.test.yml")


def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    """Each expression parses."""
    rules = [{"record": f"panel:{at}", "expr": each} for at, each in enumerate(expressions())]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)


def test_panels_have_places_of_their_own() -> None:
    """No panel covers another or leaves the grid, ids are unique, every one has a name and a source."""
    shown = dashboard()["panels"]
    assert len({each["id"] for each in shown}) == len(shown)
    for each in shown:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(shown, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one['title']} and {other['title']} overlap"
    for each in panels():
        assert each["title"]
        assert each["datasource"]["uid"] == "${source}"


def test_every_alert_says_what_is_wrong() -> None:
    """Each has a severity and a summary; thresholds are those of the built-in alerts."""
    text = RULES.read_text(encoding="utf-8")
    blocks = text.split("- alert: ")[1:]
    assert len(blocks) >= 25
    for block in blocks:
        assert "severity: warning" in block or "severity: critical" in block, block
        assert "summary:" in block, block
    settings = Settings()
    assert f"stream_behind_seconds) > {settings.alert_recorder_seconds:g}" in text
    assert f"last_trade_timestamp_seconds) > {settings.alert_silence_seconds:g}" in text
    assert f"for: {settings.alert_gap_minutes:g}m" in text
    assert f'lag_seconds{{role="indexer"}}) > {settings.alert_indexer_seconds:g}' in text
    assert f"statement_seconds:mean > {settings.alert_query_ms / 1000:g}" in text


def test_what_the_indexer_tells() -> None:
    """The metrics that are looked for where a chain is followed are those that its role tells."""
    head = Header(9, bytes(32), bytes(32), 9)
    watch: Any = SimpleNamespace(nodes=SimpleNamespace(failovers=0), seen=head, seen_at=0.0)
    progress = SimpleNamespace(span=1, target=9, number=9, first=0)
    source: Any = SimpleNamespace(refused={}, progress=progress)
    counters, gauges, _ = figures(IndexerStats(last=head), watch, source)
    told = {f"outcry_role_{name}_total" for name in counters}
    told |= {f"outcry_role_{name}" for name in gauges}
    assert told >= INDEXER
    assert {"owned", "lag_seconds", "lag_blocks", "node_silent_seconds"} <= set(gauges), "alerts"


def test_names_are_found() -> None:
    """What looks for names in expressions finds them, and leaves recorded ones alone."""
    found = named("# outcry_no\nrate(outcry_a_total[5m]) / outcry:b:ratio + outcry_c{d='outcry:e'}")
    assert found == {"outcry_a_total", "outcry_c"}
