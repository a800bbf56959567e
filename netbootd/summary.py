"""The line that says netbootd is ready: what an operator wants to see first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netbootd import __version__
from netbootd.config import Config
from netbootd.interface import Interface
from ops.amount import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the daemon has at its start."""

    images: int
    boot_entries: int
    leases: int | None
    """None: it leases no addresses."""
    machines: int
    """Macs that have selected an image."""


def summary(config: Config, interfaces: Sequence[Interface], known: Known) -> str:
    """`netbootd 0.1.0 is ready: BSDP 67, TFTP 69 on 10.0.0.1 [eth0]; 1 image, 0 machines known`."""
    served = [f"{name} {port}" for name, port in ports(config)]
    addresses = [f"{a.ip} [{one.name}]" for one in interfaces for a in one.addresses]
    things = [counted(known.images, "image", "images")]
    if known.boot_entries:
        things.append(counted(known.boot_entries, "boot entry", "boot entries"))
    if known.leases is not None:
        things.append(counted(known.leases, "lease", "leases"))
    things.append(f"{counted(known.machines, 'machine', 'machines')} known")
    return (
        f"netbootd {__version__} is ready: {', '.join(served)} on {', '.join(addresses)};"
        f" {', '.join(things)}"
    )


def ports(config: Config) -> list[tuple[str, int]]:
    """The services that are switched on, and the port of each."""
    return [
        (name, port)
        for name, is_on, port in (
            ("BSDP", config.bsdp.enabled, config.bsdp.port),
            ("DHCP", config.dhcp.enabled, config.bsdp.port),
            ("PXE", config.pxe.enabled, config.pxe.port),
            ("TFTP", config.tftp.enabled, config.tftp.port),
            ("HTTP", config.http.enabled, config.http.port),
            ("HTTPS", config.https.enabled, config.https.port),
        )
        if is_on
    ]
