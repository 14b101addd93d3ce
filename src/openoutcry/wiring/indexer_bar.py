"""The bar that a terminal shows while the indexer catches up."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bars

from openoutcry.core.chain.steps import Progress
from openoutcry.services.catch_up import length


class Bar:
    """Draws how far it has come; gone when it has caught up."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars: Bars | None = None

    def tell(self, progress: Progress, eta: float | None) -> None:
        """Draw the bar, or move it on."""
        if self._bars is None:
            self._bars = Bars(
                TextColumn("Catching up"),
                BarColumn(),
                TaskProgressColumn(),
                MofNCompleteColumn(),
                TextColumn("blocks, {task.fields[left]} left"),
                console=self._console,
                transient=True,
            )
            self._bars.add_task("", total=None, left="?")
            self._bars.start()
        (task,) = self._bars.task_ids
        self._bars.update(
            task,
            total=progress.target - progress.first,
            completed=progress.number - progress.first,
            left=length(eta),
        )

    def done(self, progress: Progress, seconds: float) -> None:
        """Take the bar away, and leave a line."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._console.print(f"Caught up at block {progress.number:,} after {length(seconds)}.")
