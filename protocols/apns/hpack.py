"""Header blocks (HPACK, RFC 7541) as Apple asks for them, and responses without a memory.

Apple ("Communicating with APNs"): `:path` and `authorization` as literals without indexing;
`apns-id`, `apns-expiration` and `apns-collapse-id` indexed once, for their names, then as literals;
everything else indexed. So what pushes have in common costs a byte a header, and what is a push's
own drives nothing out of Apple's table of 4096 bytes.

We announce a table of no size for the other direction, so that each response stands for itself.
"""

from __future__ import annotations

from typing import Final

from hpack.exceptions import HPACKDecodingError
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

from protocols.errors import DecodeError

Header = tuple[bytes, bytes]
Shape = tuple[Header, ...]
"""The headers that many pushes have in common."""

ENTRY_OVERHEAD: Final = 32
"""What an entry counts beside its name and value (§4.1)."""
DEFAULT_TABLE_SIZE: Final = 4096
MAX_TABLE_SIZE: Final = 4096
"""Bytes of the peer's table that we use, even if it offers more."""
MAX_SHAPES: Final = 1024
"""Encoded shapes remembered, about 300 bytes each; past it all are forgotten."""

MAX_HEADERS: Final = 128
"""Headers of a response that we read: a byte may stand for one. Apple's have three."""

STATIC: Final[tuple[Header, ...]] = HeaderTable.STATIC_TABLE
FIRST_DYNAMIC: Final = len(STATIC) + 1

_STATIC_NAMES: Final = {name: index for index, (name, _) in reversed(list(enumerate(STATIC, 1)))}
_POST_HTTPS: Final = bytes((0x83, 0x87))
_PATH: Final = bytes((0x04,))
_AUTHORIZATION: Final = bytes((0x0F, 0x08))
_BYTE: Final = tuple(bytes((value,)) for value in range(256))
_LONG: Final = 0x7F
"""Bytes of a text from which on its size takes more than one byte."""
_MAX_INTEGER_BYTES: Final = 4
"""Continuation bytes of an integer that we read: up to 2**28, far above any frame."""


class RequestEncoder:
    """Writes the header blocks of one connection's requests, in the order in which they are sent.

    It never drives an entry out of the table: what does not fit any more is not indexed.
    """

    __slots__ = ("_added", "_authority", "_capacity", "_entries", "_names", "_own_names",
                 "_shapes", "_sizes", "_used")  # fmt: skip

    def __init__(self, authority: bytes) -> None:
        self._authority = authority
        self._capacity = DEFAULT_TABLE_SIZE
        self._sizes: tuple[int, ...] = ()
        self._shapes: dict[Shape, tuple[bytes, bytes]] = {}
        self._own_names: dict[bytes, bytes] = {}
        self._forget()

    def _forget(self) -> None:
        self._entries: dict[Header, int] = {}
        self._names: dict[bytes, int] = {}
        self._added = 0
        self._used = 0
        self._moved()

    def _moved(self) -> None:
        """An entry came to the table: those before it have other indexes now."""
        self._shapes.clear()
        self._own_names.clear()

    def resize(self, size: int) -> None:
        """The peer takes a table of `size` bytes (SETTINGS_HEADER_TABLE_SIZE): begin a new one."""
        capacity = min(size, MAX_TABLE_SIZE)
        if capacity != self._capacity:
            self._capacity = capacity
            self._sizes = (0, capacity) if capacity else (0,)  # §4.2: the smallest, then the last
            self._forget()

    def block(
        self, path: bytes, shape: Shape, own: tuple[Header, ...], authorization: bytes | None
    ) -> bytes:
        """The header block of a POST to `path`. `own` are `apns-id`, `apns-expiration` and
        `apns-collapse-id`, as far as the push has them."""
        before, after = self._shapes.get(shape) or self._shape(shape)
        size = len(path)
        parts = [before, _BYTE[size] if size < _LONG else _integer(size, 7, 0), path, after]
        if authorization is not None:
            parts += (_AUTHORIZATION, _text(authorization))
        names = self._own_names
        for name, value in own:
            size = len(value)
            known = names.get(name)
            if known is not None and size < _LONG:
                parts += (known, _BYTE[size], value)
            else:
                parts.append(self._own(name, value))
        if self._sizes:
            parts[:0] = [_integer(size, 5, 0x20) for size in self._sizes]
            self._sizes = ()
        return b"".join(parts)

    def _shape(self, shape: Shape) -> tuple[bytes, bytes]:
        """The block before and behind the path. Remembered once nothing of it had to be added."""
        added = self._added
        before = _POST_HTTPS + self._common(b":authority", self._authority) + _PATH
        after = b"".join([self._common(name, value) for name, value in shape])
        if added == self._added:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            self._shapes[shape] = before, after
        return before, after

    def _common(self, name: bytes, value: bytes) -> bytes:
        entry = self._entries.get((name, value))
        if entry is not None:
            return _integer(self._index(entry), 7, 0x80)
        return self._literal(name, value)

    def _own(self, name: bytes, value: bytes) -> bytes:
        entry = self._names.get(name)
        if entry is None:
            return self._literal(name, value)
        known = self._own_names[name] = _integer(self._index(entry), 4, 0x00)
        return known + _text(value)

    def _literal(self, name: bytes, value: bytes) -> bytes:
        """A header that is not in the table; it will be if there is room."""
        size = len(name) + len(value) + ENTRY_OVERHEAD
        fits = self._used + size <= self._capacity
        bits, first = (6, 0x40) if fits else (4, 0x00)
        index = _STATIC_NAMES.get(name)
        if index is None and name in self._names:
            index = self._index(self._names[name])
        written = _integer(index, bits, first) if index else _BYTE[first] + _text(name)
        if fits:
            self._entries[name, value] = self._names[name] = self._added
            self._added += 1
            self._used += size
            self._moved()
        return written + _text(value)

    def _index(self, entry: int) -> int:
        """The youngest entry comes first (§2.3.3)."""
        return FIRST_DYNAMIC + self._added - 1 - entry


def _integer(value: int, bits: int, first: int) -> bytes:
    """§5.1: a number in the low `bits` of a byte whose other bits are `first`, and behind it."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((first | value,))
    written = bytearray((first | limit,))
    value -= limit
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _text(value: bytes) -> bytes:
    """§5.2, without Huffman coding: hexadecimal tokens would gain a quarter and cost us more."""
    size = len(value)
    return (_BYTE[size] if size < _LONG else _integer(size, 7, 0)) + value


def decode_block(block: bytes) -> list[Header]:
    """The headers of a response, whose encoder may remember nothing. Raises DecodeError."""
    headers: list[Header] = []
    at, end = 0, len(block)
    while at < end:
        if len(headers) >= MAX_HEADERS:
            raise DecodeError("header block", at, f"has more than {MAX_HEADERS} headers")
        first = block[at]
        if first & 0x80:  # §6.1, indexed
            index, at = _read_integer(block, at, 0x7F)
            headers.append(_static(index, at))
            continue
        if first & 0xE0 == 0x20:  # §6.3, the size of the table
            size, at = _read_integer(block, at, 0x1F)
            if size or headers:
                raise DecodeError("table size", at, "is another than the one announced, or late")
            continue
        # §6.2: with an index to be remembered, without, or never; all the same without a memory.
        index, at = _read_integer(block, at, 0x3F if first & 0x40 else 0x0F)
        if index:
            name = _static(index, at)[0]
        else:
            name, at = _read_text(block, at)
        value, at = _read_text(block, at)
        headers.append((name, value))
    return headers


def _static(index: int, at: int) -> Header:
    if 0 < index < FIRST_DYNAMIC:
        return STATIC[index - 1]
    raise DecodeError("header", at, f"is entry {index} of a table that has {FIRST_DYNAMIC - 1}")


def _read_integer(block: bytes, at: int, limit: int) -> tuple[int, int]:
    value = block[at] & limit
    at += 1
    if value < limit:
        return value, at
    for shift in range(0, 7 * _MAX_INTEGER_BYTES, 7):
        if at >= len(block):
            raise DecodeError("number", at, "is cut off")
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DecodeError("number", at, "is longer than any that a frame can need")


def _read_text(block: bytes, at: int) -> tuple[bytes, int]:
    if at >= len(block):
        raise DecodeError("text", at, "is missing")
    is_huffman = block[at] & 0x80
    size, at = _read_integer(block, at, 0x7F)
    text = block[at : at + size]
    if len(text) != size:
        raise DecodeError("text", at, f"is cut off: {size} bytes are announced")
    if is_huffman:
        try:
            text = decode_huffman(text)
        except HPACKDecodingError as error:
            raise DecodeError("text", at, "is no Huffman code") from error
    return text, at + size
