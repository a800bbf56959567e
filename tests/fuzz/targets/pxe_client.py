"""A datagram on port 67 or 4011 gets a readable proxyDHCP reply that echoes it, or none.

Only what a network boot client sent gets one; what is malformed raises DecodeError.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import CHADDR, XID, decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.errors import DecodeError
from protocols.pxe.client import PxeClient, client_from
from protocols.pxe.menu import encode_choice, encode_menu
from protocols.pxe.registry import pxe_sub_options
from protocols.pxe.reply import (
    Concern,
    ProxyServer,
    acknowledgement,
    discovery_concern,
    offer,
    request_concern,
)
from protocols.pxe.value import MenuEntry, MenuPrompt

SERVER = IPv4Address("10.77.0.2")
HERE = ProxyServer(address=SERVER, local=SERVER)
MENU, _ = encode_menu(
    [MenuEntry(type=0x8000 + n, text="entry") for n in range(20)],
    server=SERVER,
    prompt=MenuPrompt(seconds=2, text="Network boot"),
)


def target(data: bytes) -> None:
    try:
        message = decode(data)
        client = client_from(message)
    except DecodeError:
        return
    if client is None:
        return
    assert b"PXEClient" in data or b"HTTPClient" in data or len(message.instances(60)) > 1
    assert client.platform
    assert client.machine_uuid is None or client.machine_uuid.int
    option = MENU if client.boot_item is None else encode_choice(client.boot_item)
    for boot in (
        BootParameters(next_server=SERVER, file=b"undionly.kpxe"),
        BootParameters(next_server=SERVER, options=(RawOption(43, option),)),
    ):
        if discovery_concern(message) is Concern.OURS:
            _check(data, message, client, offer(message, client, HERE, boot))
        if request_concern(message, HERE) is Concern.OURS:
            _check(data, message, client, acknowledgement(message, client, HERE, boot))


def _check(data: bytes, asked: DhcpMessage, client: PxeClient, reply: DhcpMessage) -> None:
    payload = encode(reply)
    read = decode(payload)
    assert (payload[XID], payload[CHADDR]) == (data[XID], data[CHADDR])
    assert read.instances(82) == asked.instances(82)
    assert read.option(97) == client.machine_id
    assert not read.instances(52)
    assert str(read.yiaddr) == "0.0.0.0"
    assert client_from(read) is None
    for instance in read.instances(43):
        pxe_sub_options(instance)
