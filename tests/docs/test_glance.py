"""docs/cli.md has every command, and no other."""

from __future__ import annotations

import re

from ops.cli import ExitCode
from tests.docs.glance import PAGE, PROGRAMS, commands, with_tables


def test_every_command_is_there() -> None:
    """In its words, with whether it prints JSON. `python -m tests.docs.glance` mends it."""
    page = PAGE.read_text()

    assert page == with_tables(page)


def test_every_command_says_what_it_does() -> None:
    """In a line of its own for lists, and at length in its help."""
    for root in PROGRAMS:
        for words, command in commands(root, (str(root.name),)):
            assert command.short_help, words
            assert command.help, words


def test_every_exit_status_is_there() -> None:
    """Those that there are, and no others."""
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)

    assert [int(row) for row in rows] == [code.value for code in ExitCode]
