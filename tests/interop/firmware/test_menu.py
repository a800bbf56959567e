"""A person in front of a PC, and the menu that iPXE shows."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.interop.firmware.deployment import DHCP, MAC, PXE, Deployment
from tests.interop.firmware.machine import BIOS, Machine

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]

TITLE = "#1 of it's kind ; echo BROKEN || && $ {x}"
"""Whatever ends or begins something in iPXE's language."""
SHOWN = re.escape(TITLE)


def type_keys(monitor: Path, *keys: str) -> None:
    """Press keys, as QEMU's monitor calls them; QEMU keeps the pace."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as sock:
        sock.connect(str(monitor))
        sock.sendall(b"".join(b"sendkey %b\n" % key.encode() for key in keys))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1000):
            pass


def test_choice_that_stays(lay_out: Callable[[str], Deployment]) -> None:
    """A title arrives whole, whatever it holds; and what is chosen to stay boots next time without
    a menu."""
    deployment = lay_out(DHCP + PXE.replace('"1s"', '"60s"'))
    script = deployment.server.folder / "rescue.ipxe"
    script.write_text("#!ipxe\necho RESCUE-RUNS\n")
    boot_toml = f'title = "{TITLE}"\nscript = "rescue.ipxe"\nindex = 1\n'
    deployment.add_entry("Rescue", boot_toml, {"rescue.ipxe": script})
    deployment.daemon.start()
    machine = Machine.plugged(deployment.lab.host("pc"), deployment.switch, BIOS, MAC)
    monitor = deployment.server.folder / "monitor"
    options = ("-monitor", f"unix:{monitor},server,nowait")

    console = machine.boot(*options, log=deployment.log)
    console.expect(SHOWN, "Debian from its package", "iPXE command line")
    type_keys(monitor, "down", "down", "ret")
    console.expect(r"\[x\] Boot the same next time", "iPXE command line")
    type_keys(monitor, "ret")
    console.expect("RESCUE-RUNS")
    console.process.stop()
    deployment.expect_log("selected .* entry=Rescue .* from now on")

    again = machine.boot(*options, log=deployment.log)
    again.expect(f"{SHOWN}: press m for the menu", "RESCUE-RUNS")
