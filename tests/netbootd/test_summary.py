"""The line that says netbootd is ready."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from netbootd.config import Config
from netbootd.interface import Interface
from netbootd.summary import Known, summary
from ops.config import parse

LAN = Interface(name="eth0", index=2, addresses=(IPv4Interface("10.0.0.1/24"),))
NOTHING = Known(images=0, boot_entries=0, leases=None, machines=0)


def test_what_is_served_where() -> None:
    """Each service that is on, with its port, and each address with its interface."""
    dhcp = "[dhcp]\nenabled = true\n[[dhcp.subnet]]\nnetwork = '10.0.0.0/24'\n"
    config = parse(f"pxe.enabled = true\n{dhcp}".encode(), Config)

    line = summary(config, [LAN, replace(LAN, name="eth1")], NOTHING)

    ports = "BSDP 67, DHCP 67, PXE 4011, TFTP 69, HTTP 80"
    assert f"is ready: {ports} on 10.0.0.1 [eth0], 10.0.0.1 [eth1]; 0 images," in line


@pytest.mark.parametrize(
    ("known", "end"),
    [
        (NOTHING, "; 0 images, 0 machines known"),
        (replace(NOTHING, images=1, machines=1), "; 1 image, 1 machine known"),
        (replace(NOTHING, boot_entries=1, leases=1), "; 0 images, 1 boot entry, 1 lease, 0 mach"),
        (replace(NOTHING, boot_entries=2, leases=0), ", 2 boot entries, 0 leases, 0 machines"),
    ],
)
def test_what_is_known(known: Known, end: str) -> None:
    """Images and machines always, boot entries and leases where there are such; one is one."""
    assert end in summary(Config(), [LAN], known)
