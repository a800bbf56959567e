"""The Range header field: which bytes of a file are asked for (RFC 9110, section 14).

Range: bytes=0-499          the first 500
Range: bytes=500-           all but those
Range: bytes=-512           the last 512 (where a disk image keeps its trailer)
Range: bytes=0-3, 8-11      two of them: answered as multipart/byteranges
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]
"""Bytes `start` up to, not including, `end`; never empty."""

MAX_RANGES = 64
"""Ranges of one request. Each costs two system calls and about 150 bytes of part header, so a
request of 16 KiB could otherwise make 5,000 parts; no known client of disk images asks for more
than a few (Apache's limit is 200)."""

_ONE = re.compile(rb"bytes=(\d{1,18})-(\d{1,18})")
_SPEC = re.compile(rb"(\d*)-(\d*)")


def byte_spans(field: bytes, size: int) -> Sequence[Span] | None:
    """The spans of a file of `size` bytes that the value of a Range header field asks for.

    `None` when the field is to be ignored, as other units and malformed fields must be; empty when
    nothing asked for is there, or too much is asked for (both are answered by 416). Ranges
    that overlap are joined and put in order, so that no answer is longer than the file.
    """
    one = _ONE.fullmatch(field)
    if one is not None:
        start, last = map(int, one.groups())
        if start > last:
            return None
        return ((start, min(last + 1, size)),) if start < size else ()
    unit, equals, listed = field.partition(b"=")
    if not equals or unit.lower() != b"bytes":
        return None
    # RFC 9110, 5.6.1.2: empty elements of a list are to be ignored.
    specs = [spec for part in listed.split(b",") if (spec := part.strip(b" \t"))]
    if len(specs) > MAX_RANGES:
        return ()
    spans = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        span = _span(match[1], match[2], size) if match else None
        if span is None:
            return None
        if span[0] < span[1]:
            spans.append(span)
    return _joined(spans) if specs else None


def _span(first: bytes, last: bytes, size: int) -> Span | None:
    """One range; an empty span where the file has nothing of it, None if it means nothing."""
    if not first:
        return (max(size - _number(last), 0), size) if last else None
    start = _number(first)
    if not last:
        return (min(start, size), size)
    end = _number(last) + 1
    return (min(start, size), min(end, size)) if start < end else None


def _number(digits: bytes) -> int:
    """Any number of digits; all that exceed any file are the same to us."""
    digits = digits.lstrip(b"0") or b"0"
    return int(digits) if len(digits) < 20 else 10**20


def _joined(spans: list[Span]) -> Sequence[Span]:
    """In the order asked for when no two overlap; otherwise in the file's order, each byte once."""
    ordered = sorted(spans)
    joined = ordered[:1]
    for start, end in ordered[1:]:
        if start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return spans if len(joined) == len(spans) else joined
