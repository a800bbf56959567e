"""TFTP packets as values, and the way from bytes to them and back.

`decode` and `encode` are what the daemon uses: DATA and ACK, of which a boot has tens of thousands,
are unpacked by hand; a property test holds that twin to `formats`. A decoder raises nothing but
`DecodeError`.
"""

from __future__ import annotations

import enum
import io
import struct
from dataclasses import dataclass
from typing import Final

from construct import ConstructError, TerminatedError

from protocols.errors import DecodeError, EncodeError
from protocols.tftp import formats
from protocols.tftp.formats import ACK, DATA, ERROR, OACK, RRQ, WRQ

HEAD: Final = struct.Struct(">HH")
"""Opcode and block of DATA and ACK, opcode and code of ERROR."""
MAX_BLOCK: Final = 0xFFFF
"""Block numbers are 16 bits and roll over to 0. RFC 1350 does not say so; clients expect it."""


class ErrorCode(enum.IntEnum):
    """RFC 1350, appendix; 8 is RFC 2347. Peers may send others: `Error.code` is an int."""

    UNDEFINED = 0
    FILE_NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_REFUSED = 8


Options = tuple[tuple[bytes, bytes], ...]
"""Names and values in wire order, as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """RRQ (RFC 1350 §5, options by RFC 2347): somebody wants a file."""

    filename: bytes
    mode: bytes = b"octet"
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """WRQ: somebody brings a file. It is read, to be refused."""

    filename: bytes
    mode: bytes = b"octet"
    options: Options = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """DATA: one block of a file; one that is shorter than agreed is the last."""

    block: int
    """Modulo 65,536."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """ACK: everything up to this block has arrived."""

    block: int
    """Modulo 65,536; 0 acknowledges an OACK, or block 65,536."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """ERROR: the end of a transfer, or a request that is refused."""

    code: int
    message: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionAck:
    """OACK (RFC 2347): the options that the server takes, with its values."""

    options: Options


Packet = ReadRequest | WriteRequest | Data | Ack | Error | OptionAck


def decode(data: bytes) -> Packet:
    """The packet in one datagram; `DecodeError` for anything that is none."""
    if len(data) >= HEAD.size:
        opcode, block = HEAD.unpack_from(data)
        if opcode == DATA:
            return Data(block=block, data=data[HEAD.size :])
        if opcode == ACK:
            return Ack(block=block)
    return decode_by_format(data)


def decode_by_format(data: bytes) -> Packet:
    """The same by `formats` alone."""
    stream = io.BytesIO(data)
    try:
        parsed = formats.PACKET.parse_stream(stream)
    except TerminatedError:  # it has read one byte of what should not be there
        why = "an option without its value, or without its last zero"
        raise DecodeError("TFTP options", stream.tell() - 1, why) from None
    except ConstructError as error:
        # The message ends with what construct missed; the path before it is ours, not the peer's.
        why = str(error).rpartition("\n")[2]
        raise DecodeError("TFTP packet", stream.tell(), why) from None
    body = parsed.body
    match parsed.opcode:
        case formats.RRQ:
            return ReadRequest(filename=body.filename, mode=body.mode, options=_pairs(body.options))
        case formats.WRQ:
            return WriteRequest(
                filename=body.filename, mode=body.mode, options=_pairs(body.options)
            )
        case formats.DATA:
            return Data(block=body.block, data=body.data)
        case formats.ACK:
            return Ack(block=body.block)
        case formats.ERROR:
            return Error(code=body.code, message=body.message)
        case formats.OACK:
            return OptionAck(options=_pairs(body.options))
    raise DecodeError("TFTP opcode", 0, f"{parsed.opcode} is none of 1 to 6")


def encode(packet: Packet) -> bytes:
    """The bytes of a packet; `EncodeError` for a value that they cannot carry."""
    body: dict[str, object]
    match packet:
        case Data():
            return HEAD.pack(DATA, _uint16(packet.block)) + packet.data
        case Ack():
            return HEAD.pack(ACK, _uint16(packet.block))
        case ReadRequest() | WriteRequest():
            opcode = RRQ if isinstance(packet, ReadRequest) else WRQ
            body = {
                "filename": _text(packet.filename),
                "mode": _text(packet.mode),
                "options": _containers(packet.options),
            }
        case Error():
            opcode = ERROR
            body = {"code": _uint16(packet.code), "message": _text(packet.message)}
        case OptionAck():
            opcode = OACK
            body = {"options": _containers(packet.options)}
    built: bytes = formats.PACKET.build({"opcode": opcode, "body": body})
    return built


def _pairs(options: list[dict[str, bytes]]) -> Options:
    return tuple((option["name"], option["value"]) for option in options)


def _containers(options: Options) -> list[dict[str, bytes]]:
    return [{"name": _text(name), "value": _text(value)} for name, value in options]


def _text(text: bytes) -> bytes:
    if 0 in text:
        raise EncodeError(f"a zero byte within {text!r}")
    return text


def _uint16(number: int) -> int:
    if not 0 <= number <= MAX_BLOCK:
        raise EncodeError(f"{number} does not fit 16 bits")
    return number


UNKNOWN_TID: Final = encode(Error(code=ErrorCode.UNKNOWN_TID, message=b"unknown transfer ID"))
"""The answer to a packet that belongs to no transfer (RFC 1350, section 4)."""
