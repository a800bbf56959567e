"""Any header block is headers that hpack also sees, or a DecodeError inside it; and what is seen of
an answer at a glance is what decoding says."""

from __future__ import annotations

from hpack import Decoder
from hpack.exceptions import HPACKError

from protocols.apns.answer import Answer
from protocols.apns.hpack import MAX_HEADERS, Header, decode_block
from protocols.apns.response import accepted, answer_of, head_of
from protocols.errors import DecodeError

MAX_BLOCK = 16384


def target(data: bytes) -> None:
    data = data[:MAX_BLOCK]
    glance = accepted(data)
    headers, at = None, 0
    try:
        headers = decode_block(data)
    except DecodeError as error:
        at = error.offset
    if headers is None:
        assert 0 <= at <= len(data)
        assert glance is None
        return
    assert len(headers) <= MAX_HEADERS
    assert headers == reference(data)
    try:
        answer: Answer | None = answer_of(head_of(headers), b"")
    except DecodeError:
        answer = None
    assert glance is None or glance == answer


def reference(data: bytes) -> list[Header] | None:
    decoder = Decoder(max_header_list_size=1 << 30)
    decoder.header_table_size = 0
    decoder.max_allowed_table_size = 0
    try:
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(data, raw=True)]
    except HPACKError:
        return None
