"""A network of its own with our daemon on it, and PCs that have nothing but firmware.

router ── advertises itself (IPv6), routes nothing
server ── 10.77.0.1: the daemon, which is DHCP, TFTP and HTTP server
pc0    ── a machine in QEMU
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path

from tests.interop.capture import Capture
from tests.interop.daemon import Daemon
from tests.interop.firmware.linux import Linux
from tests.interop.firmware.machine import Console, Firmware, Machine
from tests.interop.lab import Host, Lab, Switch

ADDRESS = "10.77.0.1"
NETWORK = "10.77.0.0/24"
MAC = "52:54:00:77:00:10"

ADVERTISE = Path(__file__).with_name("advertise.py")

COMPLAINT = re.compile(r"^\S+ (?:warn|error|critical) .*", re.MULTILINE)
"""A line of the daemon's log that wants somebody's attention."""


DHCP = f"""\
[dhcp]
enabled = true
authoritative = true

[[dhcp.subnet]]
network = "{NETWORK}"
pools = ["10.77.0.100-10.77.0.199"]
"""
"""netbootd is the DHCP server."""

PXE = """\
[pxe]
enabled = true
loaders = "/usr/lib/ipxe"
timeout = "1s"
"""
"""It boots PCs; without `DHCP`, as proxyDHCP server beside somebody else's."""

ENTRY = "Debian"
"""The folder of the boot entry that starts Linux."""

COMMAND_LINE = (
    "console=ttyS0 loglevel=6"
    f" test.http={{base_url}}/initrd.gz test.tftp={{server}}:{ENTRY}/initrd.gz"
)
BOOT_TOML = f"""\
title = "Debian from its package"
kernel = "linux"
initrd = "initrd.gz"
command_line = "{COMMAND_LINE}"
"""


def advertise(router: Host, interface: str) -> None:
    """Keep iPXE from waiting for a router."""
    router.start(sys.executable, str(ADVERTISE), interface)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """Hosts, boot server and image folder of one test."""

    lab: Lab
    switch: Switch
    server: Host
    daemon: Daemon
    linux: Linux

    @classmethod
    def laid_out(cls, lab: Lab, linux: Linux, settings: str) -> Deployment:
        """Everything in place, the daemon configured and not yet running."""
        switch = lab.switch("lan")
        router, server = lab.host("router"), lab.host("server")
        advertise(router, router.plug(switch))
        server.plug(switch, f"{ADDRESS}/24")
        daemon = Daemon(server, settings)
        deployment = cls(lab=lab, switch=switch, server=server, daemon=daemon, linux=linux)
        files = {"linux": linux.kernel, "initrd.gz": linux.initrd}
        deployment.add_entry(ENTRY, BOOT_TOML, files)
        return deployment

    def add_entry(self, folder: str, boot_toml: str, files: Mapping[str, Path]) -> None:
        """Put a boot entry into the image folder."""
        path = self.daemon.images / folder
        path.mkdir()
        for name, source in files.items():
            shutil.copy(source, path / name)
        (path / "boot.toml").write_text(boot_toml)

    def capture(self) -> Capture:
        """What the server is asked and answers, all but the files."""
        (interface,) = self.server.addresses
        return Capture(self.server, interface, "udp port 67 or udp port 68 or udp port 4011")

    def boot(self, firmware: Firmware, *options: str, switch: Switch | None = None) -> Console:
        """Plug a PC in, beside the server or elsewhere, and switch it on; `options` are QEMU's."""
        machine = Machine.plugged(self.lab.host("pc"), switch or self.switch, firmware, MAC)
        return machine.boot(*options, log=self.log)

    def expect_userland(self, console: Console, *, lessor: str = ADDRESS) -> str:
        """Linux starts, gets an address from `lessor`, and loads what we serve; the address."""
        release = self.linux.release
        console.expect(f"Linux version {release}", f"USERLAND-OK kernel={release}")
        address = console.expect(rf"LEASE-OK address=(\S+) server={lessor}\n")[1]
        checksum = sha256(self.linux.initrd.read_bytes()).hexdigest()
        console.expect(f"HTTP-OK sha256={checksum}", f"TFTP-OK sha256={checksum}", "USERLAND-DONE")
        return address

    def log(self) -> str:
        assert self.daemon.process is not None
        return self.daemon.process.output()

    def expect_log(self, *patterns: str) -> None:
        """The log tells of these in this order, and of nothing that wants attention."""
        log = self.log()
        position = 0
        for pattern in patterns:
            found = re.compile(pattern).search(log, position)
            assert found, f"no {pattern!r} after byte {position} of the log:\n{log}"
            position = found.end()
        complaints = COMPLAINT.findall(log)
        assert not complaints, "\n".join(complaints)

    def lease(self, mac: str = MAC) -> tuple[str, str]:
        """The one lease of a machine, as it is on disk: address and state."""
        database = self.server.folder / "state" / "netbootd.sqlite"
        query = "SELECT address, state FROM leases WHERE hardware = ?"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            ((address, state),) = connection.execute(query, [mac]).fetchall()
        return str(IPv4Address(address)), state
