"""The messages that a BSDP server sends, built from the request that they answer.

    ACK[LIST]     53 54 60    43{1 4 7 [8] 9} 43{9} …    sname, file empty
    ACK[SELECT]   53 54 60 17 43{1 8 130 [128 129]}      sname our name, file the boot file
    OFFER         53 54 60 17 43{8 130 [128 129]}        the same, ciaddr and yiaddr 0
    ACK[FAILED]   53 54 60    43{1}

Never options 1, 3, 51 or 58: those are the DHCP server's. `hops` and `secs` are 0 (the document
says to echo secs, Apple's server does not: dhcpd.c, `make_dhcp_reply`).
"""

from __future__ import annotations

from typing import Final

from protocols.bsdp import vendor
from protocols.bsdp.class_id import SERVER_CLASS_ID
from protocols.bsdp.offered import OfferedImage, ServerIdentity
from protocols.bsdp.request import BsdpRequest
from protocols.bsdp.vendor import SubOption
from protocols.dhcp.message import (
    FILE_SIZE,
    NO_ADDRESS,
    OPTIONS_OFFSET,
    SNAME_SIZE,
    DhcpMessage,
)
from protocols.dhcp.option import INSTANCE_LIMIT, RawOption
from protocols.dhcp.registry import (
    CLASS_IDENTIFIER,
    MESSAGE_TYPE,
    ROOT_PATH,
    SERVER_IDENTIFIER,
    VENDOR_SPECIFIC,
)
from protocols.dhcp.reply import reply_to
from protocols.dhcp.value import MessageType
from protocols.errors import EncodeError

END_SIZE: Final = 1


def boot_sub_options(
    image: OfferedImage, server: ServerIdentity, machine_name: str
) -> list[SubOption]:
    """What tells a machine which image it boots, and as whom (bsdpd.c, `X_netboot`)."""
    sub_options = [vendor.SELECTED_IMAGE.sub_option(image.image_id)]
    if image.root_path is None:  # a boot file only: there is no system to give a name to
        return sub_options
    name = machine_name.encode()
    sub_options.append(vendor.MACHINE_NAME.sub_option(name))
    if image.diskless and server.shadow_mount_path is not None:
        mount = server.shadow_mount_path.encode()
        shadow = server.shadow_file_path.replace("%s", machine_name).encode()
        sub_options.append(vendor.SHADOW_MOUNT_PATH.sub_option(mount))
        sub_options.append(vendor.SHADOW_FILE_PATH.sub_option(shadow))
    return sub_options


def room_for_vendor_options(request: BsdpRequest, server: ServerIdentity) -> int:
    """Bytes that option 43, in all its instances, may take in a reply without a root path."""
    taken = OPTIONS_OFFSET + END_SIZE + _size(make_reply(request, server, MessageType.ACK, ()))
    return request.question.payload_limit - taken


def make_reply(
    request: BsdpRequest,
    server: ServerIdentity,
    dhcp_type: MessageType,
    instances: tuple[bytes, ...],
    image: OfferedImage | None = None,
) -> DhcpMessage:
    """The reply with these `instances` of option 43, and what `image` needs to boot, if given.

    Raises EncodeError if it does not fit what the client takes, or a root path its option.
    """
    options = [
        RawOption(MESSAGE_TYPE.code, bytes((dhcp_type,))),
        RawOption(SERVER_IDENTIFIER.code, server.address.packed),
        RawOption(CLASS_IDENTIFIER.code, SERVER_CLASS_ID),
    ]
    if image and image.root_path is not None:
        root_path = _octets(image.root_path)
        if len(root_path) > INSTANCE_LIMIT:  # the kernel reads one instance (netboot.c in xnu)
            raise EncodeError(f"root path of {len(root_path)} bytes does not fit its option")
        options.append(RawOption(ROOT_PATH.code, root_path))
    options.extend([RawOption(VENDOR_SPECIFIC.code, instance) for instance in instances])
    reply = reply_to(
        request.message,
        options,
        ciaddr=NO_ADDRESS if dhcp_type == MessageType.OFFER else request.message.ciaddr,
        siaddr=(image and image.server) or server.address,
        sname=_sname(server, image),
        file=_file(image),
    )
    size = OPTIONS_OFFSET + _size(reply) + END_SIZE
    if size > request.question.payload_limit:
        raise EncodeError(f"{size} bytes, the client takes {request.question.payload_limit}")
    return reply


def _sname(server: ServerIdentity, image: OfferedImage | None) -> bytes:
    """Our name beside a boot file that we serve; empty where another machine does."""
    if image is None or image.server is not None:
        return b""
    return server.host_name.encode()[: SNAME_SIZE - 1]


def _file(image: OfferedImage | None) -> bytes:
    """The boot file's path; empty if the field cannot hold it with its NUL (bootpd.c)."""
    path = _octets(image.boot_file) if image else b""
    return path if len(path) < FILE_SIZE else b""


def _octets(path: str) -> bytes:
    """The bytes of a path, as they are in the file system."""
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise EncodeError(f"{path!r}: {error.reason}") from None


def _size(message: DhcpMessage) -> int:
    """Bytes of its options, without the end."""
    return sum(2 + len(data) for _, data in message.options)
