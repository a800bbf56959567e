"""Where the log of this process goes, if not to a stream: files, systemd's journal, Windows' log.

Each is a `Destination` (`ops.log`). Stdout and stderr need nothing of this, and do not import it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import LogEvent, Logger, LogLevel

from ops.config import ConfigError
from ops.finding import Finding, Severity
from ops.log import COUNTS, SIZES, Destination, LogSettings, line_of, logger_of
from ops.privilege import Identity, hand_over
from ops.setting import ByteSize
from ops.state import is_writable, state_directory

if TYPE_CHECKING:
    from ops.log_file import RotatingFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The logs of one daemon."""

    daemon: str
    """Its name, and that of the log that takes all that has no log of its own."""
    own: Mapping[str, str]
    """Names of further logs, by the parts that write to them: `netbootd.boot`, or `pushd.api.*`,
    which is that part with all below it."""


class Files:
    """Events to rotated files, by the part that they come from."""

    def __init__(self, logs: Logs, settings: LogSettings, folder: Path) -> None:
        """Makes `folder` and its files. Raises OSError."""
        from ops.log_file import RotatingFile

        self.folder = folder
        self._own = logs.own
        self._clamped = clamped(settings)
        self._line = line_of(settings.format)
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._files: dict[str, RotatingFile] = {}
        for name in dict.fromkeys((logs.daemon, *logs.own.values())):
            self._files[name] = RotatingFile(
                folder,
                name,
                size=within(settings.size, SIZES),
                count=within(settings.count, COUNTS),
                note=self._note,
            )
        self._rest = self._files[logs.daemon]
        self._by_logger: dict[str, RotatingFile] = {}

    def __call__(self, event: LogEvent) -> None:
        logger = logger_of(event)
        file = self._by_logger.get(logger)
        if file is None:
            file = self._by_logger[logger] = self._file_of(logger)
        file.write(self._line(event).encode(errors="backslashreplace"))

    def reopen(self) -> None:
        """Go on in new files, where somebody has moved ours."""
        for file in self._files.values():
            file.reopen()

    def hand_over(self, identity: Identity) -> None:
        """Raises OSError."""
        hand_over(self.folder, identity, *[f"{name}." for name in self._files])

    def started(self) -> None:
        """Tell what is not taken as it is set, and make archives of what an earlier process has
        rotated."""
        for text in self._clamped:
            _log.warn("{text}", text=text)
        for file in self._files.values():
            file.begin_archives()

    def close(self) -> None:
        """Write no more. A process that ends need not say so."""
        for file in self._files.values():
            file.close()

    def _file_of(self, logger: str) -> RotatingFile:
        for part, name in self._own.items():
            if logger == part or (part.endswith(".*") and f"{logger}.".startswith(part[:-1])):
                return self._files[name]
        return self._rest

    def _note(self, text: str) -> bytes:
        """A line that is our own news."""
        now = datetime.now(UTC).timestamp()
        event = {
            "log_format": "{text}",
            "text": text,
            "log_level": LogLevel.warn,
            "log_namespace": "ops.log",
            "log_time": now,
        }
        return self._line(event).encode(errors="backslashreplace")


def open_destination(settings: LogSettings, logs: Logs, state: Path | None) -> Destination | None:
    """What takes the events as `settings` say; None: a stream does. `state` is the folder that is
    configured for the database. Raises ConfigError."""
    match settings.destination:
        case "file":
            folder = log_directory(settings, logs.daemon, state)
            try:
                return Files(logs, settings, folder)
            except OSError as error:
                where = error.filename or folder
                problem = f"{where} cannot be written ({error.strerror or error})"
                remedy = "name a folder that can be, or set log.destination to another"
                raise ConfigError(None, "log.directory", problem, remedy) from None
        case "journald":
            return _journal(logs)
        case "eventlog":
            return _event_log(logs)
    return None


def about_log(settings: LogSettings, daemon: str, state: Path | None) -> Iterator[Finding]:
    """Whether the log can go where `settings` say; nothing is made there. Of a stream nothing."""
    logs = Logs(daemon=daemon, own={})
    match settings.destination:
        case "file":
            folder = log_directory(settings, daemon, state)
            if is_writable(folder):
                yield Finding(Severity.OK, "log", str(folder))
            else:
                text = f"log.directory: {folder} cannot be written"
                remedy = "name a folder that can be, or set log.destination to another"
                yield Finding(Severity.ERROR, "log", text, remedy)
            for line in clamped(settings):
                yield Finding.of(Severity.WARNING, "log", line)
        case "journald" | "eventlog":
            try:
                (_journal if settings.destination == "journald" else _event_log)(logs).close()
            except ConfigError as error:
                yield Finding.of(Severity.ERROR, "log", str(error))
            else:
                yield Finding(Severity.OK, "log", settings.destination)


def _journal(logs: Logs) -> Destination:
    remedy = 'take "file", "stdout" or "stderr"'
    if sys.platform != "linux":
        raise ConfigError(None, "log.destination", '"journald" is for Linux', remedy)
    from ops.log_journal import SOCKET, Journal

    try:
        return Journal(logs.daemon)
    except OSError as error:
        problem = f"systemd's journal does not answer at {SOCKET} ({error.strerror})"
        raise ConfigError(None, "log.destination", problem, f"start it, or {remedy}") from None


def _event_log(logs: Logs) -> Destination:
    remedy = 'take "file", "stdout" or "stderr"'
    if os.name != "nt":
        raise ConfigError(None, "log.destination", '"eventlog" is for Windows', remedy)
    from ops.log_windows import EventLog, SystemWriter

    try:
        return EventLog(SystemWriter(logs.daemon))
    except OSError as error:
        problem = f"the event log cannot be used ({error})"
        remedy = f"pip install pywin32, or {remedy}"
        raise ConfigError(None, "log.destination", problem, remedy) from None


def log_directory(settings: LogSettings, daemon: str, state: Path | None) -> Path:
    """The folder of log files. `state` is the folder that is configured for the database."""
    if settings.directory is not None:
        return settings.directory
    if os.name != "nt" and os.geteuid() == 0:
        return Path("/var/log") / daemon
    return state_directory(state, daemon) / "log"


def within(value: int, bounds: tuple[int, int]) -> int:
    """`value`, or the bound that it is beyond."""
    low, high = bounds
    return min(max(value, low), high)


def clamped(settings: LogSettings) -> list[str]:
    """What to tell of settings that are brought back to their bounds."""
    found = []
    for key, value, bounds, kind in (
        ("size", settings.size, SIZES, ByteSize),
        ("count", settings.count, COUNTS, int),
    ):
        taken = within(value, bounds)
        if taken != value:
            found.append(
                f"log.{key} = {value} is taken as {kind(taken)}; give one from {bounds[0]} to"
                f" {bounds[1]}"
            )
    return found


_log = Logger()
