"""The checksums of partitions: every way to store sectors, and every way to be damaged."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.dmg import Checksum, DiskImage, DmgError, Format, Outcome, Partition, inspect_thd
from images.sectors import MAX_CHUNK_BYTES, crc32_of_zeros, verify_partitions_thd
from images.udif import CHUNK, ChunkType

from .disk import checksum, chunk, image, table, tables_xml, udzo

DISK = bytes(range(256)) * 16  # eight sectors
SIZE = len(DISK) // 512
STORED = {
    ChunkType.RAW: DISK,
    ChunkType.ZLIB: zlib.compress(DISK),
    ChunkType.BZIP2: bz2.compress(DISK),
    ChunkType.LZMA: lzma.compress(DISK),
}


def outcomes(data: bytes, progress: list[tuple[int, int]] | None = None) -> tuple[Outcome, ...]:
    file = io.BytesIO(data)
    tell = None if progress is None else lambda *step: progress.append(step)
    return verify_partitions_thd(file, inspect_thd(file), tell)


def stored_as(kind: int, stored: bytes, crc: int, **fields: int) -> bytes:
    chunks = [chunk(kind, 0, SIZE, 0, len(stored)), chunk(ChunkType.END, SIZE, 0)]
    return image(stored, tables_xml(table(chunks, sectors=SIZE, checksum=checksum(crc), **fields)))


@pytest.mark.parametrize("kind", STORED)
def test_sectors_match_however_they_are_stored(kind: ChunkType) -> None:
    """The checksum is that of the disk, not of the file."""
    assert outcomes(stored_as(kind, STORED[kind], zlib.crc32(DISK))) == (Outcome.MATCHES,)


@pytest.mark.parametrize("kind", STORED)
def test_other_sectors_differ(kind: ChunkType) -> None:
    """A checksum of something else is told."""
    assert outcomes(stored_as(kind, STORED[kind], 5)) == (Outcome.DIFFERS,)


@pytest.mark.parametrize("kind", STORED)
def test_damaged_chunks_differ(kind: ChunkType) -> None:
    """What cannot be decompressed, or becomes too little or too much, is damage."""
    crc = zlib.crc32(DISK)
    for stored in (b"", STORED[kind][: len(STORED[kind]) // 2], b"\xff" * 40):
        assert outcomes(stored_as(kind, stored, crc)) == (Outcome.DIFFERS,)
    if kind is not ChunkType.RAW:
        compress = {
            ChunkType.ZLIB: zlib.compress,
            ChunkType.BZIP2: bz2.compress,
            ChunkType.LZMA: lzma.compress,
        }[kind]
        assert outcomes(stored_as(kind, compress(DISK * 3), crc)) == (Outcome.DIFFERS,)


@pytest.mark.parametrize("kind", [ChunkType.LZFSE, ChunkType.ADC])
def test_what_python_cannot_undo(kind: ChunkType) -> None:
    """It is said not to be known, and never to be wrong."""
    assert outcomes(stored_as(kind, b"x", 5)) == (Outcome.UNSUPPORTED,)


def test_checksum_of_another_type_or_none() -> None:
    """Only CRC-32 is computed."""
    chunks = [chunk(ChunkType.RAW, 0, SIZE, 0, len(DISK))]
    other = table(chunks, sectors=SIZE, checksum={**checksum(5), "type": 4})
    none = table(chunks, sectors=SIZE, checksum=checksum(None))

    told: list[tuple[int, int]] = []
    found = outcomes(image(DISK, tables_xml(other, none)), told)

    assert found == (Outcome.UNSUPPORTED, Outcome.ABSENT)
    assert told == []


def test_chunk_of_an_unknown_type() -> None:
    """A type from the future cannot be right."""
    assert outcomes(stored_as(0x80000099, DISK, zlib.crc32(DISK))) == (Outcome.DIFFERS,)


def test_zeros_count_and_ignored_sectors_do_not() -> None:
    """As hdiutil counts them; an offset of the table moves all its chunks."""
    chunks = [
        chunk(ChunkType.COMMENT, 0, 0),
        chunk(ChunkType.RAW, 0, SIZE, 0, len(DISK)),
        chunk(ChunkType.ZERO, SIZE, 3),
        chunk(ChunkType.IGNORE, SIZE + 3, 1 << 40),
        chunk(ChunkType.END, SIZE + 3, 0),
    ]
    crc = checksum(zlib.crc32(DISK + bytes(3 * 512)))
    tables = table(chunks, sectors=SIZE + 4, checksum=crc, data_offset=2)
    told: list[tuple[int, int]] = []

    assert outcomes(image(b"??" + DISK, tables_xml(tables)), told) == (Outcome.MATCHES,)
    assert told == [(len(DISK), len(DISK))]


def test_an_image_of_ours() -> None:
    """What is written here is read back, without an audience as well."""
    assert outcomes(udzo(DISK * 200 + bytes(300_000))) == (Outcome.MATCHES,)


def test_file_that_became_shorter() -> None:
    """The file may change while it is read."""
    data = stored_as(ChunkType.RAW, DISK, 5)
    whole = inspect_thd(io.BytesIO(data))

    with pytest.raises(DmgError, match="cut short"):
        verify_partitions_thd(io.BytesIO(data[:700]), whole)


def test_chunk_larger_than_any() -> None:
    """Nobody makes such chunks, and memory is not for them."""
    descriptor = chunk(ChunkType.ZLIB, 0, MAX_CHUNK_BYTES // 512 + 1, 0, 4)
    partition = Partition(
        name="",
        first_sector=0,
        sector_count=1,
        chunk_count=1,
        checksum=Checksum(2, bytes(4)),
        chunks=CHUNK.build(descriptor),
    )
    whole = DiskImage(format=Format.UDZO, file_size=4, sector_count=1, partitions=(partition,))

    assert verify_partitions_thd(io.BytesIO(b"fork"), whole) == (Outcome.DIFFERS,)


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 3_000_000))
def test_checksum_of_zeros(crc: int, count: int) -> None:
    """Equal to that of so many zeros."""
    assert crc32_of_zeros(crc, count) == zlib.crc32(bytes(count), crc)
