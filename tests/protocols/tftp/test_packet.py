"""TFTP packets: bytes to values and back, and the twin against the formats."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.tftp.packet import (
    Ack,
    Data,
    Error,
    OptionAck,
    Packet,
    ReadRequest,
    WriteRequest,
    decode,
    decode_by_format,
    encode,
)

CAPTURED = Path(__file__).parents[2] / "data/real_clients.json"

text = st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"."))
options = st.lists(st.tuples(text, text), max_size=5).map(tuple)
uint16 = st.integers(0, 0xFFFF)
packets = st.one_of(
    st.builds(ReadRequest, filename=text, mode=text, options=options),
    st.builds(WriteRequest, filename=text, mode=text, options=options),
    st.builds(Data, block=uint16, data=st.binary(max_size=600)),
    st.builds(Ack, block=uint16),
    st.builds(Error, code=uint16, message=text),
    st.builds(OptionAck, options=options),
)


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        pytest.param(
            b"\0\1"  # opcode
            b"booter\0"
            b"octet\0"
            b"blksize\0" + b"1468\0" + b"tsize\0" + b"0\0",
            ReadRequest(
                filename=b"booter",
                mode=b"octet",
                options=((b"blksize", b"1468"), (b"tsize", b"0")),
            ),
            id="RRQ",
        ),
        pytest.param(
            b"\0\2" + b"up\0" + b"netascii\0",
            WriteRequest(filename=b"up", mode=b"netascii"),
            id="WRQ",
        ),
        pytest.param(b"\0\3" + b"\xff\xfe" + b"abc", Data(block=65534, data=b"abc"), id="DATA"),
        pytest.param(b"\0\3" + b"\0\1", Data(block=1, data=b""), id="empty DATA"),
        pytest.param(b"\0\4" + b"\0\0", Ack(block=0), id="ACK"),
        pytest.param(b"\0\5" + b"\0\1" + b"gone\0", Error(code=1, message=b"gone"), id="ERROR"),
        pytest.param(
            b"\0\6" + b"tsize\0" + b"5\0", OptionAck(options=((b"tsize", b"5"),)), id="OACK"
        ),
        pytest.param(b"\0\6", OptionAck(options=()), id="empty OACK"),
    ],
)
def test_each_packet(data: bytes, packet: Packet) -> None:
    """Each of the six packets has one form on the wire."""
    assert decode(data) == packet
    assert encode(packet) == data


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        pytest.param(b"\0\5\0\x08", Error(code=8), id="ERROR without text and zero"),
        pytest.param(b"\0\5\0\x08stop", Error(code=8, message=b"stop"), id="ERROR without zero"),
        pytest.param(b"\0\4\0\x07\0\0\0", Ack(block=7), id="ACK with padding"),
    ],
)
def test_leniency(data: bytes, packet: Packet) -> None:
    """What tftp-hpa's server accepts from sloppy firmware is accepted."""
    assert decode(data) == packet


@pytest.mark.parametrize(
    ("data", "what", "offset"),
    [
        pytest.param(b"", "TFTP packet", 0, id="nothing"),
        pytest.param(b"\0", "TFTP packet", 1, id="half an opcode"),
        pytest.param(b"\0\0\0\1", "TFTP opcode", 0, id="opcode 0"),
        pytest.param(b"\0\7\0\1", "TFTP opcode", 0, id="opcode 7"),
        pytest.param(b"\0\3\0", "TFTP packet", 3, id="half a block number in DATA"),
        pytest.param(b"\0\4\0", "TFTP packet", 3, id="half a block number in ACK"),
        pytest.param(b"\0\1booter", "TFTP packet", 8, id="file name without zero"),
        pytest.param(b"\0\1booter\0octet", "TFTP packet", 14, id="mode without zero"),
        pytest.param(b"\0\1b\0octet\0tsize\0", "TFTP options", 10, id="option without value"),
        pytest.param(b"\0\1b\0octet\0tsize\x000", "TFTP options", 10, id="value without zero"),
        pytest.param(b"\0\6tsize\0", "TFTP options", 2, id="OACK option without value"),
    ],
)
def test_malformed(data: bytes, what: str, offset: int) -> None:
    """A malformed packet is a DecodeError that says where."""
    with pytest.raises(DecodeError) as raised:
        decode(data)

    assert (raised.value.what, raised.value.offset) == (what, offset)


@pytest.mark.parametrize(
    "packet",
    [
        ReadRequest(filename=b"a\0b"),
        ReadRequest(filename=b"a", options=((b"x", b"1\0"),)),
        Error(code=0, message=b"\0"),
        Data(block=65536, data=b""),
        Ack(block=-1),
        Error(code=65536),
    ],
)
def test_what_cannot_be_encoded(packet: Packet) -> None:
    """A value that the wire cannot carry is an EncodeError."""
    with pytest.raises(EncodeError):
        encode(packet)


@given(packets)
def test_round_trip(packet: Packet) -> None:
    """Every packet survives the wire."""
    assert decode(encode(packet)) == packet


def _outcome(decoder: object, data: bytes) -> object:
    assert callable(decoder)
    try:
        return decoder(data)
    except DecodeError as error:
        return str(error)


@given(st.one_of(st.binary(max_size=80), packets.map(encode)), st.data())
def test_twin(data: bytes, draw: st.DataObject) -> None:
    """On any input, whole, cut or changed, the decoder does what the formats say."""
    cut = data[: draw.draw(st.integers(0, len(data)))]
    changed = bytearray(data)
    if changed:
        changed[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))

    for candidate in (data, cut, bytes(changed)):
        assert _outcome(decode, candidate) == _outcome(decode_by_format, candidate)


def _captured_requests() -> list[bytes]:
    return [
        bytes.fromhex(entry["hex"])
        for entry in json.loads(CAPTURED.read_text())
        if entry["dport"] == 69
    ]


def test_captured_requests() -> None:
    """Each request that firmware and clients were seen to send decodes and encodes to its bytes."""
    requests = _captured_requests()

    assert len(requests) > 50
    for data in requests:
        packet = decode(data)
        assert isinstance(packet, ReadRequest)
        assert packet.mode == b"octet"
        assert encode(packet) == data
