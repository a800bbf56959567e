"""What commands print: tables and facts for people, JSON for programs.

On a terminal a table takes the width that there is. Where its columns do not fit, a row goes on in
further lines, and so do the headings. Anywhere else (a pipe, a file) a row is one line, whole and
aligned. Cells may hold what a peer said: they are escaped here, and nowhere before.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.text import escape

Cell: TypeAlias = "str | tuple[str, str]"
"""A text, or a text and its style in the words of rich: `("offered", "green")`."""

GAP = 2
"""Spaces between two columns, and before a row's further lines."""
LEAST = 16
"""Columns that the widest column keeps where it alone is folded to make a row fit."""
MAX_CELL = 2000
"""Characters of a cell; a server's words may be in it."""


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    as_json: bool = False,
    records: Sequence[object] | None = None,
    nothing: str = "nothing",
    right: Sequence[str] = (),
) -> None:
    """Print `rows` under the headings `columns`, or `nothing` if there is none.

    With `as_json` it is one JSON array: `records`, for which a table has no room, or else an object
    for each row. `right` names the columns that are aligned to the right.
    """
    if as_json:
        plain = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        print_json(plain if records is None else records)
    elif not rows:
        click.echo(nothing)
    else:
        layout = _Layout(columns, rows, right)
        console = terminal()
        if console is None:
            for line in layout.lines():
                click.echo(line)
        else:
            for drawn in layout.drawn(console.width):
                console.print(drawn)


def print_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Print what is known of one thing: a name and a value each. A value may have many lines."""
    texts = [(Text(escape(name), "dim"), _lines(value)) for name, value in facts]
    console = terminal()
    if console is not None:
        grid = Table.grid(padding=(0, GAP, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in texts:
            grid.add_row(name, value)
        console.print(grid)
        return
    width = max((name.cell_len for name, _ in texts), default=0) + GAP
    for name, value in texts:
        first, *further = value.plain.split("\n")
        click.echo(f"{_padded(name, width)}{first}".rstrip())
        for line in further:
            click.echo(f"{'':{width}}{line}".rstrip())


def print_line(text: str, style: str = "") -> None:
    """Print a sentence; on a terminal it is wrapped between words and stays as far right as it
    begins."""
    console = terminal()
    if console is None:
        click.echo(escape(text, MAX_CELL))
        return
    words = text.lstrip(" ")
    left = len(text) - len(words)
    console.print(Padding(_cell((words, style)), (0, 0, 0, left), expand=False))


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2))


def print_record(value: object) -> None:
    """Print one line of NDJSON, at once: a stream is made of such lines."""
    click.echo(json.dumps(value))
    sys.stdout.flush()


def terminal() -> Console | None:
    """Standard output, if it is a terminal."""
    if not sys.stdout.isatty():
        return None
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without ✓ gets a question mark
    return Console(highlight=False)


class _Layout:
    """A table on its way to a terminal or a pipe."""

    def __init__(
        self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[str]
    ) -> None:
        self._rows = [[Text(escape(column), "bold") for column in columns]]
        self._rows += [[_cell(cell) for cell in row] for row in rows]
        self._is_right = [column in right for column in columns]
        in_columns = zip(*self._rows, strict=True)
        self._widths = [max(text.cell_len for text in column) for column in in_columns]

    def lines(self) -> Iterator[str]:
        """Plain text, a line for each row."""
        whole = range(len(self._widths))
        for row in self._rows:
            yield self._line(row, whole).plain.rstrip()

    def drawn(self, width: int) -> Iterator[Any]:
        """What rich is to print where there are `width` columns."""
        excess = sum(self._widths) + GAP * (len(self._widths) - 1) - width
        if excess <= 0 or max(self._widths) - excess >= LEAST:
            yield self._grid()
            return
        groups = self._groups(width)
        for row in self._rows:
            for number, group in enumerate(groups):
                line = self._line(row, group)
                line.rstrip()
                if number and row is not self._rows[0]:
                    line.stylize("dim")
                if line.plain:
                    yield Padding(line, (0, 0, 0, GAP if number else 0), expand=False)

    def _grid(self) -> Table:
        """A line for each row, and more where the widest column does not fit."""
        grid = Table.grid(padding=(0, GAP, 0, 0))
        widest = self._widths.index(max(self._widths))
        for number, is_right in enumerate(self._is_right):
            grid.add_column(
                no_wrap=number != widest,
                overflow="fold",
                justify="right" if is_right else "left",
            )
        for row in self._rows:
            grid.add_row(*row)
        return grid

    def _groups(self, width: int) -> list[list[int]]:
        """Which columns stand on a row's first line, its second …"""
        groups: list[list[int]] = [[]]
        room = width
        for number, wanted in enumerate(self._widths):
            if groups[-1] and wanted > room:
                groups.append([])
                room = width - GAP
            groups[-1].append(number)
            room -= wanted + GAP
        return groups

    def _line(self, row: Sequence[Text], columns: Sequence[int]) -> Text:
        is_whole = len(columns) == len(self._widths)
        is_right = [self._is_right[each] and (is_whole or each != columns[0]) for each in columns]
        cells = [
            _padded(row[number], self._widths[number], is_right=right)
            for number, right in zip(columns, is_right, strict=True)
        ]
        return Text(" " * GAP).join(cells)


def _plain(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _style(cell: Cell) -> str:
    return "" if isinstance(cell, str) else cell[1]


def _cell(cell: Cell) -> Text:
    return Text(escape(_plain(cell), MAX_CELL), _style(cell))


def _lines(cell: Cell) -> Text:
    """The same where a line feed is one."""
    lines = (escape(line, MAX_CELL) for line in _plain(cell).split("\n"))
    return Text("\n".join(lines), _style(cell))


def _padded(text: Text, width: int, *, is_right: bool = False) -> Text:
    spaces = " " * (width - text.cell_len)
    return Text.assemble(spaces, text) if is_right else Text.assemble(text, spaces)
