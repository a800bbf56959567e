"""Look at everything that a daemon stands on, and tell what is wrong and what to do about it.

    ✓ images         /srv/images: 12 images
    ! clock          is not synchronised: certificates are judged by it
                     → timedatectl set-ntp true
    ✗ HTTPS          netboot.example.com: expired 3 days ago
                     → renew /etc/netbootd/netboot.pem
    · firewall       not looked at: its rules are for root to read
                     → run this as root

A look changes nothing, so that it may be repeated at any time. One that fails does not keep the
others from being taken. Where the output is no terminal each finding is one line.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from ops.cli import ExitCode
from ops.config import ConfigError
from ops.finding import Finding, Severity

NARROW: Final = 70
"""Columns below which what is said stands below its subject, not beside it."""
SUBJECT_WIDTH: Final = 15

_MARKS: Final = {
    Severity.OK: ("✓", "green"),
    Severity.WARNING: ("!", "bold yellow"),
    Severity.ERROR: ("✗", "bold red"),
    Severity.SKIPPED: ("·", "dim"),
}
_SUMMARY: Final = (
    (Severity.ERROR, "error", "errors"),
    (Severity.WARNING, "warning", "warnings"),
    (Severity.SKIPPED, "not looked at", "not looked at"),
    (Severity.OK, "good", "good"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at."""

    subject: str
    """Shown while it takes its time: `DHCP servers`."""
    look: Callable[[], Iterable[Finding]]
    """May block; OSError and any other failure becomes a finding."""


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """What the checks find, one after the other."""
    for check in checks:
        try:
            yield from check.look()
        except Exception as error:
            text = f"could not be looked at: {type(error).__name__}: {error}"
            yield Finding(Severity.SKIPPED, check.subject, text)


def doctor(
    title: str, checks: Sequence[Check], *, as_json: bool = False, stream: TextIO | None = None
) -> ExitCode:
    """Write what the checks find to `stream` (standard output): FAILED if there is an error."""
    out = stream or sys.stdout
    if as_json:
        return write_report(list(examine(checks)), out)
    if out.isatty():
        findings = _on_terminal(title, checks, out)
    else:
        findings = []
        for finding in examine(checks):
            findings.append(finding)
            out.write(f"{finding}\n")
            out.flush()  # some looks take seconds
        out.write(f"{summary(findings)}\n")
    return ExitCode.FAILED if _count(findings)[Severity.ERROR] else ExitCode.OK


def write_report(findings: Sequence[Finding], stream: TextIO | None = None) -> ExitCode:
    """Write the report as one JSON document to `stream` (standard output): FAILED if there is an
    error."""
    out = stream or sys.stdout
    out.write(json.dumps(report(findings), indent=2, ensure_ascii=False) + "\n")
    return ExitCode.FAILED if _count(findings)[Severity.ERROR] else ExitCode.OK


def doctor_of(
    daemon: str, configuration: Path | None, checks: Callable[[], Sequence[Check]], *, as_json: bool
) -> ExitCode:
    """Look at a configuration, and at what `checks` makes of it, which raises ConfigError if it is
    wrong. `daemon` is its name and version."""
    name = str(configuration) if configuration else "without a configuration file"
    subject = "configuration"
    try:
        looks = checks()
        found = Finding(Severity.OK, subject, name)
    except ConfigError as error:
        looks = ()
        found = Finding.of(Severity.ERROR, subject, str(error))
    first = Check(subject=subject, look=lambda: [found])
    return doctor(f"{daemon}, {name}", [first, *looks], as_json=as_json)


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """All findings and their numbers, for programs."""
    count = _count(findings)
    return {
        "ok": not count[Severity.ERROR],
        "errors": count[Severity.ERROR],
        "warnings": count[Severity.WARNING],
        "skipped": count[Severity.SKIPPED],
        "findings": [finding.record() for finding in findings],
    }


def summary(findings: Sequence[Finding]) -> str:
    """`1 error, 2 warnings, 14 good`."""
    count = _count(findings)
    parts = [
        f"{count[severity]} {one if count[severity] == 1 else more}"
        for severity, one, more in _SUMMARY
        if count[severity]
    ]
    return ", ".join(parts) or "nothing to look at"


def _count(findings: Iterable[Finding]) -> Counter[Severity]:
    return Counter(finding.severity for finding in findings)


def _on_terminal(title: str, checks: Sequence[Check], out: TextIO) -> list[Finding]:
    from rich.console import Console
    from rich.text import Text

    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")  # a terminal without ✓ gets a question mark
    console = Console(file=out, highlight=False)
    console.print(Text(title, "bold"))
    findings = []
    for check in checks:
        status = console.status(f"[dim]{check.subject} …[/]") if console.is_terminal else None
        with status or nullcontext():
            for finding in examine([check]):
                findings.append(finding)
                console.print(_row(finding, console.width))
    worst = next((s for s, *_ in _SUMMARY[:2] if _count(findings)[s]), Severity.OK)
    mark, style = _MARKS[worst]
    console.print(Text.assemble((f"{mark} ", style), (summary(findings), "bold")))
    return findings


def _row(finding: Finding, width: int) -> Any:
    """A finding for a terminal: a mark, its subject, what is to say, and what to do."""
    from rich.table import Table
    from rich.text import Text

    from ops.text import escape

    mark, style = _MARKS[finding.severity]
    is_good = finding.severity in (Severity.OK, Severity.SKIPPED)
    said = Text(escape(finding.text, 1000), "dim" if is_good else "")
    remedy = Text.assemble(("→ ", "cyan"), (escape(finding.remedy, 1000), "cyan"))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    subject = Text(finding.subject, "" if is_good else "bold")
    if width < NARROW:
        table.add_column(ratio=1, overflow="fold")
        table.add_row(Text(mark, style), subject)
        table.add_row("", said)
        if finding.remedy:
            table.add_row("", remedy)
    else:
        table.add_column(width=SUBJECT_WIDTH)
        table.add_column(ratio=1, overflow="fold")
        table.add_row(Text(mark, style), subject, said)
        if finding.remedy:
            table.add_row("", "", remedy)
    return table
