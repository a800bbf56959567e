"""The bytes of Apple's Universal Disk Image Format: the trailer and the block tables.

A UDIF file (.dmg) ends with 512 bytes, the trailer; it says where the data fork lies and where the
property list that holds one block table per partition:

    [ data fork: chunks, compressed one by one ][ XML property list ][ trailer "koly" ]

    trailer ──▶ XML ──▶ resource-fork / blkx[] / Data ──▶ table "mish" ──▶ chunks ──▶ data fork

The construct definitions are normative, all numbers big-endian. There is no document of Apple's;
they follow libmodi's "Mac OS disk image types" and what hdiutil, qemu-img and dmg2img agree on.
Chunk descriptors, of which a large image has a hundred thousand, are read by `struct` (a test
proves that both agree). Pure: must never open a file.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from construct import Array, Bytes, Const, Int32ub, Int64ub, Struct

SECTOR: Final = 512
TRAILER_SIZE: Final = 512
TABLE_SIZE: Final = 204
CHUNK_SIZE: Final = 40

TRAILER_MAGIC: Final = b"koly"
TABLE_MAGIC: Final = b"mish"


class ChecksumType(IntEnum):
    """How a checksum was made. Apple's tools write CRC-32 only."""

    NONE = 0
    CRC32 = 2


class ChunkType(IntEnum):
    """How a run of sectors is stored."""

    ZERO = 0
    RAW = 1
    IGNORE = 2
    COMMENT = 0x7FFFFFFE
    ADC = 0x80000004
    ZLIB = 0x80000005
    BZIP2 = 0x80000006
    LZFSE = 0x80000007
    LZMA = 0x80000008
    END = 0xFFFFFFFF


CHECKSUM = Struct(
    "type" / Int32ub,
    "bits" / Int32ub,
    "value" / Bytes(128),
)

TRAILER = Struct(
    "magic" / Const(TRAILER_MAGIC),
    "version" / Const(4, Int32ub),
    "size" / Const(TRAILER_SIZE, Int32ub),
    "flags" / Int32ub,
    "running_data_fork_offset" / Int64ub,
    "data_fork_offset" / Int64ub,
    "data_fork_length" / Int64ub,
    "resource_fork_offset" / Int64ub,
    "resource_fork_length" / Int64ub,
    "segment_number" / Int32ub,
    "segment_count" / Int32ub,
    "segment_id" / Bytes(16),
    "data_checksum" / CHECKSUM,
    "xml_offset" / Int64ub,
    "xml_length" / Int64ub,
    "reserved_1" / Bytes(120),
    "master_checksum" / CHECKSUM,
    "variant" / Int32ub,
    "sector_count" / Int64ub,
    "reserved_2" / Array(3, Int32ub),
)

TABLE = Struct(
    "magic" / Const(TABLE_MAGIC),
    "version" / Const(1, Int32ub),
    "first_sector" / Int64ub,
    "sector_count" / Int64ub,
    "data_offset" / Int64ub,
    "buffers_needed" / Int32ub,
    "block_descriptors" / Int32ub,
    "reserved" / Array(6, Int32ub),
    "checksum" / CHECKSUM,
    "chunk_count" / Int32ub,
)

CHUNK = Struct(
    "type" / Int32ub,
    "comment" / Int32ub,
    "first_sector" / Int64ub,
    "sector_count" / Int64ub,
    "offset" / Int64ub,
    "length" / Int64ub,
)

CHUNK_FAST = struct.Struct(">IIQQQQ")

# The sparse image (.sparseimage) is another format, of which only the size is of interest here.
SPARSE_MAGIC: Final = b"sprs"
SPARSE_HEADER = Struct(
    "magic" / Const(SPARSE_MAGIC),
    "version" / Int32ub,
    "sectors_per_band" / Int32ub,
    "unknown" / Int32ub,
    "sector_count" / Int32ub,
)

# An encrypted image: version 2 says so at its start, version 1 at its end.
ENCRYPTED_MAGIC: Final = b"encrcdsa"
ENCRYPTED_V1_MAGIC: Final = b"cdsaencr"
