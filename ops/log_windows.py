"""Events to the event log of Windows, as its Event Viewer shows them.

What is written is decided here, on any system; only `SystemWriter` needs pywin32, and none of it
was ever run on Windows.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.logger import LogEvent, LogLevel

from ops.log import level_of, logger_of, message_of, traceback_lines
from ops.text import mask_passwords

if TYPE_CHECKING:
    from ops.privilege import Identity

ERROR: Final = 1
WARNING: Final = 2
INFORMATION: Final = 4
"""EVENTLOG_ERROR_TYPE and the others, as ReportEventW takes them."""
KINDS: Final = {
    LogLevel.debug: INFORMATION,
    LogLevel.info: INFORMATION,
    LogLevel.warn: WARNING,
    LogLevel.error: ERROR,
    LogLevel.critical: ERROR,
}
EVENT_ID: Final = 1
"""All events have it: what they are is in their text, and pywin32's message file has a text for it
that is nothing but ours."""
MAX_TEXT: Final = 31_839
"""Characters of one string of an event (ReportEventW)."""


class EventWriter(Protocol):
    """Who writes one event to the log."""

    def report(self, kind: int, event_id: int, strings: list[str]) -> None:
        """Raises OSError."""


class EventLog:
    """Writes events by an EventWriter. A log that is full or gone costs them, and nothing else."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self.lost = 0
        """Events that could not be written."""

    def __call__(self, event: LogEvent) -> None:
        lines = [f"{logger_of(event)}: {message_of(event)}", *traceback_lines(event)]
        text = mask_passwords("\r\n".join(lines))[:MAX_TEXT]  # Event Viewer wants CR LF
        try:
            self._writer.report(KINDS[level_of(event)], EVENT_ID, [text])
        except OSError:
            self.lost += 1

    def hand_over(self, identity: Identity) -> None:
        """Nothing: everybody may write to it."""

    def started(self) -> None:
        """Nothing."""

    def reopen(self) -> None:
        """Nothing: there is no file."""

    def close(self) -> None:
        """Nothing: the system closes it."""


class SystemWriter:
    """The event log of this computer, by pywin32."""

    def __init__(self, source: str) -> None:
        """`source` is what Event Viewer shows as such. Raises OSError, also without pywin32."""
        try:
            self._error: Any = import_module("pywintypes").error
            self._log: Any = import_module("win32evtlog")
            utilities: Any = import_module("win32evtlogutil")
        except ImportError as error:
            raise OSError("pywin32 is not installed") from error
        # So that Event Viewer finds the form of the text; it takes an administrator, once.
        with suppress(self._error):
            utilities.AddSourceToRegistry(source)
        try:
            self._handle = self._log.RegisterEventSource(None, source)
        except self._error as error:
            raise OSError(str(error)) from error

    def report(self, kind: int, event_id: int, strings: list[str]) -> None:
        try:
            self._log.ReportEvent(self._handle, kind, 0, event_id, None, strings, None)
        except self._error as error:
            raise OSError(str(error)) from error
