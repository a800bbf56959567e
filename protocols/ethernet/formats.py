"""The bytes of Ethernet, ARP, IPv4, UDP and ICMP echo, as construct definitions: normative.

    Ethernet II   | destination 6 | source 6 | type 2 | payload |                       RFC 894
    ARP           | 1 | 0x0800 | 6 | 4 | operation | sha 6 | spa 4 | tha 6 | tpa 4 |    RFC 826
    IPv4          | 4, length | ... | TTL | protocol | checksum | source | destination | RFC 791
    UDP           | source port | destination port | length | checksum | payload |      RFC 768
    ICMP echo     | type | 0 | checksum | identifier | sequence number | payload |      RFC 792

ARP is that of Ethernet and IPv4. What follows an ARP or IPv4 packet is the padding of a short
frame. A fragment is not the whole of anything, so it does not parse. Checksums are fields like any
other: a network card may be the one to fill them in, after whoever reads frames on the way to it.
"""

from __future__ import annotations

from typing import Final

from construct import Byte, Bytes, Check, Const, GreedyBytes, Int16ub, Int32ub, OneOf, Struct, this

IPV4_TYPE: Final = 0x0800
ARP_TYPE: Final = 0x0806
"""EtherTypes."""
UDP_PROTOCOL: Final = 17
ICMP_PROTOCOL: Final = 1
"""Protocol numbers of IPv4."""
DO_NOT_FRAGMENT: Final = 0x4000

ETHERNET: Final = Struct(
    "destination" / Bytes(6),
    "source" / Bytes(6),
    "type" / Int16ub,
    "payload" / GreedyBytes,
)

ARP: Final = Struct(
    "hardware_type" / Const(1, Int16ub),
    "protocol_type" / Const(IPV4_TYPE, Int16ub),
    "hardware_length" / Const(6, Byte),
    "protocol_length" / Const(4, Byte),
    "operation" / OneOf(Int16ub, [1, 2]),
    "sender_hardware" / Bytes(6),
    "sender" / Int32ub,
    "target_hardware" / Bytes(6),
    "target" / Int32ub,
)

IPV4: Final = Struct(
    "version_and_length" / OneOf(Byte, list(range(0x45, 0x50))),
    "service" / Byte,
    "length" / Int16ub,
    "identification" / Int16ub,
    "fragment" / Int16ub,
    Check(lambda packet: packet.fragment & 0x3FFF == 0),
    "ttl" / Byte,
    "protocol" / Byte,
    "checksum" / Int16ub,
    "source" / Int32ub,
    "destination" / Int32ub,
    "options" / Bytes(lambda packet: (packet.version_and_length & 15) * 4 - 20),
    Check(lambda packet: packet.length >= (packet.version_and_length & 15) * 4),
    "payload" / Bytes(lambda packet: packet.length - (packet.version_and_length & 15) * 4),
)

UDP: Final = Struct(
    "source_port" / Int16ub,
    "destination_port" / Int16ub,
    "length" / Int16ub,
    Check(this.length >= 8),
    "checksum" / Int16ub,
    "payload" / Bytes(this.length - 8),
)

ECHO: Final = Struct(
    "type" / OneOf(Byte, [0, 8]),
    "code" / Const(0, Byte),
    "checksum" / Int16ub,
    "identifier" / Int16ub,
    "sequence" / Int16ub,
    "data" / GreedyBytes,
)
