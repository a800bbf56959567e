"""ICMP echo (RFC 792): is anybody at an address?"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

from protocols.errors import DecodeError
from protocols.ethernet.checksum import checksum, word_sum

HEADER: Final = struct.Struct(">BBHHH")


class EchoType(enum.IntEnum):
    """Question or answer."""

    REPLY = 0
    REQUEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """One message. A reply has identifier, sequence number and data of its request."""

    type: EchoType
    identifier: int
    sequence: int
    data: bytes = b""


def encode(echo: Echo) -> bytes:
    """The message, with its checksum, without the IPv4 header before it."""
    type, identifier, sequence, data = echo.type, echo.identifier, echo.sequence, echo.data
    total = (type << 8) + identifier + sequence + word_sum(data)
    return HEADER.pack(type, 0, checksum(total), identifier, sequence) + data


def decode(data: bytes) -> Echo:
    """The message that is a packet's payload. Raises DecodeError if it is no echo."""
    if len(data) < HEADER.size:
        raise DecodeError("ICMP message", len(data), f"{len(data)} bytes, not {HEADER.size}")
    type, code, _, identifier, sequence = HEADER.unpack_from(data)
    if type not in (EchoType.REPLY, EchoType.REQUEST) or code != 0:
        raise DecodeError("ICMP message", 0, f"type {type}, code {code} is no echo")
    return Echo(
        type=EchoType(type), identifier=identifier, sequence=sequence, data=data[HEADER.size :]
    )
