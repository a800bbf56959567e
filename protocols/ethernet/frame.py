"""UDP in IPv4 in Ethernet, whole, to a station that has no address yet to ask for by ARP.

    | destination | our MAC | 0800 | IPv4, 20 bytes | UDP, 8 bytes | payload |

One `pack` and two divisions per frame; `formats` is what it is held to.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from protocols.errors import EncodeError
from protocols.ethernet.checksum import checksum, word_sum
from protocols.ethernet.formats import DO_NOT_FRAGMENT, IPV4_TYPE, UDP_PROTOCOL

HEADERS: Final = struct.Struct(">6s6sH HHHHBBHII HHHH")
"""Ethernet, IPv4 and UDP."""
MAC_LENGTH: Final = 6
TTL: Final = 64
"""RFC 1700, "IP time to live"; what Linux gives its own."""
VERSION_AND_SERVICE: Final = 0x4500
"""IPv4 without options, routine service."""
_FIXED: Final = VERSION_AND_SERVICE + DO_NOT_FRAGMENT + (TTL << 8) + UDP_PROTOCOL
MAX_PAYLOAD: Final = 0xFFFF - 28


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpSource:
    """Where frames come from: one of our addresses on one of our Ethernet interfaces."""

    hardware_address: bytes
    """Six bytes."""
    address: int

    def frame(
        self, payload: bytes, *, to_hardware: bytes, to: int, from_port: int, to_port: int
    ) -> bytes:
        """A frame for the station `to_hardware` (six bytes) with the address `to`.

        EncodeError: that is no Ethernet station, or the payload exceeds a datagram. The packet has
        no identification, for it must not be fragmented (RFC 6864 §4.1).
        """
        length = len(payload)
        if len(to_hardware) != MAC_LENGTH or length > MAX_PAYLOAD:
            raise EncodeError(f"{length} bytes to {to_hardware.hex(':')} are no Ethernet frame")
        addresses = self.address + to
        udp_length = length + 8
        udp_total = addresses + UDP_PROTOCOL + 2 * udp_length + from_port + to_port
        return (
            HEADERS.pack(
                to_hardware,
                self.hardware_address,
                IPV4_TYPE,
                VERSION_AND_SERVICE,
                length + 28,
                0,
                DO_NOT_FRAGMENT,
                TTL,
                UDP_PROTOCOL,
                checksum(_FIXED + length + 28 + addresses),
                self.address,
                to,
                from_port,
                to_port,
                udp_length,
                checksum(udp_total + word_sum(payload)) or 0xFFFF,  # 0 says "none": RFC 768
            )
            + payload
        )
