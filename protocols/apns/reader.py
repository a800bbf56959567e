"""The peer's bytes, cut into HTTP/2 frames.

    bytes ──▶ FrameReader ──▶ (type, flags, stream, payload)

What comes out is framed by the rules of RFC 9113 §4: SETTINGS first, no frame above the size that
we take, header blocks whole (HEADERS joined with its CONTINUATIONs, without padding and priority).
What frames mean is the engine's business. It keeps a frame and a header block at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocols.apns.frame import (
    HEADER_SIZE,
    MAX_FRAME_SIZE,
    MAX_STREAM_ID,
    ErrorCode,
    Flags,
    FrameType,
    Violation,
    read_head,
    unpadded,
)

MAX_BLOCK: Final = 16384
"""Bytes of a header block in all its frames: Apple announces 8,000 for ours."""
MAX_FRAMES: Final = 10_000
"""Frames in a second that nothing was sent for: six for each stream that may be under way. More is
a flood, whatever they are, and 2 % of a core."""
FRAMES_PER_PUSH: Final = 8
"""Frames that a push may add to them: an answer takes two, windows another two."""

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream, payload."""

_HEADERS: Final = int(FrameType.HEADERS)
_UNUSUAL: Final = Flags.PADDED | Flags.PRIORITY


class FrameReader:
    """One direction of a connection."""

    __slots__ = ("_block", "_calm", "_count", "_expects", "_rest")

    def __init__(self, now: float) -> None:
        self._count = 0
        """Frames read so far."""
        self._calm = now, 0, 0
        """A time, the frames read and the pushes sent then."""
        self._rest = b""
        self._expects: FrameType | None = FrameType.SETTINGS
        """What the next frame is to be; None: anything but CONTINUATION."""
        self._block: tuple[int, int, bytes] = (0, 0, b"")
        """Flags, stream and bytes of the header block that is being continued."""

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with `data`. Raises Violation behind those before it."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= HEADER_SIZE:
            high, low, kind, flags, number = read_head(data, at)
            after = at + HEADER_SIZE + (high << 8 | low)
            if after > at + HEADER_SIZE + MAX_FRAME_SIZE:
                raise Violation(ErrorCode.FRAME_SIZE_ERROR, "a frame above 16,384 bytes")
            if after > end:
                break
            payload = data[at + HEADER_SIZE : after]
            at = after
            number &= MAX_STREAM_ID
            self._count += 1
            if self._expects is not None:
                self._require_expected(kind, flags, number)
            if kind == _HEADERS:
                if flags & _UNUSUAL:
                    payload = unpadded(payload, flags)
                if not flags & Flags.END_HEADERS:
                    if not number:
                        raise Violation(ErrorCode.PROTOCOL_ERROR, "HEADERS of no stream")
                    self._expects = FrameType.CONTINUATION
                    self._block = flags, number, payload
                    continue
            elif kind == FrameType.CONTINUATION:
                whole = self._continued(flags, number, payload)
                if whole is None:
                    continue
                kind, flags, number, payload = whole
            yield kind, flags, number, payload
        self._rest = data[at:]

    def require_calm(self, now: float, pushes: int) -> None:
        """`pushes` are those that were sent so far. Raises Violation in a flood of frames."""
        since, read, sent = self._calm
        frames = self._count - read
        if frames <= MAX_FRAMES:
            return
        if now >= since + 1:
            self._calm = now, self._count, pushes
        elif frames > MAX_FRAMES + FRAMES_PER_PUSH * (pushes - sent):
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "a flood of frames")

    def _require_expected(self, kind: int, flags: int, number: int) -> None:
        if self._expects is FrameType.SETTINGS:  # §3.4
            if kind != FrameType.SETTINGS or flags & Flags.ACK:
                raise Violation(ErrorCode.PROTOCOL_ERROR, "it does not begin with SETTINGS")
            self._expects = None
        elif kind != FrameType.CONTINUATION or number != self._block[1]:  # §6.10
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")

    def _continued(self, flags: int, number: int, payload: bytes) -> Frame | None:
        """The header block, if it is whole."""
        if self._expects is None:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a header block is continued that is none")
        first, _, begun = self._block
        block = begun + payload
        if len(block) > MAX_BLOCK or not (payload or flags & Flags.END_HEADERS):
            raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")
        if not flags & Flags.END_HEADERS:
            self._block = first, number, block
            return None
        self._expects = None
        self._block = (0, 0, b"")
        return _HEADERS, first | Flags.END_HEADERS, number, block
