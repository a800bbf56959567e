"""Events on their way to one reader, as far as it reads them.

What it has not read yet waits in memory, up to a bound. Beyond that the reader is told, and
dropped: it may come back, and see how things are by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from ops.web.route import END, encoded

MAX_WAITING = 256 << 10
"""Bytes that wait for a reader: about a thousand events."""
HEARTBEAT = 20.0
"""Seconds between signs of life to a browser: proxies cut what is silent for a minute."""
DROPPED = {"event": "dropped", "why": "the reader is too slow; read faster, or connect anew"}


@implementer(IPushProducer)
class Stream:
    """Writes to a `twisted.web.http.Request` until that, or the reader, is done."""

    def __init__(
        self, request: Any, form: Literal["ndjson", "sse"], call_later: Callable[..., Any]
    ) -> None:
        self._request = request
        self._form = form
        self._call_later = call_later
        self._waiting: list[bytes] = []
        self._size = 0
        self._is_paused = False
        self._is_over = False
        self._beat: Any = None
        self._end: Callable[[], None] | None = None

    def start(self, subscribe: Callable[[Callable[[object], None]], Callable[[], None]]) -> None:
        """Headers are set by now; they leave at once."""
        self._request.registerProducer(self, True)
        self._request.notifyFinish().addBoth(lambda _: self._close())
        self._write(b": here we go\n\n" if self._form == "sse" else b"")
        self._schedule()
        end = subscribe(self.tell)
        if self._is_over:  # by what came at once
            end()
        else:
            self._end = end

    def tell(self, value: object) -> None:
        """One event, or END."""
        if self._is_over:
            return
        if value is END:
            self._finish()
            return
        line = encoded(value)
        self._write(b"data: " + line + b"\n\n" if self._form == "sse" else line + b"\n")
        if self._size > MAX_WAITING:
            self._drop()

    def _write(self, data: bytes) -> None:
        if self._is_paused:
            self._waiting.append(data)
            self._size += len(data)
        else:
            self._request.write(data)

    def _drop(self) -> None:
        request = self._request
        self._waiting.clear()
        line = encoded(DROPPED)
        request.write(b"data: " + line + b"\n\n" if self._form == "sse" else line + b"\n")
        self._finish()

    def _finish(self) -> None:
        waiting = b"".join(self._waiting)
        self._close()
        request = self._request
        channel = request.channel
        if waiting:
            request.write(waiting)
        request.unregisterProducer()
        request.finish()
        channel.drop()

    def _schedule(self) -> None:
        if self._form == "sse":
            self._beat = self._call_later(HEARTBEAT, self._heartbeat)

    def _heartbeat(self) -> None:
        if not self._is_paused:
            self._request.write(b":\n\n")
        self._schedule()

    def _close(self) -> None:
        self._is_over = True
        self._waiting.clear()
        if self._beat is not None and self._beat.active():
            self._beat.cancel()
        end, self._end = self._end, None
        if end is not None:
            end()

    # IPushProducer

    def pauseProducing(self) -> None:
        self._is_paused = True

    def resumeProducing(self) -> None:
        self._is_paused = False
        if self._waiting and not self._is_over:
            data, self._waiting, self._size = b"".join(self._waiting), [], 0
            self._request.write(data)

    def stopProducing(self) -> None:
        self._close()
