"""The daemons as services of systemd, which runs as process 1 of a container: installed by one
command, confined by the unit, started by a socket, watched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.author import sample_bundle_thd
from netbootd.statement import SCHEMA
from tests.interop.box import Box
from tests.netbootd.certificate import write_certificate
from tests.ops.upgrade import make

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

CONFIG = """\
user = "netbootd"
network.interfaces = ["lan"]

[[images.share]]
path = "/srv/netboot"

[pxe]
enabled = true
"""
DHCP = """
[dhcp]
enabled = true

[[dhcp.subnet]]
network = "192.168.7.0/24"
pools = ["192.168.7.100-192.168.7.150"]
"""
HTTPS = """
[https]
enabled = true
certificate = "/etc/netbootd/certificate.pem"
key = "/etc/netbootd/key.pem"
"""
PUSHD = """\
[api]
certificate = "/etc/netbootd/certificate.pem"
key = "/etc/netbootd/key.pem"
anonymous = true
"""
READY = "is ready: BSDP 67, PXE 4011, TFTP 69, HTTP 80 on 192.168.7.1 [lan]; 1 image"
MAC = ("netbootctl", "simulate", "mac", "--server", "192.168.7.1", "--address", "192.168.7.1")
BOOTED = "“Sample NetInstall” booted as"


def furnish(box: Box, files: Path) -> None:
    """One network and one image."""
    box.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "far")
    box.run("ip", "address", "add", "192.168.7.1/24", "dev", "lan")
    box.run("ip", "link", "set", "far", "up")
    box.run("ip", "link", "set", "lan", "up")
    sample_bundle_thd(files / "Sample.nbi", root_image_size=3 << 20)
    for file in (files / "Sample.nbi").rglob("*"):
        if file.is_file():
            box.save(f"/srv/netboot/{file.relative_to(files)}", file.read_bytes())


@pytest.fixture(scope="module")
def computer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A computer with systemd, one network and one image."""
    files = tmp_path_factory.mktemp("files")
    with Box(tmp_path_factory.mktemp("box")) as box:
        furnish(box, files)
        certificate, key = files / "certificate.pem", files / "key.pem"
        write_certificate(certificate, key)
        box.save("/etc/netbootd/certificate.pem", certificate.read_bytes())
        box.save("/etc/netbootd/key.pem", key.read_bytes())
        yield box


@pytest.fixture
def box(computer: Box) -> Iterator[Box]:
    """The computer before any daemon of ours was on it."""
    yield computer
    for name in ("netbootd", "pushd"):
        computer.run(
            f"{'netbootctl' if name == 'netbootd' else 'pushctl'}",
            "service",
            "uninstall",
            check=False,
        )
        computer.run(
            "rm",
            "-rf",
            f"/var/lib/{name}",
            f"/var/lib/private/{name}",
            f"/etc/systemd/system/{name}.service.d",
        )
        computer.run("systemctl", "reset-failed")


def install(box: Box, config: str, *options: str) -> str:
    box.save("/etc/netbootd/netbootd.toml", config)
    return box.run("netbootctl", "service", "install", *options).stdout


def status(box: Box, program: str = "netbootctl") -> dict[str, str]:
    shown = box.run(program, "service", "status", "--json", check=False).stdout
    found: dict[str, str] = json.loads(shown)
    return found


def test_one_command_installs_and_starts_it(box: Box) -> None:
    """The user is made, the unit is written, the daemon runs as that user, and a Mac boots; reload
    and stop are systemd's own."""
    said = install(box, CONFIG)

    assert READY in said
    found = status(box)
    assert (found["state"], found["at boot"]) == ("active", "enabled")
    assert READY in found["says"]
    assert box.run("ps", "-o", "user=", found["process"]).stdout.strip() == "netbootd"
    assert BOOTED in box.run(*MAC).stdout
    box.run("systemctl", "reload", "netbootd")
    assert "Configuration read again" in box.log("netbootd")
    assert status(box)["state"] == "active"
    box.run("systemctl", "stop", "netbootd")
    assert "netbootd has stopped" in box.log("netbootd")
    assert status(box)["result"] == "success"


def test_what_the_unit_forbids_is_not_needed(box: Box) -> None:
    """With every service on (frames and probes of DHCP, TLS), nothing is refused for want of a
    privilege."""
    install(box, CONFIG + DHCP + HTTPS)

    answer = box.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "https://192.168.7.1/")
    assert answer.stdout == "404"
    assert BOOTED in box.run(*MAC).stdout
    log = box.log("netbootd").lower()
    for complaint in ("not permitted", "traceback", "without cap_net_raw", "by broadcast:"):
        assert complaint not in log, log


def test_a_start_that_fails_says_why(box: Box) -> None:
    """The command fails, and shows what the daemon said."""
    box.save("/etc/netbootd/netbootd.toml", CONFIG.replace("/srv/netboot", "/srv/absent"))

    done = box.run("netbootctl", "service", "install", check=False)

    assert done.returncode == 1
    assert "image folder /srv/absent does not exist" in done.stdout
    assert "netbootd is installed and did not start" in done.stderr


def test_systemd_binds_the_ports(box: Box) -> None:
    """With --socket the ports stay bound while the daemon does not run, and the request that starts
    it is answered, although it came before."""
    install(box, CONFIG, "--socket")
    box.run("systemctl", "stop", "netbootd.service")
    bound = box.run("ss", "-Hlnut").stdout
    assert all(f"0.0.0.0:{port}" in bound for port in (67, 69, 80, 4011))

    booted = box.run(*MAC).stdout

    assert BOOTED in booted
    assert status(box)["state"] == "active"
    install(box, CONFIG)
    assert "netbootd.socket" not in box.run("systemctl", "list-units", "--type=socket").stdout


def test_a_daemon_that_is_stuck_is_started_anew(box: Box) -> None:
    """A reactor that does not turn gives no sign of life; systemd ends it and starts another."""
    box.save(
        "/etc/systemd/system/netbootd.service.d/soon.conf",
        "[Service]\nWatchdogSec=5\nRestartSec=0\n",
    )
    install(box, CONFIG)
    stuck = status(box)["process"]

    box.run("kill", "-STOP", stuck)

    box.wait_until("netbootctl service status", "restarts  1")
    box.wait_until("netbootctl service status", READY)
    assert status(box)["process"] != stuck
    assert "Watchdog timeout" in box.log("netbootd")


def test_a_user_that_systemd_makes_up(box: Box) -> None:
    """With --dynamic-user no user is needed; the state is where backup and restore find it."""
    install(box, CONFIG.replace('user = "netbootd"\n', ""), "--dynamic-user")
    box.run(*MAC)

    saved = box.run("netbootctl", "backup", "/var/tmp/saved").stdout
    box.run("systemctl", "stop", "netbootd")
    box.run("netbootctl", "restore", "/var/tmp/saved")
    box.run("systemctl", "start", "netbootd")

    assert "state of netbootd" in saved
    assert "1 machine known" in status(box)["says"]


def test_an_upgrade_as_the_service(box: Box, tmp_path: Path) -> None:
    """The first schema's database is brought to today's by the confined daemon; a copy stays."""
    old = tmp_path / "old.sqlite"
    make(old, SCHEMA, "0001", rows=0)
    install(box, CONFIG, "--no-start")
    box.save("/var/lib/netbootd/netbootd.sqlite", old.read_bytes(), "600")
    box.run("chown", "-R", "netbootd:", "/var/lib/netbootd")

    box.run("systemctl", "start", "netbootd")

    assert "as it was: /var/lib/netbootd/netbootd.sqlite.schema-0001" in box.log("netbootd")
    box.run("systemctl", "stop", "netbootd")
    look = ("netbootctl", "restore", "--look", "/var/lib/netbootd/netbootd.sqlite.schema-0001")
    assert "schema 0001" in box.run(*look).stdout


def test_pushd_as_a_service(box: Box) -> None:
    """Its API answers over TLS, with a socket of its own and with one of systemd's."""
    box.save("/etc/pushd/pushd.toml", PUSHD)
    ask = ("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}")
    for options in ((), ("--socket",)):
        box.run("pushctl", "service", "install", *options)

        assert box.run(*ask, "https://localhost:8443/v1/openapi.json").stdout == "200"
        assert "pushd 0" in status(box, "pushctl")["says"]
    assert "pushd.socket" in box.run("systemctl", "list-units", "--type=socket").stdout


def test_uninstall_leaves_state_and_settings(box: Box) -> None:
    """The unit goes, what the operator wrote and what the daemon knows stays."""
    install(box, CONFIG)
    box.run(*MAC)

    said = box.run("netbootctl", "service", "uninstall").stdout

    assert "its configuration, its state and its user stay" in said
    asked = box.run("netbootctl", "service", "status", check=False)
    assert asked.returncode == 1
    assert "netbootd is not installed" in asked.stderr
    box.run("test", "-e", "/var/lib/netbootd/netbootd.sqlite")
    box.run("test", "-e", "/etc/netbootd/netbootd.toml")


@pytest.mark.skipif("NETBOOTD_DEB" not in os.environ, reason="needs the package that CI builds")
def test_the_debian_package(tmp_path: Path) -> None:
    """Installed by dpkg, nothing runs; started by systemctl, it boots a Mac with the configuration
    that came with it; removed, its state and its configuration stay."""
    (tmp_path / "box").mkdir()
    with Box(tmp_path / "box", has_daemons=False) as box:
        furnish(box, tmp_path)
        box.save("/var/tmp/netbootd.deb", Path(os.environ["NETBOOTD_DEB"]).read_bytes())

        box.run("dpkg", "--install", "/var/tmp/netbootd.deb")

        assert status(box)["state"] == "inactive"
        box.run("ip", "link", "set", "lo", "up")
        box.run("systemctl", "enable", "--now", "netbootd", "pushd")
        assert "1 image" in status(box)["says"]
        assert status(box, "pushctl")["state"] == "active"
        assert BOOTED in box.run(*MAC).stdout
        assert box.run("netbootctl", "check", "/etc/netbootd/netbootd.toml", check=False).stdout
        box.run("dpkg", "--remove", "netbootd")
        assert not box.run("pgrep", "twistd", check=False).stdout
        box.run("test", "-e", "/var/lib/netbootd/netbootd.sqlite")
        box.run("test", "-e", "/etc/netbootd/netbootd.toml")
