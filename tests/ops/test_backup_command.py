"""`netbootctl backup`, `pushctl restore`: as an operator types them."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from netbootd import statement as netbootd_statement
from netbootd.cli import main as netbootctl
from ops.database import Database
from pushd import statement as pushd_statement
from pushd.cli import main as pushctl

PROGRAMS = [
    ("netbootd", netbootctl, netbootd_statement.SCHEMA),
    ("pushd", pushctl, pushd_statement.SCHEMA),
]


class Operator:
    """Types the commands of one daemon, whose configuration is in `folder`."""

    def __init__(self, folder: Path, name: str, program: click.Command, database: Database) -> None:
        self.folder = folder
        self.name = name
        self.database = database
        self._program = program
        self._configuration = folder / "daemon.toml"
        self._configuration.write_text('[state]\ndirectory = "state"\n')

    def types(self, *arguments: object) -> Result:
        command = [*map(str, arguments), "--config", str(self._configuration)]
        return CliRunner().invoke(self._program, command)


@pytest.fixture(params=PROGRAMS, ids=lambda program: program[0])
def operator(request: pytest.FixtureRequest, tmp_path: Path) -> Operator:
    name, program, schema = request.param
    database = Database(tmp_path / "state" / f"{name}.sqlite", schema)
    database.open_thd()
    database.close_thd()
    return Operator(tmp_path, name, program, database)


def test_there_and_back(operator: Operator) -> None:
    """One command saves, one restores; each says what the file is, and where the rest went."""
    file = operator.folder / "saved"

    saved = operator.types("backup", file)
    restored = operator.types("restore", file)

    assert saved.exit_code == restored.exit_code == 0, saved.output + restored.output
    assert saved.output.startswith(f"{file}: state of {operator.name} of 20")
    what, kept, done = restored.output.splitlines()
    assert what == saved.output.rstrip()
    assert kept.startswith(f"{operator.database.path}.replaced-")
    assert done == f"{operator.database.path} is restored; start {operator.name}"


def test_a_folder_gets_a_file_named_by_time(operator: Operator) -> None:
    """For a job that is run every night."""
    nightly = operator.folder / "nightly"
    nightly.mkdir()

    record = json.loads(operator.types("backup", nightly, "--json").output)

    (file,) = nightly.iterdir()
    assert record["file"] == str(file)
    assert record["daemon"] == operator.name
    assert file.name.startswith(f"{operator.name}-20")


def test_a_look_changes_nothing(operator: Operator) -> None:
    """Whoever only wants to know what a file is may ask, also while the daemon runs."""
    file = operator.folder / "saved"
    operator.types("backup", file)
    operator.database.open_thd()

    looked = operator.types("restore", file, "--look", "--json")
    refused = operator.types("restore", file)
    operator.database.close_thd()

    assert json.loads(looked.output)["schema"]
    assert refused.exit_code == 1
    assert f"stop {operator.name}, restore, and start it again" in refused.output
    assert list(operator.database.path.parent.glob("*.replaced-*")) == []


def test_another_daemons_backup_is_refused(tmp_path: Path) -> None:
    """pushd's state is not put in the place of netbootd's."""
    ours, theirs = (
        Operator(tmp_path, name, program, Database(tmp_path / "state" / f"{name}.sqlite", schema))
        for name, program, schema in PROGRAMS
    )
    for one in (ours, theirs):
        one.database.open_thd()
        one.database.close_thd()
    theirs.types("backup", tmp_path / "saved")

    result = ours.types("restore", tmp_path / "saved")

    assert result.exit_code == 1
    assert "is a database of pushd; name a backup of netbootd's" in result.output
