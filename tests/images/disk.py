"""Disk images for the tests: built field by field, and read back without the code under test."""

from __future__ import annotations

import io
import plistlib
import zlib
from collections.abc import Sequence
from typing import Any

from images.udif import CHUNK, TABLE, TABLE_SIZE, TRAILER, ChunkType
from images.udzo import write_udzo_thd

SECTOR = 512


def checksum(value: int | None) -> dict[str, Any]:
    if value is None:
        return {"type": 0, "bits": 0, "value": bytes(128)}
    return {"type": 2, "bits": 32, "value": value.to_bytes(4, "big") + bytes(124)}


def chunk(kind: int, first: int, count: int, offset: int = 0, length: int = 0) -> dict[str, int]:
    return {
        "type": kind,
        "comment": 0,
        "first_sector": first,
        "sector_count": count,
        "offset": offset,
        "length": length,
    }


def table(
    chunks: Sequence[dict[str, int]], *, sectors: int, first: int = 0, **fields: Any
) -> bytes:
    header = {
        "magic": b"mish",
        "version": 1,
        "first_sector": first,
        "sector_count": sectors,
        "data_offset": 0,
        "buffers_needed": 520,
        "block_descriptors": 0,
        "reserved": [0] * 6,
        "checksum": checksum(0),
        "chunk_count": len(chunks),
        **fields,
    }
    return TABLE.build(header) + b"".join(map(CHUNK.build, chunks))


def tables_xml(*tables: bytes) -> bytes:
    blkx = [{"Name": f"part {number}", "Data": data} for number, data in enumerate(tables)]
    return plistlib.dumps({"resource-fork": {"blkx": blkx}})


def image(fork: bytes, xml: bytes, **fields: Any) -> bytes:
    """A UDIF file: data fork, property list, trailer."""
    trailer = {
        "magic": b"koly",
        "version": 4,
        "size": 512,
        "flags": 1,
        "running_data_fork_offset": 0,
        "data_fork_offset": 0,
        "data_fork_length": len(fork),
        "resource_fork_offset": 0,
        "resource_fork_length": 0,
        "segment_number": 1,
        "segment_count": 1,
        "segment_id": bytes(16),
        "data_checksum": checksum(zlib.crc32(fork)),
        "xml_offset": len(fork),
        "xml_length": len(xml),
        "reserved_1": bytes(120),
        "master_checksum": checksum(None),
        "variant": 1,
        "sector_count": 8,
        "reserved_2": [0, 0, 0],
        **fields,
    }
    return fork + xml + TRAILER.build(trailer)


def udzo(disk: bytes, **options: int) -> bytes:
    target = io.BytesIO()
    write_udzo_thd(io.BytesIO(disk), target, **options)
    return target.getvalue()


def raw_disk(data: bytes) -> bytes:
    """The disk in a UDIF file, read as any other program would: trailer, list, tables, chunks."""
    trailer = TRAILER.parse(data[-512:])
    xml = data[trailer.xml_offset : trailer.xml_offset + trailer.xml_length]
    disk = bytearray(trailer.sector_count * SECTOR)
    for resource in plistlib.loads(xml)["resource-fork"]["blkx"]:
        header = TABLE.parse(resource["Data"][:TABLE_SIZE])
        part = bytearray(header.sector_count * SECTOR)
        for number in range(header.chunk_count):
            at = TABLE_SIZE + number * 40
            found = CHUNK.parse(resource["Data"][at : at + 40])
            stored = data[found.offset : found.offset + found.length]
            content = unpacked(found.type, stored, found.sector_count)
            assert len(content) == found.sector_count * SECTOR
            start = found.first_sector * SECTOR
            part[start : start + len(content)] = content
        assert zlib.crc32(part) == int.from_bytes(header.checksum.value[:4], "big")
        start = header.first_sector * SECTOR
        disk[start : start + len(part)] = part
    return bytes(disk)


def unpacked(kind: int, stored: bytes, sectors: int) -> bytes:
    match kind:
        case ChunkType.ZLIB:
            return zlib.decompress(stored)
        case ChunkType.RAW:
            return stored
        case _:
            assert kind in (ChunkType.ZERO, ChunkType.END)
            return bytes(sectors * SECTOR)
