"""The same datagram by way of messages, which is what `DatagramServer` must equal."""

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


def respond_by_message(
    server: DhcpServer,
    data: bytes,
    *,
    link: Link,
    source: str,
    now: int,
    boot: BootAnswer | None = None,
) -> Outcome[ReadyReply]:
    """Decode, answer, encode, route. Raises DecodeError."""
    request, address = decode(data), IPv4Address(source)
    outcome = server.respond(request, link=link, source=address, now=now, boot=boot)

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
