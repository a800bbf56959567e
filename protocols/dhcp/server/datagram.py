"""The DHCP server for a shell that deals in datagrams: bytes in, an outcome with bytes out."""

from __future__ import annotations

from ipaddress import IPv4Address

from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.route import reply_route
from protocols.dhcp.server.case import BootAnswer, Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.outcome import (
    Acknowledge,
    Inform,
    Offer,
    Outcome,
    ReadyReply,
    Refuse,
)


class DatagramServer:
    """A `DhcpServer` that takes and gives datagrams."""

    def __init__(self, server: DhcpServer) -> None:
        self._server = server

    def respond(
        self, data: bytes, *, link: Link, source: str, now: int, boot: BootAnswer | None = None
    ) -> Outcome[ReadyReply]:
        """Answer the datagram `data` from the IP address `source`, in dotted form.

        Raises DecodeError if it is not DHCP, and nothing else.
        """
        request, address = decode(data), IPv4Address(source)
        outcome = self._server.respond(request, link=link, source=address, now=now, boot=boot)

        def ready(reply: DhcpMessage) -> ReadyReply:
            return ReadyReply(encode(reply), reply_route(request, reply, source=address))

        match outcome:
            case Offer(reply=reply, lease=lease, needs_probe=needs_probe):
                return Offer(ready(reply), lease, needs_probe)
            case Acknowledge(reply=reply, store=store):
                return Acknowledge(ready(reply), store)
            case Inform(reply=reply):
                return Inform(ready(reply))
            case Refuse(reply=reply, reason=reason):
                return Refuse(ready(reply), reason)
            case _:
                return outcome
