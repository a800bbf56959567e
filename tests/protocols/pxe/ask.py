"""Messages of network boot clients, made for a test."""

from __future__ import annotations

from ipaddress import IPv4Address

from protocols.dhcp.message import BOOTREQUEST, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import MESSAGE_TYPE
from protocols.dhcp.value import MessageType

MAC = bytes.fromhex("525400770010")
UEFI = b"PXEClient:Arch:00007:UNDI:003000"
BIOS = b"PXEClient:Arch:00000:UNDI:002001"
HTTP = b"HTTPClient:Arch:00016:UNDI:003000"
MACHINE_ID = bytes.fromhex("00554c4d56010002000003525400770010")
IPXE = RawOption(77, b"iPXE")
ALL_FEATURES = RawOption(175, bytes.fromhex("130101 150101"))
ASKS_66_67 = RawOption(55, bytes((1, 3, 66, 67)))


def message(
    vendor_class: bytes | None = UEFI,
    *more: RawOption,
    architecture: int | None = 7,
    kind: MessageType = MessageType.DISCOVER,
    ciaddr: str = "0.0.0.0",
    giaddr: str = "0.0.0.0",
    flags: int = 0x8000,
    machine_id: bytes | None = MACHINE_ID,
    mac: bytes = MAC,
) -> DhcpMessage:
    """A message with options 53, 60, 93, 97 and what is given besides."""
    options = [MESSAGE_TYPE.of(kind)]
    if vendor_class is not None:
        options.append(RawOption(60, vendor_class))
    if architecture is not None:
        options.append(RawOption(93, architecture.to_bytes(2, "big")))
    if machine_id is not None:
        options.append(RawOption(97, machine_id))
    return DhcpMessage(
        op=BOOTREQUEST,
        hlen=len(mac),
        xid=0x360031FA,
        secs=4,
        flags=flags,
        ciaddr=IPv4Address(ciaddr),
        giaddr=IPv4Address(giaddr),
        chaddr=mac,
        options=(*options, *more),
    )
