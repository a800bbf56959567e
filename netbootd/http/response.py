"""Responses: what goes to the client, as bytes to send and spans of an open file.

    200, 206       head, span
    multipart 206  head + part header, span; then, `later`: part header, span; ...; end
    the rest       head and, but for HEAD, a short text

Nothing is chunked, encoded or redirected, ever: the reader may be a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from netbootd.http.byterange import Span, byte_spans
from netbootd.http.files import PublishedFile
from netbootd.http.precondition import failed_precondition, http_date, range_applies
from netbootd.http.request import Request
from netbootd.http.status import status_line

Segment = tuple[bytes, int, int]
"""Bytes to send, and after them the bytes `start` up to `end` of the file."""


class Response:
    """What is left to be sent of one response; whoever sends it takes away what has gone.

    First `head`, then the bytes `position` up to `end` of `file`, then the segments `later`.
    """

    __slots__ = ("close", "end", "file", "file_fd", "head", "later", "position", "status")

    def __init__(
        self,
        status: HTTPStatus,
        close: bool,
        head: bytes,
        file: PublishedFile | None = None,
        position: int = 0,
        end: int = 0,
        later: Sequence[Segment] = (),
    ) -> None:
        self.status = status
        self.close = close
        """Whether the connection ends with this response."""
        self.head = head
        self.file = file
        """None where no byte of a file is sent."""
        self.file_fd = -1 if file is None else file.fd
        self.position = position
        self.end = end
        self.later = later
        """In the order of sending."""

    def next_segment(self) -> None:
        """Go on to the first of `later`."""
        (self.head, self.position, self.end), *self.later = self.later


_OK = status_line(HTTPStatus.OK)
_PARTIAL = status_line(HTTPStatus.PARTIAL_CONTENT)


class Responder:
    """Makes the responses of one service."""

    def __init__(self, *, utc: Callable[[], float], boundary: bytes) -> None:
        """`utc` gives POSIX seconds; `boundary` (RFC 2046, 5.1.1) must occur in no file."""
        self._utc = utc
        self._boundary = boundary
        self._common = b""
        self._common_until = 0.0

    def respond(
        self, request: Request, range_field: bytes | None, file: PublishedFile, now: float
    ) -> Response:
        """The response to a request for `file`. `now`, here and below, is monotonic."""
        if request.conditional:
            utc = self._utc()
            failed = failed_precondition(request, file.tag, file.modified, utc)
            if failed is HTTPStatus.NOT_MODIFIED:
                return self._not_modified(request, file, now)
            if failed is not None:
                return self.refuse(failed, now, request=request)
            if not range_applies(request, file.tag, file.modified, utc):
                range_field = None
        # RFC 9110, 14.2: Range means something with GET only.
        if range_field is None or request.head_only:
            return self._whole(request, file, now)
        spans = byte_spans(range_field, file.size)
        if spans is None:
            return self._whole(request, file, now)
        if len(spans) == 1:
            return self.part(request, file, *spans[0], now)
        if spans:
            return self._parts(request, file, spans, now)
        return self.refuse(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            now,
            request=request,
            fields=b"Accept-Ranges: bytes\r\nContent-Range: bytes */%d\r\n" % file.size,
        )

    def part(
        self, request: Request, file: PublishedFile, start: int, end: int, now: float
    ) -> Response:
        """The response with the bytes `start` up to `end` of `file`, which it has."""
        if now >= self._common_until:
            self._renew_common(now)
        if file.part_of is not self._common:  # once a second
            file.part_of = self._common
            file.part_head = _PARTIAL + self._common + file.described
        head = b"%bContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n%b\r\n" % (
            file.part_head,
            end - start,
            start,
            end - 1,
            file.size,
            request.connection,
        )
        return Response(HTTPStatus.PARTIAL_CONTENT, not request.keep_alive, head, file, start, end)

    def refuse(
        self,
        status: HTTPStatus,
        now: float,
        *,
        request: Request | None = None,
        fields: bytes = b"",
    ) -> Response:
        """An error; without `request` (it could not be read) the connection ends."""
        text = b"%d %s\n" % (status.value, status.phrase.encode())
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            fields += b"Allow: GET, HEAD\r\n"  # RFC 9110, 15.5.6
        head = b"%b%b%bContent-Type: text/plain\r\nContent-Length: %d\r\n%b\r\n" % (
            status_line(status),
            self._date_and_server(now),
            fields,
            len(text),
            request.connection if request else b"Connection: close\r\n",
        )
        if not (request and request.head_only):
            head += text
        return Response(status, not (request and request.keep_alive), head)

    def _whole(self, request: Request, file: PublishedFile, now: float) -> Response:
        head = b"%b%b%bContent-Length: %d\r\n%b\r\n" % (
            _OK,
            self._date_and_server(now),
            file.described,
            file.size,
            request.connection,
        )
        if request.head_only:
            return Response(HTTPStatus.OK, not request.keep_alive, head)
        return Response(HTTPStatus.OK, not request.keep_alive, head, file, 0, file.size)

    def _parts(
        self, request: Request, file: PublishedFile, spans: Sequence[Span], now: float
    ) -> Response:
        separators = [
            b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n"
            % (self._boundary, file.media, start, end - 1, file.size)
            for start, end in spans
        ]
        closing = b"\r\n--%b--\r\n" % self._boundary
        length = sum(map(len, separators)) + len(closing) + sum(end - at for at, end in spans)
        head = (
            b"%b%bContent-Type: multipart/byteranges; boundary=%b\r\nAccept-Ranges: bytes\r\n"
            b"%bContent-Length: %d\r\n%b\r\n"
        ) % (
            _PARTIAL,
            self._date_and_server(now),
            self._boundary,
            file.validators,
            length,
            request.connection,
        )
        segments = [(separator, *span) for separator, span in zip(separators, spans, strict=True)]
        return Response(
            HTTPStatus.PARTIAL_CONTENT,
            not request.keep_alive,
            head + separators[0],
            file,
            *spans[0],
            (*segments[1:], (closing, 0, 0)),
        )

    def _not_modified(self, request: Request, file: PublishedFile, now: float) -> Response:
        head = b"%b%b%b%b\r\n" % (
            status_line(HTTPStatus.NOT_MODIFIED),
            self._date_and_server(now),
            file.validators,
            request.connection,
        )
        return Response(HTTPStatus.NOT_MODIFIED, not request.keep_alive, head)

    def _date_and_server(self, now: float) -> bytes:
        if now >= self._common_until:
            self._renew_common(now)
        return self._common

    def _renew_common(self, now: float) -> None:
        """Once a second: what all responses of that second have in common."""
        utc = self._utc()
        self._common = b"Date: %b\r\nServer: netbootd\r\n" % http_date(utc // 1)
        self._common_until = now + 1 - utc % 1
