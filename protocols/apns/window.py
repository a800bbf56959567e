"""Flow control of what we send (RFC 9113 §5.2): bodies that wait for the peer's windows.

A body that fits both windows is written by the engine at once and known here by `connection` alone;
one that does not waits here, and goes as far as the windows let. There is hardly more than one: the
engine opens no stream while one waits.
"""

from __future__ import annotations

from typing import Final

from protocols.apns import frame
from protocols.apns.frame import (
    DEFAULT_WINDOW,
    MAX_FRAME_SIZE,
    MAX_WINDOW,
    ErrorCode,
    Flags,
    FrameType,
    Violation,
)


class _Body:
    """What of a request's body is not sent yet, and the window of its stream."""

    __slots__ = ("rest", "window")

    def __init__(self, rest: bytes, window: int) -> None:
        self.rest = rest
        self.window = window


class SendWindows:
    """The peer's windows, of the connection and of its streams."""

    __slots__ = ("_initial", "_output", "at_once", "connection", "waiting")

    def __init__(self, output: list[bytes]) -> None:
        """DATA is written to `output`."""
        self._output: Final = output
        self._initial = DEFAULT_WINDOW
        self.connection = DEFAULT_WINDOW
        """Bytes that may be sent on the connection."""
        self.at_once = MAX_FRAME_SIZE
        """Bytes that may be sent in a new stream's first frame, as far as the stream goes."""
        self.waiting: dict[int, _Body] = {}

    def begin(self, number: int, body: bytes) -> None:
        """Send as much of the body of stream `number` as may be; the rest follows."""
        waiting = _Body(body, self._initial)
        self.waiting[number] = waiting
        self._send(number, waiting)

    def resize(self, initial: int) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE: what is open changes too, perhaps to below nothing
        (§6.9.2). Call `send` after it. Raises Violation."""
        if initial > MAX_WINDOW:
            raise Violation(ErrorCode.FLOW_CONTROL_ERROR, f"a window of {initial} bytes")
        for body in self.waiting.values():
            body.window = _widened(body.window, initial - self._initial)
        self._initial = initial
        self.at_once = min(initial, MAX_FRAME_SIZE)

    def widen(self, increment: int) -> None:
        """WINDOW_UPDATE of the connection. Raises Violation."""
        _require_something(increment)
        self.connection = _widened(self.connection, increment)
        if self.waiting:
            self.send()

    def widen_stream(self, number: int, increment: int) -> None:
        """WINDOW_UPDATE of a stream. Raises Violation, which is the stream's alone. A body that is
        sent needs no window: how wide that gets is not looked at."""
        _require_something(increment)
        body = self.waiting.get(number)
        if body is not None:
            body.window = _widened(body.window, increment)
            self._send(number, body)

    def send(self) -> None:
        """Send what the windows let."""
        for number, body in list(self.waiting.items()):
            self._send(number, body)

    def _send(self, number: int, body: _Body) -> None:
        while body.rest:
            size = min(len(body.rest), self.connection, body.window, MAX_FRAME_SIZE)
            if size <= 0:
                return
            part, body.rest = body.rest[:size], body.rest[size:]
            self.connection -= size
            body.window -= size
            flags = 0 if body.rest else Flags.END_STREAM
            self._output.extend((frame.head(size, FrameType.DATA, flags, number), part))
        del self.waiting[number]


def _widened(window: int, by: int) -> int:
    if window + by > MAX_WINDOW:
        raise Violation(ErrorCode.FLOW_CONTROL_ERROR, "a window wider than 2**31 - 1")
    return window + by


def _require_something(increment: int) -> None:
    if not increment:  # §6.9
        raise Violation(ErrorCode.PROTOCOL_ERROR, "a window that is widened by nothing")
