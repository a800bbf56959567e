"""Who may read a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.finding import Severity
from ops.look.secret import about_secret


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_others_may(tmp_path: Path, mode: int) -> None:
    """It is a warning with the command that mends it."""
    key = tmp_path / "server.key"
    key.touch()
    key.chmod(mode)

    (finding,) = about_secret("HTTPS", key)

    assert (finding.severity, finding.subject) == (Severity.WARNING, "HTTPS")
    assert f"(mode {mode:04o})" in finding.text
    assert finding.remedy == f"run: chmod o-rwx {key}"


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_nobody_else_may(tmp_path: Path, mode: int) -> None:
    """There is nothing to say; a group may be let in on purpose."""
    key = tmp_path / "server.key"
    key.touch()
    key.chmod(mode)

    assert list(about_secret("HTTPS", key)) == []


def test_no_file(tmp_path: Path) -> None:
    """Who needs it tells of that."""
    assert list(about_secret("HTTPS", tmp_path / "none")) == []
