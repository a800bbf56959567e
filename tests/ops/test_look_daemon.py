"""What a doctor says of the daemon itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.finding import Finding, Severity
from ops.look.daemon import Asked, about_daemon, ask
from ops.web.settings import AdminSettings

SINCE = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def told(asked: Asked) -> Finding:
    (finding,) = about_daemon("thingd", asked, "1.1", Path("/state"), since=SINCE, doing="; busy")
    return finding


@pytest.mark.parametrize(
    ("version", "severity", "end"),
    [("1.1", Severity.OK, "; busy"), ("1.0", Severity.WARNING, "; busy; 1.1 is installed")],
)
def test_one_that_runs(version: str, severity: Severity, end: str) -> None:
    """It is told since when; an older version than the installed one is a doubt."""
    finding = told(Asked(status={"version": version, "pid": 7}))

    since = f"{SINCE.astimezone():%Y-%m-%d %H:%M}"
    assert finding.severity is severity
    assert finding.text == f"runs since {since}, version {version} (pid 7){end}"


def test_one_that_does_not_run(tmp_path: Path) -> None:
    """Nobody listens in its folder: a doubt, for another configuration may be meant."""
    asked = ask("thingd", AdminSettings(), tmp_path)

    finding = told(asked)
    assert (finding.severity, finding.text) == (
        Severity.WARNING,
        "does not run with its state in /state",
    )
    assert "--config" in finding.remedy


def test_one_that_cannot_be_asked(tmp_path: Path) -> None:
    """Without an admin API nobody knows."""
    asked = ask("thingd", AdminSettings(enabled=False), tmp_path)

    finding = told(asked)
    assert finding.severity is Severity.SKIPPED
    assert "admin API of thingd is switched off" in finding.text
