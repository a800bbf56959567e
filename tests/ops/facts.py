"""A small real database for the tests, and how to run a script that uses it in a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import mkdtemp
from typing import IO
from unittest import TestCase

from ops.database import Database, Schema

SCHEMA = Schema(
    version="0001",
    create=(
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('0001')",
    ),
    migrations="tests_have_none",
)
ADD = "INSERT INTO fact VALUES (:name, :value)"
ALL = "SELECT name, value FROM fact ORDER BY name"


def opened(path: Path, schema: Schema = SCHEMA) -> Database:
    database = Database(path, schema)
    database.open_thd()
    return database


def run(script: str, *arguments: object, stdout: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Python in a process of its own, with our imports."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, env=environment, stdout=stdout)


def temporary_folder(case: TestCase) -> Path:
    """A folder that goes when the test is over."""
    folder = Path(mkdtemp())
    case.addCleanup(shutil.rmtree, folder)
    return folder
