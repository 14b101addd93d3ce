"""What `outcry up` shows: plain lines anywhere, a live table on a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openoutcry import __version__
from openoutcry.supervisor import Child, State

_COLOURS = {
    State.RUNNING: "green",
    State.DONE: "dim",
    State.STARTING: "yellow",
    State.RESTARTING: "yellow",
    State.STOPPED: "dim",
    State.REFUSED: "red",
}
_NAME_WIDTH = 10


class PlainView:
    """One line for everything that is said, with its origin: for logs, pipes and containers."""

    def __init__(self, console: Console) -> None:
        self.children: Mapping[str, Child] = {}
        self._console = console

    def banner(self, facts: Mapping[str, str]) -> None:
        """Print where everything is."""
        self._console.print(Text(f"OpenOutcry {__version__}", style="bold"))
        for name, value in facts.items():
            self._console.print(Text(f"  {name:<10} {value}"))

    def say(self, name: str, line: str) -> None:
        """Print one line of a child, or of ours under the name `outcry`."""
        self._console.print(Text(f"{name:<{_NAME_WIDTH}} {line}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class LiveView(PlainView):
    """A table of all children that stays in place; only what needs attention scrolls above it."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live = Live(self, console=console, refresh_per_second=2, transient=True)

    def say(self, name: str, line: str) -> None:
        """Print what is ours or a complaint; the rest is in the table and in the log files."""
        if name == "outcry" or any(word in line.lower() for word in ("warn", "error", "critical")):
            super().say(name, line)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table as of now."""
        table = Table(box=None, padding=(0, 1), expand=True, show_header=False)
        for column in ("name", "state", "pid", "for", "restarts"):
            table.add_column(column, no_wrap=True)
        table.add_column("last line", no_wrap=True, ratio=1, overflow="ellipsis")
        for child in self.children.values():
            restarts = f"{child.restarts} restarts" if child.restarts else ""
            table.add_row(
                child.name,
                Text(child.state, style=_COLOURS[child.state]),
                str(child.pid or ""),
                f"{time.monotonic() - child.since:.0f} s",
                restarts,
                Text(child.last_line, style="dim"),
            )
        yield table
