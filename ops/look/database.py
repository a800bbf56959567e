"""Is a daemon's database whole, of its version, and can it be written? Looked at while the daemon
runs, too: nothing is locked for longer than a read takes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from ops.amount import size_text
from ops.database import BUSY_TIMEOUT, Schema
from ops.finding import Finding, Severity
from ops.state import why_unwritable

SUBJECT: Final = "database"
LONG_LOG: Final = 256 << 20
"""Bytes of a write-ahead log that only grows so long while somebody reads for hours."""
RESTORE: Final = "stop the daemon, and restore a backup"


def about_database(path: Path, schema: Schema, program: str) -> Iterator[Finding]:
    """Findings about the database of daemon `program` at `path`."""
    objection = why_unwritable(path.parent)
    if objection is not None:
        yield Finding.of(Severity.ERROR, SUBJECT, objection)
        return
    try:
        exists = path.exists()
    except PermissionError:
        yield Finding(
            Severity.SKIPPED, SUBJECT, f"{path} is not for us to see", f"be root or {program}"
        )
        return
    if not exists:
        yield Finding(Severity.OK, SUBJECT, f"{path}: none yet; the first start makes it")
        return
    if not os.access(path, os.R_OK | os.W_OK):
        text = f"{path} cannot be read and written by who we are"
        yield Finding(Severity.SKIPPED, SUBJECT, text, f"be root or who {program} runs as")
        return
    try:
        yield from _within(path, schema, program)
    except sqlite3.DatabaseError as error:
        yield Finding(Severity.ERROR, SUBJECT, f"{path} is damaged: {error}", RESTORE)


def _within(path: Path, schema: Schema, program: str) -> Iterator[Finding]:
    is_at_rest = not path.with_name(path.name + "-wal").exists()
    # At rest it can be read as it lies there: SQLite would make files of its own beside it.
    uri = f"{path.absolute().as_uri()}?mode=ro" + "&immutable=1" * is_at_rest
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)) as connection:
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if problems != ["ok"]:
            text = f"{path} is damaged: {'; '.join(problems)[:300]}"
            yield Finding(Severity.ERROR, SUBJECT, text, RESTORE)
            return
        try:
            version = str(
                connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            )
        except (sqlite3.OperationalError, TypeError):
            text = f"{path} is no database of {program}"
            yield Finding(Severity.ERROR, SUBJECT, text, "move it away")
            return
    if version > schema.version:
        text = f"{path} was written by a newer {program} (schema {version}, ours {schema.version})"
        yield Finding(Severity.ERROR, SUBJECT, text, f"run that {program}, or restore a backup")
        return
    kind = f"schema {version}"
    if version < schema.version:
        kind += f", which the next start brings to {schema.version}"
    yield Finding(Severity.OK, SUBJECT, f"{path}: whole, {kind}, {size_text(path.stat().st_size)}")
    if not is_at_rest:
        log = path.with_name(path.name + "-wal").stat().st_size
        if log > LONG_LOG:
            text = f"its write-ahead log has {size_text(log)}: somebody reads it for hours"
            yield Finding(Severity.WARNING, SUBJECT, text, f"end what has {path.name} open")
