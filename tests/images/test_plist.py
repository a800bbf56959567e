from __future__ import annotations

import plistlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from images.plist import PlistError, kind_of, parse_plist

BOMB = b"""<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<plist version="1.0"><dict><key>Name</key><string>&b;</string></dict></plist>"""

NESTED = b"bplist00" + b"".join(bytes([0xA1, n + 1]) for n in range(200)) + b"\x09"


def binary(objects: list[bytes], *, count: int | None = None, top: int = 0) -> bytes:
    """A binary property list of these objects, with a trailer that may lie."""
    body, offsets = b"bplist00", []
    for item in objects:
        offsets.append(len(body))
        body += item
    table = b"".join(offset.to_bytes(2, "big") for offset in offsets)
    number = len(objects) if count is None else count
    trailer = bytes(6) + b"\x02\x02"  # bytes of an offset, bytes of a reference
    trailer += number.to_bytes(8, "big") + top.to_bytes(8, "big") + len(body).to_bytes(8, "big")
    return body + table + trailer


CHAIN = [b"\xa1" + (n + 1).to_bytes(2, "big") for n in range(5000)] + [b"\x09"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff" * 100, id="noise"),
        pytest.param(b"<plist", id="cut"),
        pytest.param(BOMB, id="entities"),
        pytest.param(b"<plist><dict><key>a</key></dict></plist>", id="key without value"),
        pytest.param(b"<plist><integer>" + b"9" * 10_000 + b"</integer></plist>", id="long number"),
        pytest.param(b"<plist><data>%%%=</data></plist>", id="bad base64"),
        pytest.param(b"<plist><date>yesterday</date></plist>", id="bad date"),
        pytest.param(b"<plist>" + b"<array>" * 50_000, id="deep xml"),
        pytest.param(NESTED, id="binary without trailer"),
        pytest.param(binary(CHAIN), id="deep binary"),
        pytest.param(binary([b"\xa1\0\0"]), id="binary in itself"),
        pytest.param(binary([b"\x09"], count=2**62), id="too many objects"),
        pytest.param(binary([b"\x5f\x13" + b"\xff" * 8]), id="string of 2**64 bytes"),
        pytest.param(binary([b"\xd1\0\1\0\1", b"\xa0"]), id="array as key"),
    ],
)
def test_hostile_bytes_are_an_error_and_nothing_else(data: bytes) -> None:
    """Whatever plistlib makes of it, the caller sees a PlistError."""
    with pytest.raises(PlistError):
        parse_plist(data, maximum=1_000_000)


@given(st.binary(max_size=200))
@example(b"bplist00")
@example(b"<?xml version='1.0' encoding='x-none'?><plist/>")
def test_any_bytes_are_a_dictionary_or_an_error(data: bytes) -> None:
    """There is no third outcome."""
    try:
        value = parse_plist(data, maximum=1000)
    except PlistError:
        return
    assert isinstance(value, dict)


def test_size_is_bounded() -> None:
    """A list one byte too long is refused before it is parsed."""
    data = plistlib.dumps({"a": "b"})

    assert parse_plist(data, maximum=len(data)) == {"a": "b"}
    with pytest.raises(PlistError, match="larger than"):
        parse_plist(data, maximum=len(data) - 1)


@pytest.mark.parametrize("form", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_top_must_be_a_dictionary(form: plistlib.PlistFormat) -> None:
    """An array at the top is a property list, but none of ours."""
    with pytest.raises(PlistError, match="holds no dictionary"):
        parse_plist(plistlib.dumps([1, 2], fmt=form), maximum=1000)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (True, "a boolean"),
        (1, "an integer"),
        (1.5, "a real"),
        ("x", "a string"),
        (b"x", "data"),
        ([], "an array"),
        ({}, "a dictionary"),
        (plistlib.UID(1), "something else"),
    ],
)
def test_kinds_are_named_as_the_format_names_them(value: object, word: str) -> None:
    """Messages speak of plist types, not of Python's."""
    assert kind_of(value) == word
