"""Options that many commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(help="Where the engines keep their data. Default: your data directory."),
]


def overrides(data_dir: Path | None) -> dict[str, Any]:
    """Return the settings that these options stand for."""
    return {"data_dir": str(data_dir.absolute()) if data_dir else None}
