"""The same packets by the construct definitions and by RFC 1071's own loop over words."""

from __future__ import annotations

import struct
from typing import Any

from construct import Construct, ConstructError

from protocols.ethernet.formats import ARP, ECHO, IPV4, UDP


def words_sum(data: bytes) -> int:
    """The ones' complement sum of the words in `data` (RFC 1071 §4.1)."""
    padded = data + bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_header(packet: Any) -> bytes:
    """What UDP's checksum also covers (RFC 768)."""
    return struct.pack(">IIHH", packet.source, packet.destination, 17, len(packet.payload))


def parsed(format: Construct, data: bytes) -> Any:
    """The fields of `data`, or None where the format does not have it."""
    try:
        return format.parse(data)
    except ConstructError:
        return None


def arp_by_format(data: bytes) -> tuple[int, bytes, int, bytes, int] | None:
    found = parsed(ARP, data)
    if found is None:
        return None
    return (
        found.operation,
        found.sender_hardware,
        found.sender,
        found.target_hardware,
        found.target,
    )


def packet_by_format(data: bytes) -> tuple[int, int, int, bytes] | None:
    found = parsed(IPV4, data)
    if found is None:
        return None
    return found.protocol, found.source, found.destination, found.payload


def datagram_by_format(data: bytes) -> tuple[int, int, bytes] | None:
    found = parsed(UDP, data)
    return None if found is None else (found.source_port, found.destination_port, found.payload)


def echo_by_format(data: bytes) -> tuple[int, int, int, bytes] | None:
    found = parsed(ECHO, data)
    return None if found is None else (found.type, found.identifier, found.sequence, found.data)
