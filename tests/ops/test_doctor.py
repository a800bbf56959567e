"""The doctor: what it prints, in which form, and what it ends with."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from functools import partial

import pytest

from ops.cli import ExitCode
from ops.doctor import Check, doctor, examine, summary
from ops.finding import Finding, Severity

GOOD = Finding(Severity.OK, "images", "/srv/images: 12 images")
DOUBT = Finding(Severity.WARNING, "clock", "is not synchronised", "timedatectl set-ntp true")
WRONG = Finding(Severity.ERROR, "HTTPS", "the certificate has expired", "renew it")


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def checks(*findings: Finding) -> list[Check]:
    return [Check(subject=one.subject, look=partial(list, (one,))) for one in findings]


def broken() -> Iterator[Finding]:
    yield GOOD
    raise OSError(5, "Input/output error")


def test_plain_lines() -> None:
    """Where the output is no terminal, each finding is one line with its remedy at the end."""
    out = io.StringIO()

    status = doctor("doctor", checks(GOOD, DOUBT), stream=out)

    assert status == ExitCode.OK
    assert out.getvalue().splitlines() == [
        "ok       images         /srv/images: 12 images",
        "WARNING  clock          is not synchronised; timedatectl set-ntp true",
        "1 warning, 1 good",
    ]


def test_an_error_is_the_exit_status() -> None:
    """One error makes the command fail, whatever else is good."""
    status = doctor("doctor", checks(GOOD, WRONG), stream=io.StringIO())

    assert status == ExitCode.FAILED


def test_json() -> None:
    """As JSON it is one document, with each finding's remedy apart."""
    out = io.StringIO()

    status = doctor("doctor", checks(GOOD, WRONG, DOUBT), as_json=True, stream=out)

    document = json.loads(out.getvalue())
    assert status == ExitCode.FAILED
    assert (document["ok"], document["errors"], document["warnings"]) == (False, 1, 1)
    assert document["findings"][1] == {
        "severity": "error",
        "subject": "HTTPS",
        "text": "the certificate has expired",
        "remedy": "renew it",
    }


def test_a_look_that_fails() -> None:
    """A look that cannot be taken is told as such, after what it found, and the others go on."""
    found = list(examine([Check(subject="disk", look=broken), *checks(DOUBT)]))

    assert [one.severity for one in found] == [Severity.OK, Severity.SKIPPED, Severity.WARNING]
    assert found[1].subject == "disk"
    assert "Input/output error" in found[1].text


@pytest.mark.parametrize("columns", [40, 50, 80, 140])
def test_terminals(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal no line is wider than it, be it narrow or wide, and nothing is cut off."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()

    doctor("doctor", checks(DOUBT, WRONG), stream=out)

    lines = CONTROL.sub("", out.getvalue()).splitlines()
    assert max(map(len, lines)) <= columns
    assert "→ timedatectl set-ntp true" in " ".join(" ".join(lines).split())
    assert lines[-1].strip() == "✗ 1 error, 1 warning"


def test_summary_of_nothing() -> None:
    """Without a finding the summary says so."""
    assert summary([]) == "nothing to look at"
