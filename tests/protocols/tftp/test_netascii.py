"""Netascii: conversion, its cuts, and blocks that come out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import StateError
from protocols.tftp.netascii import FromWire, TextBlocks, to_wire

texts = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\0", b"xyz"]), max_size=60).map(b"".join)


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (b"", b""),
        (b"one\ntwo\n", b"one\r\ntwo\r\n"),
        (b"bare\rreturn", b"bare\r\0return"),
        (b"dos\r\n", b"dos\r\0\r\n"),
        (b"\0", b"\0"),
    ],
)
def test_conversion(text: bytes, wire: bytes) -> None:
    """LF becomes CR LF, CR becomes CR NUL, and back."""
    back = FromWire()

    assert to_wire(text) == wire
    assert back.feed(wire) + back.finish() == text


@pytest.mark.parametrize(
    ("wire", "text"), [(b"a\rb", b"a\rb"), (b"a\r", b"a\r"), (b"\r\r\n", b"\r\n")]
)
def test_return_that_breaks_the_rule(wire: bytes, text: bytes) -> None:
    """A CR that is followed by neither LF nor NUL stays what it is."""
    back = FromWire()

    assert back.feed(wire) + back.finish() == text


@given(texts, st.integers(1, 20), st.integers(1, 9))
def test_any_cut(text: bytes, fed: int, block_size: int) -> None:
    """However the file is read and the wire is cut, the same text arrives."""
    blocks = TextBlocks(block_size)
    back = FromWire()
    received, block, offset = b"", 1, 0

    while True:
        while blocks.wants(block):
            blocks.feed(text[offset : offset + fed])
            offset += fed
        data = blocks.take(block)
        received += back.feed(data)
        if len(data) < block_size:
            break
        block += 1

    assert received + back.finish() == text
    assert (block - 1) * block_size + len(data) == len(to_wire(text))


def test_blocks_are_kept_until_released() -> None:
    """A block can be taken again until it is released."""
    blocks = TextBlocks(2)
    blocks.feed(b"abcde")
    blocks.feed(b"")

    assert [blocks.take(1), blocks.take(2), blocks.take(1)] == [b"ab", b"cd", b"ab"]
    blocks.release(2)
    assert [blocks.take(3), blocks.take(2)] == [b"e", b"cd"]
    for gone in (1, 4):
        with pytest.raises(StateError):
            blocks.take(gone)
    with pytest.raises(StateError):
        blocks.feed(b"more")


def test_text_that_fills_its_last_block() -> None:
    """A transfer of whole blocks ends with an empty one."""
    blocks = TextBlocks(4)
    blocks.feed(b"a\nb")
    blocks.feed(b"")

    assert [blocks.take(1), blocks.take(2)] == [b"a\r\nb", b""]
    assert not blocks.wants(3)
