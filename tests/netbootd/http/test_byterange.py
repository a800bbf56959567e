"""Range header fields."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.http.byterange import MAX_RANGES, byte_spans


@pytest.mark.parametrize(
    ("field", "spans"),
    [
        # RFC 9110, 14.1.2, with its 10,000 bytes
        (b"bytes=0-499", [(0, 500)]),
        (b"bytes=500-999", [(500, 1000)]),
        (b"bytes=-500", [(9500, 10000)]),
        (b"bytes=9500-", [(9500, 10000)]),
        (b"bytes=0-0,-1", [(0, 1), (9999, 10000)]),
        (b"bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10000)]),
        (b"bytes=500-600,601-999", [(500, 601), (601, 1000)]),
        (b"bytes=500-700,601-999", [(500, 1000)]),
        # clamped to the file
        (b"bytes=0-99999", [(0, 10000)]),
        (b"bytes=-99999", [(0, 10000)]),
        (b"bytes=0-" + b"9" * 5000, [(0, 10000)]),
        (b"bytes=" + b"0" * 5000 + b"7-8", [(7, 9)]),
        # other spellings
        (b"BYTES=0-1", [(0, 2)]),
        (b"bytes=0-1,", [(0, 2)]),
        (b"bytes=,,0-1,\t,4-5", [(0, 2), (4, 6)]),
        # order is the client's, where nothing overlaps
        (b"bytes=10-11,0-1", [(10, 12), (0, 2)]),
        (b"bytes=10-19,0-1,15-29", [(0, 2), (10, 30)]),
        (b"bytes=0-1,0-1", [(0, 2)]),
        # what is not there is left out, as long as something is
        (b"bytes=0-1,20000-20001", [(0, 2)]),
        # nothing is there
        (b"bytes=10000-", []),
        (b"bytes=10000-10000", []),
        (b"bytes=-0", []),
        (b"bytes=" + b"9" * 5000 + b"-", []),
        # meaningless: the field is ignored
        (b"bytes=", None),
        (b"bytes=,", None),
        (b"bytes=-", None),
        (b"bytes=5-4", None),
        (b"bytes=0-1,5-4", None),
        (b"bytes=a-b", None),
        (b"bytes=0-1-2", None),
        (b"bytes=+0-1", None),
        (b"bytes=0 - 1", None),
        (b"bytes=1_0-2_0", None),
        (b"bytes=\xb2-\xb3", None),
        (b"bytes 0-1", None),
        (b"0-1", None),
        (b"lines=0-1", None),
        (b"", None),
    ],
)
def test_spans(field: bytes, spans: list[tuple[int, int]] | None) -> None:
    """Spans are within the file, never empty, joined where they overlap; else None or nothing."""
    result = byte_spans(field, 10000)

    assert (None if result is None else list(result)) == spans


@pytest.mark.parametrize("field", [b"bytes=0-0", b"bytes=0-", b"bytes=-1", b"bytes=0-,-1"])
def test_empty_file(field: bytes) -> None:
    """An empty file has no range that could be satisfied."""
    assert list(byte_spans(field, 0) or ()) == []


def test_too_many_ranges() -> None:
    """As many ranges as are served at most are served; one more, and none is."""
    most = b"bytes=" + b",".join(b"%d-%d" % (2 * i, 2 * i) for i in range(MAX_RANGES))

    assert len(byte_spans(most, 10000) or ()) == MAX_RANGES
    assert byte_spans(most + b",9000-9000", 10000) == ()


def test_a_file_beyond_4_gib() -> None:
    """Positions have no limit of 32 bits."""
    assert byte_spans(b"bytes=8589934592-8589934593", 1 << 34) == ((1 << 33, (1 << 33) + 2),)


def reference(field: str, size: int) -> list[int] | None:
    """The bytes that are asked for, one by one, straight from the grammar of RFC 9110."""
    match = re.fullmatch(r"(?i:bytes)=(.*)", field)
    if match is None:
        return None
    wanted: set[int] = set()
    specs = [spec.strip(" \t") for spec in match[1].split(",")]
    if not any(specs):
        return None
    for spec in filter(None, specs):
        if interval := re.fullmatch(r"([0-9]+)-([0-9]*)", spec):
            last = int(interval[2]) if interval[2] else size - 1
            if interval[2] and int(interval[1]) > last:
                return None
            wanted.update(i for i in range(size) if int(interval[1]) <= i <= last)
        elif suffix := re.fullmatch(r"-([0-9]+)", spec):
            wanted.update(i for i in range(size) if i >= size - int(suffix[1]))
        else:
            return None
    return sorted(wanted)


NUMBERS = st.one_of(st.just(""), st.integers(0, 70).map(str), st.just("00012"))
SPECS = st.one_of(st.builds("{}-{}".format, NUMBERS, NUMBERS), st.sampled_from(["", " ", "x"]))
FIELDS = st.builds(
    "{}={}".format,
    st.sampled_from(["bytes", "Bytes", "byte"]),
    st.lists(SPECS, max_size=6).map(", ".join),
)


@given(FIELDS, st.integers(0, 60))
def test_spans_are_the_bytes_asked_for(field: str, size: int) -> None:
    """Together the spans hold the bytes that the grammar asks for, each of them once."""
    spans = byte_spans(field.encode(), size)

    expected = reference(field, size)
    assert (spans is None) == (expected is None)
    if spans is not None:
        assert all(0 <= start < end <= size for start, end in spans)
        assert sorted(i for start, end in spans for i in range(start, end)) == expected
