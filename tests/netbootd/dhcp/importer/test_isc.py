"""The syntax of dhcpd's files."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netbootd.dhcp.importer.isc import MAX_NESTING, Statement, statements


def read(text: str | bytes) -> tuple[list[Statement], list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    source = text.encode() if isinstance(text, str) else text
    found = list(statements(source, lambda line, why: told.append((line, why))))
    return found, told


def plain(statement: Statement) -> Any:
    if statement.body is None:
        return list(statement.words)
    return [*statement.words, [plain(inner) for inner in statement.body]]


def test_blocks_in_blocks() -> None:
    """A block is a statement that holds statements, each with the line that it begins on."""
    found, told = read("# c\nsubnet a {\n  range b\n c; # d ; }\n  pool { x; }\n}\ne;")

    assert [plain(one) for one in found] == [
        ["subnet", "a", [["range", "b", "c"], ["pool", [["x"]]]]],
        ["e"],
    ]
    assert [found[0].line, found[1].line] == [2, 7]
    assert [inner.line for inner in found[0].body or ()] == [3, 5]
    assert told == []


def test_escapes_in_quotes() -> None:
    """Octal and hexadecimal escapes are bytes, controls have letters, the rest is itself."""
    found, told = read(r'uid "\001\377\x41\n\"\\" ;')

    assert found[0].words == ("uid", b'\x01\xffA\n"\\')
    assert told == []


def test_marks_in_quotes_are_text() -> None:
    """Braces, semicolons and `#` in quotes end nothing."""
    found, _ = read('a "{", "}", ";#" ;')

    assert found[0].words == ("a", b"{", ",", b"}", ",", b";#")


def test_what_is_broken_is_told() -> None:
    """A missing `;`, an end too many and a quote without an end are told, and reading goes on."""
    found, told = read('a { b }\n}\nc "d;\ne;\nf {')

    assert [plain(one) for one in found] == [["a", []], ["c", "d"], ["e"]]
    assert told == [
        (1, "`b` ends without `;`"),
        (2, "`}` closes nothing"),
        (3, "a quote has no end on its line"),
        (5, "the block of `f` has no end; left out"),
    ]


def test_nesting_is_bounded() -> None:
    """Blocks that are too deep are told once, and what follows them is read."""
    depth = MAX_NESTING + 1000

    found, told = read("a {" * depth + "b;" + "}" * depth + "c;")

    assert plain(found[-1]) == ["c"]
    assert told == [(1, f"blocks are nested more than {MAX_NESTING} deep")]


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes, reading ends, and every line that is named is there."""
    found, told = read(data)

    last = data.count(b"\n") + 1
    assert all(1 <= line <= last for line, _ in told)
    assert all(1 <= one.line <= last for one in found)


WORDS = st.text("abcdefxyz0123456789.:-", min_size=1, max_size=8)
QUOTED = st.binary(min_size=1, max_size=8)


@given(st.lists(st.one_of(WORDS, QUOTED), min_size=1, max_size=6))
def test_words_come_back(words: list[str | bytes]) -> None:
    """What dhcpd would write for a list of words is read as that list."""
    written = " ".join(
        word if isinstance(word, str) else '"' + "".join(f"\\{b:03o}" for b in word) + '"'
        for word in words
    )

    found, told = read(f"{written};")

    assert found[0].words == tuple(words)
    assert told == []
