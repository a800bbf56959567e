"""Replies derived from requests (RFC 2131 §4.3.1, table 3), so that no echo can be forgotten.

It must not decide where a reply goes (`route`), nor whether there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from protocols.dhcp.message import (
    BOOTREPLY,
    BROADCAST_FLAG,
    NO_ADDRESS,
    RELAY_AGENT_INFORMATION,
    DhcpMessage,
)
from protocols.dhcp.option import RawOption


def reply_to(
    request: DhcpMessage,
    options: Iterable[RawOption],
    *,
    ciaddr: IPv4Address = NO_ADDRESS,
    yiaddr: IPv4Address = NO_ADDRESS,
    siaddr: IPv4Address = NO_ADDRESS,
    sname: bytes = b"",
    file: bytes = b"",
) -> DhcpMessage:
    """The reply to `request` that carries `options`, in their order.

    Copied: htype, hlen, xid, flags, giaddr, chaddr; hops and secs are 0. Option 82 of the request
    is repeated verbatim behind all others (RFC 3046 §2.2), and only then. A reply without any
    address of the client gets the broadcast flag where a relay is to deliver it: a NAK (RFC 2131
    §4.3.2), a BSDP OFFER. ISC dhcrelay would send it to 0.0.0.0. Raises EncodeError for `sname` and
    `file` that do not fit their 64 and 128 bytes.
    """
    answered = tuple(options)
    flags = request.flags
    if request.giaddr != NO_ADDRESS and ciaddr == yiaddr == NO_ADDRESS:
        flags |= BROADCAST_FLAG
    echoed = request.instances(RELAY_AGENT_INFORMATION)
    return DhcpMessage(
        op=BOOTREPLY,
        htype=request.htype,
        hlen=request.hlen,
        xid=request.xid,
        flags=flags,
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=request.giaddr,
        chaddr=request.chaddr,
        sname=sname,
        file=file,
        options=answered + tuple(RawOption(RELAY_AGENT_INFORMATION, data) for data in echoed),
    )
