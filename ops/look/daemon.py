"""What a running daemon says of itself, for a doctor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.cli import Failed
from ops.finding import Finding, Severity
from ops.web.client import AdminClient, NotRunning
from ops.web.settings import AdminSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How asking went."""

    status: dict[str, Any] | None
    """What `GET /v1/status` said; None: nobody answered."""
    objection: str = ""
    """Why it could not be asked, though it may run."""


def ask(daemon: str, settings: AdminSettings, directory: Path) -> Asked:
    """Ask the daemon with these settings and its state in `directory`."""
    try:
        return Asked(status=AdminClient.find(daemon, settings, directory).get("/v1/status"))
    except NotRunning:
        return Asked(status=None)
    except Failed as error:
        return Asked(status=None, objection=error.message)


def about_daemon(
    daemon: str,
    asked: Asked,
    version: str,
    directory: Path,
    *,
    since: datetime | None,
    doing: str = "",
) -> Iterator[Finding]:
    """Whether it runs, since when and `doing` what, and is the `version` that is installed."""
    if asked.status is not None:
        running = asked.status["version"]
        begun = "" if since is None else f" since {since.astimezone():%Y-%m-%d %H:%M}"
        text = f"runs{begun}, version {running} (pid {asked.status['pid']}){doing}"
        if running == version:
            yield Finding(Severity.OK, daemon, text)
        else:
            text += f"; {version} is installed"
            yield Finding(Severity.WARNING, daemon, text, "restart it")
    elif asked.objection:
        yield Finding.of(Severity.SKIPPED, daemon, f"was not asked: {asked.objection}")
    else:
        text = f"does not run with its state in {directory}"
        remedy = "start it, or name the configuration that it runs with: --config FILE"
        yield Finding(Severity.WARNING, daemon, text, remedy)
