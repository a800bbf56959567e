"""ARP for IPv4 on Ethernet (RFC 826): who has an address?"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

from protocols.errors import DecodeError
from protocols.ethernet.formats import IPV4_TYPE

PACKET: Final = struct.Struct(">HHBBH6sI6sI")
_ETHERNET_AND_IPV4: Final = (1, IPV4_TYPE, 6, 4)
NOBODY: Final = bytes(6)


class Operation(enum.IntEnum):
    """What is said."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Arp:
    """One packet. Addresses of IPv4 are numbers, those of Ethernet six bytes."""

    operation: Operation
    sender_hardware: bytes
    sender: int
    target_hardware: bytes = NOBODY
    target: int


def encode(packet: Arp) -> bytes:
    """The 28 bytes of a packet, without the frame around it."""
    return PACKET.pack(
        *_ETHERNET_AND_IPV4,
        packet.operation,
        packet.sender_hardware,
        packet.sender,
        packet.target_hardware,
        packet.target,
    )


def decode(data: bytes) -> Arp:
    """The packet at the beginning of `data`, which is a frame's payload. Raises DecodeError."""
    if len(data) < PACKET.size:
        raise DecodeError("ARP packet", len(data), f"{len(data)} bytes, not {PACKET.size}")
    *kind, operation, sender_hardware, sender, target_hardware, target = PACKET.unpack_from(data)
    if tuple(kind) != _ETHERNET_AND_IPV4:
        raise DecodeError("ARP packet", 0, "not of IPv4 on Ethernet")
    if operation not in (Operation.REQUEST, Operation.REPLY):
        raise DecodeError("ARP operation", 6, f"{operation} is neither request nor reply")
    return Arp(
        operation=Operation(operation),
        sender_hardware=sender_hardware,
        sender=sender,
        target_hardware=target_hardware,
        target=target,
    )
