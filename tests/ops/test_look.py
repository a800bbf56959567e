"""What a doctor looks at: clock, certificates, disks, database, limits."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from ops.database import Database, Schema
from ops.finding import Finding, Severity
from ops.look.certificate import about_expiry
from ops.look.clock import about_clock, is_synchronised
from ops.look.database import about_database
from ops.look.disk import Place, about_disks, existing
from ops.look.process import about_files, allowed_files, capabilities_of, first_free_port

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCHEMA = Schema(
    version="0002",
    create=(
        "CREATE TABLE colours (name TEXT PRIMARY KEY)",
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version (version_num) VALUES ('0002')",
    ),
    migrations="none",
)


def one(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


# The clock.


@pytest.mark.parametrize("year", [1970, 2025, 2070])
def test_a_clock_that_is_wrong(year: int) -> None:
    """A year in which this program did not exist, or will not, is an error."""
    finding = one(about_clock(NOW.replace(year=year), "leases go by it", lambda: True))

    assert finding.severity is Severity.ERROR
    assert finding.remedy


@pytest.mark.parametrize(
    ("synchronised", "severity"),
    [(True, Severity.OK), (None, Severity.OK), (False, Severity.WARNING)],
)
def test_a_clock_that_nobody_keeps(synchronised: bool | None, severity: Severity) -> None:
    """One that nothing keeps right is a doubt; where that cannot be told, none."""
    finding = one(about_clock(NOW, "leases go by it", lambda: synchronised))

    assert finding.severity is severity
    assert bool(finding.remedy) is (severity is Severity.WARNING)


def test_the_kernel_is_asked() -> None:
    """Linux answers, whoever asks."""
    assert is_synchronised() in (True, False)


# Certificates.


@pytest.mark.parametrize(
    ("left", "severity", "words"),
    [
        (timedelta(days=31), Severity.OK, "for 31 days"),
        (timedelta(days=30), Severity.WARNING, "in 30 days"),
        (timedelta(days=14), Severity.WARNING, "in 14 days"),
        (timedelta(days=7), Severity.WARNING, "in 7 days"),
        (timedelta(days=1), Severity.ERROR, "in 1 day"),
        (timedelta(hours=5), Severity.ERROR, "in 5 hours"),
        (timedelta(0), Severity.ERROR, "less than an hour ago"),
        (timedelta(days=-3), Severity.ERROR, "3 days ago"),
    ],
)
def test_expiry(left: timedelta, severity: Severity, words: str) -> None:
    """The nearer the end, the more urgent; what has expired is an error."""
    finding = about_expiry(
        "HTTPS", "boot.pem", NOW - timedelta(days=99), NOW + left, NOW, reload="restart netbootd"
    )

    assert finding.severity is severity
    assert words in finding.text
    assert bool(finding.remedy) is (severity is not Severity.OK)
    assert finding.remedy.endswith("restart netbootd") or not finding.remedy


def test_each_step_says_something_else() -> None:
    """30, 14, 7 days and 1 day before the end, the remedy is another."""
    remedies = {
        about_expiry("HTTPS", "boot.pem", NOW, NOW + timedelta(days=days), NOW).remedy
        for days in (30, 14, 7, 1)
    }

    assert len(remedies) == 4


def test_not_yet_good() -> None:
    """A certificate of tomorrow is an error: mostly the clock's."""
    later = NOW + timedelta(days=1)

    finding = about_expiry("HTTPS", "boot.pem", later, later + timedelta(days=90), NOW)

    assert finding.severity is Severity.ERROR
    assert "set the clock" in finding.remedy


# Disks.


@pytest.mark.parametrize(
    ("free", "is_written", "severity"),
    [
        (10 << 30, True, Severity.OK),
        (500 << 20, True, Severity.WARNING),
        (1 << 20, True, Severity.ERROR),
        (1 << 20, False, Severity.OK),
    ],
)
def test_room(
    free: int, is_written: bool, severity: Severity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Little room is a doubt where something is written, and hardly any an error."""
    usage = SimpleNamespace(total=100 << 30, used=0, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    place = Place(name="state", path=tmp_path / "not" / "there", is_written=is_written)

    finding = one(about_disks([place]))

    assert finding.severity is severity
    assert str(tmp_path) in finding.text


def test_one_file_system_is_told_once(tmp_path: Path) -> None:
    """What shares a disk shares a line."""
    places = [
        Place(name="state", path=tmp_path / "state", is_written=True),
        Place(name="images", path=tmp_path, is_written=False),
    ]

    assert one(about_disks(places)).text.startswith("state, images: ")
    assert existing(tmp_path / "a" / "b") == tmp_path


# The database.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that its daemon has closed."""
    database = Database(tmp_path / "daemon.sqlite", SCHEMA)
    database.open_thd()
    database.close_thd()
    return database.path


def look(path: Path, version: str = "0002") -> Finding:
    schema = Schema(version=version, create=(), migrations="none")
    return one(about_database(path, schema, "netbootd"))


def test_a_whole_database(path: Path) -> None:
    """At rest and in use alike; nothing is left beside it."""
    assert look(path).severity is Severity.OK
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "daemon.sqlite",
        "daemon.sqlite.lock",
    ]

    database = Database(path, SCHEMA)
    database.open_thd()
    finding = look(path)
    database.close_thd()

    assert finding.severity is Severity.OK
    assert "schema 0002" in finding.text


def test_no_database(tmp_path: Path) -> None:
    """None yet is no fault."""
    assert look(tmp_path / "none.sqlite").severity is Severity.OK


def test_versions(path: Path) -> None:
    """An older one is brought up by the next start; a newer one is an error."""
    assert "which the next start brings to 0003" in look(path, "0003").text
    assert look(path, "0001").severity is Severity.ERROR


def test_a_damaged_database(path: Path) -> None:
    """A page that is no page is found."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "INSERT INTO colours VALUES (?)", [(f"{n:050}",) for n in range(2000)]
        )
        connection.commit()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = b"\xff" * 2000
    path.write_bytes(content)

    finding = look(path)

    assert finding.severity is Severity.ERROR
    assert "is damaged" in finding.text
    assert "restore a backup" in finding.remedy


def test_something_else(path: Path) -> None:
    """A file that is no database of ours is named."""
    path.write_bytes(b"no database" * 1000)
    assert "is damaged" in look(path).text

    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (name TEXT)")
    assert "is no database of netbootd" in look(path).text


# The process.


def test_open_files() -> None:
    """A limit below what may be needed is a doubt; none is none."""
    assert one(about_files(100, 99, "netbootd")).severity is Severity.WARNING
    assert one(about_files(100, 100, "netbootd")).severity is Severity.OK
    assert one(about_files(100, None, "netbootd")).severity is Severity.OK


def test_our_own_process() -> None:
    """Linux tells what a process may."""
    import resource

    assert allowed_files() == resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert allowed_files(1 << 30) is None
    assert capabilities_of(1 << 30) is None
    assert 0 <= first_free_port() <= 65536
    held = capabilities_of()
    assert held is not None
    if os.geteuid() == 0:
        assert "CAP_NET_BIND_SERVICE" in held
