"""`outcry bench`: which benchmarks there are, and what it says of others."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from openoutcry.cli import app
from openoutcry.commands.bench import NAMES

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_all_that_are_described_are_there() -> None:
    """Each row of the benchmarks' own page is a name that the command takes, and a file."""
    page = (BENCHMARKS / "README.md").read_text()
    described = re.findall(r"^\|.*`python benchmarks/(\w+)\.py`", page, re.MULTILINE)
    assert sorted(described) == sorted(NAMES)
    assert all((BENCHMARKS / f"{name}.py").is_file() for name in NAMES)


def test_another_name_is_answered_with_those_there_are() -> None:
    """Nothing runs; the mistake comes with the list."""
    found = CliRunner().invoke(app, ["bench", "nothing"])
    assert found.exit_code != 0
    assert "pipeline" in found.output + str(found.exception)
