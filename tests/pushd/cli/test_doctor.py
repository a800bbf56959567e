"""`pushctl doctor` as an operator types it, with the simulator at the far end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pushd.cli import main
from pushd.testing.background import Background, simulator_in_background

CONFIGURATION = """
[api]
port = 0
certificate = "api.pem"
key = "api.key"
anonymous = true
{api}
[apple]
production = "localhost"
port = {port}
trust_roots = "ca.pem"
[state]
directory = "state"
[[credential]]
name = "app"
certificate = "app.pem"
key = "app.key"
"""


class Patient:
    """A configuration, and what the doctor finds."""

    def __init__(self, folder: Path, apple: Background) -> None:
        self.folder = folder
        authority = apple.simulator.authority
        authority.server().write(folder / "api.pem", folder / "api.key")
        authority.provider("com.example.app").write(folder / "app.pem", folder / "app.key")
        (folder / "ca.pem").write_bytes(authority.pem)
        self.configure(apple.port)

    def configure(self, port: int, api: str = "") -> None:
        text = CONFIGURATION.format(port=port, api=api)
        (self.folder / "pushd.toml").write_text(text)

    def ask(self, *options: str) -> tuple[int, dict[str, Any]]:
        given = ["doctor", "--config", str(self.folder / "pushd.toml"), "--json", *options]
        result = CliRunner().invoke(main, given)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    with simulator_in_background() as apple:
        yield Patient(tmp_path, apple)


def told(report: dict[str, Any], severity: str) -> dict[str, str]:
    return {
        finding["subject"]: finding["text"]
        for finding in report["findings"]
        if finding["severity"] == severity
    }


def test_all_is_well(patient: Patient) -> None:
    """Everything is looked at, and nothing is changed or left."""
    before = sorted(os.listdir(patient.folder))

    code, report = patient.ask()

    assert (code, report["ok"], report["errors"]) == (0, True, 0), report
    subjects = {finding["subject"] for finding in report["findings"]}
    wanted = {"configuration", "pushd", "privileges", "API", "clock", "credential", "Apple"}
    assert subjects >= wanted | {"database", "disk space", "open files"}
    assert "app: localhost port" in told(report, "ok")["Apple"]
    assert sorted(os.listdir(patient.folder)) == before


def test_apple_is_not_reached(patient: Patient) -> None:
    """The step is told, and what to do about it; the other checks are made all the same."""
    patient.configure(port=1)

    code, report = patient.ask()

    assert code == 1
    (way, *_) = [f for f in report["findings"] if f["severity"] == "error"]
    assert (way["subject"], way["remedy"]) == ("Apple", "let TCP port 1 out to localhost")
    assert "database" in told(report, "ok")


def test_without_apple(patient: Patient) -> None:
    """Nothing is asked of the network if that is not wanted."""
    patient.configure(port=1)

    code, report = patient.ask("--no-connect")

    assert (code, "Apple" in told(report, "ok")) == (0, False)


def test_a_wrong_configuration(patient: Patient) -> None:
    """Then there is nothing else to look at; key and remedy are told apart."""
    patient.configure(port=1, api="prot = 3")

    code, report = patient.ask()

    (finding,) = report["findings"]
    assert code == 1
    assert "api.prot: is not a setting" in finding["text"]
    assert finding["remedy"].startswith("did you mean `port`?")


def test_nothing_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins is told where to begin."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "pushd.toml").write_text('[state]\ndirectory = "state"\n')

    given = ["doctor", "--no-connect", "--config", str(tmp_path / "pushd.toml")]
    result = CliRunner().invoke(main, given)

    assert "none: nothing can be sent; take one in: pushctl credentials import" in result.stdout
    assert "is off: nobody can hand in pushes" in result.stdout
