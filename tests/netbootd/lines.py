"""What is logged while a test runs, as lines."""

from __future__ import annotations

from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase


def capture(test: SynchronousTestCase) -> list[str]:
    """From now to the end of `test`: `level: message` of each event, errors with a traceback
    aside, which trial collects itself."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" not in event and str(event.get("log_namespace", "")).startswith(
            "netbootd"
        ):
            lines.append(f"{event['log_level'].name}: {formatEvent(event)}")

    globalLogPublisher.addObserver(observe)
    test.addCleanup(globalLogPublisher.removeObserver, observe)
    return lines
