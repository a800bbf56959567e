"""One client's side of a connection: bytes in, responses out, no I/O on sockets.

    shell ── received(bytes) ──▶ Conversation ── next_response() ──▶ shell sends it, asks again

Requests are read one at a time: while a response is on its way the shell reads no more, so what a
client can pipeline is what fits into one read. The rest waits in the kernel, and then at the
client.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from images.paths import PathRefused, Refusal
from netbootd.http.files import FRESH, PublishedFile
from netbootd.http.repetition import Repetition
from netbootd.http.request import HEAD_END, Request, read_head
from netbootd.http.response import Response
from netbootd.http.site import Site
from netbootd.http.status import Refused

MAX_LINE = 8192
"""Bytes of a request line (RFC 9112, 3: at least 8,000 should do); names are 1,024 at most."""


_EMPTY_LINES = re.compile(rb"\A(?:\r\n)+")


class Conversation:
    """What one client asks on one connection."""

    __slots__ = (
        "_again",
        "_buffer",
        "_closing",
        "_file",
        "_fresh_until",
        "_name",
        "_peer",
        "_site",
        "requests",
    )

    def __init__(self, site: Site, peer: str) -> None:
        self._site = site
        self._peer = peer
        self._buffer = b""
        self._closing = False
        self._again: Repetition | None = None
        self._name = b""
        self._file: PublishedFile | None = None
        self._fresh_until = 0.0
        self.requests = 0
        """Requests so far, errors included."""

    @property
    def begun(self) -> bool:
        """Whether a part of a request is here."""
        return bool(self._buffer)

    def received(self, data: bytes) -> None:
        """Take what came from the client; at most one read's worth before each response."""
        self._buffer = self._buffer + data if self._buffer else data

    def next_response(self) -> Response | None:
        """The response to the next request; None when more bytes are needed."""
        if not self._buffer:
            return None
        now = self._site.monotonic()
        again, file = self._again, self._file
        if again is not None and file is not None and now < self._fresh_until:
            span = again.span(self._buffer)
            if span is not None and span[0] < span[1] <= file.size:
                self._buffer = b""
                self.requests += 1
                return self._site.responder.part(again.request, file, *span, now)
        if self._closing:
            return None
        response = self._read_and_respond(now)
        if response is not None and response.close:
            self._closing = True
            self._again = None
        return response

    def _read_and_respond(self, now: float) -> Response | None:
        responder = self._site.responder
        try:
            head = self._next_head()
            if head is None:
                return None
            self.requests += 1
            request, range_field = read_head(head)
        except Refused as refused:
            return responder.refuse(refused.status, now)
        if request.refused is not None:
            return responder.refuse(request.refused.status, now, request=request)
        try:
            file = self._file_for(request, now)
        except PathRefused as refused:
            name = request.name.decode()
            self._site.observer.missing(self._site.service, self._peer, name, str(refused))
            status = _STATUS.get(refused.reason, HTTPStatus.NOT_FOUND)
            return responder.refuse(status, now, request=request)
        self._again = Repetition.of(request, head)
        return responder.respond(request, range_field, file, now)

    def timed_out(self) -> Response:
        """What a client is told that did not complete its request in time."""
        self._closing = True
        self._again = None
        now = self._site.monotonic()
        return self._site.responder.refuse(HTTPStatus.REQUEST_TIMEOUT, now)

    def rest(self) -> None:
        """Let go of the file if it has not been asked for lately."""
        if self._file is not None and self._site.monotonic() >= self._fresh_until:
            self._release()

    def close(self) -> None:
        """The connection is gone."""
        self._closing = True
        self._buffer = b""
        self._release()

    def _release(self) -> None:
        file, self._file, self._again = self._file, None, None
        if file is not None:
            self._site.files.release(file)

    def _next_head(self) -> bytes | None:
        buffer = self._buffer
        if buffer.startswith(b"\r\n"):
            # RFC 9112, 2.2: empty lines before a request are to be ignored.
            self._buffer = buffer = _EMPTY_LINES.sub(b"", buffer, count=1)
        end = buffer.find(HEAD_END) + len(HEAD_END)
        complete = end >= len(HEAD_END)
        head = buffer[:end] if complete else buffer
        if len(head) > self._site.limits.max_request:
            raise _too_large(head)
        # Whoever ends lines with LF alone would otherwise wait until the time is out.
        if head.count(b"\n") != head.count(b"\r\n"):
            raise Refused(HTTPStatus.BAD_REQUEST, "lines end with CR LF")
        if not complete:
            return None
        self._buffer = buffer[end:]
        return head

    def _file_for(self, request: Request, now: float) -> PublishedFile:
        file = self._file
        if file is not None and now < self._fresh_until and request.name == self._name:
            return file
        leased = self._site.files.lease(request.name, self._peer)
        self._release()
        self._file = leased
        self._name = request.name
        self._fresh_until = now + FRESH
        return leased


# The rest is 404: whether a file is missing, disabled or has such a name is nobody's business.
_STATUS = {
    Refusal.UNREADABLE: HTTPStatus.FORBIDDEN,
    Refusal.TOO_LONG: HTTPStatus.REQUEST_URI_TOO_LONG,
}


def _too_large(buffer: bytes) -> Refused:
    line = buffer.find(b"\r\n")
    if line < 0 or line > MAX_LINE:
        return Refused(HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long")
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the header is too large")
