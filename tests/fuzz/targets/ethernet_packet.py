"""Any bytes are the same ARP, IPv4, UDP and ICMP echo for the decoders as for the definitions, or a
DecodeError inside them; and what is decoded of ARP and echo encodes to what decodes alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from protocols.errors import DecodeError
from protocols.ethernet import arp, icmp, ipv4
from tests.protocols.ethernet.reference import (
    arp_by_format,
    datagram_by_format,
    echo_by_format,
    packet_by_format,
)

Decode = Callable[[bytes], Any]


def check(decode: Decode, by_format: Decode, data: bytes) -> Any:
    """The value, None where both refuse."""
    try:
        value = decode(data)
    except DecodeError as error:
        refusal = error
    else:
        assert astuple(value) == by_format(data)
        return value
    assert 0 <= refusal.offset <= len(data)
    assert by_format(data) is None
    return None


def target(data: bytes) -> None:
    packet = check(arp.decode, arp_by_format, data)
    if packet is not None:
        assert arp.decode(arp.encode(packet)) == packet
    whole = check(ipv4.decode, packet_by_format, data)
    for inner in (data, whole.payload if whole is not None else b""):
        check(ipv4.decode_udp, datagram_by_format, inner)
        echo = check(icmp.decode, echo_by_format, inner)
        if echo is not None:
            assert icmp.decode(icmp.encode(echo)) == echo
