"""What real firmware, clients, servers and relays sent, as captured."""

from __future__ import annotations

from ipaddress import IPv4Address
from uuid import UUID

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.registry import OPTIONS
from protocols.dhcp.value import MessageType, NetworkInterface, UserClass
from protocols.errors import DecodeError
from tests.protocols.dhcp.capture import Captured, captured

DHCP = [datagram for datagram in captured() if datagram.is_dhcp]
OTHER = [datagram for datagram in captured() if not datagram.is_dhcp]
CAPTURES = sorted({datagram.capture for datagram in DHCP})


def messages(capture: str) -> list[tuple[bytes, DhcpMessage]]:
    """The DHCP payloads of one capture, and what they decode to."""
    return [(found.payload, decode(found.payload)) for found in DHCP if found.capture == capture]


def first(capture: str, kind: MessageType) -> DhcpMessage:
    """The first message of that type in that capture."""
    return next(found for _, found in messages(capture) if found.value(r.MESSAGE_TYPE) is kind)


def test_the_captures_are_there() -> None:
    """The data holds what the other tests claim to cover."""
    assert (len(DHCP), len(OTHER), len(CAPTURES)) == (437, 162, 53)
    assert {len(datagram.payload) < 300 for datagram in DHCP} == {True, False}


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_dhcp_payload_returns_to_its_bytes(capture: str) -> None:
    """Every captured DHCP message decodes and encodes to the same bytes; none is refused."""
    for payload, message in messages(capture):
        assert encode(message) == payload


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_typed_option_decodes(capture: str) -> None:
    """No option of theirs is malformed to us, and its value stands for the same bytes."""
    for _, message in messages(capture):
        assert message.value(r.MESSAGE_TYPE) is not None
        for code, kind in OPTIONS.items():
            data, value = message.option(code), message.value(kind)
            if data is None:
                assert value is None
                continue
            # Texts are the one type that drops something: the trailing NULs of dnsmasq.
            written = kind.encode(value)
            assert data == written or (isinstance(value, str) and data == written + b"\0")


@pytest.mark.parametrize("datagram", OTHER, ids=lambda found: f"{found.capture}-{found.index}")
def test_every_tftp_payload_is_refused(datagram: Captured) -> None:
    """A TFTP packet is refused as a DHCP message for its length or its cookie."""
    with pytest.raises(DecodeError, match=r"^message at byte|^magic cookie at byte 236"):
        decode(datagram.payload)


class TestNamedClients:
    def test_ovmf(self) -> None:
        """OVMF's PXE DISCOVER: architecture, interface, SMBIOS UUID, broadcast flag."""
        message = first("ovmf-pxe4-ra", MessageType.DISCOVER)

        assert message.broadcast
        assert message.value(r.CLIENT_ARCHITECTURE) == (7,)
        assert message.value(r.CLIENT_INTERFACE) == NetworkInterface(type=1, major=3, minor=0)
        assert message.value(r.CLIENT_MACHINE) == UUID("564d4c55-0001-0002-0003-525400770010")
        assert message.value(r.CLASS_IDENTIFIER) == b"PXEClient:Arch:00007:UNDI:003000"
        assert message.value(r.MAXIMUM_MESSAGE_SIZE) == 1472

    def test_ipxe(self) -> None:
        """iPXE sends its user class without the frame of RFC 3004."""
        message = first("bios-ipxe-http-script", MessageType.DISCOVER)

        assert message.value(r.USER_CLASS) == UserClass(classes=(b"iPXE",), framed=False)
        assert not message.broadcast

    def test_network_manager(self) -> None:
        """NetworkManager's DHCP client sends less than the 300 bytes of BOOTP."""
        message = first("networkmanager", MessageType.DISCOVER)

        assert len(encode(message)) == 280

    def test_relay(self) -> None:
        """ISC dhcrelay adds its address and option 82 with the circuit id it was given."""
        message = first("relay-isc", MessageType.DISCOVER)

        information = message.value(r.RELAY_AGENT_INFORMATION)
        assert message.giaddr == IPv4Address("10.78.0.1")
        assert message.hops == 1
        assert information is not None
        assert information.value(r.CIRCUIT_ID) == b"r1"

    def test_bsdp_client_without_ciaddr(self) -> None:
        """The Go BSDP client asks for images with INFORM and names no address of its own."""
        message = first("bsdp-go-go-ciaddr0", MessageType.INFORM)

        assert message.value(r.CLASS_IDENTIFIER) == b"AAPLBSDPC/i386/MacMini6,1"
        assert message.instances(43)
