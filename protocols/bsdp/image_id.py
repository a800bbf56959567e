"""Boot image identifiers: 32 bits that name an image and tell what it is (bsdp.h:84-130).

    |I|    kind (7)   |  reserved (8)   |           index (16)          |
     ^ install image      must be 0         1..65535, 0 is invalid

All 32 bits together are the identity. The reserved byte is carried, never interpreted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Self

from protocols.errors import DecodeError, EncodeError

SIZE: Final = 4
LIMIT: Final = 1 << 32

FIRST_GLOBAL_INDEX: Final = 4096
"""Below it an index is one server's own; from it on the image is the same on all (bsdp.h:121)."""


class ImageKind(IntEnum):
    """The kinds that have a name; 4..127 are reserved and pass as plain numbers."""

    MAC_OS_9 = 0
    MAC_OS_X = 1
    MAC_OS_X_SERVER = 2
    DIAGNOSTICS = 3


class BootImageId(int):
    """One identifier: an int of 0..2**32-1, with its parts as properties."""

    __slots__ = ()

    def __new__(cls, value: int) -> Self:
        """Raises EncodeError if `value` does not fit 32 bits."""
        if not 0 <= value < LIMIT:
            raise EncodeError(f"boot image id {value} does not fit 32 bits")
        return super().__new__(cls, value)

    @classmethod
    def of(cls, *, install: bool, kind: int, index: int) -> Self:
        """Put an identifier together. Raises EncodeError for kinds over 127, indexes over 65535."""
        if not 0 <= kind < 1 << 7:
            raise EncodeError(f"image kind {kind} is not in 0..127")
        if not 0 <= index < 1 << 16:
            raise EncodeError(f"image index {index} is not in 0..65535")
        return cls(install << 31 | kind << 24 | index)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read 4 bytes. Raises DecodeError if there are more or fewer."""
        if len(data) != SIZE:
            raise DecodeError("boot image id", 0, f"has {len(data)} bytes, not {SIZE}")
        return cls(int.from_bytes(data, "big"))

    @property
    def packed(self) -> bytes:
        """The 4 bytes on the wire."""
        return self.to_bytes(SIZE, "big")

    @property
    def install(self) -> bool:
        """Whether it installs a system rather than being one to work with."""
        return bool(self >> 31)

    @property
    def kind(self) -> int:
        """0..127, an `ImageKind` where it has a name."""
        return self >> 24 & 0x7F

    @property
    def index(self) -> int:
        """0..65535; from `FIRST_GLOBAL_INDEX` on the same image on every server."""
        return self & 0xFFFF

    @property
    def attributes(self) -> int:
        """The upper 16 bits: what attribute filters (sub-option 11) are compared with."""
        return self >> 16

    @property
    def is_server_local(self) -> bool:
        """Whether two servers that use this identifier may mean two images."""
        return self.index < FIRST_GLOBAL_INDEX

    def __str__(self) -> str:
        return f"0x{int(self):08x}"

    def __repr__(self) -> str:
        return f"BootImageId({self})"


NULL_IMAGE_ID: Final = BootImageId(0)
"""Never sent; clients leave out list entries that carry it (BSDPClient.c:1079)."""
