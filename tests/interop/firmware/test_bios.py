"""BIOS machines: SeaBIOS and the iPXE boot ROM of QEMU's network card.

The first of these tests is the quickest boot from power-on to userland, so it is no `firmware` test
that a run may leave out.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.firmware.deployment import ADDRESS, DHCP, MAC, PXE, Deployment
from tests.interop.firmware.machine import BIOS

pytestmark = [pytest.mark.interop, pytest.mark.timeout(200)]

RESERVATION = f"""\
[[dhcp.host]]
name = "bench-7"
mac = "{MAC}"
address = "10.77.0.42"
boot = "Inventory"
"""
INVENTORY = """\
#!ipxe
echo INVENTORY ${net0/ip} ${hostname}
poweroff
"""


def test_ipxe_rom(deployment: Deployment) -> None:
    """An iPXE ROM gets our menu over HTTP, the menu's default starts, and Linux comes up."""
    console = deployment.boot(BIOS)

    console.expect(r"Configuring \(net0", rf"http://{ADDRESS}/\S*boot\.ipxe")
    address = deployment.expect_userland(console)
    assert deployment.lease() == (address, "bound")
    deployment.expect_log(
        *(r"iPXE client .*boot\.ipxe", "DHCPACK", "selected .* entry=Debian"),
        *("http: .* has read Debian/linux", r"tftp: .* has read Debian/initrd\.gz"),
    )


@pytest.mark.firmware
def test_reservation(lay_out: Callable[[str], Deployment]) -> None:
    """A machine that the configuration knows gets its address and starts its entry, an iPXE script,
    without a menu."""
    deployment = lay_out(DHCP + RESERVATION + PXE)
    script = deployment.server.folder / "inventory.ipxe"
    script.write_text(INVENTORY)
    boot_toml = 'title = "Take stock"\nscript = "inventory.ipxe"\n'
    deployment.add_entry("Inventory", boot_toml, {"inventory.ipxe": script})
    deployment.daemon.start()

    console = deployment.boot(BIOS)

    console.expect(rf"http://{ADDRESS}/\S*Inventory\.ipxe", r"INVENTORY 10\.77\.0\.42 bench-7\n")
    deployment.expect_log(r"DHCPACK on 10\.77\.0\.42", "selected .* entry=Inventory")
