"""Requests to a BSDP server, as values to change and as bytes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from protocols.bsdp import vendor
from protocols.bsdp.image_id import BootImageId
from protocols.bsdp.request import BsdpRequest, request_from
from protocols.bsdp.vendor import MessageType, SubOption
from protocols.dhcp.codec import encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.value import MessageType as DhcpType
from tests.protocols.bsdp.site import CLIENT, NOWHERE, SERVER

MAC = bytes.fromhex("02bbccddee01")
LIST = vendor.MESSAGE_TYPE.sub_option(MessageType.LIST)
SELECT = vendor.MESSAGE_TYPE.sub_option(MessageType.SELECT)
VERSION = vendor.VERSION.sub_option(0x0101)
HERE = vendor.SERVER_IDENTIFIER.sub_option(SERVER)
FILTER_DIAGNOSTICS = vendor.ATTRIBUTES_FILTER.sub_option((0x0300,))


def image(image_id: int) -> SubOption:
    """Sub-option 8."""
    return vendor.SELECTED_IMAGE.sub_option(BootImageId(image_id))


def message(
    *sub_options: SubOption,
    dhcp_type: DhcpType = DhcpType.INFORM,
    class_id: bytes = b"AAPLBSDPC/i386/Macmini6,1",
    options: tuple[RawOption, ...] = (),
    **header: Any,
) -> DhcpMessage:
    """A request with option 43 made of `sub_options`, `options` behind it."""
    fixed = DhcpMessage(
        op=1,
        xid=0x11223344,
        ciaddr=CLIENT if dhcp_type is DhcpType.INFORM else NOWHERE,
        chaddr=MAC,
        options=(
            RawOption(53, bytes((dhcp_type,))),
            RawOption(60, class_id),
            *(RawOption(43, data) for data in vendor.encode(sub_options)),
            *options,
        ),
    )
    return replace(fixed, **header)


def datagram(*sub_options: SubOption, **others: Any) -> bytes:
    """The same as bytes."""
    return encode(message(*sub_options, **others))


def request(*sub_options: SubOption, source: IPv4Address = NOWHERE, **others: Any) -> BsdpRequest:
    """The same as a request."""
    found = request_from(message(*sub_options, **others), source)
    assert isinstance(found, BsdpRequest)
    return found


LIST_REQUEST = message(LIST, VERSION)
SELECT_REQUEST = message(SELECT, VERSION, HERE, image(0x810003E9))
DISCOVER_REQUEST = message(VERSION, dhcp_type=DhcpType.DISCOVER)
