"""What a log line looks like: for people, or as JSON; one event, one line, safe to show.

    2026-03-01T09:30:00Z info  netbootd.boot  NetBoot: [1,a8:20:66:1:2:3] BSDP ACK[LIST] sent …
    {"time":"2026-03-01T09:30:00.125Z","level":"info","logger":"netbootd.boot","message":"…",…}

Events are Twisted's: a format string and fields. Whatever a peer could have put into a field is
escaped, passwords in URLs are masked. Daemons are run by twistd or twist, which own the destination
of the log; `use` makes them write these lines to it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal, TextIO

from msgspec import Struct
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.logfile import LogFile

from ops.text import escape, mask_passwords

Format = Literal["human", "json"]

MAX_MESSAGE = 4096
"""Characters of a message that are shown. A list of 60 images with their names is half of that."""

STALE = "Removing stale pidfile "
"""What twistd calls critical: it was killed before. Nobody has to do anything."""

_LEGACY = frozenset({"time", "system", "format", "isError", "failure", "why"})
"""What Twisted's older API puts into events; the message has all of it."""


class LogSettings(Struct, frozen=True, kw_only=True):
    """What the log looks like."""

    format: Format = "human"
    """One line per event for people, or one JSON object per line for machines."""
    level: Literal["debug", "info", "warn", "error"] = "info"
    """The least important events to log."""


def human_line(event: LogEvent) -> str:
    """Time, level, logger, message; the lines of a traceback follow, indented."""
    at = _time(event).isoformat(timespec="seconds").replace("+00:00", "Z")
    level = _level(event)
    lines = [f"{at} {level:<5} {escape(_logger(event))}  {_message(event)}"]
    lines += [f"    {escape(line, MAX_MESSAGE)}" for line in _traceback(event).splitlines()]
    return mask_passwords("\n".join(lines)) + "\n"


def json_line(event: LogEvent) -> str:
    """One object: time, level, logger, message, the event's fields, and `traceback` if it has one.

    All but ASCII is escaped, so the line is safe on a terminal and loses nothing. A field with the
    name of one of ours is left out.
    """
    record: dict[str, Any] = {
        "time": _time(event).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _level(event),
        "logger": _logger(event),
        "message": _text(event),
    }
    for name, value in event.items():
        if not name.startswith("log_") and name not in _LEGACY and name not in record:
            record[name] = value
    if traceback := _traceback(event):
        record["traceback"] = traceback
    return mask_passwords(json.dumps(record, default=_plain, skipkeys=True)) + "\n"


def observer(stream: TextIO, format: Format, level: str) -> ILogObserver:
    """Writes events of `level` and above to `stream`, each line flushed."""
    write = FileLogObserver(stream, json_line if format == "json" else human_line)
    lowest = LogLevel.lookupByName(level)
    return FilteringLogObserver(write, [LogLevelFilterPredicate(defaultLogLevel=lowest)])


def use(runner: MutableMapping[str, Any] | None, format: Format, level: str) -> None:
    """Make twistd or twist, whose options `runner` is, log in `format` from `level` up.

    To be called while options are parsed, before either begins to log. What the operator chose on
    its command line (`--logger`, `--syslog`) is left alone.
    """
    if runner is None:
        return
    if "fileLogObserverFactory" in runner:  # twist
        runner["fileLogObserverFactory"] = lambda stream: observer(stream, format, level)
        runner["logLevel"] = LogLevel.lookupByName(level)
    elif not runner.get("logger") and not runner.get("syslog"):  # twistd
        # It imports its --logger by name, after this and before anybody else is asked.
        _for_twistd[:] = [lambda: observer(_destination(runner), format, level)]
        runner["logger"] = f"{__name__}.twistd_observer"


_for_twistd: list[Callable[[], ILogObserver]] = []


def twistd_observer() -> ILogObserver:
    """What `use` chose, for twistd to find by name."""
    return _for_twistd[0]()


def _destination(twistd: MutableMapping[str, Any]) -> TextIO:
    """Where twistd would log: its --logfile, standard output in the foreground, twistd.log."""
    name = twistd.get("logfile") or ("-" if twistd.get("nodaemon", True) else "twistd.log")
    if name == "-":
        return sys.stdout
    return LogFile.fromFullPath(name)  # type: ignore[no-any-return, no-untyped-call]


def _time(event: LogEvent) -> datetime:
    return datetime.fromtimestamp(event.get("log_time", 0.0), UTC)


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    if level is LogLevel.critical and _text(event).startswith(STALE):
        level = LogLevel.warn
    return "info" if level is None else str(level.name)


def _logger(event: LogEvent) -> str:
    return str(event.get("log_namespace", "-"))


def _message(event: LogEvent) -> str:
    return escape(_text(event), MAX_MESSAGE)


def _text(event: LogEvent) -> str:
    text = formatEvent(event)
    if not text and "log_failure" in event:
        text = event["log_failure"].getErrorMessage()
    return text


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    return "" if failure is None else str(failure.getTraceback())


def _plain(value: object) -> object:
    """What JSON has no form for, as something that it has one for."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
