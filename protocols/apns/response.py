"""The HTTP response to a push: from header blocks and a body to Apple's `Answer`.

    HEADERS :status 1xx                ──▶ nothing yet
    HEADERS :status …, apns-id, …      ──▶ Head ─┐
    DATA {"reason":…}                            ├─▶ Answer
    HEADERS (trailers)                           ┘

What is malformed by RFC 9113 §8.1 to §8.3 is refused: no push counts as accepted by an answer that
is none. Of a head only what a push needs is kept, of a body no more than `MAX_BODY`.

Most answers are `:status 200` and the apns-id in one of few spellings: those are read at a glance.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from protocols.apns.answer import MAX_BODY, Answer, Explanation, explanation_of
from protocols.apns.hpack import Header
from protocols.errors import DecodeError

MAX_ID: Final = 100
"""Characters of an apns-id or apns-unique-id; a longer one is not kept. They are UUIDs."""

_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_VALUE: Final = re.compile(rb"(?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?").fullmatch
_STATUS: Final = re.compile(rb"[1-5][0-9]{2}").fullmatch
_LENGTH: Final = re.compile(rb"[0-9]{1,18}").fullmatch
_OF_A_CONNECTION: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
_ACCEPTED: Final = re.compile(
    rb"\x20?"  # a table of no size (RFC 7541 §6.3), once
    rb"\x88"  # :status 200 (§6.1)
    rb"[\x00\x10\x40](?:\x07apns-id|\x85\x1d\x75\x21\x63\x49)"  # §6.2, any way
    rb"\x24([0-9A-Fa-f-]{36})"  # 36 bytes
).fullmatch


def accepted(block: bytes) -> Answer | None:
    """The answer, if `block` is nothing but `:status 200` and a UUID as apns-id, in a usual
    spelling. None: it is to be decoded."""
    found = _ACCEPTED(block)
    return None if found is None else Answer(status=200, apns_id=found[1].decode("ascii"))


class Head(NamedTuple):
    """What a push needs of a response's head."""

    status: int
    apns_id: str | None = None
    unique_id: str | None = None
    length: int | None = None
    """`content-length`."""


class Responses:
    """The responses of a connection that have begun: 4 KiB each at most."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun: dict[int, tuple[Head, bytes]] = {}

    def headers(self, number: int, headers: list[Header], *, is_last: bool) -> Answer | None:
        """A header block of stream `number`. The answer, if that is all of it. Raises DecodeError
        if the response is malformed."""
        begun = self.begun.get(number)
        if begun is None:
            head = head_of(headers)
            if head.status < 200:  # RFC 9110 §15.2: the answer comes later
                if is_last:
                    raise DecodeError("response", 0, "ends before it begins")
                return None
            begun = head, b""
            self.begun[number] = begun
        elif is_last:
            fields_of(headers)  # trailers
        else:
            raise DecodeError("response", 0, "has two heads")
        return answer_of(*begun) if is_last else None

    def data(self, number: int, data: bytes, *, is_last: bool) -> Answer | None:
        """A part of the body. The answer, if it is the last. Raises DecodeError as above."""
        if number not in self.begun:
            raise DecodeError("response", 0, "has a body without a head")
        head, body = self.begun[number]
        body += data
        if len(body) > MAX_BODY:
            raise DecodeError("response", MAX_BODY, "has more of a body than Apple ever sends")
        self.begun[number] = head, body
        return answer_of(head, body) if is_last else None


def head_of(headers: list[Header]) -> Head:
    """The head of a response; its status may be 1xx. Raises DecodeError if it is malformed."""
    if not headers or headers[0][0] != b":status":
        raise DecodeError("response", 0, "does not begin with a status")
    written = headers[0][1]
    if not _STATUS(written):
        raise DecodeError("response", 0, "has a status that is none of HTTP's")
    fields = fields_of(headers[1:])
    length = fields.get(b"content-length")
    if length is not None and not _LENGTH(length):
        raise DecodeError("response", 0, "has a length that is no number")
    return Head(
        int(written),
        _id(fields.get(b"apns-id")),
        _id(fields.get(b"apns-unique-id")),
        None if length is None else int(length),
    )


def fields_of(headers: list[Header]) -> dict[bytes, bytes]:
    """Headers without pseudo-headers, or trailers. Raises DecodeError."""
    for name, value in headers:
        if not _NAME(name) or not _VALUE(value) or name in _OF_A_CONNECTION:
            raise DecodeError("response", 0, f"has a header that HTTP/2 forbids: {name[:40]!r}")
    return dict(headers)


def answer_of(head: Head, body: bytes) -> Answer:
    """The answer, with its whole body. One that is not Apple's JSON does not matter: the status
    stands for itself. Raises DecodeError if a part of the body is missing."""
    status, apns_id, unique_id, length = head
    if length is not None and length != len(body):
        raise DecodeError("response", 0, f"announces {length} bytes and has {len(body)}")
    if status == 200:
        return Answer(status=200, apns_id=apns_id, unique_id=unique_id)
    try:
        said = explanation_of(body)
    except DecodeError:
        said = Explanation()
    return Answer(
        status=status,
        reason=said.reason,
        timestamp=said.timestamp,
        apns_id=apns_id,
        unique_id=unique_id,
    )


def _id(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value is not None and len(value) <= MAX_ID else None
