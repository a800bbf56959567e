"""Write a UDZO disk image (.dmg, zlib) from the raw bytes of a disk, in one pass.

The result is deterministic: the same disk gives the same file. It is meant for images made on
machines without hdiutil, and for tests; qemu-img, dmg2img and 7-Zip read it back byte for byte.
"""

from __future__ import annotations

import hashlib
import plistlib
import zlib
from typing import Any, BinaryIO

from images.udif import (
    CHUNK,
    SECTOR,
    TABLE,
    TABLE_MAGIC,
    TRAILER,
    TRAILER_MAGIC,
    TRAILER_SIZE,
    ChecksumType,
    ChunkType,
)

SECTORS_PER_CHUNK = 512

# What a reader has to buffer for one chunk, in sectors, plus eight as hdiutil counts.
_BUFFERS = SECTORS_PER_CHUNK + 8

_FLATTENED = 1
_DEVICE_IMAGE = 1


def write_udzo_thd(disk: BinaryIO, target: BinaryIO, *, level: int = 6) -> int:
    """Read `disk` to its end, write the image to `target` at its position; returns its size.

    The disk is padded with zeros to whole sectors. `level` is zlib's, 1 to 9.
    """
    writer = _Writer(target, level)
    while block := _block(disk):
        writer.add(block)
    return writer.finish()


def _block(disk: BinaryIO) -> bytes:
    """The next chunk of whole sectors; shorter than a chunk at the end of the disk only."""
    size = SECTORS_PER_CHUNK * SECTOR
    parts = []
    while size and (part := disk.read(size)):
        parts.append(part)
        size -= len(part)
    block = b"".join(parts)
    return block + bytes(-len(block) % SECTOR)


class _Writer:
    def __init__(self, target: BinaryIO, level: int) -> None:
        self._target = target
        self._level = level
        self._chunks: list[dict[str, int]] = []
        self._sectors = 0
        self._length = 0
        self._disk_crc = 0
        self._fork_crc = 0
        self._digest = hashlib.sha256()

    def add(self, block: bytes) -> None:
        """Store one chunk in the smallest of the three ways."""
        self._disk_crc = zlib.crc32(block, self._disk_crc)
        packed = zlib.compress(block, self._level)
        if not block.strip(b"\0"):
            self._store(ChunkType.ZERO, b"", block)
        elif len(packed) < len(block):
            self._store(ChunkType.ZLIB, packed, block)
        else:
            self._store(ChunkType.RAW, block, block)

    def _store(self, kind: ChunkType, stored: bytes, block: bytes) -> None:
        sectors = len(block) // SECTOR
        self._chunks.append(self._chunk(kind, sectors, len(stored)))
        self._target.write(stored)
        self._fork_crc = zlib.crc32(stored, self._fork_crc)
        self._digest.update(stored)
        self._sectors += sectors
        self._length += len(stored)

    def _chunk(self, kind: ChunkType, sectors: int, length: int) -> dict[str, int]:
        return {
            "type": kind,
            "comment": 0,
            "first_sector": self._sectors,
            "sector_count": sectors,
            "offset": self._length,
            "length": length,
        }

    def finish(self) -> int:
        """Write what follows the data fork; the size of it all."""
        xml = plistlib.dumps({"resource-fork": {"blkx": [self._resource()]}})
        self._target.write(xml)
        self._target.write(TRAILER.build(self._trailer(len(xml))))
        return self._length + len(xml) + TRAILER_SIZE

    def _resource(self) -> dict[str, object]:
        chunks = [*self._chunks, self._chunk(ChunkType.END, 0, 0)]
        table = {
            "magic": TABLE_MAGIC,
            "version": 1,
            "first_sector": 0,
            "sector_count": self._sectors,
            "data_offset": 0,
            "buffers_needed": _BUFFERS,
            "block_descriptors": 0,
            "reserved": [0] * 6,
            "checksum": _crc32(self._disk_crc),
            "chunk_count": len(chunks),
        }
        name = "whole disk (unknown partition : 0)"
        return {
            "Attributes": "0x0050",
            "CFName": name,
            "Data": TABLE.build(table) + b"".join(map(CHUNK.build, chunks)),
            "ID": "0",
            "Name": name,
        }

    def _trailer(self, xml_length: int) -> dict[str, Any]:
        # The master checksum covers the checksums of all tables, here of the one.
        master = zlib.crc32(self._disk_crc.to_bytes(4, "big"))
        return {
            "magic": TRAILER_MAGIC,
            "version": 4,
            "size": TRAILER_SIZE,
            "flags": _FLATTENED,
            "running_data_fork_offset": 0,
            "data_fork_offset": 0,
            "data_fork_length": self._length,
            "resource_fork_offset": 0,
            "resource_fork_length": 0,
            "segment_number": 1,
            "segment_count": 1,
            "segment_id": self._digest.digest()[:16],
            "data_checksum": _crc32(self._fork_crc),
            "xml_offset": self._length,
            "xml_length": xml_length,
            "reserved_1": bytes(120),
            "master_checksum": _crc32(master),
            "variant": _DEVICE_IMAGE,
            "sector_count": self._sectors,
            "reserved_2": [0, 0, 0],
        }


def _crc32(value: int) -> dict[str, object]:
    return {
        "type": ChecksumType.CRC32,
        "bits": 32,
        "value": value.to_bytes(4, "big") + bytes(124),
    }
