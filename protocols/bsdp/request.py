"""A DHCP message read as a question to a BSDP server, or the reason why it is none.

What is asked depends on the options alone, who asks on the header: `Question` is the one,
`BsdpRequest` both. Checks and their order are those of `is_bsdp_packet` (bsdpd.c:1332); in addition
the lengths of sub-options 1, 2, 3, 5 and 8 are checked, which Apple's server reads unchecked.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from protocols.bsdp import vendor
from protocols.bsdp.class_id import (
    OLD_FIRMWARE_SYSTEM_ID,
    PREFIX,
    ClassId,
    parse_class_id,
)
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.outcome import Reason, Silence
from protocols.bsdp.vendor import VendorOptions
from protocols.dhcp.message import BOOTREQUEST, DhcpMessage
from protocols.dhcp.registry import (
    CLASS_IDENTIFIER,
    MAXIMUM_MESSAGE_SIZE,
    MESSAGE_TYPE,
    REQUESTED_ADDRESS,
    VENDOR_SPECIFIC,
)
from protocols.dhcp.route import CLIENT_PORT
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError

ETHERNET: Final = 1
ETHERNET_ADDRESS_SIZE: Final = 6

SMALLEST_PACKET: Final = 548
"""DHCP_PACKET_MIN: 236 of header and 312 of options; a client's limit counts only above it."""
LARGEST_PACKET: Final = 8192
"""Apple's transmit buffer for replies that go through a socket (bsdpd.c:1530)."""
LARGEST_OFFER: Final = 1500
"""An OFFER must fit one Ethernet frame: Apple sends it as a raw one (bsdpd.c:1536)."""
IP_AND_UDP_HEADERS: Final = 28
FIRST_MULTICAST: Final = 0xE0000000
"""224.0.0.0: from here on no address is a host's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the options of one message ask; equal for all machines of a model that ask the same."""

    dhcp_type: int
    """DHCP message type (option 53): DISCOVER, REQUEST and INFORM mean something to BSDP."""
    class_id: ClassId
    version: int
    message_type: int | None
    """LIST, SELECT or anything else; None in a DISCOVER."""
    server_identifier: IPv4Address | None
    selected_image: BootImageId | None
    reply_port: int
    attributes: frozenset[int] | None
    """The upper 16 bits of the image ids that the client wants to see; None: no filter."""
    old_firmware: bool
    payload_limit: int
    """Bytes of UDP payload that the client takes, 520 at least."""
    requested_address: IPv4Address | None
    """Option 50, by which a DHCPREQUEST tells the address that the machine will have."""

    @property
    def model(self) -> str:
        """The system identifier by which images are chosen for the machine."""
        if self.old_firmware and self.dhcp_type == MessageType.INFORM:
            return OLD_FIRMWARE_SYSTEM_ID  # not in a DISCOVER (bsdpd.c:1609, 1744)
        return self.class_id.system_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BsdpRequest:
    """One question and who asked it."""

    message: DhcpMessage
    source: IPv4Address
    """Where the datagram came from (IP header)."""
    question: Question

    @property
    def mac(self) -> bytes:
        """The 6 bytes of the machine's Ethernet address."""
        return self.message.chaddr[:ETHERNET_ADDRESS_SIZE]

    @property
    def is_ethernet(self) -> bool:
        """Whether the machine's hardware address is an Ethernet address."""
        return self.message.htype == ETHERNET and self.message.hlen == ETHERNET_ADDRESS_SIZE

    @property
    def client_address(self) -> IPv4Address | None:
        """Where the client is: `ciaddr`, or the source where that is empty, or nowhere.

        Apple's server drops a ciaddr of 0 (bsdpd.c:1731). insomniacslk's BSDP client sends its
        SELECT that way, from a real address; ISC dhcpd answers there, and so do we.
        """
        for address in (self.message.ciaddr, self.source):
            if 0 < int(address) < FIRST_MULTICAST:
                return address
        return None

    @property
    def reply_port(self) -> int:
        """Where the client listens: the reply port is INFORM's alone (bsdpd.c:1722)."""
        inform = self.question.dhcp_type == MessageType.INFORM
        return self.question.reply_port if inform else CLIENT_PORT


def request_from(message: DhcpMessage, source: IPv4Address) -> BsdpRequest | Silence | None:
    """`message` as a request; None if it has nothing to do with BSDP.

    `Silence` is what claims to be BSDP and is not: Apple's server leaves that to its DHCP service.
    """
    question = question_from(message)
    if isinstance(question, Question):
        return BsdpRequest(message=message, source=source, question=question)
    return question


def question_from(message: DhcpMessage) -> Question | Silence | None:
    """The question in the options of `message`; None and `Silence` as for `request_from`."""
    class_ids = message.instances(CLASS_IDENTIFIER.code)
    dhcp_type = message.option(MESSAGE_TYPE.code)
    if (
        message.op != BOOTREQUEST
        or not class_ids
        or not class_ids[0].startswith(PREFIX)
        or dhcp_type is None
        or len(dhcp_type) != 1
    ):
        return None
    class_id = parse_class_id(class_ids[0])
    if class_id is None:
        return Silence(reason=Reason.CLASS_ID)
    instances = message.instances(VENDOR_SPECIFIC.code)
    if not instances:
        return Silence(reason=Reason.NO_VENDOR_OPTIONS)
    try:
        options = vendor.decode_lenient(instances)
        version = options.value(vendor.VERSION)
        if version is None:
            return Silence(reason=Reason.NO_VERSION)
        if version not in vendor.VERSIONS:
            return Silence(reason=Reason.VERSION, detail=f"0x{version:04x}")
        return _question(message, dhcp_type[0], class_id, version, options)
    except DecodeError as error:
        return Silence(reason=Reason.VENDOR_OPTIONS, detail=str(error))


def _question(
    message: DhcpMessage, dhcp_type: int, class_id: ClassId, version: int, options: VendorOptions
) -> Question:
    """Raises DecodeError for a sub-option of the wrong length."""
    reply_port = options.value(vendor.REPLY_PORT)
    requested = message.option(REQUESTED_ADDRESS.code)
    return Question(
        dhcp_type=dhcp_type,
        class_id=class_id,
        version=version,
        message_type=options.value(vendor.MESSAGE_TYPE),
        server_identifier=options.value(vendor.SERVER_IDENTIFIER),
        selected_image=options.value(vendor.SELECTED_IMAGE),
        reply_port=CLIENT_PORT if reply_port is None else reply_port,
        attributes=_attributes(options),
        old_firmware=options.first(vendor.OLD_FIRMWARE.code) is not None,
        payload_limit=_payload_limit(message, dhcp_type, options),
        requested_address=(
            IPv4Address(requested) if requested is not None and len(requested) == 4 else None
        ),
    )


def _attributes(options: VendorOptions) -> frozenset[int] | None:
    """The filter list; an odd byte at its end is left out, an empty list is none (bsdpd.c:1406)."""
    data = options.first(vendor.ATTRIBUTES_FILTER.code)
    if data is None or len(data) < 2:
        return None
    return frozenset(vendor.ATTRIBUTES_FILTER.decode(data[: len(data) & ~1]))


def _payload_limit(message: DhcpMessage, dhcp_type: int, options: VendorOptions) -> int:
    """What the client takes: sub-option 12, else option 57, else 548, less 28 (bsdpd.c:1484).

    Sub-option 12 does not count in a DISCOVER. One of either that has not 2 bytes is ignored, and
    so is a value that would make the reply smaller than DHCP's smallest.
    """
    offer = dhcp_type == MessageType.DISCOVER
    size = None if offer else options.first(vendor.MAX_MESSAGE_SIZE.code)
    if size is None or len(size) != 2:
        instances = message.instances(MAXIMUM_MESSAGE_SIZE.code)
        size = instances[0] if instances and len(instances[0]) == 2 else b"\0\0"
    limit = max(SMALLEST_PACKET, int.from_bytes(size, "big"))
    return min(limit, LARGEST_OFFER if offer else LARGEST_PACKET) - IP_AND_UDP_HEADERS
