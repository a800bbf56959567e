"""pushd's tables: one definition, from which statements, new files and migrations all follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ops.database import Database
from ops.migration import migrate, sqlite_engine
from ops.statement import render
from pushd import schema, statement


def described(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Tables and indexes of the file, column by column."""
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master ORDER BY name").all()
        return {
            name: [
                tuple(row)
                for pragma in ("table_xinfo", "index_list", "foreign_key_list", "index_xinfo")
                for row in connection.exec_driver_sql(f"PRAGMA {pragma}('{name}')").all()
            ]
            for (name,) in names
        }


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    """A file that went through all migrations, from nothing."""
    path = tmp_path / "migrated.db"
    with sqlite_engine(path).begin() as connection:
        migrate(connection, statement.SCHEMA.migrations)
    return path


def test_the_compiled_statements_are_those_of_the_definition() -> None:
    """`pushd/statement.py` is what `python -m ops.statement pushd.schema` writes."""
    assert Path(statement.__file__).read_text() == render(schema)


def test_a_new_database_and_a_migrated_one_are_alike(migrated: Path, tmp_path: Path) -> None:
    """Whoever starts fresh and whoever upgrades have the same tables, columns and indexes."""
    created = Database(tmp_path / "created.db", statement.SCHEMA)
    created.open_thd()
    created.close_thd()

    assert described(created.path) == described(migrated)


def test_the_migrations_lead_to_the_definition(migrated: Path) -> None:
    """Alembic, comparing a migrated file with the definition, finds nothing to do."""
    with sqlite_engine(migrated).begin() as connection:
        context = MigrationContext.configure(connection)

        assert compare_metadata(context, schema.METADATA) == []


def test_a_migrated_database_opens(migrated: Path) -> None:
    """The daemon takes a migrated file for current, without migrating again."""
    database = Database(migrated, statement.SCHEMA)
    database.open_thd()

    assert database.read_thd(statement.LOAD_LANES, {}) == []
    database.close_thd()
