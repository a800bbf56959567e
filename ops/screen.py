"""Show stages on a terminal: a moving bar for the stage under way, a line for each one done.

Where the output is not a terminal only the lines are written, whole, so that a log stays readable.
What servers say is escaped: an image's name must not move the cursor.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.status import Status
from rich.table import Table
from rich.text import Text

from ops.text import escape

STAGE_WIDTH = 21
"""Characters of `PlatformSupport.plist`, the longest: 80 columns leave 49 for what a stage says."""
ROOM_FOR_AMOUNTS = 70
"""Columns from which on a bar has bytes and speed beside it."""
ROOM_FOR_COLUMNS = 60
"""Columns from which on what a stage says stands beside its name, else below."""
MAX_RESULT = 1000
"""Characters of what a stage says; a server's name for itself and its images is in it."""

BYTES = (DownloadColumn(binary_units=True), TransferSpeedColumn())
PIECES = (MofNCompleteColumn(),)
"""What stands beside a bar, if there is room: how much, and how fast."""


class ScreenWatcher:
    """A `Watcher` that draws on `console`; `clock` is monotonic seconds."""

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float],
        amounts: tuple[ProgressColumn, ...] = BYTES,
    ) -> None:
        self._console = console
        self._clock = clock
        self._amounts = amounts
        self._stage = ""
        self._began = 0.0
        self._status: Status | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def began(self, stage: str, doing: str) -> None:
        self._stage = stage
        self._began = self._clock()
        if self._console.is_terminal:
            shown = escape_markup(escape(doing))
            self._status = self._console.status(f"{stage:<{STAGE_WIDTH}} [dim]{shown}[/]")
            self._status.start()

    def progressed(self, done: int, total: int) -> None:
        if self._bar is None:
            self._erase()
            self._bar = self._draw(total)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def _draw(self, total: int) -> Progress:
        bar = Progress(
            TextColumn(f"[cyan]▸[/] {self._stage:<{STAGE_WIDTH}}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            *(self._amounts if self._console.width >= ROOM_FOR_AMOUNTS else ()),
            console=self._console,
            transient=True,
            expand=True,
            disable=not self._console.is_terminal,
        )
        self._task = bar.add_task(self._stage, total=total)
        bar.start()
        return bar

    def _erase(self) -> None:
        if self._status is not None:
            self._status.stop()
        self._status = None
        if self._bar is not None:
            self._bar.stop()
        self._bar = None
        self._task = None

    def noted(self, what: str) -> None:
        text = f"… {self._stage:<{STAGE_WIDTH}} {escape(what, MAX_RESULT)}"
        self._console.print(Text(text, "dim"), soft_wrap=not self._console.is_terminal)

    def ended(self, result: str) -> None:
        self._erase()
        self._line("✓", "green", result)

    def doubted(self, stage: str, why: str) -> None:
        """It is done, but there is something to say of it."""
        self._erase()
        self._stage = stage
        self._line("!", "yellow", why)

    def failed(self, stage: str, why: str) -> None:
        """It ended here, at `stage`."""
        self._erase()
        self._stage = stage
        self._line("✗", "red", why)

    def close(self) -> None:
        """Give the terminal back as it was, whatever happened."""
        self._erase()

    def _line(self, mark: str, style: str, result: str) -> None:
        seconds = self._clock() - self._began
        took = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
        shown = escape(result, MAX_RESULT)
        if not self._console.is_terminal:
            line = f"{mark} {self._stage:<{STAGE_WIDTH}} {shown} ({took})"
            self._console.print(Text(line), soft_wrap=True)
            return
        if self._console.width < ROOM_FOR_COLUMNS:
            head = Text.assemble((mark, style), f" {self._stage} ", (took, "dim"))
            self._console.print(head, Padding(Text(shown, "dim"), (0, 0, 0, 2)), sep="\n")
            return
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=1)
        row.add_column(width=STAGE_WIDTH)
        row.add_column(ratio=1, overflow="fold")
        row.add_column(justify="right", no_wrap=True)
        row.add_row(Text(mark, style), Text(self._stage), Text(shown, "dim"), Text(took, "dim"))
        self._console.print(row)
