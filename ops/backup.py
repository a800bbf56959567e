"""Copies of a daemon's database: made while it runs, checked, and put back.

    backup_thd    database ──SQLite's backup──▶ draft ── check ── manifest ──▶ FILE
    restore_thd   FILE ── whose is it? ──▶ draft ── check ──▶ database; what was there is kept

A copy is one SQLite file: the database of one moment, and a table that says whose it is. It appears
whole and checked, or not at all. Nothing is ever put in the place of a database that a daemon has
open, and nothing that was in its place is lost.

Every function blocks.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ops.database import BUSY_TIMEOUT, Database, Schema, StoreError
from ops.folder import sync_folder_thd
from ops.lock import FileLock

MANIFEST: Final = "backup_manifest"
"""The table that is in a backup and in no database."""
KEPT_UPGRADES: Final = 3
"""Copies of the times before an upgrade; of databases that are small, and of use for days."""
LEFTOVERS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file that is open, or was when its program died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is backed up: the database of one daemon."""

    daemon: str
    program: str
    """Its version, for the manifest."""
    database: Path
    schema: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a copy is."""

    daemon: str
    schema: str
    made_at: datetime | None
    """None: it was made by other means."""
    program: str | None
    size: int
    """Bytes."""

    def record(self) -> dict[str, str | int | None]:
        """For programs."""
        return {
            "daemon": self.daemon,
            "schema": self.schema,
            "made_at": None if self.made_at is None else self.made_at.isoformat(),
            "program": self.program,
            "bytes": self.size,
        }


def backup_thd(state: State, file: Path, *, now: datetime, replace: bool = False) -> Manifest:
    """Copy the database to `file`, whether its daemon runs or not. Raises StoreError.

    `replace`: whether `file` may be there already; it is replaced when the new one is complete.
    """
    if not state.database.exists():
        raise StoreError(
            f"{state.database} does not exist",
            f"{state.daemon} has not run with this state folder; name its configuration",
        )
    if _is_state(file, state.database):
        raise StoreError(f"{file} is the database itself", "name another file")
    if file.exists() and not replace:
        raise StoreError(f"{file} exists", "name another file, or have it replaced: --replace")
    with _told(file, state), _draft(file) as draft:
        with closing(_source(state.database)) as source:
            copy_thd(source, draft)
            schema = _version(source, state.database)
        with closing(_connected(draft, "rw")) as copy:
            _sign(copy, state, schema, now)
        draft.replace(file)
        sync_folder_thd(file.parent)
    return inspect_thd(state, file)


def inspect_thd(state: State, file: Path) -> Manifest:
    """What `file` is. Raises StoreError where it is no copy of this daemon's database."""
    if not file.exists():
        raise StoreError(f"{file} does not exist", "name a backup")
    try:
        with _told(file, state), closing(_source(file)) as connection:
            return _manifest(connection, state, file)
    except StoreError as error:
        if isinstance(error.__cause__, sqlite3.Error) and _is_damage(error.__cause__):
            problem = f"{file} is no backup, or a damaged one ({error.__cause__})"
            raise StoreError(problem, "name another backup") from error
        raise


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def restore_thd(state: State, file: Path, *, now: datetime) -> tuple[Manifest, Path | None]:
    """Put the copy `file` in the place of the database. What it is, and where the database that
    it replaces is kept (None: there was none).

    Raises StoreError, and changes nothing, while the daemon runs, or where `file` is damaged, of
    another daemon, or newer than this program.
    """
    database = state.database
    manifest = inspect_thd(state, file)
    if manifest.schema > state.schema.version:
        raise StoreError(
            f"{file} has schema {manifest.schema}, this program knows {state.schema.version}",
            "restore it with the newer program that wrote it",
        )
    with _told(database, state):
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _owned(state), _draft(database) as draft:
            with closing(_source(file)) as source:
                copy_thd(source, draft)
            with closing(_connected(draft, "rw")) as copy:
                copy.execute(f"DROP TABLE IF EXISTS {MANIFEST}")
            _give(draft, to_owner_of=database if database.exists() else database.parent)
            kept = _keep(database, now) if database.exists() else None
            draft.replace(database)
            sync_folder_thd(database.parent)
    return manifest, kept


def copy_thd(source: sqlite3.Connection, target: Path) -> None:
    """Copy what `source` sees into the empty file `target`, for ever and checked.

    It is one moment's, whoever writes meanwhile, and keeps nobody from writing. Raises StoreError
    where the copy would be damaged, sqlite3.Error where it cannot be written.
    """
    with closing(_connected(target, "rw")) as copy:
        source.backup(copy)
        # A file that is only read needs no log of changes beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        problem = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problem != "ok":
        raise StoreError(
            f"what was read is damaged ({problem.splitlines()[0]})", "use an older backup"
        )


def keep_before_upgrade_thd(source: sqlite3.Connection, database: Path, version: str) -> Path:
    """Copy `database`, which `source` sees, beside itself, under the name of its schema: before it
    is migrated. Of all such copies the newest stay. Raises StoreError, sqlite3.Error, OSError."""
    kept = database.with_name(f"{database.name}.schema-{version}")
    with _draft(kept) as draft:
        copy_thd(source, draft)
        _give(draft, to_owner_of=database)
        draft.replace(kept)
        sync_folder_thd(kept.parent)
    copies = list(database.parent.glob(f"{database.name}.schema-*"))
    copies.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in copies[KEPT_UPGRADES:]:
        old.unlink()
    return kept


@contextmanager
def _told(path: Path, state: State) -> Iterator[None]:
    """What goes wrong with `path`, as a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise Database(path, state.schema).error_of(error) from error
    except OSError as error:
        raise StoreError(
            f"{error.filename or path}: {error.strerror}",
            f"be root or who {state.daemon} runs as, and check the folder and its disk",
        ) from error


@contextmanager
def _owned(state: State) -> Iterator[None]:
    """Keep the daemon from starting. Raises StoreError while it runs."""
    path = state.database.with_name(state.database.name + ".lock")
    lock = FileLock(path)
    if not lock.acquire():
        raise StoreError(
            f"{state.database} is in use by another process",
            f"stop {state.daemon}, restore, and start it again",
        )
    try:
        _give(path, to_owner_of=state.database.parent)  # if we have just made it
        yield
    finally:
        lock.release()


@contextmanager
def _draft(file: Path) -> Iterator[Path]:
    """An empty private file beside `file`, which is gone at the end unless it has been renamed."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)  # of a command that was killed
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
    )


def _source(path: Path) -> sqlite3.Connection:
    """A connection that reads. One that may write, so that it leaves no files behind that it made
    to read; where that is not permitted, one that may not."""
    is_ours = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    is_at_rest = not path.with_name(path.name + "-wal").exists()
    mode = "rw" if is_ours else "ro&immutable=1" if is_at_rest else "ro"
    connection = _connected(path, mode)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> str:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        row = None
    if row is None:
        raise StoreError(f"{path} is no backup of a database", "name another file")
    return str(row[0])


def _sign(copy: sqlite3.Connection, state: State, schema: str, now: datetime) -> None:
    """Say in the copy what it is."""
    made_at = now.astimezone(UTC).isoformat(timespec="seconds")
    copy.execute("BEGIN")
    copy.execute(f"CREATE TABLE {MANIFEST} (daemon TEXT, program TEXT, schema TEXT, made_at TEXT)")
    copy.execute(
        f"INSERT INTO {MANIFEST} VALUES (?, ?, ?, ?)",  # noqa: S608 - a constant
        (state.daemon, state.program, schema, made_at),
    )
    copy.execute("COMMIT")


def _manifest(connection: sqlite3.Connection, state: State, file: Path) -> Manifest:
    version = _version(connection, file)
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    daemon, program, made_at = None, None, None
    if MANIFEST in tables:
        select = f"SELECT daemon, program, made_at FROM {MANIFEST}"  # noqa: S608 - a constant
        daemon, program, made_at = connection.execute(select).fetchone()
    elif tables & _tables(state.schema):  # a copy made by other means, or one that we keep
        daemon = state.daemon
    if daemon != state.daemon:
        whose = "another program" if daemon is None else daemon
        remedy = f"name a backup of {state.daemon}'s"
        raise StoreError(f"{file} is a database of {whose}", remedy)
    return Manifest(
        daemon=daemon,
        schema=version,
        made_at=None if made_at is None else datetime.fromisoformat(made_at),
        program=program,
        size=file.stat().st_size,
    )


def _tables(schema: Schema) -> set[str]:
    """The names of what a daemon's database has, but for the one that all have."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in schema.create:
            connection.execute(statement)
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    return {name for name in names if "alembic" not in name}


def _keep(database: Path, now: datetime) -> Path:
    """Give the database a second name, under which it stays when the first is another's."""
    kept = _with(database, f".replaced-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    os.link(database, kept)
    # SQLite throws away the log of a database that it cannot read; somebody else may save it.
    beside = [suffix for suffix in LEFTOVERS if _with(database, suffix).exists()]
    for suffix in beside:
        os.link(_with(database, suffix), _with(kept, suffix))
    try:
        with closing(_connected(database, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        for suffix in beside:
            _with(database, suffix).unlink(missing_ok=True)
        return kept
    for suffix in beside:  # what was in them is in the file now
        _with(kept, suffix).unlink()
    if any(_with(database, suffix).exists() for suffix in LEFTOVERS):
        kept.unlink()
        raise StoreError(
            f"{database} is open in another program", "end that program, and restore again"
        )
    return kept


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _is_state(file: Path, database: Path) -> bool:
    """Whether `file` is the database, or one of the files that make it up."""
    names = [database.name + suffix for suffix in ("", ".lock", *LEFTOVERS)]
    return file.name in names and file.absolute().parent.resolve() == database.parent.resolve()


def _give(path: Path, *, to_owner_of: Path) -> None:
    """As root: let the daemon's user have what we made for it."""
    if os.name != "nt" and os.geteuid() == 0:
        owner = to_owner_of.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
