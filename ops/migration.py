"""Brings a SQLite file to the newest schema by Alembic: `python -m ops.migration FILE PACKAGE`.

A program of its own, so that a daemon's process never carries Alembic and SQLAlchemy. All that is
due happens in one transaction: a file is migrated or unchanged, also after kill -9.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool


def configuration(package: str) -> Config:
    """Alembic's configuration for the migrations in `package`."""
    config = Config()
    folder = Path(*importlib.import_module(package).__path__)
    # ConfigParser would take a % in the path for the start of an interpolation.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def migrate(connection: Connection, package: str, revision: str = "head") -> None:
    """Run what is due up to `revision`, in the transaction of `connection`."""
    config = configuration(package)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def sqlite_engine(path: Path) -> Engine:
    """An engine for the file at `path` whose transactions include DDL.

    Python's driver commits before each CREATE or ALTER unless transactions are left to us.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def main(arguments: list[str]) -> None:
    path, package = arguments
    with sqlite_engine(Path(path)).begin() as connection:
        migrate(connection, package)


if __name__ == "__main__":
    main(sys.argv[1:])
