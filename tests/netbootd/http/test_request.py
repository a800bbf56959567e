"""Heads of requests."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from netbootd.http.request import read_head
from netbootd.http.status import Refused

START = b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\n"


def test_plain_request() -> None:
    """A request with nothing special asks for the whole file and keeps the connection."""
    request, range_field = read_head(START + b"\r\n")

    assert (request.name, range_field) == (b"A.nbi/x", None)
    assert (request.head_only, request.keep_alive, request.connection) == (False, True, b"")
    assert not request.conditional
    assert request.refused is None


def test_fields() -> None:
    """Field names have no case, values no space around them, and lists may take several lines."""
    request, range_field = read_head(
        START + b'rAnGe:  bytes=0-1 \t\r\nif-none-match: "a"\r\nIf-None-Match:"b"\r\n'
        b"If-Modified-Since: now\r\nIF-RANGE:x\r\n\r\n"
    )

    assert range_field == b"bytes=0-1"
    assert request.conditional
    assert request.if_none_match == b'"a", "b"'
    assert (request.if_modified_since, request.if_range) == (b"now", b"x")
    assert (request.if_match, request.if_unmodified_since) == (None, None)


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive", "answer"),
    [
        (b"1.1", b"", True, b""),
        (b"1.1", b"Connection: keep-alive\r\n", True, b""),
        (b"1.1", b"Connection: Close\r\n", False, b"Connection: close\r\n"),
        (b"1.1", b"Connection: keep-alive, close\r\n", False, b"Connection: close\r\n"),
        (b"1.1", b"Connection: TE\r\nConnection: close\r\n", False, b"Connection: close\r\n"),
        (b"1.2", b"", True, b""),
        (b"1.0", b"", False, b"Connection: close\r\n"),
        (b"1.0", b"Connection: Keep-Alive\r\n", True, b"Connection: keep-alive\r\n"),
        (b"1.0", b"Connection: keep-alive, close\r\n", False, b"Connection: close\r\n"),
        (b"1.1", b"Connection: upgrade\r\nUpgrade: h2c\r\n", True, b""),
    ],
)
def test_persistence(version: bytes, connection: bytes, keep_alive: bool, answer: bytes) -> None:
    """HTTP/1.1 stays unless told otherwise, HTTP/1.0 goes unless told otherwise."""
    head = b"GET /A.nbi/x HTTP/%b\r\nHost: boot\r\n%b\r\n" % (version, connection)

    request, _ = read_head(head)

    assert (request.keep_alive, request.connection) == (keep_alive, answer)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        # methods
        (b"POST /A.nbi/x HTTP/1.1\r\nHost: boot\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: boot\r\n\r\n", 405),
        (b"CONNECT boot:80 HTTP/1.1\r\nHost: boot\r\n\r\n", 405),
        (b"TRACE /A.nbi/x HTTP/1.1\r\nHost: boot\r\n\r\n", 405),
        # targets
        (b"GET /A.nbi/../x HTTP/1.1\r\nHost: boot\r\n\r\n", 400),
        (b"HEAD / HTTP/1.1\r\nHost: boot\r\n\r\n", 404),
        (b"GET * HTTP/1.1\r\nHost: boot\r\n\r\n", 400),
    ],
)
def test_refused_but_understood(head: bytes, status: int) -> None:
    """A request that is refused for what it asks leaves the connection as it was."""
    request, _ = read_head(head)

    assert request.refused is not None
    assert request.refused.status is HTTPStatus(status)
    assert request.keep_alive


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /A.nbi/x\r\n\r\n", 505),  # HTTP/0.9 with something after it
        (b"GET /A.nbi/x HTTP/2.0\r\nHost: boot\r\n\r\n", 505),
        (b"GET /A.nbi/x HTTP/0.9\r\nHost: boot\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\n", 400),
        (b"GET /A.nbi/x HTTP/1.10\r\nHost: boot\r\n\r\n", 400),
        (b"GET /A.nbi/x http/1.1\r\nHost: boot\r\n\r\n", 400),
        (b"GET /A.nbi/x y HTTP/1.1\r\nHost: boot\r\n\r\n", 400),
        (b"GET /A.nbi/\xc3\x84 HTTP/1.1\r\nHost: boot\r\n\r\n", 400),
        (b"FROBNICATE /A.nbi/x HTTP/1.1\r\nHost: boot\r\n\r\n", 501),
        (b"get /A.nbi/x HTTP/1.1\r\nHost: boot\r\n\r\n", 501),
        # Host (RFC 9112, 3.2)
        (b"GET /A.nbi/x HTTP/1.1\r\n\r\n", 400),
        (START + b"Host: boot\r\n\r\n", 400),
        (b"GET /A.nbi/x HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /A.nbi/x HTTP/1.0\r\nHost: a/b\r\n\r\n", 400),
        # bodies
        (START + b"Content-Length: 1\r\n\r\n", 413),
        (START + b"Transfer-Encoding: chunked\r\n\r\n", 413),
        (b"PUT /A.nbi/x HTTP/1.1\r\nHost: boot\r\nContent-Length: 5\r\n\r\n", 413),
        (START + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (START + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
        (START + b"Content-Length: -1\r\n\r\n", 400),
        (START + b"Content-Length: +1\r\n\r\n", 400),
        # fields
        (START + b"Range: bytes=0-1\r\nrange: bytes=2-3\r\n\r\n", 400),
        (START + b"If-Range: a\r\nIf-Range: b\r\n\r\n", 400),
        (START + b"Folded: a\r\n b\r\n\r\n", 400),
        (START + b"Spaced : a\r\n\r\n", 400),
        (START + b"No colon\r\n\r\n", 400),
        (START + b": nameless\r\n\r\n", 400),
        (START + b"Zero: a\0b\r\n\r\n", 400),
        (START + b"Bare: a\nb\r\n\r\n", 400),
        (START + b"Bare: a\rb\r\n\r\n", 400),
    ],
)
def test_refused(head: bytes, status: int) -> None:
    """After what is not quite HTTP nothing can be trusted: the connection ends."""
    with pytest.raises(Refused) as refused:
        read_head(head)

    assert refused.value.status is HTTPStatus(status)


def test_no_body_is_no_body() -> None:
    """A Content-Length of 0 announces nothing, and Host may be empty."""
    request, _ = read_head(b"GET /A.nbi/x HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n")

    assert request.name == b"A.nbi/x"


def test_http_1_0_needs_no_host() -> None:
    """HTTP/1.0 has no Host."""
    request, _ = read_head(b"GET /A.nbi/x HTTP/1.0\r\n\r\n")

    assert request.name == b"A.nbi/x"
