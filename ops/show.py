"""Run something in a reactor of its own and show it on the terminal, stage by stage: what commands
are made of."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.progress import ProgressColumn
from rich.text import Text
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ops.screen import BYTES, ScreenWatcher
from ops.stage import StageFailed, Watcher
from ops.text import escape

Run = Callable[[Any, Watcher], Awaitable[str]]
"""Does the work with a reactor, telling the watcher; the verdict, one line."""


def show(
    title: str,
    run: Run,
    console: Console | None = None,
    *,
    not_done: str,
    amounts: tuple[ProgressColumn, ...] = BYTES,
) -> bool:
    """Run it, stage by stage on `console` (the terminal); whether it went well.

    `not_done` says that it did not: `Not booted`. `amounts` stand beside a bar.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ gets a question mark
    screen = console or Console(highlight=False)
    watcher = ScreenWatcher(screen, time.monotonic, amounts)
    screen.print(Text(title, "bold"))
    went_well = False

    async def watched(reactor: Any) -> None:
        nonlocal went_well
        try:
            verdict = await run(reactor, watcher)
        except StageFailed as failure:
            watcher.failed(failure.stage, failure.why)
            screen.print(Text.assemble(("✗ ", "bold red"), f"{not_done}: {failure.stage} failed"))
        else:
            screen.print(Text.assemble(("✓ ", "bold green"), escape(verdict)))
            went_well = True

    try:
        react(lambda reactor: Deferred.fromCoroutine(watched(reactor)))
    except SystemExit as ended:
        if ended.code:
            sys.exit(ended.code)
    finally:
        watcher.close()
    return went_well
