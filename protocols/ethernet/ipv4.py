"""IPv4 packets as a packet socket or a raw socket reads them (RFC 791), and UDP in them (RFC 768).

Checksums are not looked at: the kernel has verified that of the header, and that of UDP may still
be left to a network card that a virtual network does not have.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from protocols.errors import DecodeError

HEADER: Final = struct.Struct(">BBHHHBBHII")
UDP_HEADER: Final = struct.Struct(">HHHH")
_FRAGMENT: Final = 0x3FFF
"""More fragments, or an offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A whole packet: no fragment."""

    protocol: int
    source: int
    destination: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """UDP."""

    source_port: int
    destination_port: int
    payload: bytes


def decode(data: bytes) -> Packet:
    """The packet at the beginning of `data`. Raises DecodeError."""
    if len(data) < HEADER.size:
        raise DecodeError("IPv4 header", len(data), f"{len(data)} bytes, not {HEADER.size}")
    first, _, length, _, fragment, _, protocol, _, source, destination = HEADER.unpack_from(data)
    start = (first & 15) * 4
    if first >> 4 != 4 or start < HEADER.size:
        raise DecodeError("IPv4 header", 0, f"0x{first:02x} is no version and length")
    if not start <= length <= len(data):
        raise DecodeError("IPv4 length", 2, f"{length} bytes of {len(data)}, header of {start}")
    if fragment & _FRAGMENT:
        raise DecodeError("IPv4 fragment", 6, "not a whole packet")
    return Packet(
        protocol=protocol, source=source, destination=destination, payload=data[start:length]
    )


def decode_udp(data: bytes) -> Datagram:
    """The datagram at the beginning of a packet's payload. Raises DecodeError."""
    if len(data) < UDP_HEADER.size:
        raise DecodeError("UDP header", len(data), f"{len(data)} bytes, not {UDP_HEADER.size}")
    source_port, destination_port, length, _ = UDP_HEADER.unpack_from(data)
    if not UDP_HEADER.size <= length <= len(data):
        raise DecodeError("UDP length", 4, f"{length} bytes of {len(data)}")
    return Datagram(
        source_port=source_port,
        destination_port=destination_port,
        payload=data[UDP_HEADER.size : length],
    )
