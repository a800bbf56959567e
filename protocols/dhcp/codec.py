"""Bytes to `DhcpMessage` and back.

This is the hand-written twin of `formats.MESSAGE`, which defines the layout and takes fifteen times
as long to decode, thirty to encode; a property test holds the two together on every input.
`decode` must raise nothing but DecodeError, whatever the bytes.

     0                   1                   2                   3
    +---------------+---------------+---------------+---------------+
    |     op (1)    |   htype (1)   |   hlen (1)    |   hops (1)    |
    +---------------+---------------+---------------+---------------+
    |                            xid (4)                            |
    +-------------------------------+-------------------------------+
    |           secs (2)            |           flags (2)           |
    +-------------------------------+-------------------------------+
    |          ciaddr (4), yiaddr (4), siaddr (4), giaddr (4)       |
    |          chaddr (16), sname (64), file (128)                  |
    +---------------------------------------------------------------+
    |              magic cookie 99.130.83.99 (4)                    |
    |              options (variable)                               |
    +---------------------------------------------------------------+
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final

from protocols.dhcp.message import (
    BOOTREPLY,
    BOOTREQUEST,
    CHADDR_SIZE,
    OPTIONS_OFFSET,
    OVERLOAD,
    DhcpMessage,
)
from protocols.dhcp.option import END, read_options, write_options
from protocols.errors import DecodeError, EncodeError

OPS: Final = (BOOTREQUEST, BOOTREPLY)
HEADER: Final = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
COOKIE: Final = bytes((99, 130, 83, 99))

# Where the fields lie, for code that reads or splices a single one without decoding the message.
OP: Final = 0
HTYPE: Final = 1
HLEN: Final = 2
HOPS: Final = 3
XID: Final = slice(4, 8)
SECS: Final = slice(8, 10)
FLAGS: Final = slice(10, 12)
CIADDR: Final = slice(12, 16)
YIADDR: Final = slice(16, 20)
SIADDR: Final = slice(20, 24)
GIADDR: Final = slice(24, 28)
CHADDR: Final = slice(28, 44)
SNAME: Final = slice(44, 108)
FILE: Final = slice(108, 236)

MINIMUM_SIZE: Final = 300
"""The least that relays and old clients take (RFC 1542 §2.1). We write it and do not ask for it."""

MAXIMUM_SIZE: Final = 65507
"""What one IPv4 datagram carries: 65535 less 20 bytes of IP and 8 of UDP header."""

# Machines on one LAN repeat a few addresses; building an IPv4Address costs as much as the rest of
# the header. Bounded, so that a flood of forged addresses only evicts.
_address = lru_cache(maxsize=1024)(IPv4Address)


def split_header(data: bytes) -> tuple[bytes, bytes]:
    """The 236 bytes of header, checked, and the options area behind the cookie, not looked at.

    The cheap first half of `decode`, for a responder that remembers what it made of an options area
    it has seen before. Such a memory must leave out areas with option 52: there `file` and `sname`
    belong to the options. Raises DecodeError as `decode` does for the header and the cookie.
    """
    if len(data) < OPTIONS_OFFSET:
        raise DecodeError("message", len(data), f"ends before its {OPTIONS_OFFSET} fixed bytes")
    if not data.startswith(COOKIE, HEADER.size):
        raise DecodeError("magic cookie", HEADER.size, f"is {data[236:240].hex()}, not 63825363")
    if data[OP] not in OPS:
        raise DecodeError("op", OP, f"is {data[OP]}, neither request (1) nor reply (2)")
    if data[HLEN] > CHADDR_SIZE:
        raise DecodeError("hlen", HLEN, f"is {data[HLEN]}, chaddr has {CHADDR_SIZE} bytes")
    return data[: HEADER.size], data[OPTIONS_OFFSET:]


def decode(data: bytes) -> DhcpMessage:
    """Decode one datagram. Raises DecodeError, and nothing else, if it is not a DHCP message.

    Refused: a truncated header, a missing cookie (BOOTP without vendor extensions), an `op` or
    `hlen` out of range, an option that runs past its area. A missing end option and messages of
    less than 300 bytes are legitimate: NetworkManager sends 280.
    """
    header, _ = split_header(data)
    options, end = read_options(data, OPTIONS_OFFSET, len(data))
    fields = HEADER.unpack(header)
    op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file = (
        fields
    )
    message = DhcpMessage(
        op=op,
        htype=htype,
        hlen=hlen,
        hops=hops,
        xid=xid,
        secs=secs,
        flags=flags,
        ciaddr=_address(ciaddr),
        yiaddr=_address(yiaddr),
        siaddr=_address(siaddr),
        giaddr=_address(giaddr),
        chaddr=chaddr,
        sname=sname,
        file=file,
        options=options,
        tail=data[end:],
    )
    if OVERLOAD in data[OPTIONS_OFFSET:end]:  # as a code or in some value; rare enough to look
        message.instances(OVERLOAD)  # raises where an overloaded field does not hold options
    return message


def encode(message: DhcpMessage, *, minimum: int = MINIMUM_SIZE) -> bytes:
    """The bytes of `message`; a built one gets an end option and NULs up to `minimum` bytes.

    A decoded message is written as it was read, however short. Raises EncodeError for numbers that
    do not fit their field, for options that cannot be written, and beyond 65507 bytes.
    """
    if message.op not in OPS or message.hlen > CHADDR_SIZE:
        raise EncodeError(f"op {message.op} or hlen {message.hlen} is out of range")
    tail = message.tail
    if tail and tail[0] != END:
        raise EncodeError("the tail does not begin with the end option")
    try:
        header = HEADER.pack(
            message.op,
            message.htype,
            message.hlen,
            message.hops,
            message.xid,
            message.secs,
            message.flags,
            message.ciaddr.packed,
            message.yiaddr.packed,
            message.siaddr.packed,
            message.giaddr.packed,
            message.chaddr,
            message.sname,
            message.file,
        )
    except struct.error as error:
        raise EncodeError(f"a header field is out of range: {error}") from None
    written = header + COOKIE + write_options(message.options)
    data = (written + b"\xff").ljust(minimum, b"\0") if tail is None else written + tail
    if len(data) > MAXIMUM_SIZE:
        raise EncodeError(f"{len(data)} bytes do not fit a datagram")
    return data
