"""Responses: what goes to the client, as bytes to send and spans of an open file.

A response is a row of segments; each is some bytes of our own, followed by a span of the file:

    200, 206       (head, start, end)
    multipart 206  (head + part header, start, end) (part header, start, end) ... (end, 0, 0)
    the rest       (head and, but for HEAD, a short text, 0, 0)

Nothing is chunked, encoded or redirected, ever: the reader may be a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

from netbootd.http.byterange import Span, byte_spans
from netbootd.http.files import PublishedFile
from netbootd.http.precondition import failed_precondition, http_date, range_applies
from netbootd.http.request import Request
from netbootd.http.status import status_line

Segment = tuple[bytes, int, int]
"""Bytes to send, then bytes `start` up to `end` of the file; none when both are 0."""


class Response(NamedTuple):
    """A tuple, since one is made for each 4 KiB that a Mac reads: the dataclass costs 1.2 us."""

    status: HTTPStatus
    segments: Sequence[Segment]
    file: PublishedFile | None
    """The file that the spans are of; None where there are none."""
    close: bool
    """Whether the connection ends with this response."""


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

    def respond(self, request: Request, range_field: bytes | None, file: PublishedFile) -> Response:
        """The response to a request for `file`."""
        if request.conditional:
            now = self._utc()
            failed = failed_precondition(request, file.tag, file.modified, now)
            if failed is not None:
                return self._without_content(request, file, failed)
            if not range_applies(request, file.tag, file.modified, now):
                range_field = None
        # RFC 9110, 14.2: Range means something with GET only.
        if range_field is None or request.head_only:
            return self._whole(request, file)
        spans = byte_spans(range_field, file.size)
        if spans is None:
            return self._whole(request, file)
        if len(spans) == 1:
            return self._part(request, file, spans[0])
        return self._parts(request, file, spans) if spans else self._unsatisfiable(request, file)

    def refuse(
        self, status: HTTPStatus, *, request: Request | None = None, fields: bytes = b""
    ) -> Response:
        """An error; without `request` (it could not be read) the connection ends."""
        text = b"%d %s\n" % (status.value, status.phrase.encode())
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            fields += b"Allow: GET, HEAD\r\n"  # RFC 9110, 15.5.6
        connection = request.connection if request else b"Connection: close\r\n"
        head = b"%b%b%bContent-Type: text/plain\r\nContent-Length: %d\r\n%b\r\n" % (
            status_line(status),
            self._date_and_server(),
            fields,
            len(text),
            connection,
        )
        content = b"" if request and request.head_only else text
        close = not (request and request.keep_alive)
        return Response(status, ((head + content, 0, 0),), None, close)

    def _whole(self, request: Request, file: PublishedFile) -> Response:
        head = b"%b%b%bContent-Length: %d\r\n%b\r\n" % (
            _OK,
            self._date_and_server(),
            file.described,
            file.size,
            request.connection,
        )
        end = 0 if request.head_only else file.size
        return Response(HTTPStatus.OK, ((head, 0, end),), file, not request.keep_alive)

    def _part(self, request: Request, file: PublishedFile, span: Span) -> Response:
        start, end = span
        head = b"%b%b%bContent-Length: %d\r\nContent-Range: bytes %d-%d/%d\r\n%b\r\n" % (
            _PARTIAL,
            self._date_and_server(),
            file.described,
            end - start,
            start,
            end - 1,
            file.size,
            request.connection,
        )
        return Response(
            HTTPStatus.PARTIAL_CONTENT, ((head, start, end),), file, not request.keep_alive
        )

    def _parts(self, request: Request, file: PublishedFile, spans: Sequence[Span]) -> Response:
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
            self._date_and_server(),
            self._boundary,
            file.validators,
            length,
            request.connection,
        )
        separators[0] = head + separators[0]
        segments = [(separator, *span) for separator, span in zip(separators, spans, strict=True)]
        segments.append((closing, 0, 0))
        return Response(HTTPStatus.PARTIAL_CONTENT, segments, file, not request.keep_alive)

    def _unsatisfiable(self, request: Request, file: PublishedFile) -> Response:
        return self.refuse(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            request=request,
            fields=b"Accept-Ranges: bytes\r\nContent-Range: bytes */%d\r\n" % file.size,
        )

    def _without_content(
        self, request: Request, file: PublishedFile, status: HTTPStatus
    ) -> Response:
        if status is not HTTPStatus.NOT_MODIFIED:
            return self.refuse(status, request=request)
        head = b"%b%b%b%b\r\n" % (
            status_line(status),
            self._date_and_server(),
            file.validators,
            request.connection,
        )
        return Response(status, ((head, 0, 0),), None, not request.keep_alive)

    def _date_and_server(self) -> bytes:
        """The same bytes for a second."""
        now = self._utc()
        # The first comparison alone would stop the clock for as long as it was set back.
        if not self._common_until - 1 <= now < self._common_until:
            second = now // 1
            self._common = b"Date: %b\r\nServer: netbootd\r\n" % http_date(second)
            self._common_until = second + 1
        return self._common
