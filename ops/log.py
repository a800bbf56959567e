"""What a log line looks like: for people, or as JSON; one event, one line, safe to show.

    2026-03-01T09:30:00Z info  netbootd.boot  NetBoot: [1,a8:20:66:1:2:3] BSDP ACK[LIST] sent …
    {"time":"2026-03-01T09:30:00.125Z","level":"info","logger":"netbootd.boot","message":"…",…}

Events are Twisted's: a format string and fields. Whatever a peer could have put into a field is
escaped, passwords in URLs are masked. Daemons are run by twistd or twist, which begin to log; `use`
makes them write these lines to where the configuration says (`ops.log_destination`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, TextIO, cast

from msgspec import Meta, Struct
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
)
from twisted.python.logfile import LogFile

from ops.setting import ByteSize
from ops.text import escape, mask_passwords

if TYPE_CHECKING:
    from ops.privilege import Identity

Format = Literal["human", "json"]

MAX_MESSAGE = 4096
"""Characters of a message that are shown. A list of 60 images with their names is half of that."""

STALE = "Removing stale pidfile "
"""What twistd calls critical: it was killed before. Nobody has to do anything."""

_LEGACY = frozenset({"time", "system", "format", "isError", "failure", "why"})
"""What Twisted's older API puts into events; the message has all of it."""


SIZES: Final = (ByteSize(200 << 10), ByteSize(4 << 20))
COUNTS: Final = (1, 20)
"""What `size` and `count` may be; what is beyond is brought back to it, with a warning."""


class LogSettings(Struct, frozen=True, kw_only=True):
    """What the log looks like, and where it goes."""

    destination: Literal["stdout", "stderr", "file", "journald", "eventlog"] = "stdout"
    """"stdout": where twistd is told to, by default standard output in the foreground; "stderr":
    standard error; "file": files of our own, rotated; "journald": systemd's journal, with fields;
    "eventlog": that of Windows."""
    directory: Annotated[Path | None, Meta(examples=["/srv/log"])] = None
    """Folder of the log files; created if missing. Default: /var/log/ with the daemon's name for
    root, otherwise `log` in the folder of the database."""
    size: ByteSize = ByteSize(1 << 20)
    """Size at which a log file becomes an archive, from 200 KiB to 4 MiB."""
    count: int = 10
    """Archives kept of each log file, from 1 to 20. The newest is `….1.log.gz`."""
    format: Format = "human"
    """One line per event for people, or one JSON object per line for machines."""
    level: Literal["debug", "info", "warn", "error"] = "info"
    """The least important events to log."""


def human_line(event: LogEvent) -> str:
    """Time, level, logger, message; the lines of a traceback follow, indented."""
    at = _time(event).isoformat(timespec="seconds").replace("+00:00", "Z")
    level = _level(event)
    lines = [f"{at} {level:<5} {escape(logger_of(event))}  {message_of(event)}"]
    lines += [f"    {line}" for line in traceback_lines(event)]
    return mask_passwords("\n".join(lines)) + "\n"


def json_line(event: LogEvent) -> str:
    """One object: time, level, logger, message, the event's fields, and `traceback` if it has one.

    All but ASCII is escaped, so the line is safe on a terminal and loses nothing. A field with the
    name of one of ours is left out.
    """
    record: dict[str, Any] = {
        "time": _time(event).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": _level(event),
        "logger": logger_of(event),
        "message": text_of(event),
    }
    for name, value in event.items():
        if not name.startswith("log_") and name not in _LEGACY and name not in record:
            record[name] = value
    if traceback := traceback_of(event):
        record["traceback"] = traceback
    return mask_passwords(json.dumps(record, default=_plain, skipkeys=True)) + "\n"


def observer(stream: TextIO, format: Format, level: str) -> ILogObserver:
    """Writes events of `level` and above to `stream`, each line flushed."""
    return leveled(FileLogObserver(stream, line_of(format)), level)


def leveled(observer: Callable[[LogEvent], None], level: str) -> ILogObserver:
    """Passes on to `observer` events of `level` and above."""
    predicates: list[Any] = [LogLevelFilterPredicate(defaultLogLevel=LogLevel.lookupByName(level))]
    if level != "debug":
        predicates.insert(0, _without_chatter)
    return FilteringLogObserver(cast(Any, observer), predicates)


def _without_chatter(event: LogEvent) -> Any:
    """No news of ports that open and close, which Twisted tells by its older API."""
    is_chatter = event.get("log_namespace") == "log_legacy" and not (
        event.get("isError") or "warning" in event
    )
    return PredicateResult.no if is_chatter else PredicateResult.maybe


def line_of(format: Format) -> Callable[[LogEvent], str]:
    """What makes a line of an event."""
    return json_line if format == "json" else human_line


class Destination(Protocol):
    """What takes events in place of a stream, from any thread."""

    def __call__(self, event: LogEvent) -> None: ...

    def hand_over(self, identity: Identity) -> None:
        """Let `identity`, which this process is about to become, own its files. Raises OSError."""

    def started(self) -> None:
        """The daemon runs, as whom it will run: do and tell what had to wait for that."""

    def reopen(self) -> None:
        """Somebody, such as logrotate, may have moved its files."""

    def close(self) -> None:
        """Write no more. A process that ends need not say so."""


def use(
    runner: MutableMapping[str, Any] | None,
    settings: LogSettings,
    destination: Destination | None = None,
) -> None:
    """Make twistd or twist, whose options `runner` is, log as `settings` say, to `destination` if
    it is not to be a stream.

    To be called while options are parsed, before either begins to log. What the operator chose on
    its command line (`--logger`, `--syslog`) is left alone.
    """
    if runner is None:
        return
    _in_use[:] = [] if destination is None else [destination]

    def chosen(stream: Callable[[], TextIO]) -> ILogObserver:
        if destination is not None:
            return leveled(destination, settings.level)
        out = stream() if settings.destination == "stdout" else sys.stderr
        return observer(out, settings.format, settings.level)

    if "fileLogObserverFactory" in runner:  # twist
        runner["fileLogObserverFactory"] = lambda stream: chosen(lambda: stream)
        runner["logLevel"] = LogLevel.lookupByName(settings.level)
    elif not runner.get("logger") and not runner.get("syslog"):  # twistd
        # It imports its --logger by name, after this and before anybody else is asked.
        _for_twistd[:] = [lambda: chosen(lambda: _destination(runner))]
        runner["logger"] = f"{__name__}.twistd_observer"


_in_use: list[Destination] = []
"""At most one: there is one log in a process."""


def hand_over(identity: Identity) -> None:
    """Let `identity`, which this process is about to become, own the log. Raises OSError."""
    for destination in _in_use:
        destination.hand_over(identity)


def started() -> None:
    """To be called when the daemon runs, as whom it will run."""
    for destination in _in_use:
        destination.started()


def reopen() -> None:
    """To be called when somebody may have moved log files."""
    for destination in _in_use:
        destination.reopen()


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


def level_of(event: LogEvent) -> LogLevel:
    """How important an event is; those of Twisted's older API do not say."""
    level: Any = event.get("log_level", LogLevel.info)
    if level is LogLevel.critical and text_of(event).startswith(STALE):
        level = LogLevel.warn
    return cast(LogLevel, level)


def logger_of(event: LogEvent) -> str:
    """The part that an event comes from."""
    return str(event.get("log_namespace", "-"))


def text_of(event: LogEvent) -> str:
    """The message, its fields put in; as a peer may have written it."""
    text = formatEvent(event)
    if not text and "log_failure" in event:
        text = event["log_failure"].getErrorMessage()
    return text


def traceback_of(event: LogEvent) -> str:
    """Where the failure that an event tells of happened; empty if it tells of none."""
    failure = event.get("log_failure")
    return "" if failure is None else str(failure.getTraceback())


def fields_of(event: LogEvent) -> dict[str, Any]:
    """An event's own fields, by name, as JSON has values."""
    own = {
        name: value
        for name, value in event.items()
        if not name.startswith("log_") and name not in _LEGACY
    }
    plain: dict[str, Any] = json.loads(json.dumps(own, default=_plain, skipkeys=True))
    return plain


def _level(event: LogEvent) -> str:
    return str(level_of(event).name)


def message_of(event: LogEvent) -> str:
    """The message as it may be shown: in one line, with nothing that could upset a terminal."""
    return escape(text_of(event), MAX_MESSAGE)


def traceback_lines(event: LogEvent) -> list[str]:
    """The traceback as it may be shown."""
    return [escape(line, MAX_MESSAGE) for line in traceback_of(event).splitlines()]


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
