"""Many rows to a statement: what becomes of its text, and that every row is written once."""

from __future__ import annotations

import sqlite3

import pytest

from ops.unit import WIDTHS, Unit, widened


def test_rows_are_repeated_where_the_parameters_stand() -> None:
    """VALUES repeats the whole list, IN its members; what stands around is kept."""
    insert = "INSERT INTO t (a, b) VALUES (:a, :b) ON CONFLICT (a) DO NOTHING"
    delete = "DELETE FROM t WHERE t.a IN (:a) AND EXISTS (SELECT * FROM u WHERE u.a = t.a)"

    assert widened(insert, 2) == (
        "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT (a) DO NOTHING"
    )
    assert widened(delete, 3) == (
        "DELETE FROM t WHERE t.a IN (?, ?, ?) AND EXISTS (SELECT * FROM u WHERE u.a = t.a)"
    )


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM t", "DELETE FROM t WHERE a = :a", "DELETE FROM t WHERE a IN (:a) AND b = :b"],
)
def test_other_statements_are_refused(statement: str) -> None:
    """A statement without a list of parameters, or with others beside it, has no wide form."""
    with pytest.raises(ValueError, match="not one list of parameters"):
        widened(statement, 2)


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 63, 64, 511, 512, 513, 2 * 512 + 64 + 8 + 1])
def test_every_row_is_written_once(rows: int) -> None:
    """Whatever their number, and few different statements do it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    statements: set[str] = set()
    connection.set_trace_callback(lambda sql: statements.add(str(sql.count("("))))
    unit = Unit(
        ("INSERT INTO t (a, b) VALUES (:a, :b)", [(n, str(n)) for n in range(rows)]),
        ("DELETE FROM t WHERE a IN (:a)", [(n,) for n in range(0, rows, 2)]),
    )

    unit.write_thd(connection)

    written = connection.execute("SELECT a, b FROM t ORDER BY a").fetchall()
    assert written == [(n, str(n)) for n in range(1, rows, 2)]
    assert unit.changed == [rows, (rows + 1) // 2]
    assert len(statements) <= 2 * len(WIDTHS) + 1
    connection.close()


def test_columns_that_no_row_has_are_null() -> None:
    """They stand in the statement, and are not among its parameters."""
    insert = "INSERT INTO t (a, b, c) VALUES (:a, :b, :c)"

    assert widened(insert, 2, (1, 2)) == (
        "INSERT INTO t (a, b, c) VALUES (?, NULL, NULL), (?, NULL, NULL)"
    )


def test_absent_values_are_written_as_such() -> None:
    """Whether none of the rows that share a statement has a column, some do, or all."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)")
    rows: list[tuple[int | None, str | None, bytes | None]] = [
        (n, None, b"c" if 8 <= n < 16 or n == 3 else None) for n in range(15)
    ]
    rows += [(None, "b", None), (None, None, None)]
    unit = Unit(
        ("INSERT INTO t (a, b, c) VALUES (:a, :b, :c)", rows),
        ("DELETE FROM t WHERE a IN (:a)", [(None,), (None,)]),
    )

    unit.write_thd(connection)

    assert connection.execute("SELECT a, b, c FROM t ORDER BY rowid").fetchall() == rows
    assert unit.changed == [len(rows), 0]
    connection.close()


@pytest.mark.parametrize(
    ("there", "found"), [((), []), ((3, 4), [[(1,), (2,), (5,)], [(3,), (4,)]])]
)
def test_what_changed_otherwise_than_expected_is_asked_for(
    there: tuple[int, ...], found: list[list[tuple[int]]]
) -> None:
    """Where all rows were new nothing is asked; else the queries tell, in the same transaction."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, old INTEGER)")
    connection.executemany("INSERT INTO t VALUES (?, 1)", [(n,) for n in there])
    rows = [(n,) for n in range(1, 6)]
    unit = Unit(
        ("INSERT INTO t (a) VALUES (:a) ON CONFLICT (a) DO NOTHING", rows),
        expected=[5],
        queries=[
            (f"SELECT a FROM t WHERE a IN (:a) AND old IS {null} NULL", rows)
            for null in ("", "NOT")
        ],
    )

    unit.write_thd(connection)

    assert unit.found == found
    connection.close()
