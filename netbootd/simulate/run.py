"""Run a boot in a reactor of its own and show it on the terminal: what the commands are made of."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.text import Text
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from netbootd.simulate.screen import ScreenWatcher
from netbootd.simulate.watch import BootFailed, BootWatcher
from ops.text import escape

Run = Callable[[Any, BootWatcher], Awaitable[str]]
"""Does the work with a reactor, telling the watcher; the verdict, one line."""


def show(title: str, run: Run, console: Console | None = None) -> bool:
    """Run it, stage by stage on `console` (the terminal); whether it went well."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ gets a question mark
    screen = console or Console(highlight=False)
    watcher = ScreenWatcher(screen, time.monotonic)
    screen.print(Text(title, "bold"))
    went_well = False

    async def watched(reactor: Any) -> None:
        nonlocal went_well
        try:
            verdict = await run(reactor, watcher)
        except BootFailed as failure:
            watcher.failed(failure.stage, failure.why)
            screen.print(Text.assemble(("✗ ", "bold red"), f"Not booted: {failure.stage} failed"))
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
