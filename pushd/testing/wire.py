"""Bytes of HTTP/2 connections, as far as faults need them: where frames end, and two frames.

Everything that is done by the book is done by h2. What h2 would rather not do is done here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hyperframe.frame import GoAwayFrame, SettingsFrame

from pushd.testing.conduct import Conduct, CutAt
from pushd.testing.rule import GoAway

PREFACE: Final = 24
"""Bytes before a client's first frame."""
HEADER: Final = 9
MAX_STREAM: Final = 0x7FFFFFFF

_PING: Final = 0x6
_ACK: Final = 0x1

MAX_CONCURRENT_STREAMS: Final = 0x3


def settings_of(conduct: Conduct, streams: int) -> dict[int, int]:
    """What SETTINGS say at first."""
    return {
        SettingsFrame.HEADER_TABLE_SIZE: conduct.table_size,
        MAX_CONCURRENT_STREAMS: streams,
        SettingsFrame.INITIAL_WINDOW_SIZE: conduct.window,
        SettingsFrame.MAX_FRAME_SIZE: 16384,
        SettingsFrame.MAX_HEADER_LIST_SIZE: conduct.header_list,
    }


def settings_frame(settings: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return SettingsFrame(0, settings=settings).serialize()


def goaway_frame(going: GoAway, last_stream: int) -> bytes:
    """A GOAWAY frame."""
    return GoAwayFrame(
        0, last_stream_id=last_stream, error_code=going.code, additional_data=going.data
    ).serialize()


def without_pongs(data: bytes) -> bytes:
    """Whole frames without acknowledgements of PING."""
    return b"".join(
        frame for frame in frames_in(data) if not (frame[3] == _PING and frame[4] & _ACK)
    )


def frames_in(data: bytes) -> Iterator[bytes]:
    """The frames that `data` consists of."""
    at = 0
    while at < len(data):
        end = at + HEADER + int.from_bytes(data[at : at + 3], "big")
        yield data[at:end]
        at = end


class Gauge:
    """Counts what passes, until it is time to cut."""

    def __init__(self, cut: CutAt, *, preface: bool) -> None:
        """`preface`: the bytes begin by a client's, which counts as a frame."""
        self.is_shut = cut.count == 0
        self.abort = cut.abort
        self._left = cut.count
        self._counts_bytes = cut.unit == "bytes"
        self._rest = PREFACE if preface else 0
        self._header = b""

    def admit(self, data: bytes) -> bytes:
        """What of `data` may still pass; `is_shut` if that was the last."""
        if self.is_shut:
            return b""
        if self._counts_bytes:
            passed = data[: self._left]
            self._left -= len(passed)
            self.is_shut = self._left == 0
            return passed
        at = 0
        while at < len(data) and not self.is_shut:
            at = self._step(data, at)
        return data[:at]

    def _step(self, data: bytes, at: int) -> int:
        """Go on to the end of a frame's header, of its payload or of `data`."""
        if self._rest:
            taken = min(self._rest, len(data) - at)
            self._rest -= taken
            at += taken
        else:
            taken = min(HEADER - len(self._header), len(data) - at)
            self._header += data[at : at + taken]
            at += taken
            if len(self._header) < HEADER:
                return at
            self._rest = int.from_bytes(self._header[:3], "big")
            self._header = b""
        if not self._rest:
            self._left -= 1
            self.is_shut = self._left == 0
        return at
