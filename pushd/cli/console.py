"""`pushctl console`."""

from __future__ import annotations

from pathlib import Path

from ops.web.command import ConsoleOf, console_commands


def _read(configuration: Path | None) -> ConsoleOf:
    from pushd.config import load

    settings = load(configuration)
    return ConsoleOf(settings=settings.console, user=settings.user, group=settings.group)


console = console_commands("pushd", _read)
