"""The checksum of each partition in a disk image (UDIF), computed anew from its sectors.

    chunk ──▶ read ──▶ decompress ──▶ CRC-32 over all chunks of one block table

Sectors of the type IGNORE count for nothing, those of the type ZERO as zeros (7-Zip,
DmgHandler.cpp; hdiutil gives unused space the checksum 0). What is compressed in a way that Python
cannot undo (LZFSE, ADC) has the checksum of the whole file only. Must never hold more than one
chunk in memory.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import BinaryIO, Final

from images.dmg import WITHOUT_DATA, DiskImage, Outcome, Partition, read_thd
from images.udif import CHUNK_FAST, SECTOR, ChecksumType, ChunkType

# hdiutil makes chunks of 256 KiB to 8 MiB.
MAX_CHUNK_BYTES = 64 * 1024 * 1024

_PIECE = 1024 * 1024
_ZEROS = bytes(_PIECE)
_POLYNOMIAL: Final = 0xEDB88320
_ONES: Final = 0xFFFFFFFF
_UNSUPPORTED = frozenset({ChunkType.ADC, ChunkType.LZFSE})
_DAMAGE = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)

Progress = Callable[[int, int], None]


class _Damaged(Exception):
    """A chunk that cannot be what was stored."""


def verify_partitions_thd(
    file: BinaryIO, image: DiskImage, progress: Progress | None = None
) -> tuple[Outcome, ...]:
    """What became of the checksum of each partition; a chunk that cannot be decompressed differs.

    `progress` is told (bytes read, bytes in all); whatever it raises ends the reading. Raises
    `DmgError` when the file has become shorter than it was.
    """
    total = sum(map(_stored, image.partitions))
    done = 0

    def step(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(done, total)

    return tuple(_outcome(file, image, partition, step) for partition in image.partitions)


def _outcome(
    file: BinaryIO, image: DiskImage, partition: Partition, step: Callable[[int], None]
) -> Outcome:
    checksum = partition.checksum
    if checksum.value is None:
        return Outcome.ABSENT
    kinds = {kind for kind, *_ in CHUNK_FAST.iter_unpack(partition.chunks)}
    if checksum.type != ChecksumType.CRC32 or kinds & _UNSUPPORTED:
        return Outcome.UNSUPPORTED
    start = image.data_fork.start + partition.data_offset
    crc = 0
    try:
        for kind, _, _, sectors, offset, length in CHUNK_FAST.iter_unpack(partition.chunks):
            if kind == ChunkType.ZERO:
                crc = crc32_of_zeros(crc, sectors * SECTOR)
            elif kind not in WITHOUT_DATA:
                for piece in _pieces(file, kind, start + offset, length, sectors * SECTOR):
                    crc = zlib.crc32(piece, crc)
                step(length)
    except _Damaged:
        return Outcome.DIFFERS
    return Outcome.MATCHES if crc.to_bytes(4, "big") == checksum.value else Outcome.DIFFERS


def _stored(partition: Partition) -> int:
    if partition.checksum.type != ChecksumType.CRC32:
        return 0
    chunks = CHUNK_FAST.iter_unpack(partition.chunks)
    return sum(length for kind, *_, length in chunks if kind not in WITHOUT_DATA)


def _pieces(file: BinaryIO, kind: int, offset: int, length: int, size: int) -> Iterator[bytes]:
    """The `size` bytes of sectors that `length` bytes of the file stand for."""
    if kind == ChunkType.RAW:
        if length != size:
            raise _Damaged
        for at in range(offset, offset + length, _PIECE):
            yield read_thd(file, at, min(_PIECE, offset + length - at))
        return
    if max(length, size) > MAX_CHUNK_BYTES:
        raise _Damaged
    stored = read_thd(file, offset, length)
    try:
        data = _decompressed(kind, stored, size + 1)
    except _DAMAGE:
        raise _Damaged from None
    if len(data) != size:
        raise _Damaged
    yield data


def _decompressed(kind: int, stored: bytes, at_most: int) -> bytes:
    match kind:
        case ChunkType.ZLIB:
            return zlib.decompressobj().decompress(stored, at_most)
        case ChunkType.BZIP2:
            return bz2.BZ2Decompressor().decompress(stored, at_most)
        case ChunkType.LZMA:
            return lzma.LZMADecompressor().decompress(stored, at_most)
        case _:
            raise ValueError("no type of chunk that is known")


def crc32_of_zeros(crc: int, count: int) -> int:
    """`zlib.crc32(bytes(count), crc)`, in no time however many they are.

    A zero byte is a linear map of the register, over bits; maps are squared until they make up
    `count` (the idea of crc32_combine in zlib).
    """
    if count <= _PIECE:
        return zlib.crc32(_ZEROS[:count], crc)
    register = crc ^ _ONES
    for bit in range(count.bit_length()):
        if count >> bit & 1:
            register = _applied(_zero_bytes(bit), register)
    return register ^ _ONES


@cache
def _zero_bytes(power: int) -> tuple[int, ...]:
    """What 2 ** power zero bytes make of each single bit of the register."""
    if power == 0:
        return tuple(_after_zero_byte(1 << bit) for bit in range(32))
    half = _zero_bytes(power - 1)
    return tuple(_applied(half, column) for column in half)


def _after_zero_byte(register: int) -> int:
    for _ in range(8):
        register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register


def _applied(columns: tuple[int, ...], register: int) -> int:
    result = 0
    for bit, column in enumerate(columns):
        if register >> bit & 1:
            result ^= column
    return result
