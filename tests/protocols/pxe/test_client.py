"""Who is a network boot client, and what it tells of itself: real packets and odd ones."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from protocols.dhcp.codec import decode
from protocols.dhcp.option import RawOption
from protocols.errors import DecodeError
from protocols.pxe.client import ClientKind, PxeClient, client_from
from protocols.pxe.value import BootItem
from tests.protocols.dhcp.capture import Captured, captured
from tests.protocols.pxe.ask import ALL_FEATURES, BIOS, HTTP, IPXE, MAC, UEFI, message

VM = UUID("564d4c55-0001-0002-0003-525400770010")
BIOS_VM = UUID("564d4c55-0001-0002-0003-525400770011")

Told = tuple[ClientKind, str, UUID | None]
UEFI_PXE: Told = (ClientKind.PXE, "uefi-x86-64", VM)
UEFI_IPXE: Told = (ClientKind.IPXE, "uefi-x86-64", VM)
UEFI_HTTP: Told = (ClientKind.HTTP, "uefi-x86-64", VM)
BIOS_IPXE: Told = (ClientKind.IPXE, "bios", BIOS_VM)
CLIENTS: dict[str, list[Told]] = {
    "ovmf-pxe4-ra": [UEFI_PXE, UEFI_IPXE],
    "ovmf-pxe4": [(*UEFI_PXE[:2], None), (*UEFI_IPXE[:2], None)],
    "ovmf-pxe4-proxy": [UEFI_PXE],
    "ovmf-pxe4-proxymenu": [UEFI_PXE],
    "ovmf-http4": [UEFI_HTTP, UEFI_IPXE],
    "ovmf-https4": [(*UEFI_HTTP[:2], None)],
    "ovmf-efirom-virtio": [(*UEFI_IPXE[:2], None)],
    "chain-ovmf-grub-tftp-linux": [UEFI_PXE],
    "bios-ipxe-http-script": [BIOS_IPXE],
    "bios-ipxe-proxymenu": [(*BIOS_IPXE[:2], None)],
    # As a Mac, which it says it is from its second DISCOVER on, it is none.
    "ipxe-mac-vendorclass": [BIOS_IPXE],
}


def requests(capture: str) -> list[Captured]:
    found = [d for d in captured() if d.capture == capture and d.is_dhcp and d.payload[0] == 1]
    assert found
    return found


def client(capture: str, number: int) -> PxeClient:
    found = client_from(decode(requests(capture)[number].payload))
    assert found is not None
    return found


@pytest.mark.parametrize("capture", CLIENTS)
def test_real_firmware_is_known_for_what_it_is(capture: str) -> None:
    """OVMF and iPXE are told apart, also where OVMF has just loaded iPXE."""
    found = [client_from(decode(each.payload)) for each in requests(capture)]

    told = [(each.kind, each.platform, each.machine_uuid) for each in found if each is not None]
    assert list(dict.fromkeys(told)) == CLIENTS[capture]


@pytest.mark.parametrize(
    "capture",
    [
        "bsdp-go-go",
        "dhclient-bsdp",
        "dhclient-plain",
        "dhcpcd",
        "networkd",
        "networkmanager",
        "nmap-discover",
        "perfdhcp",
        "relay-bsdp",
        "relay-isc",
        "scapy-bsdp",
        "udhcpc",
    ],
)
def test_others_are_no_clients(capture: str) -> None:
    """DHCP clients of systems, Macs and testers are nobody to be booted."""
    assert [client_from(decode(each.payload)) for each in requests(capture)] == [None] * len(
        requests(capture)
    )


def test_ipxe_tells_its_features() -> None:
    """Debian's iPXE for BIOS has HTTP, TFTP, iSCSI, DNS, menus, bzImage and others."""
    features = client("bios-ipxe-http-script", 0).features

    assert features == {0x10, 0x11, 0x12, 0x13, 0x15, 0x17, 0x18, 0x19, 0x21, 0x22, 0x27, 0x29}
    assert client("bios-ipxe-http-script", 0).takes_http


def test_choice_in_a_menu() -> None:
    """OVMF and iPXE tell which item of the menu was picked in sub-option 71."""
    assert client("ovmf-pxe4-proxymenu", -1).boot_item == BootItem(type=0x8000, layer=0)
    assert client("bios-ipxe-proxymenu", -1).boot_item == BootItem(type=0x8002, layer=0)


@pytest.mark.parametrize(
    ("vendor_class", "architecture", "platform"),
    [
        (BIOS, 0, "bios"),
        (BIOS, None, "bios"),  # a ROM older than option 93
        (b"PXEClient:Arch:00000", None, "bios"),
        (UEFI, None, None),
        (b"PXEClient", None, None),
        (b"PXEClient", 0, "bios"),  # iPXE on port 4011
        (UEFI, 9, "uefi-x86-64"),
        (UEFI, 999, "architecture-999"),
        (HTTP, 16, "uefi-x86-64"),
        (b"pxeclient:Arch:00007", 7, None),
        (b"AAPLBSDPC/i386/iMac14,2", 7, None),
        (b"MSFT 5.0", 7, None),
        (None, 7, None),
    ],
)
def test_class_and_architecture(
    vendor_class: bytes | None, architecture: int | None, platform: str | None
) -> None:
    """Class PXEClient or HTTPClient with an architecture is a client; so is a BIOS without one."""
    found = client_from(message(vendor_class, architecture=architecture))

    assert (found.platform if found else None) == platform


def test_first_of_several_architectures_counts() -> None:
    """Option 93 may list several; they are in the order of preference (RFC 4578 section 2.1)."""
    found = client_from(message(UEFI, RawOption(93, bytes((0, 7, 0, 6))), architecture=None))

    assert found is not None
    assert found.architecture == 7


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ([IPXE], ClientKind.IPXE),
        ([RawOption(77, b"\4iPXE")], ClientKind.IPXE),
        ([RawOption(77, b"\3lab\4iPXE")], ClientKind.IPXE),
        ([RawOption(175, b"")], ClientKind.IPXE),
        ([ALL_FEATURES], ClientKind.IPXE),
        ([RawOption(77, b"iPXE2")], ClientKind.PXE),
        ([RawOption(77, b"")], ClientKind.PXE),
        ([RawOption(77, b"lab")], ClientKind.PXE),
        ([], ClientKind.PXE),
    ],
)
def test_ipxe_is_known(more: list[RawOption], kind: ClientKind) -> None:
    """iPXE is known by its user class, framed as RFC 3004 says or not, or by option 175."""
    found = client_from(message(UEFI, *more))

    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    ("more", "takes_http"),
    [
        ([IPXE], True),
        ([IPXE, RawOption(175, b"")], True),
        ([IPXE, ALL_FEATURES], True),
        ([IPXE, RawOption(175, bytes.fromhex("150101"))], False),
        ([IPXE, RawOption(175, bytes.fromhex("130100 150101"))], False),
        ([], False),
    ],
)
def test_ipxe_without_http(more: list[RawOption], takes_http: bool) -> None:
    """An iPXE that lists its features, HTTP not among them, cannot load a URL."""
    found = client_from(message(UEFI, *more))

    assert found is not None
    assert found.takes_http is takes_http


@pytest.mark.parametrize(
    "machine_id",
    [None, b"", bytes(17), b"\0" + bytes(15), b"\1" + bytes(range(16)), bytes(range(20))],
)
def test_machine_without_a_uuid(machine_id: bytes | None) -> None:
    """A missing, zero or malformed identifier is no UUID, and is kept to be echoed."""
    found = client_from(message(machine_id=machine_id))

    assert found is not None
    assert found.machine_uuid is None
    assert found.machine_id == machine_id


@pytest.mark.parametrize(
    ("more", "architecture"),
    [
        ([RawOption(93, b"\0")], None),
        ([RawOption(93, b"")], None),
        ([RawOption(43, b"\x47\x04\x80")], 7),
        ([RawOption(43, b"\x47\x02\x80\0\xff")], 7),
        ([RawOption(175, b"\xb1\5\1")], 7),
    ],
)
def test_malformed_options_are_errors(more: list[RawOption], architecture: int | None) -> None:
    """A client that garbles options 43, 93 or 175 is malformed, not absent."""
    with pytest.raises(DecodeError):
        client_from(message(UEFI, *more, architecture=architecture))


def test_reply_is_nobodys_question() -> None:
    """A server's OFFER names PXEClient too; it comes from no client."""
    assert client_from(replace(message(), op=2)) is None


def test_other_links_have_other_addresses() -> None:
    """The hardware address is as long as hlen says; IP over InfiniBand sends none (RFC 4390)."""
    found = client_from(message(mac=b""))

    assert found is not None
    assert found.mac == b""
    known = client_from(message())
    assert known is not None
    assert known.mac == MAC
