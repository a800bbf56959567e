"""`netbootctl leases`: the leases as an operator reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netbootd.cli import main
from netbootd.service import DATABASE
from netbootd.statement import SAVE_LEASE, SAVE_RESERVATION, SCHEMA
from ops.database import Database

FUTURE = 4102444800  # 2100-01-01T00:00:00Z


def row(address: int, ends: int, **others: str) -> dict[str, int | str]:
    return {
        "address": address,
        "client": "01a82066010203",
        "hardware": "a8:20:66:01:02:03",
        "state": "bound",
        "starts": 1_700_000_000,
        "ends": ends,
        "host_name": "",
        "circuit_id": "",
        "remote_id": "",
        **others,
    }


ROWS = [
    row(0x0A000065, 1_700_003_600, host_name="imac-17"),
    row(0x0A000009, FUTURE, host_name="a\x1b[31m"),
    row(0x0A000066, 0xFFFFFFFF, hardware="", client="ff0102", state="released"),
]
LINES = [
    "address     until             state     machine            name",
    "10.0.0.9    2100-01-01 01:00  bound     a8:20:66:01:02:03  a\\x1b[31m",
    "10.0.0.101  2023-11-15 00:13  expired   a8:20:66:01:02:03  imac-17",
    "10.0.0.102  for ever          released  id ff:01:02",
]


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An hour east of Greenwich."""
    monkeypatch.setenv("TZ", "UTC-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database with three leases, which a daemon has open."""
    (tmp_path / "netbootd.toml").write_text('[state]\ndirectory = "state"\n')
    database = Database(tmp_path / "state" / DATABASE, SCHEMA)
    database.open_thd()
    assert database.write_thd([(SAVE_LEASE, each) for each in ROWS]) == [None] * 3
    yield database
    database.close_thd()


def leases(folder: Path, *arguments: str) -> Result:
    config = str(folder / "netbootd.toml")
    return CliRunner().invoke(main, ["leases", "--config", config, *arguments])


def test_leases_are_listed_while_netbootd_runs(tmp_path: Path, database: Database) -> None:
    """By address, in local time; what a machine calls itself cannot upset the terminal."""
    result = leases(tmp_path)

    assert result.output.splitlines() == LINES
    assert result.exit_code == 0


def test_leases_are_listed_while_it_does_not(tmp_path: Path, database: Database) -> None:
    """Nothing is made or changed beside the database."""
    database.close_thd()
    before = sorted((path.name, path.read_bytes()) for path in (tmp_path / "state").iterdir())

    result = leases(tmp_path)

    assert result.output.splitlines() == LINES
    assert before == sorted(
        (path.name, path.read_bytes()) for path in (tmp_path / "state").iterdir()
    )


def test_leases_as_json(tmp_path: Path, database: Database) -> None:
    """For programs: full times with their zone, null for what there is none of."""
    records = json.loads(leases(tmp_path, "--json").output)

    assert [record["address"] for record in records] == ["10.0.0.9", "10.0.0.101", "10.0.0.102"]
    assert records[1] == {
        "address": "10.0.0.101",
        "hardware": "a8:20:66:01:02:03",
        "client": "01:a8:20:66:01:02:03",
        "name": "imac-17",
        "state": "expired",
        "starts": "2023-11-14T23:13:20+01:00",
        "until": "2023-11-15T00:13:20+01:00",
        "circuit_id": None,
        "remote_id": None,
        "reserved": None,
        "reserved_for": None,
    }
    assert (records[2]["hardware"], records[2]["until"]) == (None, None)


def test_no_database(tmp_path: Path) -> None:
    """Where there is none, it says so and what to do, and makes none."""
    (tmp_path / "netbootd.toml").write_text('[state]\ndirectory = "state"\n')

    result = leases(tmp_path)

    assert result.exit_code == 1
    assert f"{tmp_path / 'state' / DATABASE} does not exist" in result.output
    assert not (tmp_path / "state").exists()


def test_no_leases(tmp_path: Path) -> None:
    """An empty database has none, and that is no failure."""
    (tmp_path / "netbootd.toml").write_text('[state]\ndirectory = "state"\n')
    database = Database(tmp_path / "state" / DATABASE, SCHEMA)
    database.open_thd()
    database.close_thd()

    assert leases(tmp_path).output == "no leases\n"
    assert json.loads(leases(tmp_path, "--json").output) == []


def test_something_else(tmp_path: Path, database: Database) -> None:
    """A file that is no database is refused in one line."""
    database.close_thd()
    database.path.write_bytes(b"no database" * 100)

    result = leases(tmp_path)

    assert result.exit_code == 1
    assert "cannot be read: file is not a database" in result.output


def test_reservations_are_listed(tmp_path: Path, database: Database) -> None:
    """Beside its lease, or for itself; those of the configuration, too."""
    (tmp_path / "netbootd.toml").write_text(
        '[state]\ndirectory = "state"\n'
        '[[dhcp.subnet]]\nnetwork = "10.0.0.0/24"\n'
        '[[dhcp.host]]\nname = "printer"\nmac = "00:11:22:33:44:55"\naddress = "10.0.0.7"\n'
    )
    reservation: dict[str, int | str] = {
        "mac": "a8:20:66:01:02:03",
        "address": "10.0.0.9",
        "name": "imac-17",
        "reserved_at": 1_700_000_000,
    }
    assert database.write_thd([(SAVE_RESERVATION, reservation)]) == [None]

    lines = leases(tmp_path).output.splitlines()
    records = json.loads(leases(tmp_path, "--json").output)

    assert [" ".join(line.split()) for line in lines[1:3]] == [
        "10.0.0.7 reserved 00:11:22:33:44:55 printer",
        "10.0.0.9 2100-01-01 01:00 bound, reserved a8:20:66:01:02:03 a\\x1b[31m",
    ]
    assert [record["reserved"] for record in records] == ["configuration", "netbootctl", None, None]
    assert records[1]["reserved_for"] == "a8:20:66:01:02:03"
