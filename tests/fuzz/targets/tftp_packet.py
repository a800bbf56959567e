"""Any datagram is a TFTP packet, the same one for twin and formats, or a DecodeError."""

from __future__ import annotations

from protocols.errors import DecodeError
from protocols.tftp.negotiate import Limits, negotiate
from protocols.tftp.packet import Packet, ReadRequest, decode, decode_by_format, encode

LIMITS = Limits()


def target(data: bytes) -> None:
    packet = _decoded(decode, data)
    assert packet == _decoded(decode_by_format, data)
    if isinstance(packet, str):
        return
    assert _decoded(decode, encode(packet)) == packet
    if isinstance(packet, ReadRequest):
        terms = negotiate(packet.options, size=1 << 33, limits=LIMITS)
        assert 8 <= terms.block_size <= LIMITS.block_size
        assert 1 <= terms.window_size <= LIMITS.window_size


def _decoded(decoder: object, data: bytes) -> Packet | str:
    assert callable(decoder)
    try:
        packet: Packet = decoder(data)
    except DecodeError as error:
        return str(error)
    return packet
