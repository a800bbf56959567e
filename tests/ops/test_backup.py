"""Copies of a database: whole, checked, of one moment; and how one is put back."""

from __future__ import annotations

import os
import pwd
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.backup import KEPT_UPGRADES, State, backup_thd, inspect_thd, restore_thd
from ops.database import Schema, StoreError
from tests.ops.facts import ADD, ALL, SCHEMA, opened, run
from tests.ops.test_database import migrations

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
OTHER = Schema(
    version="0001",
    create=(SCHEMA.create[0].replace("fact", "fiction"), *SCHEMA.create[1:]),
    migrations="tests_have_none",
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A daemon's state; there is no database yet."""
    database = tmp_path / "state" / "facts.db"
    return State(daemon="factsd", program="1.2", database=database, schema=SCHEMA)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a backup may go."""
    return tmp_path / "backup"


@contextmanager
def running(state: State) -> Iterator[None]:
    """While it is so, the daemon has its database open."""
    database = opened(state.database)
    yield
    database.close_thd()


def write(state: State, *names: str) -> None:
    """Run the daemon for as long as it takes to write facts."""
    database = opened(state.database)
    outcomes = database.write_thd([(ADD, {"name": name, "value": 1}) for name in names])
    database.close_thd()
    assert outcomes == [None] * len(names)


def read(path: Path, query: str = "SELECT name FROM fact ORDER BY name") -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(query)]


def test_a_backup_is_a_private_database_that_says_what_it_is(state: State, file: Path) -> None:
    """It holds every row, its daemon, version, schema and time, and is its owner's only."""
    write(state, "a", "b")

    manifest = backup_thd(state, file, now=NOW)

    assert read(file) == ["a", "b"]
    assert inspect_thd(state, file) == manifest
    assert manifest.record() == {
        "daemon": "factsd",
        "schema": "0001",
        "made_at": "2026-11-22T12:30:00+00:00",
        "program": "1.2",
        "bytes": file.stat().st_size,
    }
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(os.listdir(file.parent)) == ["backup", "state"]


def test_a_backup_is_of_one_moment_while_the_daemon_writes(state: State, file: Path) -> None:
    """Facts are written in pairs, by a process that never rests: no backup holds half of one."""
    script = """
        import sys
        from pathlib import Path
        from tests.ops.facts import ADD, opened

        database = opened(Path(sys.argv[1]))
        print("writing", flush=True)
        number = 0
        while True:
            pair = [(ADD, {"name": f"{number}{side}", "value": 1}) for side in "ab"]
            assert database.write_thd(pair) == [None, None]
            number += 1
    """
    writer = run(script, state.database, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline().strip() == b"writing"

    counts = []
    for _ in range(10):
        backup_thd(state, file, now=NOW, replace=True)
        counts.append(len(read(file)))
    was_running = writer.poll() is None
    writer.kill()
    writer.wait()
    writer.stdout.close()

    assert was_running
    assert all(count % 2 == 0 for count in counts)
    assert counts == sorted(counts)


def test_what_was_only_in_the_log_of_changes_is_in_the_backup(state: State, file: Path) -> None:
    """A daemon that was killed leaves rows in SQLite's log; they are part of its state."""
    script = """
        import os, signal, sys
        from pathlib import Path
        from tests.ops.facts import ADD, opened

        database = opened(Path(sys.argv[1]))
        database.write_thd([(ADD, {"name": "late", "value": 1})])
        os.kill(os.getpid(), signal.SIGKILL)
    """
    run(script, state.database, stdout=subprocess.DEVNULL).wait()
    assert state.database.with_name("facts.db-wal").stat().st_size

    backup_thd(state, file, now=NOW)

    assert read(file) == ["late"]


def test_a_backup_replaces_only_when_told_to(state: State, file: Path) -> None:
    """An existing file stays as it is, unless the command says otherwise."""
    write(state, "a")
    file.write_text("precious")

    with pytest.raises(StoreError, match=r"exists; name another file, or .* --replace"):
        backup_thd(state, file, now=NOW)
    assert file.read_text() == "precious"

    backup_thd(state, file, now=NOW, replace=True)
    assert read(file) == ["a"]


@pytest.mark.parametrize("name", ["facts.db", "facts.db-wal", "facts.db.lock"])
def test_the_database_is_never_overwritten_by_its_backup(state: State, name: str) -> None:
    """Whoever names the database as the file to write to keeps the database."""
    write(state, "a")

    with pytest.raises(StoreError, match="is the database itself"):
        backup_thd(state, state.database.with_name(name), now=NOW, replace=True)

    assert read(state.database) == ["a"]


def test_without_a_database_there_is_nothing_to_back_up(state: State, file: Path) -> None:
    """A wrong configuration does not become an empty backup."""
    with pytest.raises(StoreError, match="does not exist; factsd has not run with this state"):
        backup_thd(state, file, now=NOW)

    assert not file.exists()


def test_a_damaged_database_makes_no_backup(state: State, file: Path) -> None:
    """The copy is checked before it gets its name: an older backup is not replaced by damage."""
    write(state, *(f"{n:0200}" for n in range(200)))
    size = state.database.stat().st_size
    with state.database.open("r+b") as database:
        database.seek(size // 2)
        database.write(b"\xa5" * 4096)
    file.write_text("older")

    with pytest.raises(StoreError, match="damaged"):
        backup_thd(state, file, now=NOW, replace=True)

    assert file.read_text() == "older"
    assert not file.with_name("backup.new").exists()


def test_a_folder_that_does_not_exist_is_told(state: State, tmp_path: Path) -> None:
    """What is wrong with the place is one line, which names it."""
    write(state, "a")

    with pytest.raises(StoreError, match=r"absent/backup\.new: No such file or directory; be root"):
        backup_thd(state, tmp_path / "absent" / "backup", now=NOW)


def test_a_backup_is_put_back_and_what_was_there_is_kept(state: State, file: Path) -> None:
    """After a restore the state is that of the backup, and the one before it lies beside."""
    write(state, "a")
    backup_thd(state, file, now=NOW)
    write(state, "b")

    manifest, kept = restore_thd(state, file, now=NOW)

    assert manifest.made_at == NOW
    assert kept == state.database.with_name("facts.db.replaced-20261122T123000Z")
    assert read(kept) == ["a", "b"]
    database = opened(state.database)
    assert database.read_thd(ALL, {}) == [("a", 1)]
    tables = database.read_thd("SELECT name FROM sqlite_master WHERE type = 'table'", {})
    assert sorted(tables) == [("alembic_version",), ("fact",)]
    database.close_thd()


def test_what_a_restore_kept_can_be_restored(state: State, file: Path) -> None:
    """A restore that was a mistake is undone by another."""
    write(state, "a")
    backup_thd(state, file, now=NOW)
    write(state, "b")
    _, kept = restore_thd(state, file, now=NOW)
    assert kept is not None

    manifest, _ = restore_thd(state, kept, now=NOW.replace(minute=31))

    assert manifest.made_at is None
    assert read(state.database) == ["a", "b"]


def test_a_restore_where_nothing_was(state: State, file: Path, tmp_path: Path) -> None:
    """A new computer takes over the state of an old one: the folder is made, nothing is kept."""
    write(state, "a")
    backup_thd(state, file, now=NOW)
    elsewhere = State(
        daemon="factsd",
        program="1.2",
        database=tmp_path / "new" / "facts.db",
        schema=SCHEMA,
    )

    _, kept = restore_thd(elsewhere, file, now=NOW)

    assert kept is None
    assert read(elsewhere.database) == ["a"]
    if os.name != "nt":
        assert stat.S_IMODE(elsewhere.database.stat().st_mode) == 0o600


def test_nothing_is_restored_while_the_daemon_runs(state: State, file: Path) -> None:
    """A database that a daemon has open is never replaced."""
    write(state, "a")
    backup_thd(state, file, now=NOW)
    write(state, "b")

    with (
        running(state),
        pytest.raises(StoreError, match="in use by another process; stop factsd, restore"),
    ):
        restore_thd(state, file, now=NOW)

    assert read(state.database) == ["a", "b"]


def test_nothing_is_restored_while_another_program_reads(state: State, file: Path) -> None:
    """Its log of changes would become the restored database's."""
    write(state, "a")
    backup_thd(state, file, now=NOW)
    write(state, "b")

    with closing(sqlite3.connect(state.database)) as other:
        other.execute("SELECT * FROM fact").fetchall()
        with pytest.raises(StoreError, match="open in another program; end that program"):
            restore_thd(state, file, now=NOW)

    assert read(state.database) == ["a", "b"]
    assert list(state.database.parent.glob("*.replaced-*")) == []


def test_a_damaged_database_can_be_replaced(state: State, file: Path) -> None:
    """That is what backups are for; the damaged one is kept as it is, log of changes included."""
    write(state, "a")
    backup_thd(state, file, now=NOW)
    state.database.write_bytes(b"garbage" * 1000)
    state.database.with_name("facts.db-wal").write_bytes(b"log")

    _, kept = restore_thd(state, file, now=NOW)

    assert read(state.database) == ["a"]
    assert kept is not None
    assert kept.read_bytes() == b"garbage" * 1000
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"log"


@pytest.mark.parametrize(
    ("schema", "daemon", "complaint"),
    [
        (OTHER, "fictiond", "is a database of fictiond; name a backup of factsd's"),
        (
            Schema(version="0002", create=SCHEMA.create, migrations=""),
            "factsd",
            "has schema 0002, this program knows 0001; restore it with the newer program",
        ),
    ],
)
def test_what_is_not_ours_is_refused(
    state: State, file: Path, tmp_path: Path, schema: Schema, daemon: str, complaint: str
) -> None:
    """Another daemon's backup, or one of a newer version, changes nothing and says what would."""
    write(state, "a")
    theirs = State(
        daemon=daemon, program="9", database=tmp_path / "their" / "state.db", schema=schema
    )
    created = tuple(text.replace("'0001'", f"'{schema.version}'") for text in schema.create)
    opened(
        theirs.database, Schema(version=schema.version, create=created, migrations="")
    ).close_thd()
    backup_thd(theirs, file, now=NOW)

    with pytest.raises(StoreError, match=complaint):
        restore_thd(state, file, now=NOW)

    assert read(state.database) == ["a"]


def test_a_copy_made_by_other_means_is_known_by_its_tables(
    state: State, file: Path, tmp_path: Path
) -> None:
    """What SQLite's own shell saved is taken if it is ours, and refused if it is not."""
    write(state, "a")
    with closing(sqlite3.connect(state.database)) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    theirs = tmp_path / "theirs"
    opened(theirs, OTHER).close_thd()

    assert inspect_thd(state, file).daemon == "factsd"
    with pytest.raises(StoreError, match="is a database of another program"):
        inspect_thd(state, theirs)


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough" * 100])
def test_a_file_that_is_no_backup_is_refused(state: State, file: Path, content: bytes) -> None:
    """Whatever is restored by mistake, the database stays."""
    write(state, "a")
    file.write_bytes(content)

    with pytest.raises(
        StoreError, match=r"is no backup of a database|is no backup, or a damaged one"
    ):
        restore_thd(state, file, now=NOW)

    assert read(state.database) == ["a"]


def test_what_is_no_backup_is_left_alone(state: State, tmp_path: Path) -> None:
    """Nobody is told to move away a file that is somebody else's."""
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0\n" * 100)

    with pytest.raises(StoreError, match=r"passwd is no backup, .*; name another backup"):
        inspect_thd(state, file)


def test_a_damaged_backup_is_refused(state: State, file: Path) -> None:
    """It is checked in full before it takes the place of what is there."""
    write(state, *(f"{n:0200}" for n in range(200)))
    backup_thd(state, file, now=NOW)
    size = file.stat().st_size
    with file.open("r+b") as backup:
        backup.seek(size // 2)
        backup.write(b"\xa5" * 4096)

    with pytest.raises(StoreError, match=r"damaged .*; use an older backup"):
        restore_thd(state, file, now=NOW)

    assert len(read(state.database)) == 200
    assert not state.database.with_name("facts.db.new").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_root_restores_for_the_daemons_user(state: State, file: Path) -> None:
    """What root puts back belongs to the user that the daemon runs as, its lock included."""
    nobody = pwd.getpwnam("nobody")
    write(state, "a")
    backup_thd(state, file, now=NOW)
    for name in os.listdir(state.database.parent):
        (state.database.parent / name).unlink()
    os.chown(state.database.parent, nobody.pw_uid, nobody.pw_gid)

    restore_thd(state, file, now=NOW)

    owners = {path.name: path.stat().st_uid for path in state.database.parent.iterdir()}
    assert owners == {"facts.db": nobody.pw_uid, "facts.db.lock": nobody.pw_uid}


def test_a_migration_leaves_a_copy_of_the_time_before(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade the older program's database lies beside, and can be restored."""
    write(state, "a")

    database = opened(state.database, migrations(tmp_path, monkeypatch, broken=False))
    kept = database.kept
    database.close_thd()

    assert kept == state.database.with_name("facts.db.schema-0001")
    restore_thd(state, kept, now=NOW)
    assert read(state.database) == ["a"]


def test_a_migration_that_fails_again_and_again_leaves_one_copy(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is restarted over and over neither loses older copies nor fills the disk."""
    write(state, "a")
    broken = migrations(tmp_path, monkeypatch, broken=True)

    for _ in range(2):
        with pytest.raises(StoreError, match=r"could not be migrated"):
            opened(state.database, broken)

    copies = [path.name for path in state.database.parent.glob("*.schema-*")]
    assert copies == ["facts.db.schema-0001"]
    assert read(state.database) == ["a"]


def test_copies_of_old_upgrades_go(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest copies make room for the newest."""
    write(state, "a")
    for number in range(KEPT_UPGRADES):
        old = state.database.with_name(f"facts.db.schema-old{number}")
        old.write_text("")
        os.utime(old, (number, number))

    opened(state.database, migrations(tmp_path, monkeypatch, broken=False)).close_thd()

    names = sorted(path.name for path in state.database.parent.glob("*.schema-*"))
    assert names == ["facts.db.schema-0001", "facts.db.schema-old1", "facts.db.schema-old2"]


def test_without_a_copy_nothing_is_migrated(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the copy cannot be written the database stays as it was, and the start says why."""
    write(state, "a")
    state.database.with_name("facts.db.schema-0001.new").mkdir()

    with pytest.raises(StoreError, match=r"schema-0001.new: Is a directory"):
        opened(state.database, migrations(tmp_path, monkeypatch, broken=False))

    assert read(state.database, "SELECT version_num FROM alembic_version") == ["0001"]
