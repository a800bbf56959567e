"""One SQLite file: whole or absent, checked when opened, migrated in one step, never two owners."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
from pathlib import Path

import pytest

from ops.database import Database, Schema, StoreError
from tests.ops.facts import ADD, ALL, SCHEMA, opened, run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "facts.db"


def write(database: Database, *facts: tuple[str, int | None]) -> list[StoreError | None]:
    return database.write_thd([(ADD, {"name": name, "value": value}) for name, value in facts])


def test_a_new_database_is_private_durable_and_remembers(path: Path) -> None:
    """It is created with its folder, for the owner only, in WAL mode, and keeps what is written."""
    database = opened(path)
    assert write(database, ("a", 1)) == [None]
    pragmas = [
        database.read_thd(f"PRAGMA {name}", {})[0][0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    ]
    database.close_thd()

    database = opened(path)

    assert database.read_thd(ALL, {}) == [("a", 1)]
    assert pragmas == ["wal", 2, 1, 5000]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    database.close_thd()


def test_rows_come_one_by_one_where_there_are_many(path: Path) -> None:
    """A query can be read without holding all of its rows; a failure is a StoreError."""
    database = opened(path)
    write(database, ("a", 1), ("b", 2))

    rows = database.each_thd(ALL, {})

    assert next(rows) == ("a", 1)
    assert list(rows) == [("b", 2)]
    with pytest.raises(StoreError, match="no such table"):
        list(database.each_thd("SELECT * FROM absent", {}))
    database.close_thd()


def test_a_write_that_breaks_a_constraint_fails_alone(path: Path) -> None:
    """In a shared transaction, the writes before and after a refused one are committed."""
    database = opened(path)

    outcomes = write(database, ("a", 1), ("a", 2), ("b", None), ("c", 3))

    assert [outcome is None for outcome in outcomes] == [True, False, False, True]
    assert database.read_thd(ALL, {}) == [("a", 1), ("c", 3)]
    database.close_thd()


@pytest.mark.parametrize("refused", [False, True])
def test_different_statements_take_effect_in_their_order(path: Path, refused: bool) -> None:
    """A row that is written, removed and written again is there, with its last value; a refused
    write among them changes nothing about that."""
    database = opened(path)
    remove = "DELETE FROM fact WHERE name = :name"
    batch: list[tuple[str, dict[str, int | str | None]]] = [
        (ADD, {"name": "a", "value": 1}),
        (ADD, {"name": "b", "value": 1}),
        (remove, {"name": "a"}),
        (ADD, {"name": "a", "value": 2}),
        (remove, {"name": "b"}),
    ]
    if refused:
        batch.append((ADD, {"name": "a", "value": 3}))

    outcomes = database.write_thd(batch)

    assert [outcome is None for outcome in outcomes] == [True] * 5 + [False] * refused
    assert database.read_thd(ALL, {}) == [("a", 2)]
    database.close_thd()


def test_a_write_without_a_parameter_fails_alone(path: Path) -> None:
    """A parameter that is missing is an error of that write, and of no other."""
    database = opened(path)

    outcomes = database.write_thd([(ADD, {"name": "a"}), (ADD, {"name": "b", "value": 1})])

    assert [outcome is None for outcome in outcomes] == [False, True]
    assert database.read_thd(ALL, {}) == [("b", 1)]
    database.close_thd()


@pytest.mark.parametrize("value", [1 << 63, "\udc80"])
def test_a_value_that_no_database_takes_fails_alone(path: Path, value: int | str) -> None:
    """A number over 64 bits or a lone surrogate is an error of that write, and of no other."""
    database = opened(path)

    outcomes = database.write_thd(
        [(ADD, {"name": "a", "value": value}), (ADD, {"name": "b", "value": 1})]
    )

    assert [outcome is None for outcome in outcomes] == [False, True]
    assert database.read_thd(ALL, {}) == [("b", 1)]
    database.close_thd()


def test_a_full_disk_fails_the_whole_batch_and_later_writes_succeed(path: Path) -> None:
    """When SQLite has no room, no write of the transaction is acknowledged; room heals it."""
    database = opened(path)
    pages = database.read_thd("PRAGMA page_count", {})[0][0]
    database.read_thd(f"PRAGMA max_page_count = {pages}", {})
    batch = [(ADD, {"name": f"{n:0500}", "value": n}) for n in range(100)]

    outcomes = database.write_thd(batch)
    assert all(outcome is not None for outcome in outcomes)
    assert "is full; free space on its disk" in str(outcomes[0])
    assert database.read_thd(ALL, {}) == []

    database.read_thd("PRAGMA max_page_count = 100000", {})
    assert database.write_thd(batch) == [None] * 100
    database.close_thd()


def test_a_second_owner_is_refused_until_the_first_lets_go(path: Path) -> None:
    """Two daemons never share a state folder; the lock goes with its holder."""
    first = opened(path)
    with pytest.raises(StoreError, match=r"in use by another process; .* state folder of its own"):
        opened(path)

    first.close_thd()

    opened(path).close_thd()


def test_the_lock_of_a_killed_process_is_free(path: Path) -> None:
    """kill -9 leaves the lock file, but not the lock."""
    script = """
        import os, signal, sys
        from pathlib import Path
        from tests.ops.facts import opened

        opened(Path(sys.argv[1]))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run(script, path, stdout=subprocess.DEVNULL).wait() == -signal.SIGKILL
    assert path.exists()

    opened(path).close_thd()


@pytest.mark.parametrize("damage", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 4080])
def test_a_damaged_file_is_told_and_kept(path: Path, damage: bytes) -> None:
    """A file that is no database stops the start with a remedy, and is not touched."""
    path.parent.mkdir()
    path.write_bytes(damage)

    with pytest.raises(StoreError, match=r"is damaged .*; restore it from a backup, or move it"):
        opened(path)

    assert path.read_bytes() == damage


def test_a_page_gone_bad_is_found_at_the_start(path: Path) -> None:
    """Damage inside the file is found when it is opened, not when the row is needed."""
    database = opened(path)
    write(database, *((f"{n:0200}", n) for n in range(200)))
    database.close_thd()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * 4096)

    with pytest.raises(StoreError, match="is damaged"):
        opened(path)


def test_a_newer_database_is_told_and_kept(path: Path) -> None:
    """A file of a later schema stops the start: an older program would lose what it holds."""
    newer = Schema(
        version="0002",
        create=(SCHEMA.create[0], SCHEMA.create[1], SCHEMA.create[2].replace("0001", "0002")),
        migrations=SCHEMA.migrations,
    )
    opened(path, newer).close_thd()

    with pytest.raises(StoreError, match="has schema 0002, this program knows 0001; run the newer"):
        opened(path)


def test_a_database_of_another_program_is_told(path: Path) -> None:
    """A SQLite file without our version is not ours to use."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.close()

    with pytest.raises(StoreError, match="is not a database of this program; move it away"):
        opened(path)


def test_the_draft_of_a_killed_start_is_no_obstacle(path: Path) -> None:
    """A half-written new file is thrown away; the database appears whole or not at all."""
    path.parent.mkdir()
    path.with_name(path.name + ".new").write_bytes(b"half")

    database = opened(path)

    assert database.read_thd(ALL, {}) == []
    assert not path.with_name(path.name + ".new").exists()
    database.close_thd()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """An impossible folder names itself and the remedy."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="a folder to write in, or name another one"):
        opened(tmp_path / "file" / "facts.db")


MIGRATIONS = {
    "__init__.py": "",
    "env.py": """
from alembic import context
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
""",
    "versions/0001_facts.py": """
revision, down_revision = "0001", None
def upgrade(): pass
""",
    "versions/0002_colour.py": """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("fact", sa.Column("colour", sa.String(10), server_default="red"))
    op.create_table("shade", sa.Column("name", sa.String(10), primary_key=True))
    if BROKEN: raise RuntimeError("no such colour")
""",
}


def migrations(folder: Path, monkeypatch: pytest.MonkeyPatch, *, broken: bool) -> Schema:
    """A package of two migrations, the second of which may fail after its first changes."""
    for name, source in MIGRATIONS.items():
        file = folder / "paint%20shop" / "paint_migrations" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source.replace("BROKEN", str(broken)))
    monkeypatch.syspath_prepend(folder / "paint%20shop")
    return Schema(version="0002", create=(), migrations="paint_migrations")


def test_an_older_database_is_migrated(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a file of an older schema brings it to ours, with its rows."""
    database = opened(path)
    write(database, ("a", 1))
    database.close_thd()

    database = opened(path, migrations(tmp_path, monkeypatch, broken=False))

    assert database.read_thd("SELECT name, value, colour FROM fact", {}) == [("a", 1, "red")]
    assert database.read_thd("SELECT version_num FROM alembic_version", {}) == [("0002",)]
    assert write(database) == []
    database.close_thd()


def test_a_migration_that_fails_leaves_the_file_unchanged(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration is whole or did not happen, and the error gives its reason."""
    opened(path).close_thd()

    with pytest.raises(StoreError, match=r"migrated to 0002 \(RuntimeError: no such colour\)"):
        opened(path, migrations(tmp_path, monkeypatch, broken=True))

    database = opened(path)
    tables = database.read_thd("SELECT name FROM sqlite_master WHERE type = 'table'", {})
    columns = database.read_thd("SELECT name FROM pragma_table_info('fact')", {})
    assert sorted(tables) == [("alembic_version",), ("fact",)]
    assert columns == [("name",), ("value",)]
    database.close_thd()
