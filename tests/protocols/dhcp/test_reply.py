"""Replies derived from requests: what is echoed, what is not."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.registry import MESSAGE_TYPE, SERVER_IDENTIFIER
from protocols.dhcp.reply import reply_to
from protocols.dhcp.value import MessageType
from protocols.errors import EncodeError

ACK = MESSAGE_TYPE.of(MessageType.ACK)
SERVER = IPv4Address("10.0.0.1")
REQUEST = DhcpMessage(
    op=1,
    htype=7,
    hlen=8,
    hops=2,
    xid=0x01020304,
    secs=9,
    flags=0x0001,
    ciaddr=IPv4Address("10.0.1.50"),
    yiaddr=IPv4Address("10.0.1.51"),
    siaddr=IPv4Address("10.0.1.52"),
    giaddr=IPv4Address("10.0.1.1"),
    chaddr=b"12345678",
    sname=b"wanted server",
    file=b"wanted file",
    options=(MESSAGE_TYPE.of(MessageType.REQUEST),),
)


def test_header() -> None:
    """A reply copies what names the transaction and nothing else (RFC 2131 table 3)."""
    reply = reply_to(
        REQUEST,
        [ACK, SERVER_IDENTIFIER.of(SERVER)],
        yiaddr=IPv4Address("10.0.1.60"),
        siaddr=SERVER,
        sname=b"srv",
        file=b"booter",
    )

    assert reply == DhcpMessage(
        op=2,
        htype=7,
        hlen=8,
        hops=0,
        xid=0x01020304,
        secs=0,
        flags=0x0001,
        yiaddr=IPv4Address("10.0.1.60"),
        siaddr=SERVER,
        giaddr=IPv4Address("10.0.1.1"),
        chaddr=b"12345678",
        sname=b"srv",
        file=b"booter",
        options=(ACK, RawOption(54, b"\x0a\0\0\1")),
    )


def test_ciaddr_is_given_by_the_caller() -> None:
    """OFFER and NAK carry no ciaddr, ACK does; who builds the reply knows which it is."""
    assert reply_to(REQUEST, [ACK]).ciaddr == IPv4Address(0)
    assert reply_to(REQUEST, [ACK], ciaddr=REQUEST.ciaddr).ciaddr == REQUEST.ciaddr


def test_relay_agent_information_is_echoed_last() -> None:
    """Option 82 returns verbatim behind all others, every instance of it (RFC 3046 §2.2)."""
    request = DhcpMessage(
        op=1,
        options=(
            RawOption(82, b"\x01\x02r1"),
            MESSAGE_TYPE.of(MessageType.DISCOVER),
            RawOption(82, b"malformed"),
        ),
    )

    reply = reply_to(request, [ACK, SERVER_IDENTIFIER.of(SERVER)])

    assert [code for code, _ in reply.options] == [53, 54, 82, 82]
    assert reply.instances(82) == (b"\x01\x02r1", b"malformed")
    assert decode(encode(reply)).instances(82) == reply.instances(82)


def test_no_relay_agent_information_without_a_relay() -> None:
    """Option 82 is never made up."""
    assert reply_to(REQUEST, [ACK]).options == (ACK,)


@pytest.mark.parametrize(
    ("giaddr", "reply", "flags"),
    [
        ("10.0.1.1", {}, 0x8001),
        ("10.0.1.1", {"ciaddr": IPv4Address("10.0.1.50")}, 0x0001),
        ("10.0.1.1", {"yiaddr": IPv4Address("10.0.1.51")}, 0x0001),
        ("0.0.0.0", {}, 0x0001),
    ],
)
def test_relayed_reply_without_address_asks_for_broadcast(
    giaddr: str, reply: dict[str, IPv4Address], flags: int
) -> None:
    """A relay must broadcast what names no address of the client: a NAK, a BSDP OFFER."""
    request = DhcpMessage(op=1, flags=0x0001, giaddr=IPv4Address(giaddr))

    assert reply_to(request, [ACK], **reply).flags == flags


def test_name_that_does_not_fit() -> None:
    """A boot file name of more than 128 bytes is refused and not cut."""
    with pytest.raises(EncodeError, match="file of 129 bytes"):
        reply_to(REQUEST, [ACK], file=b"x" * 129)
