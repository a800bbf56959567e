"""The messages that a BSDP client sends: INFORM[LIST] and INFORM[SELECT] (BSDPClient.c:1170, 1394).

    53=8  55=60,43  57=1500  60=AAPLBSDPC/arch/model  43{1 2 [10] 5 12 [11]}       LIST
                                                      43{1 2 [10] 5 3 8}           SELECT

Sent to port 67 of 255.255.255.255, or of one server, from the client's reply port.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from protocols.bsdp import vendor
from protocols.bsdp.class_id import ClassId
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.vendor import SubOption
from protocols.dhcp.codec import encode
from protocols.dhcp.message import BOOTREQUEST, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import (
    CLASS_IDENTIFIER,
    MAXIMUM_MESSAGE_SIZE,
    MESSAGE_TYPE,
    PARAMETER_REQUEST_LIST,
    VENDOR_SPECIFIC,
)
from protocols.dhcp.value import MessageType

ETHERNET_MTU: Final = 1500
RECEIVE_BUFFER: Final = 8192
"""What Apple's client takes, and says in sub-option 12 (BSDPClient.c:444)."""
WANTED: Final = bytes((CLASS_IDENTIFIER.code, VENDOR_SPECIFIC.code))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The client: a Mac, as far as BSDP sees it."""

    mac: bytes
    """6 bytes."""
    address: IPv4Address
    """The address that DHCP gave it."""
    class_id: ClassId
    reply_port: int
    """Where it listens; real servers answer only ports below 1024."""
    attributes: tuple[int, ...] = ()
    """Upper halves of the image ids that it wants to see; empty for those shown to all."""
    old_firmware: bool = False


def list_request(machine: Machine, xid: int) -> bytes:
    """INFORM[LIST]: which images are there? Raises EncodeError for values out of range."""
    limit = vendor.MAX_MESSAGE_SIZE.sub_option(RECEIVE_BUFFER)
    asked = [vendor.ATTRIBUTES_FILTER.sub_option(machine.attributes)] if machine.attributes else []
    return _inform(machine, xid, vendor.MessageType.LIST, [limit, *asked])


def select_request(machine: Machine, xid: int, server: IPv4Address, image_id: BootImageId) -> bytes:
    """INFORM[SELECT]: I take `image_id` of `server`. Raises EncodeError as `list_request`."""
    chosen = [
        vendor.SERVER_IDENTIFIER.sub_option(server),
        vendor.SELECTED_IMAGE.sub_option(image_id),
    ]
    return _inform(machine, xid, vendor.MessageType.SELECT, chosen)


def _inform(
    machine: Machine, xid: int, message_type: vendor.MessageType, asked: list[SubOption]
) -> bytes:
    sub_options = [
        vendor.MESSAGE_TYPE.sub_option(message_type),
        vendor.VERSION.sub_option(vendor.VERSION_1_1),
        *([vendor.OLD_FIRMWARE.sub_option(b"")] if machine.old_firmware else []),
        vendor.REPLY_PORT.sub_option(machine.reply_port),
        *asked,
    ]
    message = DhcpMessage(
        op=BOOTREQUEST,
        xid=xid,
        ciaddr=machine.address,
        chaddr=machine.mac,
        options=(
            MESSAGE_TYPE.of(MessageType.INFORM),
            RawOption(PARAMETER_REQUEST_LIST.code, WANTED),
            MAXIMUM_MESSAGE_SIZE.of(ETHERNET_MTU),
            RawOption(CLASS_IDENTIFIER.code, machine.class_id.packed),
            *(RawOption(VENDOR_SPECIFIC.code, data) for data in vendor.encode(sub_options)),
        ),
    )
    return encode(message)
