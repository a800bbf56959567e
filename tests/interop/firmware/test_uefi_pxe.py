"""UEFI machines that boot by PXE: OVMF for x86-64 with its own network stack."""

from __future__ import annotations

import pytest

from tests.interop.firmware.deployment import ADDRESS, Deployment
from tests.interop.firmware.machine import UEFI

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]


def test_pxe(deployment: Deployment) -> None:
    """PXE loads iPXE over TFTP, iPXE our script over HTTP, and Linux comes up."""
    capture = deployment.capture()

    console = deployment.boot(UEFI)

    console.expect("Start PXE over IPv4", r"NBP filename is \S*snponly\.efi", "NBP file downloaded")
    console.expect("iPXE 1", rf"http://{ADDRESS}/\S*boot\.ipxe")
    address = deployment.expect_userland(console)
    assert deployment.lease() == (address, "bound")
    deployment.expect_log(
        *(r"PXE client .*snponly\.efi", "DHCPACK", r"tftp: .* has read snponly\.efi"),
        *(r"iPXE client .*boot\.ipxe", "selected .* entry=Debian"),
        *("http: .* has read Debian/linux", r"tftp: .* has read Debian/initrd\.gz"),
    )
    assert capture.complaints() == ""
