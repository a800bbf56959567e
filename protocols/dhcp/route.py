"""Where a reply must go (RFC 2131 §4.1), as one pure decision.

It must not send, nor change the reply. The table, first row that fits:

    reply     request                            goes to
    --------  ---------------------------------  -------------------------------------
    ACK       INFORM with ciaddr                 UNICAST    ciaddr, client port
    any       giaddr                             RELAY      giaddr, port 67
    ACK       INFORM without ciaddr              UNICAST    its source address, client port
    NAK       -                                  BROADCAST  255.255.255.255, client port
    others    ciaddr                             UNICAST    ciaddr, client port
    others    broadcast flag                     BROADCAST
    others    yiaddr in the reply                LINK       yiaddr, to chaddr without ARP
    others    -                                  BROADCAST
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.registry import MESSAGE_TYPE
from protocols.dhcp.value import MessageType

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
LIMITED_BROADCAST: Final = IPv4Address("255.255.255.255")

_INFORM: Final = MESSAGE_TYPE.encode(MessageType.INFORM)
_NAK: Final = MESSAGE_TYPE.encode(MessageType.NAK)


class RouteKind(Enum):
    """How the datagram travels."""

    RELAY = "relay"
    """To the relay agent, which passes it on."""
    UNICAST = "unicast"
    """To an address that the client already answers ARP for."""
    BROADCAST = "broadcast"
    """To every station of the arrival link."""
    LINK = "link"
    """To the hardware address, for the client does not answer ARP for its new address yet. Who
    cannot send such frames may broadcast instead: RFC 2131 §4.1 allows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRoute:
    """A destination. For LINK, `address` is the yiaddr and the frame goes to the reply's chaddr."""

    kind: RouteKind
    address: IPv4Address
    port: int


def reply_route(
    request: DhcpMessage,
    reply: DhcpMessage,
    *,
    source: IPv4Address,
    client_port: int = CLIENT_PORT,
) -> ReplyRoute:
    """The destination of `reply` to `request`, which came from the IP address `source`.

    `client_port` is 68, or what BSDP's reply port says. A client that sends INFORM without ciaddr
    is answered at its source address, as ISC dhcpd does: the Go BSDP client's SELECT (capture
    `bsdp-go-go-ciaddr0`). An address that nobody can hold (multicast, 240/4) counts as none.
    """
    inform = request.option(MESSAGE_TYPE.code) == _INFORM
    if inform and _is_host(request.ciaddr):
        # The relay is not on the way back: RFC 2131 §4.3.5, Apple's server (bsdpd.c) likewise.
        return ReplyRoute(kind=RouteKind.UNICAST, address=request.ciaddr, port=client_port)
    if _is_host(request.giaddr):
        return ReplyRoute(kind=RouteKind.RELAY, address=request.giaddr, port=SERVER_PORT)
    broadcast = ReplyRoute(kind=RouteKind.BROADCAST, address=LIMITED_BROADCAST, port=client_port)
    if reply.option(MESSAGE_TYPE.code) == _NAK:
        return broadcast
    home = source if inform else request.ciaddr
    if _is_host(home):
        return ReplyRoute(kind=RouteKind.UNICAST, address=home, port=client_port)
    # IP over InfiniBand sends no hardware address and must ask for broadcast (RFC 4390 §2.1).
    if request.broadcast or not _is_host(reply.yiaddr) or not reply.hlen:
        return broadcast
    return ReplyRoute(kind=RouteKind.LINK, address=reply.yiaddr, port=client_port)


def _is_host(address: IPv4Address) -> bool:
    return 0 < int(address) < 0xE0000000
