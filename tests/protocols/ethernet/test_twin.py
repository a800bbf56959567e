"""What is packed by hand is what the construct definitions and Scapy say, checksums included."""

from __future__ import annotations

import struct
from dataclasses import astuple
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether

from protocols.errors import DecodeError, EncodeError
from protocols.ethernet import arp, icmp, ipv4
from protocols.ethernet.arp import Arp, Operation
from protocols.ethernet.checksum import checksum, word_sum
from protocols.ethernet.formats import ETHERNET, IPV4
from protocols.ethernet.formats import UDP as UDP_FORMAT
from protocols.ethernet.frame import MAX_PAYLOAD, UdpSource
from protocols.ethernet.icmp import Echo, EchoType
from tests.protocols.ethernet.reference import (
    arp_by_format,
    datagram_by_format,
    echo_by_format,
    packet_by_format,
    pseudo_header,
    words_sum,
)

MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.integers(0, 0xFFFFFFFF)
WORDS = st.integers(0, 0xFFFF)
SERVER = UdpSource(hardware_address=bytes.fromhex("525400770001"), address=0x0A4D0001)

ARPS = st.builds(
    Arp,
    operation=st.sampled_from(Operation),
    sender_hardware=MACS,
    sender=ADDRESSES,
    target_hardware=MACS,
    target=ADDRESSES,
)
ECHOS = st.builds(
    Echo,
    type=st.sampled_from(EchoType),
    identifier=WORDS,
    sequence=WORDS,
    data=st.binary(max_size=80),
)


def fields(value: Any) -> tuple[Any, ...]:
    return astuple(value)


def decoded(decoder: Any, data: bytes) -> tuple[Any, ...] | None:
    """The fields that a decoder of ours finds; None: it refused, at a byte of the input."""
    try:
        return fields(decoder(data))
    except DecodeError as error:
        refusal = error
    assert 0 <= refusal.offset <= len(data)
    return None


@given(st.binary(max_size=600))
@example(b"")
@example(bytes(8))
@example(b"\xff\xff")
@example(b"\x01")
def test_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    """Division by 65,535 gives what the loop over words gives."""
    assert checksum(word_sum(data)) == words_sum(data) ^ 0xFFFF


@given(st.binary(max_size=1500), MACS, ADDRESSES, ADDRESSES, WORDS, WORDS)
@example(b"", bytes(6), 0, 0, 0, 0)
@example(b"\xff", bytes(6), 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFF, 0xFFFF)
def test_frame(
    payload: bytes, mac: bytes, source: int, to: int, from_port: int, to_port: int
) -> None:
    """A frame has every field where the definitions have it, and both checksums add up."""
    sender = UdpSource(hardware_address=SERVER.hardware_address, address=source)

    frame = sender.frame(payload, to_hardware=mac, to=to, from_port=from_port, to_port=to_port)

    ethernet = ETHERNET.parse(frame)
    assert (ethernet.destination, ethernet.source) == (mac, SERVER.hardware_address)
    assert ethernet.type == 0x0800
    packet = IPV4.parse(ethernet.payload)
    assert (packet.version_and_length, packet.service, packet.length) == (0x45, 0, len(frame) - 14)
    assert (packet.identification, packet.fragment, packet.ttl) == (0, 0x4000, 64)
    assert (packet.protocol, packet.source, packet.destination) == (17, source, to)
    assert words_sum(ethernet.payload[:20]) == 0xFFFF
    datagram = UDP_FORMAT.parse(packet.payload)
    assert (datagram.source_port, datagram.destination_port) == (from_port, to_port)
    assert datagram.payload == payload
    assert datagram.checksum != 0
    assert words_sum(pseudo_header(packet) + packet.payload) == 0xFFFF


@given(st.binary(max_size=400))
def test_frame_is_what_scapy_builds(payload: bytes) -> None:
    """Somebody else's program builds the same bytes."""
    frame = SERVER.frame(
        payload,
        to_hardware=bytes.fromhex("525400770050"),
        to=0x0A4D0032,
        from_port=67,
        to_port=68,
    )

    built = (
        Ether(src="52:54:00:77:00:01", dst="52:54:00:77:00:50")
        / IP(src="10.77.0.1", dst="10.77.0.50", id=0, flags="DF", ttl=64)
        / UDP(sport=67, dport=68)
        / payload
    )
    assert frame == bytes(built)


@pytest.mark.parametrize(("mac", "length"), [(b"", 0), (bytes(8), 0), (bytes(6), MAX_PAYLOAD + 1)])
def test_what_no_frame_can_carry_is_refused(mac: bytes, length: int) -> None:
    """A hardware address that is not Ethernet's, and a payload longer than a datagram's."""
    with pytest.raises(EncodeError):
        SERVER.frame(bytes(length), to_hardware=mac, to=0, from_port=67, to_port=68)


def test_longest_payload() -> None:
    """The longest payload that IPv4 has room for fills its length field."""
    frame = SERVER.frame(bytes(MAX_PAYLOAD), to_hardware=bytes(6), to=0, from_port=67, to_port=68)

    assert struct.unpack_from(">H", frame, 16) == (0xFFFF,)


@given(ARPS, st.binary(max_size=18))
def test_arp(packet: Arp, padding: bytes) -> None:
    """What is encoded has the definitions' fields, and is decoded to itself, padded or not."""
    data = arp.encode(packet)

    assert arp_by_format(data) == fields(packet)
    assert arp.decode(data + padding) == packet


def test_arp_is_what_scapy_builds() -> None:
    """Somebody else's program builds the same bytes."""
    packet = Arp(
        operation=Operation.REQUEST,
        sender_hardware=bytes.fromhex("525400770001"),
        sender=0x0A4D0001,
        target=0x0A4D0032,
    )

    built = ARP(op=1, hwsrc="52:54:00:77:00:01", psrc="10.77.0.1", pdst="10.77.0.50")
    assert arp.encode(packet) == bytes(built)


@given(ECHOS)
def test_echo(echo: Echo) -> None:
    """What is encoded has the definitions' fields, a right checksum, and is decoded to itself."""
    data = icmp.encode(echo)

    assert echo_by_format(data) == fields(echo)
    assert words_sum(data) == 0xFFFF
    assert icmp.decode(data) == echo


def test_echo_is_what_scapy_builds() -> None:
    """Somebody else's program builds the same bytes."""
    echo = Echo(type=EchoType.REQUEST, identifier=0x1234, sequence=7, data=b"abc")

    assert icmp.encode(echo) == bytes(ICMP(type=8, id=0x1234, seq=7) / b"abc")


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Bytes that are nearly ARP, or nearly ICMP echo or UDP in IPv4."""
    echo = IP(src="10.0.0.9", dst="10.0.0.1") / ICMP(type=0, id=1, seq=2) / b"data"
    datagram = IP(src="10.0.0.9", dst="10.0.0.1") / UDP(sport=67, dport=68) / b"data"
    kinds = [arp.encode(draw(ARPS)), bytes(echo), bytes(datagram), bytes(echo)[20:]]
    data = bytearray(draw(st.sampled_from(kinds)))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


@given(mutants() | st.binary(max_size=64))
def test_decoders_agree_with_the_definitions_on_any_bytes(data: bytes) -> None:
    """Where one finds a packet the other finds the same; where one refuses, both do."""
    packet = decoded(ipv4.decode, data)

    assert packet == packet_by_format(data)
    assert decoded(arp.decode, data) == arp_by_format(data)
    for inner in (data, packet[-1] if packet else b""):
        assert decoded(icmp.decode, inner) == echo_by_format(inner)
        assert decoded(ipv4.decode_udp, inner) == datagram_by_format(inner)
