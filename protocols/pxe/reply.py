"""proxyDHCP: what tells a network boot client its boot file beside a DHCP server of somebody else.

    DISCOVER to port 67     OFFER without an address                   by broadcast, or the relay
    REQUEST to port 4011    ACK with boot file or menu                 to where it came from

Both carry 53, 54, 60, 97 and what is to be booted, and none of what a DHCP server says: no lease,
no mask, no router. Everything that no network boot client sent is left alone, and so is a REQUEST
to port 67: it is the DHCP server's. Pure: it decides what is said, not what is booted.

Sources: PXE 2.1 §2.2 and §2.3; RFC 4578; captures `ovmf-pxe4-proxy`, `ovmf-pxe4-proxymenu`,
`bios-ipxe-proxymenu`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from protocols.dhcp.boot import BootParameters
from protocols.dhcp.message import BOOTREQUEST, NO_ADDRESS, DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import (
    CLASS_IDENTIFIER,
    CLIENT_MACHINE,
    MESSAGE_TYPE,
    SERVER_IDENTIFIER,
    VENDOR_SPECIFIC,
)
from protocols.dhcp.reply import reply_to
from protocols.dhcp.value import MessageType
from protocols.pxe.architecture import Architecture
from protocols.pxe.client import HTTP_CLASS, PXE_CLASS, ClientKind, PxeClient
from protocols.pxe.menu import JUST_BOOT

PROXY_PORT: Final = 4011

_DISCOVER: Final = MESSAGE_TYPE.encode(MessageType.DISCOVER)
_REQUEST: Final = MESSAGE_TYPE.encode(MessageType.REQUEST)


class Concern(Enum):
    """Whether a message is for a proxyDHCP server."""

    OURS = "ours"
    OTHER_TYPE = "of a type that proxyDHCP does not answer"
    OTHER_SERVER = "for another server"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyServer:
    """Who we are where the message arrived."""

    address: IPv4Address
    """What clients are told: server identifier, and where port 4011 is."""
    local: IPv4Address
    """Our address at the arrival interface; another than `address` where that is configured."""


def discovery_concern(message: DhcpMessage) -> Concern:
    """Whether a message to port 67 is a DISCOVER."""
    ours = message.op == BOOTREQUEST and message.option(MESSAGE_TYPE.code) == _DISCOVER
    return Concern.OURS if ours else Concern.OTHER_TYPE


def request_concern(message: DhcpMessage, server: ProxyServer) -> Concern:
    """Whether a message to port 4011 is a REQUEST for us.

    EDK2 and iPXE name no server there; one that does means the server that it names.
    """
    if message.op != BOOTREQUEST or message.option(MESSAGE_TYPE.code) != _REQUEST:
        return Concern.OTHER_TYPE
    named = message.option(SERVER_IDENTIFIER.code)
    if named is not None and named not in (server.address.packed, server.local.packed):
        return Concern.OTHER_SERVER
    return Concern.OURS


def offer(
    request: DhcpMessage, client: PxeClient, server: ProxyServer, boot: BootParameters
) -> DhcpMessage:
    """The OFFER to a DISCOVER. It has no address in it: `yiaddr` is 0."""
    return _reply(request, client, server, boot, MessageType.OFFER)


def acknowledgement(
    request: DhcpMessage, client: PxeClient, server: ProxyServer, boot: BootParameters
) -> DhcpMessage:
    """The ACK to a REQUEST on port 4011; `ciaddr` is repeated."""
    return _reply(request, client, server, boot, MessageType.ACK)


def _reply(
    request: DhcpMessage,
    client: PxeClient,
    server: ProxyServer,
    boot: BootParameters,
    kind: MessageType,
) -> DhcpMessage:
    given = {code for code, _ in boot.options}
    options = [
        RawOption(MESSAGE_TYPE.code, bytes((kind,))),
        RawOption(SERVER_IDENTIFIER.code, server.address.packed),
    ]
    if CLASS_IDENTIFIER.code not in given:
        name = HTTP_CLASS if client.kind is ClientKind.HTTP else PXE_CLASS
        options.append(RawOption(CLASS_IDENTIFIER.code, name))
    if client.machine_id is not None and CLIENT_MACHINE.code not in given:
        options.append(RawOption(CLIENT_MACHINE.code, client.machine_id))
    if VENDOR_SPECIFIC.code not in given and _needs_discovery_control(client):
        options.append(RawOption(VENDOR_SPECIFIC.code, JUST_BOOT))
    options.extend(boot.options)
    return reply_to(
        request,
        options,
        ciaddr=request.ciaddr if kind is MessageType.ACK else NO_ADDRESS,
        siaddr=boot.next_server,
        sname=boot.server_name,
        file=boot.file,
    )


def _needs_discovery_control(client: PxeClient) -> bool:
    """A BIOS ROM is told by option 43 to load the file of the OFFER. UEFI firmware is not: without
    option 43 all of it asks port 4011, and with it some ignores the OFFER (so found pixiecore,
    dhcp4 replies for EFI in pixiecore/dhcp.go, and dnsmasq 2.76). iPXE needs it as little."""
    return client.kind is ClientKind.PXE and client.architecture == Architecture.X86_BIOS
