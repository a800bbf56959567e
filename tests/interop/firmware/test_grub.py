"""Machines whose loader is GRUB, which reads the menu that we make for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

import pytest

from tests.interop.firmware.deployment import DHCP, Deployment
from tests.interop.firmware.machine import SECURE_BOOT, UEFI
from tests.interop.peer import unpacked

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]

GRUB = ("usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed", "grub-efi-amd64-signed")
SHIM = ("usr/lib/shim/shimx64.efi.signed", "shim-signed")


@pytest.fixture
def loading(lay_out: Callable[[str], Deployment]) -> Callable[..., Deployment]:
    """netbootd with a folder of loaders, of which UEFI machines are told the first."""

    def start(loaders: Mapping[str, tuple[str, str]]) -> Deployment:
        first = next(iter(loaders))
        deployment = lay_out(
            f'{DHCP}[pxe]\nenabled = true\ntimeout = "1s"\n'
            f'loaders = "loaders"\nloader.uefi-x86-64 = "{first}"\n'
        )
        folder = deployment.server.folder / "loaders"
        folder.mkdir()
        for name, file in loaders.items():
            shutil.copy(unpacked(*file), folder / name)
        deployment.daemon.start()
        return deployment

    return start


def test_grub(loading: Callable[..., Deployment]) -> None:
    """PXE loads GRUB, GRUB finds our entry in /grub/grub.cfg, and Linux comes up."""
    deployment = loading({"grubnetx64.efi": GRUB})

    console = deployment.boot(UEFI)

    console.expect(r"NBP filename is \S*grubnetx64\.efi", "GNU GRUB", "Debian from its package")
    address = deployment.expect_userland(console)
    assert deployment.lease() == (address, "bound")
    deployment.expect_log(r"grubnetx64\.efi", r"grub/grub\.cfg", "Debian/linux")


def test_secure_boot(loading: Callable[..., Deployment]) -> None:
    """With Secure Boot, shim, GRUB and Debian's kernel each find the next one signed."""
    deployment = loading({"shimx64.efi": SHIM, "grubx64.efi": GRUB})

    console = deployment.boot(SECURE_BOOT)

    console.expect(r"NBP filename is \S*shimx64\.efi", "GNU GRUB", "Linux version")
    console.expect("secureboot: Secure boot enabled|Kernel is locked down from EFI Secure Boot")
    deployment.expect_log(r"shimx64\.efi", r"grubx64\.efi", r"grub/grub\.cfg", "Debian/linux")


def test_secure_boot_refuses(deployment: Deployment) -> None:
    """With Secure Boot, a loader that nobody has signed is loaded and not started."""
    console = deployment.boot(SECURE_BOOT)

    console.expect(r"NBP filename is \S*snponly\.efi", "NBP file downloaded", "Access Denied")
    deployment.expect_log(r"snponly\.efi")
