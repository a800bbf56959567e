"""Statements are defined in SQLAlchemy Core and executed as text that every database takes."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, select
from sqlalchemy.dialects import postgresql, sqlite

from ops.statement import Upsert, create_texts, text

METADATA = MetaData()
FACT = Table(
    "fact",
    METADATA,
    Column("name", String(10), primary_key=True),
    Column("place", String(10), primary_key=True),
    Column("value", Integer, nullable=False, index=True),
)
ROWS = [
    {"name": "a", "place": "x", "value": 1},
    {"name": "a", "place": "y", "value": 2},
    {"name": "a", "place": "x", "value": 3},
]
AFTER = [("a", "x", 3), ("a", "y", 2)]


def test_upsert_text_replaces_the_row_of_the_same_key() -> None:
    """Executed as text by the driver, the last row of a key remains."""
    connection = sqlite3.connect(":memory:")
    for sql in create_texts(METADATA, "0001"):
        connection.execute(sql)

    for row in ROWS:
        connection.execute(text(Upsert(FACT)), row)

    query = text(select(FACT).order_by(FACT.c.place))
    assert connection.execute(query).fetchall() == AFTER
    assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("0001",)]
    connection.close()


def test_upsert_works_through_sqlalchemy_too() -> None:
    """The same definition can be executed by SQLAlchemy itself."""
    engine = create_engine("sqlite://")
    METADATA.create_all(engine)

    with engine.connect() as connection:
        for row in ROWS:
            connection.execute(Upsert(FACT), row)

        assert connection.execute(select(FACT).order_by(FACT.c.place)).all() == AFTER
    engine.dispose()


def test_upsert_is_one_text_for_all_databases() -> None:
    """SQLite and PostgreSQL are given the same characters."""
    assert text(Upsert(FACT)) == (
        "INSERT INTO fact (name, place, value) VALUES (:name, :place, :value)"
        " ON CONFLICT (name, place) DO UPDATE SET value = excluded.value"
    )


def test_a_statement_of_one_database_only_is_refused() -> None:
    """What SQLite and PostgreSQL would be told differently never becomes a text."""
    only_sqlite = sqlite.insert(FACT).prefix_with("OR REPLACE", dialect="sqlite")
    only_postgresql = postgresql.insert(FACT).prefix_with("X", dialect="postgresql")

    for statement in (only_sqlite, only_postgresql):
        with pytest.raises(ValueError, match="not one statement for all databases"):
            text(statement)
