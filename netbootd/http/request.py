"""Requests: from the bytes of a head to what is asked for.

llhttp, by way of httptools, reads the syntax. It gets one head at a time, up to and with its empty
line, and so never decides where a request ends: a request that announces a body is refused, since
no method served here has a use for one, and that leaves nothing to be smuggled past us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from netbootd.http.status import Refused
from netbootd.http.target import published_name

HEAD_END = b"\r\n\r\n"

# Fields that may come once only; all others of interest are lists, whose lines are joined.
_SINGLE = frozenset({b"host", b"range", b"if-range", b"if-modified-since", b"if-unmodified-since"})
_LISTS = frozenset({b"connection", b"if-match", b"if-none-match", b"transfer-encoding"})
# RFC 3986, 3.2.2: characters of a host and port. Which host it is does not matter here.
_HOST = re.compile(rb"[A-Za-z0-9\-._~!$&'()*+,;=%:\[\]]*")

# RFC 9110, 9.1: a method is a token.
_METHOD = re.compile(rb"[A-Za-z0-9!#$%&'*+\-.^_`|~]+ ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that is well-formed, all but its Range field. Header fields are None if absent."""

    name: bytes
    """The published name asked for, of no meaning if `refused`."""
    head_only: bool = False
    """HEAD."""
    keep_alive: bool = True
    connection: bytes = b""
    """The Connection line of the answer, where it needs one."""
    refused: Refused | None = None
    """Why there will be no file, although the request was understood and the next one can be."""
    conditional: bool = False
    """Whether any of the fields below is there."""
    if_match: bytes | None = None
    if_none_match: bytes | None = None
    if_modified_since: bytes | None = None
    if_unmodified_since: bytes | None = None
    if_range: bytes | None = None


Asked = tuple[Request, bytes | None]
"""A request and the value of its Range field."""


class _Head:
    """What httptools calls."""

    __slots__ = ("complete", "fields", "target")

    def __init__(self) -> None:
        self.target = b""
        self.fields: dict[bytes, bytes] = {}
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.strip(b" \t")
        if name not in self.fields:
            self.fields[name] = value
        elif name in _LISTS:
            self.fields[name] += b", " + value
        elif name in _SINGLE:
            raise Refused(HTTPStatus.BAD_REQUEST, f"there are two {name.decode()} fields")

    def on_headers_complete(self) -> None:
        self.complete = True


def read_head(data: bytes) -> Asked:
    """The request in `data`, which ends with its only empty line.

    Raises `Refused` for one after which the connection cannot go on.
    """
    head = _Head()
    parser = HttpRequestParser(head)
    # llhttp calls HTTP/1.2 malformed; RFC 9110, 2.5 has us answer it as 1.1, and 2.0 is a 505.
    parser.set_dangerous_leniencies(lenient_version=True)
    try:
        parser.feed_data(data)
    except HttpParserUpgrade:
        pass  # RFC 9110, 7.8: Upgrade is an offer, and not taken up
    except HttpParserInvalidMethodError:
        if _METHOD.match(data):
            raise Refused(HTTPStatus.NOT_IMPLEMENTED, "the method is unknown") from None
        raise Refused(HTTPStatus.BAD_REQUEST, "there is no method") from None
    except HttpParserError as error:
        if isinstance(error.__context__, Refused):
            raise error.__context__ from None
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
    if not head.complete:
        raise Refused(HTTPStatus.BAD_REQUEST, "the head is incomplete")
    return _asked(parser.get_method(), parser.get_http_version(), head)


def _asked(method: bytes, version: str, head: _Head) -> Asked:
    fields = head.fields
    major, _, minor = version.partition(".")
    if major != "1":
        raise Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this is HTTP/1.1")
    host = fields.get(b"host", b"" if minor == "0" else None)
    if host is None or not _HOST.fullmatch(host):
        raise Refused(HTTPStatus.BAD_REQUEST, "Host is missing or malformed")
    if fields.get(b"content-length", b"0").strip(b"0") or b"transfer-encoding" in fields:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the request has a body")
    keep_alive, connection = _persistence(fields.get(b"connection", b""), minor)
    name, refused = b"", None
    try:
        if method not in (b"GET", b"HEAD"):
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are served")
        name = published_name(head.target)
    except Refused as error:
        refused = error
    request = Request(
        name=name,
        head_only=method == b"HEAD",
        keep_alive=keep_alive,
        connection=connection,
        refused=refused,
        conditional=any(field.startswith(b"if-") for field in fields),
        if_match=fields.get(b"if-match"),
        if_none_match=fields.get(b"if-none-match"),
        if_modified_since=fields.get(b"if-modified-since"),
        if_unmodified_since=fields.get(b"if-unmodified-since"),
        if_range=fields.get(b"if-range"),
    )
    return request, fields.get(b"range")


def _persistence(field: bytes, minor: str) -> tuple[bool, bytes]:
    """Whether the connection stays, and what the answer says about it (RFC 9112, 9.3)."""
    options = {option.strip(b" \t") for option in field.lower().split(b",")}
    if b"close" in options:
        return False, b"Connection: close\r\n"
    if minor != "0":
        return True, b""
    if b"keep-alive" in options:
        return True, b"Connection: keep-alive\r\n"
    return False, b"Connection: close\r\n"
