"""Disk images: which format a file has, how large the disk is, and whether its checksums hold.

Reads the trailer and the block tables, never a compressed sector, so that looking at an image is
quick however large it is; `verify_thd` reads the whole data fork once. Whatever the bytes, the only
error is `DmgError`.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, BinaryIO

from construct import Container

from images.plist import PlistError, parse_plist
from images.udif import (
    CHUNK_FAST,
    CHUNK_SIZE,
    ENCRYPTED_MAGIC,
    ENCRYPTED_V1_MAGIC,
    SECTOR,
    SPARSE_HEADER,
    SPARSE_MAGIC,
    TABLE,
    TABLE_MAGIC,
    TABLE_SIZE,
    TRAILER,
    TRAILER_MAGIC,
    TRAILER_SIZE,
    ChecksumType,
    ChunkType,
)

# A chunk takes 54 bytes of base64 and covers 256 KiB or more: enough for an image of 300 GiB.
MAX_XML_BYTES = 64 * 1024 * 1024
MAX_TABLES = 1024

_READ = 1024 * 1024


class DmgError(Exception):
    """A file that is no disk image, or one that is damaged."""


class Format(Enum):
    """The formats by Apple's names (hdiutil)."""

    UDRW = "raw"
    UDRO = "read-only, not compressed"
    UDCO = "ADC"
    UDZO = "zlib"
    UDBZ = "bzip2"
    ULFO = "LZFSE"
    ULMO = "LZMA"
    SPARSE = "sparse image"
    ENCRYPTED = "encrypted"


_COMPRESSED = {
    ChunkType.ADC: Format.UDCO,
    ChunkType.ZLIB: Format.UDZO,
    ChunkType.BZIP2: Format.UDBZ,
    ChunkType.LZFSE: Format.ULFO,
    ChunkType.LZMA: Format.ULMO,
}

# What occupies no bytes of the data fork; COMMENT and END describe no sectors either.
WITHOUT_DATA = frozenset({ChunkType.ZERO, ChunkType.IGNORE, ChunkType.COMMENT, ChunkType.END})


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum as the image records it; `value` is `None` when it records none."""

    type: int
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One block table: `sector_count` sectors from `first_sector` on, stored in `chunk_count`."""

    name: str
    first_sector: int
    sector_count: int
    chunk_count: int
    checksum: Checksum
    chunks: bytes = field(default=b"", compare=False, repr=False)
    """Their descriptors as stored (images.udif.CHUNK)."""
    data_offset: int = field(default=0, compare=False, repr=False)
    """Where in the data fork the offsets of the chunks count from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskImage:
    """What a file says about itself."""

    format: Format
    file_size: int
    sector_count: int | None
    """Sectors of 512 bytes of the disk; `None` when that is encrypted."""
    data_fork: range = range(0)
    """The bytes of the file that the data checksum covers."""
    data_checksum: Checksum = Checksum(ChecksumType.NONE, None)
    master_checksum: Checksum = Checksum(ChecksumType.NONE, None)
    partitions: tuple[Partition, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes of the disk."""
        return None if self.sector_count is None else self.sector_count * SECTOR


class Outcome(Enum):
    """What became of one checksum."""

    MATCHES = "matches"
    DIFFERS = "differs"
    ABSENT = "the image records none"
    UNSUPPORTED = "is of an unknown type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The two checksums of the trailer; raw, sparse and encrypted images have none."""

    data_fork: Outcome
    master: Outcome

    @property
    def is_intact(self) -> bool:
        """Whether nothing speaks against the image."""
        return Outcome.DIFFERS not in (self.data_fork, self.master)


def inspect_thd(file: BinaryIO) -> DiskImage:
    """Tell what kind of disk image `file` (seekable) is; raises `DmgError`."""
    size = file.seek(0, os.SEEK_END)
    head = read_thd(file, 0, min(size, SECTOR))
    tail = read_thd(file, max(0, size - TRAILER_SIZE), min(size, TRAILER_SIZE))
    if tail[:4] == TRAILER_MAGIC and len(tail) == TRAILER_SIZE:
        return _udif(file, size, TRAILER.parse(_checked(tail, "trailer", version=4)))
    if head.startswith(ENCRYPTED_MAGIC) or tail.endswith(ENCRYPTED_V1_MAGIC):
        return DiskImage(format=Format.ENCRYPTED, file_size=size, sector_count=None)
    if head.startswith(SPARSE_MAGIC) and len(head) == SECTOR:
        sectors = SPARSE_HEADER.parse(head).sector_count
        return DiskImage(format=Format.SPARSE, file_size=size, sector_count=sectors)
    if size == 0 or size % SECTOR:
        raise DmgError(
            f"{size} bytes are neither a disk image with a trailer nor whole sectors of a raw one: "
            "the file is cut short or no disk image"
        )
    return DiskImage(format=Format.UDRW, file_size=size, sector_count=size // SECTOR)


def verify_thd(
    file: BinaryIO, image: DiskImage, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Compute the checksums of the trailer anew; `progress` is told (bytes done, bytes in all).

    Raises `DmgError` when the file has become shorter than it was. Whatever `progress` raises ends
    the reading.
    """
    outcome = _judged(image.data_checksum, lambda: _blocks(file, image.data_fork, progress))
    values = [
        partition.checksum.value or b""
        for partition in image.partitions
        if partition.checksum.type == ChecksumType.CRC32
    ]
    return Verification(data_fork=outcome, master=_judged(image.master_checksum, lambda: values))


def _judged(checksum: Checksum, blocks: Callable[[], Iterable[bytes]]) -> Outcome:
    if checksum.value is None:
        return Outcome.ABSENT
    if checksum.type != ChecksumType.CRC32:
        return Outcome.UNSUPPORTED
    crc = 0
    for block in blocks():
        crc = zlib.crc32(block, crc)
    return Outcome.MATCHES if crc.to_bytes(4, "big") == checksum.value else Outcome.DIFFERS


def _blocks(
    file: BinaryIO, span: range, progress: Callable[[int, int], None] | None
) -> Iterable[bytes]:
    for offset in range(span.start, span.stop, _READ):
        yield read_thd(file, offset, min(_READ, span.stop - offset))
        if progress is not None:
            progress(min(offset + _READ, span.stop) - span.start, len(span))


def read_thd(file: BinaryIO, offset: int, length: int) -> bytes:
    """Exactly these bytes; raises `DmgError` if the file has fewer."""
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        raise DmgError(f"the file ends before byte {offset + length}: it is cut short")
    return data


def _checked(data: bytes, what: str, *, version: int) -> bytes:
    """Refuse by name what the definitions hold constant, so that construct cannot fail on it."""
    if int.from_bytes(data[4:8], "big") != version:
        raise DmgError(f"the {what} is of a version other than {version}")
    if version == 4 and int.from_bytes(data[8:12], "big") != TRAILER_SIZE:
        raise DmgError(f"the {what} says that it is not {TRAILER_SIZE} bytes long")
    return data


def _udif(file: BinaryIO, size: int, trailer: Container[Any]) -> DiskImage:
    body = size - TRAILER_SIZE
    for name in ("data_fork", "xml"):
        if trailer[f"{name}_offset"] + trailer[f"{name}_length"] > body:
            raise DmgError(f"the {name.replace('_', ' ')} ends beyond the file: it is cut short")
    if trailer.segment_count > 1:
        raise DmgError("the image is one of several segments; join them with hdiutil convert")
    partitions: list[Partition] = []
    formats = {Format.UDRO}
    if trailer.xml_length:
        if trailer.xml_length > MAX_XML_BYTES:
            raise DmgError(f"the property list is larger than {MAX_XML_BYTES} bytes")
        xml = read_thd(file, trailer.xml_offset, trailer.xml_length)
        for name, data in _tables(xml):
            partition, used = _partition(name, data, trailer.data_fork_length)
            partitions.append(partition)
            formats |= used
    else:
        formats = {Format.UDRW}
    fork = trailer.data_fork_offset
    return DiskImage(
        format=_one_format(formats),
        file_size=size,
        # Some tools leave the trailer's own count zero.
        sector_count=trailer.sector_count
        or max((part.first_sector + part.sector_count for part in partitions), default=0),
        data_fork=range(fork, fork + trailer.data_fork_length),
        data_checksum=_checksum(trailer.data_checksum),
        master_checksum=_checksum(trailer.master_checksum),
        partitions=tuple(partitions),
    )


def _one_format(formats: set[Format]) -> Format:
    compressed = formats - {Format.UDRO}
    if len(compressed) > 1:
        raise DmgError("the chunks are compressed in more than one way")
    return compressed.pop() if compressed else Format.UDRO


def _tables(xml: bytes) -> list[tuple[str, bytes]]:
    """The block tables of the property list as (partition name, bytes)."""
    try:
        forks = parse_plist(xml, maximum=MAX_XML_BYTES).get("resource-fork")
    except PlistError as error:
        raise DmgError(f"the property list {error}") from error
    tables = forks.get("blkx") if isinstance(forks, dict) else None
    if not isinstance(tables, list) or len(tables) > MAX_TABLES:
        raise DmgError("the property list holds no block tables")
    found = []
    for table in tables:
        data = table.get("Data") if isinstance(table, dict) else None
        if not isinstance(data, bytes):
            raise DmgError("a block table has no data")
        name = table.get("Name")
        found.append((name if isinstance(name, str) else "", data))
    return found


def _partition(name: str, data: bytes, fork_length: int) -> tuple[Partition, set[Format]]:
    if len(data) < TABLE_SIZE or data[:4] != TABLE_MAGIC:
        raise DmgError("a block table does not begin as one")
    table = TABLE.parse(_checked(data, "block table", version=1))
    chunks = data[TABLE_SIZE:]
    if table.chunk_count * CHUNK_SIZE != len(chunks):
        raise DmgError(f"a block table names {table.chunk_count} chunks and holds others")
    used = set()
    for kind, _, _, _, offset, length in CHUNK_FAST.iter_unpack(chunks):
        beyond = table.data_offset + offset + length
        if kind not in WITHOUT_DATA and beyond > fork_length:
            raise DmgError("a chunk ends beyond the data fork")
        if kind in _COMPRESSED:
            used.add(_COMPRESSED[kind])
    partition = Partition(
        name=name,
        first_sector=table.first_sector,
        sector_count=table.sector_count,
        chunk_count=table.chunk_count,
        checksum=_checksum(table.checksum),
        chunks=chunks,
        data_offset=table.data_offset,
    )
    return partition, used


def _checksum(found: Container[Any]) -> Checksum:
    size = found.bits // 8
    if found.type == ChecksumType.NONE or not 0 < size <= len(found.value):
        return Checksum(found.type, None)
    return Checksum(found.type, found.value[:size])
