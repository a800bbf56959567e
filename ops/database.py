"""One SQLite file: made whole or not at all, checked when opened, written by one thread.

    absent ──create──▶ file of the current schema ──open──▶ checked, WAL, synchronous=FULL
    older  ──copy, migrate─▶ (Alembic, in a child process) ──┘
    newer, damaged, not ours, in use ──▶ StoreError with the remedy

Schema and statements are SQLAlchemy Core (see `ops.statement`), but SQLAlchemy is not imported:
a daemon executes the compiled text, and tests prove the two equal. That saves 12 MiB of memory and
0.2 s of every start, and a write costs 4 µs instead of 26. For the same reason Alembic runs in a
child process, and only when a migration is due.

Every method blocks and belongs to one thread at a time.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from ops.folder import sync_folder_thd
from ops.lock import FileLock
from ops.unit import Unit

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another program that reads or backs up our file."""

UNWRITABLE = (sqlite3.Error, OverflowError, ValueError)
"""A number over 64 bits is an OverflowError, a lone surrogate in a text a ValueError."""

CACHE = 16_384
"""KiB of pages in memory at most, taken as they are used. With SQLite's own 2,000, a commit of five
thousand rows writes pages twice, and reads them again."""

CHECKPOINT = 8_000
"""Pages of the WAL, 32 MiB, after which they are copied into the database. Rows that come and go
meanwhile are not: with SQLite's own 1,000, half as much again is written."""

MIGRATION_TIMEOUT = 600.0
"""Seconds. A million rows are rewritten in seconds; ten minutes are for slow disks."""

Statement = str
"""SQL with named parameters (`:mac`), from a generated statement module."""

Parameters = Mapping[str, int | str | bytes | None]

UNIT: Statement = ""
"""In the place of a statement: what follows is a Unit, which brings its own."""

Write = tuple[Statement, Parameters | Unit]

_NAMED = re.compile(r":([a-z_]+)")
_STATEMENT = itemgetter(0)
_PARAMETERS = itemgetter(1)


@lru_cache  # statements are constants of modules
def _by_position(statement: Statement) -> tuple[str, Callable[[Parameters], tuple[Any, ...]]]:
    """`statement` with its parameters by position, and what puts them in order: to look up nine
    names takes `sqlite3` 1.6 us, a seventh of what it takes to write a lease."""
    names = _NAMED.findall(statement)
    if len(names) < 2:  # of one name, `itemgetter` makes no tuple
        return _NAMED.sub("?", statement), lambda given: tuple(given[name] for name in names)
    return _NAMED.sub("?", statement), itemgetter(*names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a database must look like, generated from SQLAlchemy metadata by `ops.statement`."""

    version: str
    """Revision of the newest migration: four digits, counting up."""
    create: tuple[Statement, ...]
    """Makes an empty database of that version."""
    migrations: str
    """Package of the Alembic migrations that lead to it."""


class StoreError(Exception):
    """The store could not do it; `str()` is one line with the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class Database:
    """The SQLite file at `path`, after `open_thd` and until `close_thd`."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self.kept: Path | None = None
        """The copy that was made before the file was migrated, if it was."""
        self._schema = schema
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        self._connection: sqlite3.Connection | None = None

    def open_thd(self) -> None:
        """Open, and create or migrate first where needed. Raises StoreError."""
        try:
            self._own()
            try:
                if not self.path.exists():
                    self._create()
                self._connection = self._connect(self.path)
                self._check()
            except BaseException:
                self.close_thd()
                raise
        except OSError as error:
            raise self._os_error(error) from error
        except sqlite3.Error as error:
            raise self.error_of(error) from error

    def read_thd(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StoreError."""
        try:
            return self._open.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self.error_of(error) from error

    def each_thd(self, statement: Statement, parameters: Parameters) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one by one, for tables too large to hold twice. Raises StoreError."""
        try:
            yield from self._open.execute(statement, parameters)
        except sqlite3.Error as error:
            raise self.error_of(error) from error

    def connect_reader_thd(self) -> sqlite3.Connection:
        """Another connection to the opened file, which can only read. Raises sqlite3.Error."""
        connection = self._connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def write_thd(self, batch: Sequence[Write]) -> list[StoreError | None]:
        """Execute `batch` in one transaction and commit; None for each write that is on disk now.

        A write that breaks a constraint fails alone. When the disk fails, all do.
        """
        connection = self._open
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, run in groupby(batch, _STATEMENT):
                if statement == UNIT:
                    for unit in map(_PARAMETERS, run):
                        unit.write_thd(connection)
                else:
                    sql, in_order = _by_position(statement)
                    connection.executemany(sql, map(in_order, map(_PARAMETERS, run)))
            connection.execute("COMMIT")
        except (*UNWRITABLE, KeyError):  # KeyError: a parameter is missing
            with suppress(sqlite3.Error):
                connection.rollback()
            return self._write_singly(batch)
        return [None] * len(batch)

    def _write_singly(self, batch: Sequence[Write]) -> list[StoreError | None]:
        """The same, slower, finding out which writes fail."""
        connection = self._open
        outcomes: list[StoreError | None] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, parameters in batch:
                try:
                    if isinstance(parameters, Unit):
                        connection.execute("SAVEPOINT unit")
                        parameters.write_thd(connection)
                        connection.execute("RELEASE unit")
                    else:
                        connection.execute(statement, parameters)
                    outcomes.append(None)
                except UNWRITABLE as error:
                    # SQLite takes back the statement; on a full disk the transaction, too.
                    if not connection.in_transaction:
                        raise
                    if isinstance(parameters, Unit):
                        connection.execute("ROLLBACK TO unit")
                        connection.execute("RELEASE unit")
                    outcomes.append(self.error_of(error))
            connection.execute("COMMIT")
        except UNWRITABLE as error:
            with suppress(sqlite3.Error):  # the next BEGIN says so, if this was in vain
                connection.rollback()
            return [self.error_of(error)] * len(batch)
        return outcomes

    def close_thd(self) -> None:
        """Close, and let go of the lock. A closed database may be opened again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.release()

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.path} is not open", "start the store first")
        return self._connection

    def _own(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._lock.acquire():
            raise StoreError(
                f"{self.path} is in use by another process",
                "stop that process, or give this one a state folder of its own",
            )

    def _create(self) -> None:
        """Write a new file beside, then rename: nobody ever sees half a database."""
        draft = self.path.with_name(self.path.name + ".new")
        draft.unlink(missing_ok=True)  # of a start that was killed; the lock says it is nobody's
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute("BEGIN")
            for statement in self._schema.create:
                connection.execute(statement)
            connection.execute("COMMIT")  # synchronous is FULL by default: this is on disk
        finally:
            connection.close()
        draft.rename(self.path)
        sync_folder_thd(self.path.parent)

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,  # BEGIN and COMMIT are ours
            check_same_thread=False,  # opened by the reactor thread, then the writer's alone
        )
        # Where shared memory is impossible (some network file systems) SQLite keeps its rollback
        # journal: slower, as durable.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
        return connection

    def _check(self) -> None:
        problem = self._open.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise self._damaged(problem)
        version = self._version()
        if version < self._schema.version:
            self._migrate(version)
            version = self._version()
        if version != self._schema.version:
            raise StoreError(
                f"{self.path} has schema {version}, this program knows {self._schema.version}",
                "run the newer program that wrote it, or restore a backup of its time",
            )
        self._open.execute("BEGIN IMMEDIATE")  # fails now, not at the first write, if read-only
        self._open.execute("ROLLBACK")

    def _version(self) -> str:
        try:
            row = self._open.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            row = None
        if row is None:
            raise StoreError(f"{self.path} is not a database of this program", "move it away")
        return str(row[0])

    def _migrate(self, version: str) -> None:
        """Bring the file to the current version, atomically, in a child process; a copy stays."""
        from ops.backup import keep_before_upgrade_thd  # hardly any start has use for it

        self.kept = keep_before_upgrade_thd(self._open, self.path, version)
        self._open.close()
        command = [sys.executable, "-m", "ops.migration", str(self.path), self._schema.migrations]
        # The child finds our packages where we found them, however we were started.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            child = subprocess.run(  # noqa: S603 - our own module, no shell
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=MIGRATION_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            problem = f"{self.path} could not be migrated in {MIGRATION_TIMEOUT:.0f} s"
            raise StoreError(problem, "start again on a faster disk") from None
        if child.returncode != 0:
            reason = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            problem = f"{self.path} could not be migrated to {self._schema.version} ({reason})"
            raise StoreError(problem, "it is unchanged; run the older program, and report this")
        self._connection = self._connect(self.path)

    def _damaged(self, detail: str) -> StoreError:
        return StoreError(
            f"{self.path} is damaged ({detail.splitlines()[0]})",
            "restore it from a backup, or move it away to begin with an empty one",
        )

    def error_of(self, error: Exception) -> StoreError:
        """What to tell of an error of the driver's."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._damaged(str(error))
        remedies = {
            sqlite3.SQLITE_FULL: "free space on its disk",
            sqlite3.SQLITE_IOERR: "check its disk",
            sqlite3.SQLITE_READONLY: f"give {_me()} the file and its folder",
            sqlite3.SQLITE_CANTOPEN: f"give {_me()} the file and its folder",
            sqlite3.SQLITE_BUSY: "end the other program that holds its lock",
        }
        remedy = remedies.get(code, "this is a fault of the program; report it")
        return StoreError(f"{self.path}: {error}", remedy)

    def _os_error(self, error: OSError) -> StoreError:
        name = error.filename or self.path
        return StoreError(
            f"{name}: {error.strerror}", f"give {_me()} a folder to write in, or name another one"
        )


def _me() -> str:
    return "this account" if os.name == "nt" else f"uid {os.geteuid()}"
