"""What a check says of the console."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops.finding import Severity
from ops.web import password
from ops.web.check import about_console
from ops.web.password import hashed_thd
from ops.web.settings import ConsoleSettings

NO_LOCK = Path("/nowhere/lock")


def test_off() -> None:
    """Nothing is said of a console that is off."""
    assert list(about_console(ConsoleSettings(), NO_LOCK)) == []


def test_all_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: where it will be, and whether it lets people log in."""
    monkeypatch.setattr(password, "LOG_N", 4)
    file = tmp_path / "password"
    file.write_text(hashed_thd("correct horse"))
    file.chmod(0o600)

    (found,) = about_console(ConsoleSettings(enabled=True, port=0, password_file=file), NO_LOCK)

    assert found.severity is Severity.OK
    assert found.text == "TCP port 0 on 127.0.0.1, with a password"


def test_what_stops_a_start(tmp_path: Path) -> None:
    """A missing password file, a certificate that is none, a port that another program has: each
    with what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (tmp_path / "pem").write_text("no certificate")
        (tmp_path / "pem").chmod(0o600)

        found = list(
            about_console(
                ConsoleSettings(
                    enabled=True,
                    port=taken.getsockname()[1],
                    password_file=tmp_path / "nowhere",
                    certificate=tmp_path / "pem",
                    key=tmp_path / "pem",
                ),
                NO_LOCK,
            )
        )

    assert [one.severity for one in found] == [Severity.ERROR] * 3
    assert all(one.remedy for one in found)
    assert "nowhere cannot be read" in found[0].text
    assert "console.certificate" in found[1].text
    assert "cannot be had" in found[2].text


def test_a_password_that_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a warning, with what to do."""
    monkeypatch.setattr(password, "LOG_N", 4)
    file = tmp_path / "password"
    file.write_text(hashed_thd("correct horse"))
    file.chmod(0o644)

    told, _ = about_console(ConsoleSettings(enabled=True, port=0, password_file=file), NO_LOCK)

    assert told.severity is Severity.WARNING
    assert told.remedy == f"run: chmod o-rwx {file}"
