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


_HEADER: Final = struct.Struct("!HBBBL")
_SETTING: Final = struct.Struct("!HL")
_WORD: Final = struct.Struct("!L")
_GOAWAY: Final = struct.Struct("!LL")

read_word: Final = _WORD.unpack_from
read_goaway: Final = _GOAWAY.unpack_from


def head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The nine bytes before a payload of `length` bytes, 0 to 2**24 - 1."""
    return _HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream)


def settings(values: Iterable[tuple[int, int]]) -> bytes:
    payload = b"".join(_SETTING.pack(setting, value) for setting, value in values)
    return head(len(payload), FrameType.SETTINGS, 0, 0) + payload


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings in a payload whose length is a multiple of six."""
    return list(_SETTING.iter_unpack(payload))


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
