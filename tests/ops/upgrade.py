"""Databases as older versions left them, made by running the migrations up to there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, LargeBinary, MetaData, Table, insert, select, types

from ops.database import Schema
from ops.migration import configuration, migrate, sqlite_engine

ROWS = 3

Content = dict[str, list[dict[str, Any]]]
"""The rows of each table, by column."""


def revisions(schema: Schema) -> list[str]:
    """All schemas that there were, from the first on."""
    scripts = ScriptDirectory.from_config(configuration(schema.migrations))
    return sorted(script.revision for script in scripts.walk_revisions())


def make(path: Path, schema: Schema, revision: str, rows: int = ROWS) -> Content:
    """A database of `revision` with `rows` in every table; those rows."""
    with sqlite_engine(path).begin() as connection:
        migrate(connection, schema.migrations, revision)
        for table in _tables(connection):
            for number in range(rows):
                connection.execute(insert(table), _row(table, number))
    return content(path)


def content(path: Path) -> Content:
    """What is in the database."""
    with sqlite_engine(path).begin() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in _tables(connection)
        }


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def _row(table: Table, number: int) -> dict[str, Any]:
    return {column.name: _value(column.type, number) for column in table.columns}


def _value(kind: types.TypeEngine[Any], number: int) -> Any:
    if isinstance(kind, LargeBinary):
        return bytes([number])
    return number if isinstance(kind, types.Integer) else str(number)
