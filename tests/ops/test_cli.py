"""The root of a command line: one line and a documented exit code for every expected failure."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ops.cli import ExitCode, Failed, Root, config_argument
from ops.config import ConfigError


def ending_with(error: BaseException) -> click.Group:
    """A program whose command `go` raises `error`."""

    @click.group("boot", cls=Root)
    def root() -> None: ...

    @root.command()
    def go() -> None:
        raise error

    return root


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Failed("no such disk; insert one"), ExitCode.FAILED, "Error: no such disk; insert one\n"),
        (
            ConfigError(None, "tftp.port", "is missing", "give a number"),
            ExitCode.CONFIG,
            "Error: tftp.port: is missing; give a number\n",
        ),
        (click.UsageError("wrong"), ExitCode.USAGE, "Error: wrong\n"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, ""),
    ],
)
def test_an_expected_failure_is_one_line(error: BaseException, code: ExitCode, line: str) -> None:
    """The last line on standard error says what and how to mend it; the exit code says which."""
    result = CliRunner().invoke(ending_with(error), ["go"])

    assert result.exit_code == code
    assert result.stderr.endswith(line)
    assert result.stdout == ""


def test_a_bug_keeps_its_traceback() -> None:
    """What nobody expected is not hidden behind a line."""
    result = CliRunner().invoke(ending_with(ZeroDivisionError("bug")), ["go"])

    assert isinstance(result.exception, ZeroDivisionError)


@click.group("boot", cls=Root)
def boot() -> None:
    """Boot."""


@boot.command(short_help="Go on from there.")
@click.option("--platform-support", metavar="FILE", help="What the system says that it supports.")
def go() -> None:
    """Go."""


def test_options_on_a_narrow_terminal() -> None:
    """What one does stands under it; what commands do stays beside them while there is room."""
    wide = CliRunner().invoke(boot, ["go", "--help"], terminal_width=80).output
    narrow = CliRunner().invoke(boot, ["go", "--help"], terminal_width=50).output
    commands = CliRunner().invoke(boot, ["--help"], terminal_width=50).output

    assert "\n  --platform-support FILE  What the system says that it supports.\n" in wide
    assert "\n  --platform-support FILE\n      What the system says that it supports.\n" in narrow
    assert "\n  go  Go on from there.\n" in commands


def test_the_usual_configuration_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FILE, else $BOOTD_CONFIG, else the file where services have it, else None."""
    usual, named = tmp_path / "usual.toml", tmp_path / "named.toml"
    monkeypatch.setattr("ops.cli.usual_configuration", lambda daemon: usual)

    @click.command()
    @config_argument("bootd")
    def check(file: Path | None) -> None:
        click.echo(str(file))

    def checked(*arguments: str, env: str | None = None) -> str:
        result = CliRunner(env={"BOOTD_CONFIG": env}).invoke(check, arguments)
        return result.stdout.strip()

    assert checked() == "None"
    usual.touch()
    assert checked() == str(usual)
    assert checked(env=str(named)) == str(named)
    assert checked("my own.toml", env=str(named)) == "my own.toml"
