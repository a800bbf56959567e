"""Tables and facts as people read them, at any width, and as programs do."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from ops.table import Cell, print_facts, print_json, print_line, print_record, print_table

COLUMNS = ("index", "name", "state", "size", "folder")
ROWS: list[list[Cell]] = [
    ["1013", "Install macOS High Sierra", ("offered", "green"), "4.9 GiB", "HighSierra.nbi"],
    ["7", "日本語", ("disabled", "yellow"), "912 MiB", "Lab\x1b[31m.nbi"],
]


STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What is left to read on a terminal, its styles taken out."""

    def show(width: int, function: Callable[..., None], *arguments: object) -> list[str]:
        screen = Terminal()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        function(*arguments)
        return [line.rstrip() for line in STYLE.sub("", screen.getvalue()).splitlines()]

    return show


def test_a_line_for_each_row_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Whole and aligned, whatever the widths of characters; nothing can move the cursor."""
    print_table(COLUMNS, ROWS, right=["size"])

    assert capsys.readouterr().out.splitlines() == [
        "index  name                       state        size  folder",
        "1013   Install macOS High Sierra  offered   4.9 GiB  HighSierra.nbi",
        "7      日本語                     disabled  912 MiB  Lab\\x1b[31m.nbi",
    ]


def test_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table says so; as JSON it is an empty array."""
    print_table(COLUMNS, [], nothing="no images")
    print_table(COLUMNS, [], nothing="no images", as_json=True)

    assert capsys.readouterr().out == "no images\n[]\n"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows become objects, unless there are records that say more."""
    print_table(COLUMNS[:3], [row[:3] for row in ROWS[:1]], as_json=True)
    row = json.loads(capsys.readouterr().out)
    print_table(COLUMNS, ROWS, records=[{"more": 1}], as_json=True)
    record = json.loads(capsys.readouterr().out)

    assert row == [{"index": "1013", "name": "Install macOS High Sierra", "state": "offered"}]
    assert record == [{"more": 1}]


def test_a_document_and_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    """A document may take many lines, a record of a stream takes one."""
    print_json({"a": [1]})
    print_record({"a": [1]})

    assert capsys.readouterr().out == '{\n  "a": [\n    1\n  ]\n}\n{"a": [1]}\n'


def test_a_wide_terminal(shown: Callable[..., list[str]]) -> None:
    """Where there is room, a row is one line."""
    assert shown(80, print_table, COLUMNS, ROWS)[1:] == [
        "1013   Install macOS High Sierra  offered   4.9 GiB  HighSierra.nbi",
        "7      日本語                     disabled  912 MiB  Lab\\x1b[31m.nbi",
    ]


def test_a_terminal_that_is_a_little_narrow(shown: Callable[..., list[str]]) -> None:
    """The widest column alone is folded while it keeps enough room."""
    assert shown(62, print_table, COLUMNS, ROWS)[1:] == [
        "1013   Install macOS High   offered   4.9 GiB  HighSierra.nbi",
        "       Sierra",
        "7      日本語               disabled  912 MiB  Lab\\x1b[31m.nbi",
    ]


def test_a_narrow_terminal(shown: Callable[..., list[str]]) -> None:
    """Then rows have further lines, and so have the headings."""
    assert shown(45, print_table, COLUMNS, ROWS) == [
        "index  name                       state",
        "  size     folder",
        "1013   Install macOS High Sierra  offered",
        "  4.9 GiB  HighSierra.nbi",
        "7      日本語                     disabled",
        "  912 MiB  Lab\\x1b[31m.nbi",
    ]


@pytest.mark.parametrize("width", range(20, 80))
def test_no_line_is_longer_than_the_terminal(shown: Callable[..., list[str]], width: int) -> None:
    """At any width nothing is cut off and nothing hangs over."""
    lines = shown(width, print_table, COLUMNS, ROWS)

    assert max(map(cell_len, lines)) <= width
    whole = shown(200, print_table, COLUMNS, ROWS)
    assert sorted("".join("".join(lines).split())) == sorted("".join("".join(whole).split()))


def test_facts_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A name and a value each; the lines of a value stand below each other."""
    print_facts([("name", "Lab\x07"), ("files", ("booter\nkernel", "dim")), ("", "more")])

    assert capsys.readouterr().out.splitlines() == [
        "name   Lab\\x07",
        "files  booter",
        "       kernel",
        "       more",
    ]


def test_facts_on_a_terminal(shown: Callable[..., list[str]]) -> None:
    """A long value goes on in its own column."""
    lines = shown(30, print_facts, [("name", "Install macOS High Sierra again"), ("a", "b")])

    assert lines == ["name  Install macOS High", "      Sierra again", "a     b"]


def test_a_sentence(shown: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """It is one line in a pipe, and goes on below its beginning on a terminal."""
    print_line("  one two\x07 three", "red")

    assert capsys.readouterr().out == "  one two\\x07 three\n"
    assert shown(12, print_line, "  one two three") == ["  one two", "  three"]


def test_a_terminal_that_has_few_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot show is a question mark, and no traceback."""

    class Ascii(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    screen = Ascii(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "dumb")

    print_facts([("name", "日本")])
    screen.flush()

    assert screen.buffer.getvalue() == b"name  ??\n"  # type: ignore[attr-defined]
