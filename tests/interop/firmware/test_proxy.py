"""Beside somebody else's DHCP server, which knows nothing of network boot."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop.firmware.deployment import ADDRESS, ENTRY, PXE, Deployment
from tests.interop.firmware.machine import BIOS, UEFI, UEFI_HTTP, Firmware
from tests.interop.lessor import dnsmasq

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]

LESSOR = "10.77.0.2"


def start_dnsmasq(deployment: Deployment) -> None:
    """The DHCP server of the network, on a computer of its own."""
    host = deployment.lab.host("lessor")
    interface = host.plug(deployment.switch, f"{LESSOR}/24")
    host.start(
        *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root"),
        *("--conf-file=/dev/null", "--pid-file=", "--leasefile-ro", f"--interface={interface}"),
        "--dhcp-range=10.77.0.100,10.77.0.199,1h",
    ).wait_for("DHCP, IP range")


@pytest.fixture
def beside(lay_out: Callable[[str], Deployment]) -> Callable[[str], Deployment]:
    """Both servers running, ours with further settings of `[pxe]`."""

    def start(settings: str = "") -> Deployment:
        deployment = lay_out(PXE + settings)
        start_dnsmasq(deployment)
        deployment.daemon.start()
        return deployment

    return start


def test_uefi(beside: Callable[[str], Deployment]) -> None:
    """UEFI gets its address there and its loader from us (port 4011), and Linux comes up."""
    deployment = beside("")

    console = deployment.boot(UEFI)

    console.expect("Start PXE over IPv4", rf"Server IP address is {ADDRESS}\s", r"snponly\.efi")
    console.expect("iPXE 1", rf"http://{ADDRESS}/\S*boot\.ipxe")
    deployment.expect_userland(console, lessor=LESSOR)
    deployment.expect_log(r"snponly\.efi", f"{ENTRY}/linux", rf"{ENTRY}/initrd\.gz")


def test_uefi_menu(beside: Callable[[str], Deployment]) -> None:
    """UEFI shows the menu of option 43, takes its first item, and asks us for that."""
    deployment = beside('menu = true\nprompt = "Boot from the lab"\n')

    console = deployment.boot(UEFI)

    console.expect("Boot from the lab", "NBP file downloaded", "iPXE 1", "Linux version")
    deployment.expect_log(r"snponly\.efi", f"{ENTRY}/linux")


def test_ipxe_rom(beside: Callable[[str], Deployment]) -> None:
    """An iPXE ROM takes the address from there and our script, and Linux comes up."""
    deployment = beside("")

    console = deployment.boot(BIOS)

    console.expect(rf"http://{ADDRESS}/\S*boot\.ipxe", "Linux version")
    deployment.expect_log(f"{ENTRY}/linux")


def test_uefi_http(beside: Callable[[str], Deployment]) -> None:
    """UEFI's HTTP boot takes the address from there and our URL, and Linux comes up."""
    deployment = beside("")

    console = deployment.boot(UEFI_HTTP)

    console.expect(rf"URI: http://{ADDRESS}/snponly\.efi", "iPXE 1", "Linux version")
    deployment.expect_log(r"http: .*snponly\.efi", f"{ENTRY}/linux")


@pytest.mark.parametrize("firmware", [UEFI, BIOS], ids=["uefi", "ipxe"])
def test_port_4011_alone(lay_out: Callable[[str], Deployment], firmware: Firmware) -> None:
    """A DHCP server on our own computer has port 67 and sends firmware on by option 60."""
    deployment = lay_out("[bsdp]\nenabled = false\n" + PXE + "proxy = false\n")
    (interface,) = deployment.server.addresses
    dnsmasq(deployment.server, interface, to_boot_server=True)
    deployment.daemon.start()

    console = deployment.boot(firmware)

    console.expect(rf"http://{ADDRESS}/\S*boot\.ipxe", "Linux version")
    deployment.expect_log(f"{ENTRY}/linux")
