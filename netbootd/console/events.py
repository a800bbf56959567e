"""Events in the words of the log."""

from __future__ import annotations

from typing import Any, cast

from twisted.logger import Logger, LogLevel, formatEvent

from netbootd.admin.told import kind
from netbootd.boot_log import boot_log
from netbootd.event import Event, TransferProgressed
from ops.text import escape
from ops.web.words import size


class _Lines:
    """Takes what would be logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def emit(self, level: LogLevel, format: str, **fields: Any) -> None:
        self.lines.append(formatEvent({"log_format": format, **fields}))


def line_of(event: Event) -> str:
    """What the log says of `event`, without the machine's address."""
    if isinstance(event, TransferProgressed):
        return f"{event.service}: {escape(event.name)}, {size(event.sent)} of {size(event.size)}"
    lines = _Lines()
    boot_log(cast(Logger, lines))(event)
    said = "; ".join(_shortened(line, event) for line in lines.lines)
    return escape(said, 1000) or kind(type(event).__name__).replace("_", " ")


def _shortened(line: str, event: Event) -> str:
    if line.startswith("NetBoot: ["):
        return line.partition("] ")[2]
    for known in (f": {event.machine} ", f": {event.address} "):
        line = line.replace(known, ": ", 1)
    return line
