"""An upgrade from every version that there was: what it knew is still known."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbootd.statement import SCHEMA
from ops.backup import State, inspect_thd
from ops.database import Database
from tests.ops.upgrade import content, make, revisions

REVISIONS = revisions(SCHEMA)


def test_the_newest_schema_is_the_daemons() -> None:
    """Every migration is known to the program, and the first is where it began."""
    assert (REVISIONS[0], REVISIONS[-1]) == ("0001", SCHEMA.version)


@pytest.mark.parametrize("revision", REVISIONS)
def test_upgrade(tmp_path: Path, revision: str) -> None:
    """A database of any older schema opens, with every row and value that it had; the one that it
    was is kept beside it, as a copy that this daemon would restore."""
    path = tmp_path / "netbootd.sqlite"
    before = make(path, SCHEMA, revision)

    database = Database(path, SCHEMA)
    database.open_thd()
    database.close_thd()

    after = content(path)
    for table, rows in before.items():
        assert [
            {key: row[key] for key in old} for row, old in zip(after[table], rows, strict=True)
        ] == rows
    if revision == SCHEMA.version:
        assert database.kept is None
    else:
        assert database.kept is not None
        assert content(database.kept) == before
        state = State(daemon="netbootd", program="", database=path, schema=SCHEMA)
        assert inspect_thd(state, database.kept).schema == revision
