"""Registration with the service control manager of Windows; the manager is one of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netbootd.service_plan import plan_of
from ops.cli import Failed
from ops.service.plan import Plan
from ops.service.windows import Windows, host_command
from tests.ops.service.windows import RUNNING, Control


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """netbootd, with a configuration whose path has a space."""
    file = tmp_path / "Program Data" / "netbootd.toml"
    file.parent.mkdir()
    file.write_text("")
    return plan_of(file, user=None)


def test_it_is_registered_and_started(plan: Plan) -> None:
    """With every boot, restarted by Windows if its parent dies, under an account of few rights;
    every handle is closed."""
    control, said = Control(), list[str]()

    Windows(said.append, control).install(plan, start=True)

    service = control.services["netbootd"]
    assert service.automatic
    assert service.state == RUNNING
    assert service.account == r"NT AUTHORITY\LocalService"
    assert service.command == subprocess.list2cmdline(host_command(plan))
    assert f'"{plan.configuration}"' in service.command
    assert service.config[control.SERVICE_CONFIG_DESCRIPTION] == plan.description
    actions = service.config[control.SERVICE_CONFIG_FAILURE_ACTIONS]["Actions"]
    assert actions == [(1, 5_000), (1, 30_000), (1, 60_000)]
    assert control.open == 0
    assert said == ["service netbootd registered", "service netbootd started"]


def test_the_host_runs_the_command_line_that_anybody_would_type(plan: Plan) -> None:
    """The child of the service is `twistd --nodaemon … netbootd --config FILE`, nothing else."""
    python, *module, name = host_command(plan)[:4]

    assert (python, module, name) == (sys.executable, ["-m", "ops.service.windows"], "netbootd")
    assert host_command(plan)[4:] == plan.command


def test_a_second_install_brings_it_up_to_date(plan: Plan, tmp_path: Path) -> None:
    """The registration is changed in place, and the service restarted."""
    control, said = Control(), list[str]()
    windows = Windows(said.append, control)
    windows.install(plan, start=True)
    other = tmp_path / "other.toml"
    other.write_text("")

    windows.install(plan_of(other, user=None), start=True)

    assert str(other) in control.services["netbootd"].command
    assert control.services["netbootd"].state == RUNNING
    assert "service netbootd brought up to date" in said


def test_status_and_uninstall(plan: Plan) -> None:
    """The states have the names that they have on Linux; what is removed is stopped before."""
    control = Control()
    windows = Windows(lambda line: None, control)
    windows.install(plan, start=True)

    before = windows.status("netbootd")["state"]
    windows.uninstall("netbootd")

    assert before == "active"
    assert control.services == {}


@pytest.mark.parametrize("what", ["status", "uninstall"])
def test_what_is_not_there_is_told(what: str) -> None:
    """An error of Windows' becomes one line."""
    windows = Windows(lambda line: None, Control())

    with pytest.raises(Failed, match=r"service netbootd cannot be .* does not exist as an install"):
        getattr(windows, what)("netbootd")


def test_without_pywin32_it_is_named() -> None:
    """Whoever lacks the library is told its name."""
    if sys.platform == "win32":
        pytest.skip("here it may be installed")

    with pytest.raises(Failed, match="pip install pywin32"):
        Windows(lambda line: None)
