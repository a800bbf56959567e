"""A server's reply as Apple's client judges it: accepted with what it says, or rejected and why.

The checks, their order and what is not checked are those of BSDPClient.c:700-845: the source
address and port, siaddr, `file`, the root path and the image in the answer to a SELECT mean nothing
to it. Sub-options 4, 7 and 8 of the wrong length are as good as absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from protocols.bsdp import vendor
from protocols.bsdp.class_id import SERVER_CLASS_ID
from protocols.bsdp.image_id import NULL_IMAGE_ID, BootImageId
from protocols.bsdp.image_list import IMAGE_LIST_CODE, read_images
from protocols.bsdp.inform import Machine
from protocols.bsdp.vendor import VendorOptions
from protocols.dhcp.codec import decode
from protocols.dhcp.message import BOOTREPLY, DhcpMessage
from protocols.dhcp.registry import (
    CLASS_IDENTIFIER,
    MESSAGE_TYPE,
    ROOT_PATH,
    SERVER_IDENTIFIER,
    VENDOR_SPECIFIC,
)
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError

ETHERNET: Final = 1


class Rejection(Enum):
    """Why the client throws a datagram away; the value is how a log says it."""

    MALFORMED = "is not a DHCP message"
    NOT_OURS = "answers something or somebody else"
    NOT_ACK = "is not a DHCPACK"
    CLASS_ID = "class identifier is not exactly AAPLBSDPC"
    SERVER_IDENTIFIER = "server identifier is missing or not an address"
    NO_VENDOR_OPTIONS = "vendor options are missing"
    VENDOR_OPTIONS = "vendor options are malformed"
    MESSAGE_TYPE = "BSDP message type is missing, or not what was asked for"
    NO_IMAGE_LIST = "image list is missing"
    IMAGE_LIST = "image list is malformed"
    NO_IMAGES = "image list has nothing to show"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A datagram that changes nothing."""

    reason: Rejection
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """An image as the user would see it."""

    image_id: BootImageId
    name: str
    is_default: bool
    is_selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesListed:
    """ACK[LIST]: what one server offers; never empty."""

    server: IPv4Address
    priority: int
    images: tuple[ShownImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfirmed:
    """ACK[SELECT], with what the firmware boots from: TFTP server, boot file, root path."""

    server: IPv4Address
    boot_server: IPv4Address
    boot_file: bytes
    root_path: bytes | None
    machine_name: bytes | None
    shadow_mount_path: bytes | None
    shadow_file_path: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRefused:
    """ACK[FAILED]: firmware waits at least 10 s before it asks again (the BSDP document)."""

    server: IPv4Address


def judge_list(data: bytes, machine: Machine, xid: int) -> ImagesListed | Rejected:
    """`data`, received while waiting for the answer to LIST `xid`."""
    try:
        _, server, options = _accept(data, machine, xid)
        if options.first(vendor.MESSAGE_TYPE.code) != bytes((vendor.MessageType.LIST,)):
            raise _Reject(Rejection.MESSAGE_TYPE)
        images = _images(options, machine)
    except _Reject as reject:
        return Rejected(reason=reject.reason, detail=reject.detail)
    priority = options.first(vendor.SERVER_PRIORITY.code) or b""
    return ImagesListed(
        server=server,
        priority=int.from_bytes(priority, "big") if len(priority) == 2 else 0,
        images=images,
    )


def judge_select(
    data: bytes, machine: Machine, xid: int
) -> ImageConfirmed | ImageRefused | Rejected:
    """`data`, received while waiting for the answer to SELECT `xid`."""
    try:
        message, server, options = _accept(data, machine, xid)
    except _Reject as reject:
        return Rejected(reason=reject.reason, detail=reject.detail)
    message_type = options.first(vendor.MESSAGE_TYPE.code)
    if message_type == bytes((vendor.MessageType.FAILED,)):
        return ImageRefused(server=server)
    if message_type != bytes((vendor.MessageType.SELECT,)):
        return Rejected(reason=Rejection.MESSAGE_TYPE)
    root_paths = message.instances(ROOT_PATH.code)
    return ImageConfirmed(
        server=server,
        boot_server=message.siaddr,
        boot_file=message.boot_file,
        root_path=root_paths[0] if root_paths else None,
        machine_name=options.first(vendor.MACHINE_NAME.code),
        shadow_mount_path=options.first(vendor.SHADOW_MOUNT_PATH.code),
        shadow_file_path=options.first(vendor.SHADOW_FILE_PATH.code),
    )


class _Reject(Exception):
    def __init__(self, reason: Rejection, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def _accept(
    data: bytes, machine: Machine, xid: int
) -> tuple[DhcpMessage, IPv4Address, VendorOptions]:
    """What LIST and SELECT check alike: the message, its server and vendor options, or _Reject."""
    try:
        message = decode(data)
    except DecodeError as error:
        raise _Reject(Rejection.MALFORMED, str(error)) from None
    asked = (BOOTREPLY, xid, ETHERNET, machine.mac, machine.address)
    if asked != (
        message.op,
        message.xid,
        message.htype,
        message.hardware_address,
        message.ciaddr,
    ):
        raise _Reject(Rejection.NOT_OURS)
    if _first(message, MESSAGE_TYPE.code)[:1] != bytes((MessageType.ACK,)):
        raise _Reject(Rejection.NOT_ACK)
    if _first(message, CLASS_IDENTIFIER.code) != SERVER_CLASS_ID:
        raise _Reject(Rejection.CLASS_ID)
    server = _first(message, SERVER_IDENTIFIER.code)
    if len(server) != 4:
        raise _Reject(Rejection.SERVER_IDENTIFIER)
    instances = message.instances(VENDOR_SPECIFIC.code)
    if not instances:
        raise _Reject(Rejection.NO_VENDOR_OPTIONS)
    try:
        return message, IPv4Address(server), vendor.decode(instances)
    except DecodeError as error:
        raise _Reject(Rejection.VENDOR_OPTIONS, str(error)) from None


def _first(message: DhcpMessage, code: int) -> bytes:
    """The first instance of option `code`, empty without any: Apple's client joins none."""
    instances = message.instances(code)
    return instances[0] if instances else b""


def _images(options: VendorOptions, machine: Machine) -> tuple[ShownImage, ...]:
    """What the client shows (BSDPClient.c:1052); raises _Reject where it shows nothing.

    Left out are id 0, what the client's own filter does not name, and names that are not UTF-8.
    """
    joined = options.joined(IMAGE_LIST_CODE)
    if joined is None:
        raise _Reject(Rejection.NO_IMAGE_LIST)
    try:
        listed, _ = read_images(joined)
    except DecodeError as error:
        raise _Reject(Rejection.IMAGE_LIST, str(error)) from None
    default = options.first(vendor.DEFAULT_IMAGE.code)
    selected = options.first(vendor.SELECTED_IMAGE.code)
    shown = []
    for image in listed:
        wanted = not machine.attributes or image.image_id.attributes in machine.attributes
        if image.image_id == NULL_IMAGE_ID or not wanted:
            continue
        try:
            name = image.name.decode()
        except UnicodeDecodeError:
            continue
        shown.append(
            ShownImage(
                image_id=image.image_id,
                name=name,
                is_default=image.image_id.packed == default,
                is_selected=image.image_id.packed == selected,
            )
        )
    if not shown:
        raise _Reject(Rejection.NO_IMAGES)
    return tuple(shown)
