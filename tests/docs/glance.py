"""All commands of both programs as the tables of docs/cli.md.

`python -m tests.docs.glance` writes them there, from the commands themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from netbootd.cli import main as netbootctl
from pushd.cli import main as pushctl

PAGE = Path(__file__).parents[2] / "docs/cli.md"
PROGRAMS = (netbootctl, pushctl)
HEAD = "| command | what it does | `--json` |\n|---|---|---|\n"


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, with the words that are typed for it."""
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from commands(below, (*path, name))
    else:
        yield " ".join(path), command


def table(root: click.Command) -> str:
    """The rows of one program."""
    assert root.name is not None
    rows = [HEAD]
    for words, command in commands(root, (root.name,)):
        has_json = any("--json" in one.opts for one in command.params)
        text = (command.short_help or "").removesuffix(".")
        rows.append(f"| `{words}` | {text} | {'yes' if has_json else ''} |\n".replace("  |", " |"))
    return "".join(rows)


def with_tables(page: str) -> str:
    """The page with its tables as they ought to be."""
    for root in PROGRAMS:
        heading = f"## {root.name} at a glance\n\n"
        before, after = page.split(heading)
        rest = re.sub(re.escape(HEAD) + r"(?:\|.*\n)*", "", after, count=1)
        page = f"{before}{heading}{table(root)}{rest}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
