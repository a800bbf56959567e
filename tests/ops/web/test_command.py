"""`netbootctl console password`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from netbootd.cli import main
from ops.web import password
from ops.web.password import PasswordFile, is_right_thd


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash of a test need not be strong."""
    monkeypatch.setattr(password, "LOG_N", 4)


def run(tmp_path: Path, given: str, *arguments: str, settings: str = "") -> tuple[int, str]:
    """Exit status and output."""
    file = tmp_path / "netbootd.toml"
    file.write_text(settings)
    command = ["console", "password", "--config", str(file), *arguments]
    done = CliRunner().invoke(main, command, input=given)
    return done.exit_code, done.output


def test_from_a_pipe(tmp_path: Path) -> None:
    """One line of it is the password; the file is its owner's only, and holds no password."""
    target = tmp_path / "secret"

    status, said = run(tmp_path, "correct horse battery\nmore\n", str(target))

    assert (status, "holds the new password" in said) == (0, True)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "horse" not in target.read_text()
    assert is_right_thd("correct horse battery", PasswordFile(target).line())


def test_the_configured_file(tmp_path: Path) -> None:
    """Without FILE it is the one that the configuration names, from the configuration's folder."""
    settings = '[console]\npassword_file = "secret"\n'

    status, said = run(tmp_path, "correct horse battery\n", settings=settings)

    assert status == 0
    assert "Set console.password_file" not in said
    assert (tmp_path / "secret").exists()


def test_a_new_password(tmp_path: Path) -> None:
    """The file is replaced whole, and known anew at once."""
    target = tmp_path / "secret"
    run(tmp_path, "correct horse battery\n", str(target))
    known = PasswordFile(target)
    before = known.line()

    run(tmp_path, "another horse battery\n", str(target))

    assert known.line() != before
    assert is_right_thd("another horse battery", known.line())


@pytest.mark.parametrize(
    ("given", "arguments", "told"),
    [
        ("short\n", ("secret",), "take 10 or more"),
        ("correct horse battery\n", (), "console.password_file is not set"),
        ("correct horse battery\n", ("/nowhere/secret",), "cannot be written"),
    ],
)
def test_what_does_not_work(
    given: str, arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """One line says why, and nothing is written."""
    status, said = run(tmp_path, given, *arguments)

    assert status == 1
    assert told in said
    assert not (tmp_path / "secret").exists()
