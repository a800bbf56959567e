"""What the event log of Windows is given; the writer here is not Windows."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from ops.log_windows import ERROR, INFORMATION, MAX_TEXT, WARNING, EventLog, SystemWriter


def event(text: str = "", level: LogLevel = LogLevel.info, **more: Any) -> dict[str, Any]:
    return {"log_level": level, "log_namespace": "netbootd.boot", "log_format": text, **more}


class Written:
    """An EventWriter that keeps what it is given, as long as there is room."""

    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []
        self.is_full = False

    def report(self, kind: int, event_id: int, strings: list[str]) -> None:
        if self.is_full:
            raise OSError("The event log file is full.")
        (text,) = strings
        self.events.append((kind, text))


@pytest.mark.parametrize(
    ("level", "kind"),
    [
        ("debug", INFORMATION),
        ("info", INFORMATION),
        ("warn", WARNING),
        ("error", ERROR),
        ("critical", ERROR),
    ],
)
def test_kinds(level: str, kind: int) -> None:
    """Windows knows three kinds of news."""
    written = Written()

    EventLog(written)(event("x {n}", LogLevel.lookupByName(level), n=3))

    assert written.events == [(kind, "netbootd.boot: x 3")]


def test_a_traceback_has_the_line_ends_of_windows() -> None:
    """Event Viewer shows a traceback line by line; no password is among them."""
    written = Written()
    try:
        raise ValueError("afp://boot:hunter2@10.0.0.1/Shadow")
    except ValueError:
        failure = Failure()

    EventLog(written)(event(level=LogLevel.critical, log_failure=failure))

    ((_, text),) = written.events
    assert "\r\n" in text
    assert "\n" not in text.replace("\r\n", "")
    assert "hunter2" not in text


def test_a_peer_cannot_end_the_text() -> None:
    """NUL, line ends and escape sequences of a peer are shown, not obeyed; no text is too long."""
    written = Written()
    log = EventLog(written)

    log(event("name {name}", name="a\0b\nc\x1b[31m"))
    log(event("name {name}", name="x" * 100_000, log_failure=None))

    assert written.events[0][1].isprintable()
    assert all(len(text) <= MAX_TEXT for _, text in written.events)


def test_a_full_log_costs_events_and_nothing_else() -> None:
    """What cannot be written is counted."""
    written = Written()
    log = EventLog(written)

    written.is_full = True
    log(event("lost"))
    written.is_full = False
    log(event("kept"))

    assert log.lost == 1
    assert [text for _, text in written.events] == ["netbootd.boot: kept"]


@pytest.mark.skipif(sys.platform == "win32", reason="pywin32 is there")
def test_without_pywin32() -> None:
    """What is missing is said."""
    with pytest.raises(OSError, match="pywin32 is not installed"):
        SystemWriter("netbootd")
