"""Machines in another network, whose router relays DHCP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.firmware.deployment import ADDRESS, DHCP, PXE, Deployment, advertise
from tests.interop.firmware.machine import BIOS

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]

RELAY = "10.78.0.1"
BEHIND_RELAY = f"""\
[[dhcp.subnet]]
network = "10.78.0.0/24"
pools = ["10.78.0.100-10.78.0.199"]
router = "{RELAY}"
"""


def test_ipxe_rom(lay_out: Callable[[str], Deployment]) -> None:
    """A machine behind ISC dhcrelay gets an address of its network, our script, and its kernel."""
    deployment = lay_out(DHCP + BEHIND_RELAY + PXE)
    outer, router = deployment.lab.switch("outer"), deployment.lab.host("relay")
    inside = router.plug(deployment.switch, "10.77.0.3/24")
    outside = router.plug(outer, f"{RELAY}/24")
    router.forward()
    deployment.server.route("10.78.0.0/24", "10.77.0.3")
    advertise(router, outside)
    router.start(
        *("dhcrelay", "-4", "-d", "-a", "--no-pid", "-id", outside, "-iu", inside, ADDRESS)
    ).wait_for("Sending on .*fallback")
    deployment.daemon.start()

    console = deployment.boot(BIOS, switch=outer)

    console.expect(rf"http://{ADDRESS}/\S*boot\.ipxe")
    address = deployment.expect_userland(console)
    assert address.startswith("10.78.0.1")
    assert deployment.lease() == (address, "bound")
    deployment.expect_log(r"iPXE client .*boot\.ipxe", "http: .* has read Debian/linux")
