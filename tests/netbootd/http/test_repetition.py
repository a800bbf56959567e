"""Requests that differ in the range alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.http.byterange import byte_spans
from netbootd.http.repetition import Repetition
from netbootd.http.request import read_head
from netbootd.http.status import Refused

HEAD = b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\nRange: bytes=%b\r\nAccept: */*\r\n\r\n"
SIZE = 1 << 40


def repetition(value: bytes = b"0-4095") -> Repetition:
    head = HEAD % value
    found = Repetition.of(read_head(head)[0], head)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("value", "span"),
    [
        (b"4096-8191", (4096, 8192)),
        (b"0-0", (0, 1)),
        (b"9223372036854775807-9223372036854775808", (2**63 - 1, 2**63 + 1)),
        (b"007-8", (7, 9)),
        (b"", None),
        (b"-", None),
        (b"1-", None),
        (b"-1", None),
        (b"1-2-3", None),
        (b"1-2,4-5", None),
        (b"1-2 ", None),
        (b"+1-2", None),
        (b"1_0-2_0", None),
        (b"\xb2-\xb3", None),
        (b"1-2\r\nRange: bytes=3-4", None),
        (b"1-2\r\n\r\nGET / HTTP/1.1\r\nRange: bytes=3-4", None),
        (b"0-" + b"1" * 5000, None),
    ],
)
def test_span(value: bytes, span: tuple[int, int] | None) -> None:
    """Two numbers and a dash repeat a request; all else is for others to read."""
    assert repetition().span(HEAD % value) == span


@pytest.mark.parametrize(
    "other",
    [
        b"",
        HEAD[:20],
        (HEAD % b"0-1")[:-1],
        (HEAD % b"0-1") + b"G",
        (HEAD % b"0-1").replace(b"/x", b"/y"),
        (HEAD % b"0-1").replace(b"boot", b"Boot"),
        b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\nRange: bytes=\r\nAccept: */*\r\n\r\n",
    ],
)
def test_others(other: bytes) -> None:
    """A request that differs in anything else, or is not all here, is no repetition."""
    assert repetition().span(other) is None


@pytest.mark.parametrize(
    "head",
    [
        b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\n\r\n",
        b"HEAD /A.nbi/x HTTP/1.1\r\nHost: boot\r\nRange: bytes=0-1\r\n\r\n",
        b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\nRange: bytes=0-1\r\nIf-Range: x\r\n\r\n",
        b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\nRange: bytes=0-1,4-5\r\n\r\n",
        b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\nRange: bytes=-5\r\n\r\n",
        b"GET /A.nbi/x HTTP/1.1\r\nHost: boot\r\nX: \tRange: bytes=0-5\r\n\r\n",
    ],
)
def test_nothing_to_repeat(head: bytes) -> None:
    """Only an unconditional GET of one range is looked out for."""
    assert Repetition.of(read_head(head)[0], head) is None


PIECES = st.lists(
    st.sampled_from(
        [b"0", b"1", b"42", b"-", b",", b" ", b"\r\n", b"Range: bytes=", b"x", b"\r\n\r\n", b":"]
    ),
    max_size=8,
).map(b"".join)


@given(PIECES)
def test_a_repetition_says_what_its_head_says(value: bytes) -> None:
    """What is taken for a repetition would have been read as the same request for that span."""
    found = repetition()
    head = HEAD % value

    span = found.span(head)

    if span is None:
        return
    try:
        request, range_field = read_head(head)
    except Refused:
        pytest.fail("a refused head was taken for a repetition")
    assert request == found.request
    assert range_field is not None
    if span[0] < span[1]:
        assert byte_spans(range_field, SIZE) == (span,)
