"""HTTP/1.1 on one connection, without the socket: httptools reads, this answers in order.

    received ──▶ parser ──▶ Exchange, Exchange, … ──▶ site
    write    ◀── first of those that wait, as soon as it is answered

A client may send several requests before it reads an answer (RFC 9112 §9.3.2), though not many: the
link is not read while `MAX_PIPELINED` wait, or while answers are not taken.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

import httptools
from twisted.logger import Logger

from pushd.api.exchange import Client, Fields, Link, Opener, Request, Response, Sink
from pushd.api.limit import LINGER, SLOWEST, Limits
from pushd.api.problem import problem
from pushd.api.site import ApiCounters

MAX_PIPELINED: Final = 16
CHUNK_COST: Final = 8
"""Bytes sent for each byte of a body at most: those of a chunk of one byte (RFC 9112 §7.1)."""
READ: Final = 64 << 10
"""Bytes that arrive at once at most."""
MAX_FIELDS: Final = 100
"""Header lines of a request."""

_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}


class Http1Session:
    """One connection. httptools calls the methods whose names begin with `on_`."""

    def __init__(
        self,
        site: Opener,
        link: Link,
        client: Client,
        *,
        limits: Limits,
        counters: ApiCounters,
        monotonic: Callable[[], float],
        date: Callable[[], bytes],
    ) -> None:
        """`date` gives the value of a Date header."""
        self._site = site
        self._link = link
        self._client = client
        self._limits = limits
        self._counters = counters
        self._monotonic = monotonic
        self._date = date
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Http1Exchange] = deque()
        self._pieces: Iterator[bytes] | None = None  # the rest of the response being written
        self._chunked = False
        self._current: Http1Exchange | None = None  # whose request is being read
        self._in_head = False
        self._since = monotonic()  # since when the phase lasts
        self._body = 0  # bytes of it so far
        self._raw = 0  # with what chunks and trailers add
        self._head = 0
        self._url = b""
        self._fields: list[tuple[str, str]] = []
        self._refusal: Response | None = None
        self._ending = False  # nothing is read any more
        self._ended_at: float | None = None
        self._draining = False
        self._feeding = False

    # What the connection calls.

    def received(self, data: bytes) -> None:
        if self._ending:
            return
        if self._in_head or self._current is None:
            self._head += len(data)
        else:
            self._raw += len(data)
        self._feeding = True  # answers wait: a request that has ended leaves the connection open
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We do not switch (RFC 9110 §7.8), and what follows may be that other protocol.
            self._ending = True
            for exchange in self._waiting:
                exchange.keeps = exchange.keeps and exchange is not self._waiting[-1]
        except httptools.HttpParserCallbackError:
            _log.failure("api: a request failed")
            self._broken(problem(500))
        except httptools.HttpParserError:
            self._broken(problem(400, "BadRequest", "this is no HTTP/1.1"))
        else:
            if self._in_head and self._head > self._limits.max_head:
                self._broken(problem(431, "TooLarge", "the header is too large"))
            elif self._raw > self._limits.max_head + CHUNK_COST * self._body + READ:
                self._broken(problem(400, "BadRequest", "the body is mostly framing"))
        finally:
            self._feeding = False
        self._proceed()

    def resume(self) -> None:
        self._since = self._monotonic()
        self._proceed()

    def sweep(self, now: float) -> None:
        limits = self._limits
        lasted = now - self._since
        if self._ended_at is not None:
            if now - self._ended_at >= LINGER:
                self._link.abort()
        elif not self._link.writable:
            if lasted >= limits.stall_timeout:
                self._time_out()
        elif self._in_head:
            if lasted >= limits.request_timeout:
                self._broken(problem(408, "Timeout", "the request took too long"))
                self._counters.timeouts.inc()
                self._proceed()
        elif self._current is not None:
            if lasted >= limits.request_timeout + self._body / SLOWEST:
                self._time_out()
        elif not self._waiting and lasted >= limits.idle_timeout:
            self._link.finish()
            self._ended_at = now

    def drain(self) -> None:
        self._draining = True
        self._proceed()

    def lost(self) -> None:
        self._ending = True
        waiting, self._waiting = self._waiting, deque()
        self._pieces = None
        for exchange in waiting:
            exchange.lost()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._in_head = True
        self._since = self._monotonic()
        self._url = b""
        self._fields = []
        self._refusal = None
        self._body = self._raw = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._fields) >= MAX_FIELDS:
            self._refusal = problem(431, "TooLarge", f"there are more than {MAX_FIELDS} headers")
            return
        try:
            self._fields.append((name.decode("ascii").lower(), value.decode()))
        except UnicodeDecodeError:
            self._refusal = problem(400, "BadRequest", "a header is not UTF-8")

    def on_headers_complete(self) -> None:
        self._in_head = False
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._fields)
        self._head = 0
        self._counters.requests.inc()
        request, refusal = self._request()
        if size > self._limits.max_head:
            refusal = problem(431, "TooLarge", "the header is too large")
        refusal = self._refusal or refusal
        parser = self._parser
        keeps = parser.should_keep_alive() and len(self._waiting) < 4 * MAX_PIPELINED
        old = parser.get_http_version() == "1.0"
        exchange = Http1Exchange(self, request, keeps=keeps, old=old)
        self._waiting.append(exchange)
        self._current = exchange
        if refusal is not None:
            exchange.keeps = False
            exchange.respond(refusal)
            return
        if self._ending:
            return
        exchange.sink = self._site.open(exchange)
        expects = request.headers.get("expect", "").lower() == "100-continue"
        if expects and exchange.response is None and self._waiting[0] is exchange:
            self._link.write(_CONTINUE)

    def on_body(self, data: bytes) -> None:
        exchange = self._current
        self._body += len(data)
        if exchange is not None and exchange.sink is not None and exchange.response is None:
            exchange.sink.received(data)

    def on_message_complete(self) -> None:
        exchange, self._current = self._current, None
        self._since = self._monotonic()
        self._head = 0
        if exchange is None:
            return
        exchange.complete = True
        if exchange.sink is not None and exchange.response is None:
            exchange.sink.ended()

    # Our own.

    def _request(self) -> tuple[Request, Response | None]:
        headers: dict[str, str] = {}
        repeated = set()
        for name, value in self._fields:
            if name in headers:
                repeated.add(name)
                headers[name] += f", {value}"
            else:
                headers[name] = value
        refusal = None
        target = self._url.decode("latin-1")
        absolute = _ABSOLUTE.match(target)
        if absolute is not None:
            target = target[absolute.end() :] or "/"
        path, _, query = target.partition("?")
        if not path.startswith("/"):
            refusal = problem(400, "BadRequest", "the target is no path")
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            refusal = problem(505, "Version", "speak HTTP/1.1 or HTTP/2")
        elif version == "1.1" and ("host" not in headers or "host" in repeated):
            refusal = problem(400, "BadRequest", "there is not one Host header")  # RFC 9112 §3.2
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=query,
            headers=headers,
            repeated=frozenset(repeated),
            client=self._client,
        )
        return request, refusal

    def answered(self, exchange: Http1Exchange) -> None:
        """One of those that wait has been answered."""
        if not self._feeding and self._waiting and self._waiting[0] is exchange:
            self._proceed()

    def _proceed(self) -> None:
        """Write what there is to write, in order, as long as the client takes it."""
        while self._link.writable and self._ended_at is None:
            if self._pieces is not None:
                self._write_piece(self._pieces)
                continue
            if not self._waiting or self._waiting[0].response is None:
                break
            exchange = self._waiting.popleft()
            if exchange.response is not None:
                self._write(exchange, exchange.response)
        if self._draining and not self._waiting and self._pieces is None and not self._ended_at:
            self._end()
        idle = len(self._waiting) < MAX_PIPELINED and self._link.writable
        self._link.read(idle or self._ended_at is not None)

    def _write(self, exchange: Http1Exchange, response: Response) -> None:
        self._since = self._monotonic()
        if response.status >= 400:
            self._counters.errors.inc()
        # What is left of the request's body would be read for nothing.
        last = not self._waiting and (self._draining or self._ending)
        keeps = exchange.keeps and exchange.complete and not last
        body = response.body
        if not isinstance(body, bytes) and exchange.old:
            body = b"".join(body)
        head = [_LINES[response.status], b"date: ", self._date(), b"\r\n"]
        head += _field_lines(response.headers)
        head += _field_lines(response.own)
        if not keeps:
            head.append(b"connection: close\r\n")
        elif exchange.old:
            head.append(b"connection: keep-alive\r\n")
        bodiless = exchange.request.method == "HEAD"
        if isinstance(body, bytes):
            head.append(b"content-length: %d\r\n\r\n" % len(body))
            if not bodiless:
                head.append(body)
        else:
            head.append(b"transfer-encoding: chunked\r\n\r\n")
            self._pieces = None if bodiless else body
        self._link.write(b"".join(head))
        if not keeps:
            self._end_reading()
            if self._pieces is None:
                self._end()

    def _write_piece(self, pieces: Iterator[bytes]) -> None:
        piece = next(pieces, b"")
        self._link.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if not piece:
            self._pieces = None
            if self._ending:
                self._end()

    def _broken(self, response: Response) -> None:
        """What came cannot be answered in its place: answer once more, and close."""
        self._ending = True
        self._in_head = False
        self._counters.abuse.inc()
        exchange, self._current = self._current, None
        if exchange is None:
            exchange = Http1Exchange(self, _NOBODYS, keeps=False, old=False)
            self._waiting.append(exchange)
        elif exchange.sink is not None and exchange.response is None:
            exchange.sink.lost()
        exchange.keeps = False
        exchange.respond(response)

    def _end_reading(self) -> None:
        self._ending = True
        for exchange in self._waiting:
            exchange.lost()
        self._waiting.clear()

    def _end(self) -> None:
        self._ending = True
        self._ended_at = self._monotonic()
        self._link.read(True)  # so that we see it close
        self._link.finish()

    def _time_out(self) -> None:
        self._counters.timeouts.inc()
        self._link.abort()


_NOBODYS: Final = Request(method="GET", path="/", query="", headers={}, client=Client(address=""))
"""The request of a client that made none."""


class Http1Exchange:
    """One request."""

    __slots__ = ("_session", "complete", "keeps", "old", "request", "response", "sink")

    def __init__(self, session: Http1Session, request: Request, *, keeps: bool, old: bool) -> None:
        self._session = session
        self.request = request
        self.keeps = keeps
        """Whether the connection may live on."""
        self.old = old
        """HTTP/1.0"""
        self.complete = False
        """The body has been read."""
        self.response: Response | None = None
        self.sink: Sink | None = None

    def respond(self, response: Response) -> None:
        if self.response is None:
            self.response = response
            self._session.answered(self)

    def lost(self) -> None:
        if self.response is None:
            self.response = _GONE
            if self.sink is not None:
                self.sink.lost()


_GONE: Final = Response(status=500)


def _field_lines(fields: Fields) -> list[bytes]:
    return [f"{name}: {value}\r\n".encode() for name, value in fields]


_log = Logger()
