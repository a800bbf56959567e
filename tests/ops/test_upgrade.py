"""An upgrade of either daemon from every version that there was: what it knew is still known."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbootd.statement import SCHEMA as NETBOOTD
from ops.backup import State, inspect_thd
from ops.database import Database, Schema
from pushd.statement import SCHEMA as PUSHD
from tests.ops.upgrade import content, make, revisions

SCHEMAS = {"netbootd": NETBOOTD, "pushd": PUSHD}
UPGRADES = [
    (daemon, revision) for daemon, schema in SCHEMAS.items() for revision in revisions(schema)
]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_newest_schema_is_the_daemons(schema: Schema) -> None:
    """Every migration is known to the program, and the first is where it began."""
    known = revisions(schema)

    assert (known[0], known[-1]) == ("0001", schema.version)


@pytest.mark.parametrize(("daemon", "revision"), UPGRADES)
def test_upgrade(tmp_path: Path, daemon: str, revision: str) -> None:
    """A database of any older schema opens, with every row and value that it had; the one that it
    was is kept beside it, as a copy that this daemon would restore."""
    schema = SCHEMAS[daemon]
    path = tmp_path / f"{daemon}.sqlite"
    before = make(path, schema, revision)

    database = Database(path, schema)
    database.open_thd()
    database.close_thd()

    after = content(path)
    for table, rows in before.items():
        assert [
            {key: row[key] for key in old} for row, old in zip(after[table], rows, strict=True)
        ] == rows
    if revision == schema.version:
        assert database.kept is None
    else:
        assert database.kept is not None
        assert content(database.kept) == before
        state = State(daemon=daemon, program="", database=path, schema=schema)
        assert inspect_thd(state, database.kept).schema == revision
