"""HTTP/2 frames by hand: the numbers of RFC 9113 and the few bytes of each kind that we write.

The layouts are defined in `formats`; a property test holds both together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

HEADER_SIZE: Final = 9
MAX_FRAME_SIZE: Final = 16384
"""The least that either side must take, and all that we do (§4.2)."""
MAX_WINDOW: Final = (1 << 31) - 1
DEFAULT_WINDOW: Final = 65535
MAX_STREAM_ID: Final = (1 << 31) - 1


class FrameType(IntEnum):
    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flags:
    """Bits of a frame's flags."""

    ACK: Final = 0x1
    END_STREAM: Final = 0x1
    END_HEADERS: Final = 0x4
    PADDED: Final = 0x8
    PRIORITY: Final = 0x20


class Setting(IntEnum):
    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (§7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


def named(code: int) -> str:
    """An error as it is shown."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"


class Violation(Exception):
    """What the peer did is no HTTP/2. `code` is what it is told."""

    def __init__(self, code: ErrorCode, why: str) -> None:
        super().__init__(why)
        self.code = code


_HEADER: Final = struct.Struct("!HBBBL")
_SETTING: Final = struct.Struct("!HL")
_WORD: Final = struct.Struct("!L")
_GOAWAY: Final = struct.Struct("!LL")

pack_head: Final = _HEADER.pack
"""`head` without its convenience: the length comes as its upper 16 and lower 8 bits."""
read_head: Final = _HEADER.unpack_from
"""Of nine bytes at least: the upper 16 and lower 8 bits of the length, type, flags, stream."""
_read_word: Final = _WORD.unpack_from
_read_goaway: Final = _GOAWAY.unpack_from


def head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The nine bytes before a payload of `length` bytes, 0 to 2**24 - 1."""
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream)


def header_block(block: bytes, stream: int) -> list[bytes]:
    """HEADERS and CONTINUATION of a block of any size; the stream goes on."""
    frames: list[bytes] = []
    kind = FrameType.HEADERS
    for at in range(0, len(block), MAX_FRAME_SIZE):
        part = block[at : at + MAX_FRAME_SIZE]
        flags = Flags.END_HEADERS if at + MAX_FRAME_SIZE >= len(block) else 0
        frames += (head(len(part), kind, flags, stream), part)
        kind = FrameType.CONTINUATION
    return frames


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    payload = b"".join(_SETTING.pack(setting, value) for setting, value in values)
    return head(len(payload), FrameType.SETTINGS, 0, 0) + payload


def reset(stream: int, code: ErrorCode) -> bytes:
    return head(4, FrameType.RST_STREAM, 0, stream) + _WORD.pack(code)


def ping(opaque: bytes, *, ack: bool = False) -> bytes:
    return head(8, FrameType.PING, Flags.ACK if ack else 0, 0) + opaque


def goaway(last_stream: int, code: ErrorCode, debug: bytes = b"") -> bytes:
    payload = _GOAWAY.pack(last_stream, code) + debug
    return head(len(payload), FrameType.GOAWAY, 0, 0) + payload


def window_update(stream: int, increment: int) -> bytes:
    return head(4, FrameType.WINDOW_UPDATE, 0, stream) + _WORD.pack(increment)


SETTINGS_ACK: Final = head(0, FrameType.SETTINGS, Flags.ACK, 0)


# What a frame of the peer holds. All raise Violation for one of another size, or misplaced.


def read_settings(flags: int, number: int, payload: bytes) -> list[tuple[int, int]] | None:
    """The settings (§6.5); None for an acknowledgement of ours."""
    _require_connection(number)
    if len(payload) % 6 or (flags & Flags.ACK and payload):
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS of no settings' size")
    return None if flags & Flags.ACK else list(_SETTING.iter_unpack(payload))


def read_ping(number: int, payload: bytes) -> bytes:
    """The eight bytes (§6.7)."""
    _require_connection(number)
    if len(payload) != 8:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "PING is not eight bytes")
    return payload


def read_goaway(number: int, payload: bytes) -> tuple[int, int, bytes]:
    """The last stream that counts, the error, and what is said about it (§6.8)."""
    _require_connection(number)
    if len(payload) < 8:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY is under eight bytes")
    last, code = _read_goaway(payload)
    return last & MAX_STREAM_ID, code, payload[8:]


def read_reset(payload: bytes) -> int:
    """The error (§6.4)."""
    if len(payload) != 4:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM is not four bytes")
    code: int = _read_word(payload)[0]
    return code


def read_window_update(payload: bytes) -> int:
    """The increment (§6.9), which may be an erroneous 0."""
    if len(payload) != 4:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE is not four bytes")
    increment: int = _read_word(payload)[0] & MAX_WINDOW
    return increment


def check_priority(number: int, payload: bytes) -> None:
    """What it says does not matter (§5.3.2), where it stands does (§6.3)."""
    if not number:
        raise Violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY of no stream")
    if len(payload) != 5:
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY is not five bytes")


def unpadded(payload: bytes, flags: int) -> bytes:
    """The payload of DATA or HEADERS without padding (§6.1) and priority (§6.2)."""
    padding = 0
    skipped = 5 if flags & Flags.PRIORITY else 0
    if flags & Flags.PADDED:
        if not payload:
            raise Violation(ErrorCode.FRAME_SIZE_ERROR, "padding of no length")
        padding, payload = payload[0], payload[1:]
    if skipped > len(payload):
        raise Violation(ErrorCode.FRAME_SIZE_ERROR, "a priority that is cut off")
    if padding + skipped > len(payload):
        raise Violation(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
    return payload[skipped : len(payload) - padding]


def _require_connection(number: int) -> None:
    """SETTINGS, PING and GOAWAY belong to no stream."""
    if number:
        raise Violation(ErrorCode.PROTOCOL_ERROR, "a frame of the connection on a stream")
