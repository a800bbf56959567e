"""`netbootctl simulate pxe`: a PC in software boots from netbootd, beside a DHCP server, and from
others."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.images.entries import DEBIAN, efi_program, make_entry
from tests.interop.conftest import Lan
from tests.interop.daemon import Daemon
from tests.interop.lab import Host, wait_until
from tests.interop.lessor import dnsmasq
from tests.interop.peer import peer_file

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

NETBOOTCTL = str(Path(sys.executable).with_name("netbootctl"))
DHCP = """\
[dhcp]
enabled = true
probe = "off"
[[dhcp.subnet]]
network = "10.77.0.0/24"
pools = ["10.77.0.100-10.77.0.150"]
"""
PXE = '[pxe]\nenabled = true\nloaders = "{loaders}"\n'
MAC = "52:54:00:12:34:56"


def serve(lan: Lan, settings: str) -> Daemon:
    """netbootd with Debian and a shell to boot, and iPXE as its loader."""
    loaders = lan.server.folder / "loaders"
    loaders.mkdir()
    for name in ("snponly.efi", "undionly.kpxe"):
        shutil.copy(peer_file("/usr/lib/ipxe") / name, loaders)
    images = lan.server.folder / "images"
    make_entry(images, "debian", DEBIAN)
    make_entry(
        images,
        "shell",
        'title = "Shell"\nefi = "shell.efi"\n',
        files={"shell.efi": efi_program()},
        without=("linux", "initrd.gz", "preseed.cfg"),
    )
    daemon = Daemon(lan.server, settings.format(loaders=loaders))
    daemon.start()
    return daemon


def simulate(host: Host, *options: str) -> tuple[int, Any]:
    """Exit status and JSON of a simulated PC at a host."""
    command = (NETBOOTCTL, "simulate", "pxe", "--json", *options)
    done = host.run(*command, check=False, timeout=120)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def stages(report: Any) -> list[str]:
    return [each["stage"] for each in report["stages"]]


@pytest.mark.parametrize("platform", ["uefi-x86-64", "bios"])
def test_netbootd_alone(lan: Lan, platform: str) -> None:
    """Firmware loads iPXE, which asks anew and loads kernel and initrd; the lease is given back."""
    daemon = serve(lan, DHCP + PXE)

    status, report = simulate(lan.client, "--platform", platform, "--entry", "debian")

    assert status == 0, report
    assert stages(report) == [
        *("DHCP", "lease", "boot file", "iPXE"),
        *("DHCP of iPXE", "lease", "boot file", "script", "kernel", "initrd"),
    ]
    assert report["result"].endswith("/debian/linux")
    wait_until(lambda: _state(daemon) == "released")


def _state(daemon: Daemon) -> str:
    done = daemon.host.run(NETBOOTCTL, "leases", "--config", str(daemon.config), "--json")
    states = {each["hardware"]: each["state"] for each in json.loads(done.stdout)}
    return str(states[MAC])


def test_http_boot(lan: Lan) -> None:
    """Firmware that boots by HTTP is given a URL, and loads it."""
    serve(lan, DHCP + PXE)

    status, report = simulate(lan.client, "--http", "--entry", "debian")

    assert status == 0, report
    loaded = next(each for each in report["stages"] if each["stage"] == "boot file")
    assert "by HTTP: http://10.77.0.1/" in loaded["result"]


def test_beside_a_dhcp_server(lan: Lan) -> None:
    """The address is of one server, the boot file of another."""
    lessor = lan.lab.host("lessor")
    dnsmasq(lessor, lessor.plug(lan.switch, "10.77.0.9/24"))
    serve(lan, PXE)

    status, report = simulate(lan.client, "--entry", "debian")

    assert status == 0, report
    assert "from 10.77.0.9" in report["stages"][0]["result"]
    assert "from 10.77.0.1 (proxyDHCP)" in report["stages"][0]["result"]


def test_a_menu(lan: Lan) -> None:
    """An entry of the firmware's own menu is picked, and asked for on port 4011."""
    serve(lan, DHCP + PXE + "menu = true\n")

    status, report = simulate(lan.client, "--entry", "shell")

    assert status == 0, report
    assert stages(report) == [*("DHCP", "lease", "boot server", "menu", "boot server", "boot file")]
    assert report["stages"][3]["result"] == "“Shell” of 2 entries"
    assert "shell.efi" in report["result"]


def test_dnsmasq_alone(lan: Lan) -> None:
    """Another server's boot file is loaded from where it says."""
    folder = lan.server.folder / "tftp"
    folder.mkdir()
    (folder / "boot.efi").write_bytes(efi_program(size=5000))
    (folder / "boot.efi").chmod(0o644)
    process = lan.server.start(
        *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root"),
        *("--conf-file=/dev/null", "--pid-file=", "--no-ping", "--dhcp-authoritative"),
        f"--dhcp-leasefile={lan.server.folder / 'leases'}",
        *(f"--interface={lan.server_interface}", "--bind-interfaces"),
        *("--dhcp-range=10.77.0.100,10.77.0.150,1h", "--dhcp-boot=boot.efi"),
        *("--enable-tftp", f"--tftp-root={folder}"),
    )
    process.wait_for("DHCP, sockets bound exclusively")

    status, report = simulate(lan.client)

    assert status == 0, report
    assert stages(report) == ["DHCP", "lease", "boot file"]
    assert "4.9 KiB by TFTP" in report["stages"][2]["result"]


def test_nobody(lan: Lan) -> None:
    """Where nobody answers, that is said, and is a failure."""
    status, report = simulate(lan.client, "--timeout", "1")

    assert status == 1
    assert report["result"] == "DHCP: no DHCP server offered an address"


def test_nothing_to_load(lan: Lan) -> None:
    """A DHCP server that knows nothing of network boot is named."""
    dnsmasq(lan.server, lan.server_interface)

    status, report = simulate(lan.client)

    assert status == 1
    assert "10.77.0.1 did not tell uefi-x86-64 PXE client what to load" in report["result"]
