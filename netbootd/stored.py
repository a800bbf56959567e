"""netbootd's database, read by a command while netbootd runs or does not. Nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from netbootd import config
from netbootd.service import DATABASE
from ops.cli import Failed
from ops.database import BUSY_TIMEOUT, StoreError


class Stored:
    """An open database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, statement: str, **parameters: int | str) -> list[tuple[Any, ...]]:
        """The rows of a statement of `netbootd.statement`."""
        return self._connection.execute(statement, parameters).fetchall()


def database_of(configuration: Path | None) -> Path:
    """The database that a configuration names. Raises ConfigError."""
    return config.state_directory(config.load(configuration).state) / DATABASE


@contextmanager
def stored(configuration: Path | None) -> Iterator[Stored]:
    """The database that a configuration names, open within the block. Raises Failed, also for what
    goes wrong there."""
    database = database_of(configuration)
    if not database.exists():
        raise Failed(
            f"{database} does not exist: netbootd has not run with this state folder; name its"
            " configuration: --config FILE"
        )
    # Without a log of changes nobody has the file open, so that it can be read as it lies there:
    # otherwise SQLite wants to make its own files beside it.
    is_at_rest = not database.with_name(database.name + "-wal").exists()
    uri = f"{database.absolute().as_uri()}?mode=ro" + "&immutable=1" * is_at_rest
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)) as connection:
            yield Stored(connection)
    except sqlite3.Error as error:
        remedy = "be root or who netbootd runs as, and start netbootd once if it is older"
        raise Failed(f"{database} cannot be read: {error}; {remedy}") from None
    except StoreError as error:
        raise Failed(f"{database}: {error}") from None
