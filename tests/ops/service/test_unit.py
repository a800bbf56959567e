"""The units: what systemd says of them, and that they have what a configuration needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from netbootd import service_plan as netbootd
from netbootd.cli import main as netbootctl
from ops.service.plan import Plan
from ops.service.systemd import units
from ops.service.unit import HOMES, service_unit
from pushd import service_plan as pushd
from tests.interop.peer import peer

SUBNET = '[dhcp]\nenabled = true\n[[dhcp.subnet]]\nnetwork = "192.168.7.0/24"\n'
HTTPS = '[https]\nenabled = true\ncertificate = "/etc/c.pem"\nkey = "/etc/k.pem"\n'
API = '[api]\ncertificate = "/etc/c.pem"\nkey = "/etc/k.pem"\nanonymous = true\n'

CONFIGURATIONS = {
    "netbootd": (netbootd.plan_of, "", 1.5),
    "netbootd with DHCP": (netbootd.plan_of, SUBNET, 1.6),
    "netbootd with HTTPS": (netbootd.plan_of, HTTPS, 1.5),
    "netbootd on high ports": (
        netbootd.plan_of,
        "bsdp.port = 6767\ntftp.port = 6969\nhttp.port = 8080\n",
        1.1,
    ),
    "pushd": (pushd.plan_of, API, 1.1),
}
"""With the exposure that `systemd-analyze security` must not go beyond; docs/run-as-a-service.md
tells the same numbers."""

_, ROOTS_HOME, _ = HOMES
CASES = pytest.mark.parametrize("name", CONFIGURATIONS)


def plan_of(name: str, folder: Path, user: str | None = "daemon") -> Plan:
    make, text, _ = CONFIGURATIONS[name]
    file = folder / "daemon.toml"
    file.write_text(text)
    return make(file, user=user)


def analyzed(*arguments: object) -> str:
    command = [peer("systemd-analyze"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@CASES
@pytest.mark.parametrize("user", ["daemon", None])
@pytest.mark.parametrize("with_socket", [False, True])
def test_systemd_finds_no_fault(
    name: str, user: str | None, with_socket: bool, tmp_path: Path
) -> None:
    """Every unit is one that systemd takes without a complaint."""
    files = []
    for unit in units(plan_of(name, tmp_path, user), with_socket=with_socket):
        file = tmp_path / unit.name
        file.write_text(unit.text)
        files.append(file)

    assert analyzed("verify", "--man=no", *files) == ""


@CASES
def test_exposure(name: str, tmp_path: Path) -> None:
    """No unit is more exposed, by systemd's own reckoning, than the documentation says."""
    _, _, most = CONFIGURATIONS[name]
    file = tmp_path / "daemon.service"
    text = service_unit(plan_of(name, tmp_path), with_socket=False)
    # Where this test runs, Python may be in somebody's home folder.
    file.write_text(text.replace("ProtectHome=read-only", "ProtectHome=yes"))

    shown = analyzed("security", "--offline=true", file)

    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
    assert found, shown
    assert float(found[1]) <= most


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"),
        (SUBNET, "CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_NET_RAW\n"),
        (SUBNET, "RestrictAddressFamilies=AF_INET AF_UNIX AF_NETLINK AF_PACKET\n"),
        ("bsdp.port = 6767\ntftp.port = 6969\nhttp.port = 8080\n", "CapabilityBoundingSet=\n"),
        ("bsdp.port = 6767\ntftp.port = 6969\nhttp.port = 8080\n", "PrivateUsers=yes\n"),
        ("", "PrivateUsers=no\n"),
        ("", "MemoryDenyWriteExecute=yes\n"),
        (HTTPS, "MemoryDenyWriteExecute=no\n"),
        ('[state]\ndirectory = "/srv/state"\n', "ReadWritePaths=-/srv/state\n"),
        ('[[images.share]]\npath = "/home/boot/images"\n', "ProtectHome=read-only\n"),
    ],
)
def test_what_a_configuration_needs(text: str, line: str, tmp_path: Path) -> None:
    """Privileges follow from the configuration, and are no more than that."""
    file = tmp_path / "netbootd.toml"
    file.write_text(text)

    assert line in service_unit(netbootd.plan_of(file, user="netbootd"), with_socket=False)


def test_the_usual_state_folder_is_not_named_twice(tmp_path: Path) -> None:
    """StateDirectory has it already."""
    file = tmp_path / "netbootd.toml"
    file.write_text('[state]\ndirectory = "/var/lib/netbootd"\n')

    unit = service_unit(netbootd.plan_of(file, user="netbootd"), with_socket=False)

    assert "ReadWritePaths" not in unit


def test_a_path_with_spaces_and_specifiers(tmp_path: Path) -> None:
    """What systemd would take for something else is written so that it does not."""
    folder = tmp_path / "100% of $HOME"
    folder.mkdir()
    file = folder / "netbootd.toml"
    file.write_text("")

    unit = service_unit(netbootd.plan_of(file, user="netbootd"), with_socket=False)

    assert f'"{tmp_path}/100%% of $$HOME/netbootd.toml"' in unit
    named = tmp_path / "spaces.service"
    named.write_text(unit.replace("User=netbootd", "User=daemon"))
    assert analyzed("verify", "--man=no", named) == ""


def test_a_dry_run_prints_and_writes_nothing(tmp_path: Path) -> None:
    """What is printed is what would be written, each under its path; nothing needs root."""
    file = tmp_path / "netbootd.toml"
    file.write_text("")
    command = ["service", "install", "--dry-run", "--socket", "--config", str(file)]

    result = CliRunner().invoke(netbootctl, command)

    assert result.exit_code == 0
    assert result.output.startswith("# /etc/systemd/system/netbootd.service\n[Unit]\n")
    assert "# /etc/systemd/system/netbootd.socket\n[Unit]\n" in result.output
    assert "ListenDatagram=0.0.0.0:67\n" in result.output


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_what_root_alone_can_read_is_no_place_for_a_service(tmp_path: Path) -> None:
    """A configuration below /root is refused before anything is written."""
    file = tmp_path / "netbootd.toml"
    file.write_text(f'[[images.share]]\npath = "{ROOTS_HOME}/images"\n')

    result = CliRunner().invoke(netbootctl, ["service", "install", "--config", str(file)])

    assert result.exit_code == 1
    assert re.search(
        rf"{ROOTS_HOME}\S* is below {ROOTS_HOME}, which the service cannot read", result.output
    )


def test_without_a_configuration_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults are for trying out; a service has a file that says what it is to do."""
    monkeypatch.delenv("NETBOOTD_CONFIG", raising=False)
    if Path("/etc/netbootd/netbootd.toml").exists():
        pytest.skip("this computer has one")

    result = CliRunner().invoke(netbootctl, ["service", "install"])

    assert result.exit_code == 1
    assert "/etc/netbootd/netbootd.toml does not exist; write it, or name another" in result.output
