"""Many rows of several statements that are on disk together, or not at all.

    Unit((INSERT, rows), (DELETE, rows)) ──▶ INSERT … VALUES (?, ?), (?, ?), …   one step for many
                                             DELETE … WHERE place IN (?, ?, …)

A thread that executes a statement per row gives the interpreter away and asks for it back per row,
and where the reactor is busy each time costs more than the row. So rows go many to a statement, and
columns that none of them has are written as NULL: to bind a None takes `sqlite3`, which first looks
for somebody who adapts it, 0.3 us with the interpreter held, ten times as long as a number.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

Row: TypeAlias = tuple[int | str | bytes | None, ...]
"""Values in the order in which the statement names its parameters."""

Part: TypeAlias = tuple[str, Sequence[Row]]
"""A statement with one list of parameters in parentheses, after VALUES or IN, and its rows."""

WIDTHS: Final = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows to a statement: 700 rows are six statements, and SQLite keeps them prepared, 0.6 MiB the
widest. It takes 32,766 parameters, so 63 columns."""

TEXTS: Final = 200
"""Wide statements whose texts are kept, 20 kB the widest: more than SQLite keeps prepared."""

_GROUP: Final = re.compile(r"\(((?::\w+)(?:, :\w+)*)\)")


class Unit:
    """What one caller writes at once. When it is on disk, the caller reads what came of it."""

    __slots__ = ("answers", "changed", "expected", "found", "parts", "queries", "questions")

    def __init__(
        self,
        *parts: Part,
        expected: Sequence[int] = (),
        queries: Sequence[Part] = (),
        questions: Sequence[Part] = (),
    ) -> None:
        """`queries` are asked in the same transaction if the parts do not change as many rows as
        `expected`, part by part: to find out which, where rows may be there already. `questions`
        are asked in any case."""
        self.parts = parts
        self.expected = expected
        self.queries = queries
        self.questions = questions
        self.changed: list[int] = []
        """Rows that each part inserted, updated or deleted."""
        self.found: list[list[Row]] = []
        """The answers to the queries, if they were asked."""
        self.answers: list[list[Row]] = []
        """Those to the questions."""

    @property
    def rows(self) -> int:
        """Of all parts."""
        return sum(len(rows) for _, rows in self.parts)

    def write_thd(self, connection: sqlite3.Connection) -> None:
        """Execute all of it in the transaction of `connection`. Raises as the driver does."""
        self.changed = [
            sum(cursor.rowcount for cursor in _execute_thd(connection, part)) for part in self.parts
        ]
        self.found = []
        if self.queries and self.changed != list(self.expected):
            self.found = [_ask_thd(connection, query) for query in self.queries]
        self.answers = [_ask_thd(connection, question) for question in self.questions]


@lru_cache(TEXTS)
def widened(statement: str, rows: int, absent: tuple[int, ...] = ()) -> str:
    """`statement`, which is for one row, for so many; the columns at the places `absent` are NULL.
    Raises ValueError if that cannot be."""
    match = _GROUP.search(statement)
    if match is None or ":" in statement[match.end() :] + statement[: match.start()]:
        raise ValueError(f"not one list of parameters: {statement}")
    before, after = statement[: match.start()], statement[match.end() :]
    columns = range(match[1].count(",") + 1)
    marks = ", ".join("NULL" if column in absent else "?" for column in columns)
    if before.endswith("VALUES "):
        return before + ", ".join([f"({marks})"] * rows) + after
    return f"{before}({', '.join([marks] * rows)}){after}"


def _ask_thd(connection: sqlite3.Connection, query: Part) -> list[Row]:
    return list(chain.from_iterable(_execute_thd(connection, query)))


def _execute_thd(connection: sqlite3.Connection, part: Part) -> Iterator[sqlite3.Cursor]:
    statement, rows = part
    for slice_ in _slices(rows):
        columns = list(zip(*slice_, strict=True))
        absent = tuple(n for n, column in enumerate(columns) if column.count(None) == len(slice_))
        there = [column for n, column in enumerate(columns) if n not in absent]
        values = tuple(chain.from_iterable(zip(*there, strict=True)))
        yield connection.execute(widened(statement, len(slice_), absent), values)


def _slices(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = 0
    for width in WIDTHS:
        while len(rows) - start >= width:
            yield rows[start : start + width]
            start += width
