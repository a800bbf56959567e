"""Beside somebody else's DHCP server, which knows nothing of network boot."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.interop import lessor
from tests.interop.firmware.deployment import ADDRESS, ENTRY, PXE, Deployment
from tests.interop.firmware.machine import BIOS, UEFI
from tests.interop.lab import Process

pytestmark = [pytest.mark.interop, pytest.mark.firmware, pytest.mark.timeout(200)]

LESSOR = "10.77.0.2"

LayOut = Callable[[str], Deployment]


def beside(deployment: Deployment, server: Callable[..., Process]) -> Deployment:
    """Both running, the DHCP server on a computer of its own."""
    host = deployment.lab.host("lessor")
    server(host, host.plug(deployment.switch, f"{LESSOR}/24"))
    deployment.daemon.start()
    return deployment


def test_uefi(lay_out: LayOut) -> None:
    """UEFI gets its address from Kea and its loader from us, and Linux comes up."""
    deployment = beside(lay_out(PXE), lessor.kea)

    console = deployment.boot(UEFI)

    console.expect("Start PXE over IPv4", rf"Server IP address is {ADDRESS}\s", r"snponly\.efi")
    console.expect("iPXE 1", rf"http://{ADDRESS}/\S*boot\.ipxe")
    deployment.expect_userland(console, lessor=LESSOR)
    deployment.expect_log(
        *(r"PXE client .*snponly\.efi", r"tftp: .* has read snponly\.efi"),
        *(r"iPXE client .*boot\.ipxe", f"http: .* has read {ENTRY}/linux"),
    )


def test_uefi_menu(lay_out: LayOut) -> None:
    """UEFI shows the menu of option 43, takes its first item, and asks us on port 4011 for that."""
    menu = 'menu = true\nprompt = "Boot from the lab"\n'
    deployment = beside(lay_out(PXE + menu), lessor.dnsmasq)
    capture = deployment.capture()

    console = deployment.boot(UEFI)

    console.expect("Boot from the lab", "NBP file downloaded", "iPXE 1", "Linux version")
    deployment.expect_log(r"PXE client .*menu", r"tftp: .* has read snponly\.efi", f"{ENTRY}/linux")
    replies = capture.packets(f"dhcp && ip.src == {ADDRESS} && udp.srcport == 4011")
    prompt = replies[0].values("dhcp.option.vendor.pxeclient.menu_prompt")
    assert prompt == [b"\x01Boot from the lab"]
    assert capture.complaints() == ""


def test_uefi_same_computer(lay_out: LayOut) -> None:
    """A DHCP server on our own computer has port 67 and sends PXE clients to our port 4011."""
    deployment = lay_out(f"[bsdp]\nenabled = false\n{PXE}proxy = false\n")
    (interface,) = deployment.server.addresses
    lessor.dnsmasq(deployment.server, interface, to_boot_server=True)
    deployment.daemon.start()

    console = deployment.boot(UEFI)

    console.expect(r"NBP filename is \S*snponly\.efi", "NBP file downloaded", "iPXE 1")
    deployment.expect_log(r"PXE client .*snponly\.efi", r"tftp: .* has read snponly\.efi")


def test_ipxe_rom(lay_out: LayOut) -> None:
    """An iPXE ROM takes its address from ISC dhcpd and our script, and Linux comes up."""
    deployment = beside(lay_out(PXE), lessor.dhcpd)

    console = deployment.boot(BIOS)

    console.expect(rf"http://{ADDRESS}/\S*boot\.ipxe", "Linux version")
    deployment.expect_log(r"iPXE client .*boot\.ipxe", f"http: .* has read {ENTRY}/linux")
