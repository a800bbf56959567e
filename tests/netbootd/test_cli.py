"""`netbootctl` as an operator types it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netbootd import __version__
from netbootd.cli import main
from netbootd.config import example
from ops.wrapped import INDENT


def netbootctl(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_version() -> None:
    """--version prints name and version."""
    assert netbootctl("--version").output == f"netbootctl {__version__}\n"


def test_config_example_prints_the_example() -> None:
    """What is printed can be saved as it is."""
    assert netbootctl("config", "example").output == example()


def test_check_of_a_wrong_file_fails_with_its_remedy(tmp_path: Path) -> None:
    """The finding names file, key and remedy, and the exit status is that of a failure."""
    file = tmp_path / "netbootd.toml"
    file.write_text("[tftp]\nprot = 69\n")

    result = netbootctl("check", file)

    assert result.exit_code == 1
    assert f"{file}: tftp.prot: is not a setting; did you mean `port`?" in result.output


def test_check_as_json_says_the_same(tmp_path: Path) -> None:
    """One document, in doctor's form, and the same exit status."""
    file = tmp_path / "netbootd.toml"
    file.write_text("[tftp]\nprot = 69\n")

    result = netbootctl("check", file, "--json")

    assert result.exit_code == 1
    document = json.loads(result.stdout)
    (finding,) = document["findings"]
    assert (document["ok"], document["errors"]) == (False, 1)
    assert (finding["severity"], finding["subject"]) == ("error", "configuration")


@pytest.mark.parametrize("group", [(), ("config",), ("images",), ("import",), ("simulate",)])
def test_help_is_whole_on_a_narrow_terminal(group: tuple[str, ...]) -> None:
    """Each command says what it is for in 60 columns, without being cut off."""
    lines = CliRunner().invoke(main, [*group, "--help"], terminal_width=60).output.splitlines()

    commands = lines[lines.index("Commands:") + 1 :]
    assert commands
    assert all(len(line) <= 60 and line.endswith(".") for line in commands)
    assert not any(line.endswith("...") for line in commands)


def test_help_of_check_says_what_it_takes() -> None:
    """Who may run it, how long it takes, what its exit status means."""
    text = " ".join(netbootctl("check", "--help").output.split())

    assert "Run it as root" in text
    assert "about four seconds" in text
    assert "The exit status is 1 if a start would fail" in text


def test_check_wraps_its_lines_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal a long finding goes on under its text, and no line is longer than the
    terminal is wide."""
    file = tmp_path / "netbootd.toml"
    file.write_text("[tftp]\nprot = 69\n")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "70"}

    subprocess.run(
        [Path(sys.executable).with_name("netbootctl"), "check", "netbootd.toml"],
        cwd=tmp_path,
        env=environment,
        stdout=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        lines = terminal.read1(4096).decode().splitlines()

    assert lines[0].startswith("ERROR    configuration  netbootd.toml: tftp.prot: ")
    assert len(lines) > 1
    assert all(len(line) <= 70 for line in lines)
    assert all(line.startswith(" " * INDENT) for line in lines[1:])


def test_an_unknown_command_is_a_usage_error() -> None:
    """A wrong command line ends with status 2 and a hint."""
    result = netbootctl("nonsense")

    assert result.exit_code == 2
    assert "No such command" in result.output
