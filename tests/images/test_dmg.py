from __future__ import annotations

import io
import plistlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images import dmg
from images.dmg import (
    Checksum,
    DiskImage,
    DmgError,
    Format,
    Outcome,
    Partition,
    inspect_thd,
    verify_thd,
)
from images.udif import (
    CHUNK,
    CHUNK_FAST,
    CHUNK_SIZE,
    SPARSE_HEADER,
    TABLE,
    TABLE_SIZE,
    TRAILER,
    TRAILER_SIZE,
    ChunkType,
)

from .disk import checksum, chunk, image, table, tables_xml, udzo

# The block table of a protective MBR as hdiutil wrote it: one sector of zlib, CRC-32 41f2fa33
# (example in libmodi's "Mac OS disk image types").
HDIUTIL_TABLE = bytes.fromhex(
    "6d697368 00000001 0000000000000000 0000000000000001 0000000000000000 00000808 00000000"
    + "00000000" * 6
    + "00000002 00000020 41f2fa33"
    + "00" * 124
    + "00000002"
    + "80000005 00000003 0000000000000000 0000000000000001 000000000000200d 000000000000001f"
    + "ffffffff 00000000 0000000000000001 0000000000000000 0000000000000000 0000000000000000"
)


def inspected(data: bytes) -> DiskImage:
    return inspect_thd(io.BytesIO(data))


def refused(data: bytes) -> str:
    with pytest.raises(DmgError) as caught:
        inspected(data)
    return str(caught.value)


def test_definitions_have_the_sizes_of_the_format() -> None:
    """Trailer 512, block table 204, chunk 40 bytes."""
    assert TRAILER.sizeof() == TRAILER_SIZE == 512
    assert TABLE.sizeof() == TABLE_SIZE == 204
    assert CHUNK.sizeof() == CHUNK_SIZE == CHUNK_FAST.size == 40


@given(st.binary(min_size=CHUNK_SIZE, max_size=CHUNK_SIZE))
def test_fast_chunks_agree_with_the_definition(data: bytes) -> None:
    """The struct that hurries reads and writes what the construct definition does."""
    found = CHUNK.parse(data)
    fields = [found[name.name] for name in CHUNK.subcons]

    assert CHUNK_FAST.unpack(data) == tuple(fields)
    assert CHUNK.build(found) == CHUNK_FAST.pack(*fields) == data


def test_table_of_hdiutil() -> None:
    """A block table that Apple's own tool wrote is read in full."""
    found = inspected(image(bytes(0x202C), tables_xml(HDIUTIL_TABLE), sector_count=0))

    assert found.format is Format.UDZO
    assert found.sector_count == 1
    (part,) = found.partitions
    assert part == Partition(
        name="part 0",
        first_sector=0,
        sector_count=1,
        chunk_count=2,
        checksum=Checksum(2, bytes.fromhex("41f2fa33")),
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([ChunkType.RAW, ChunkType.ZERO, ChunkType.IGNORE], Format.UDRO),
        ([ChunkType.ZLIB, ChunkType.RAW], Format.UDZO),
        ([ChunkType.COMMENT, ChunkType.ADC], Format.UDCO),
        ([ChunkType.BZIP2], Format.UDBZ),
        ([ChunkType.LZFSE, ChunkType.ZERO], Format.ULFO),
        ([ChunkType.LZMA], Format.ULMO),
        ([], Format.UDRO),
    ],
)
def test_formats_are_told_by_their_chunks(kinds: list[ChunkType], expected: Format) -> None:
    """The way in which any chunk is compressed names the image."""
    chunks = [chunk(kind, number, 1, 0, 4) for number, kind in enumerate(kinds)]
    chunks.append(chunk(ChunkType.END, len(kinds), 0))
    data = image(b"fork", tables_xml(table(chunks, sectors=8)))

    found = inspected(data)

    assert found.format is expected
    assert (found.file_size, found.sector_count, found.size) == (len(data), 8, 4096)
    assert found.data_fork == range(4)


def test_several_partitions(tmp_path: object) -> None:
    """Sizes add up over partitions where the trailer names none."""
    raw = [chunk(ChunkType.RAW, 0, 1, 0, 4)]
    tables = [table(raw, sectors=3), table(raw, sectors=5, first=3)]

    found = inspected(image(b"fork", tables_xml(*tables), sector_count=0))

    assert [part.first_sector for part in found.partitions] == [0, 3]
    assert found.sector_count == 8


def test_trailer_without_tables_is_raw() -> None:
    """An image with a trailer and no property list holds the disk as it is."""
    found = inspected(image(bytes(4096), b""))

    assert (found.format, found.sector_count, found.partitions) == (Format.UDRW, 8, ())


def test_raw_image() -> None:
    """Whole sectors without a trailer are a raw disk."""
    found = inspected(bytes(5120))

    assert (found.format, found.sector_count, found.size) == (Format.UDRW, 10, 5120)


def test_sparse_image() -> None:
    """A sparse image is smaller than its disk, whose size its header tells."""
    header = {"magic": b"sprs", "version": 3, "sectors_per_band": 2048, "unknown": 1}
    data = SPARSE_HEADER.build({**header, "sector_count": 81920}) + bytes(5000)

    found = inspected(data)

    assert (found.format, found.sector_count) == (Format.SPARSE, 81920)


@pytest.mark.parametrize("data", [b"encrcdsa" + bytes(1000), bytes(1000) + b"cdsaencr"])
def test_encrypted_image(data: bytes) -> None:
    """Of an encrypted disk nothing can be told but that it is one."""
    found = inspected(data)

    assert (found.format, found.sector_count, found.size) == (Format.ENCRYPTED, None, None)


@pytest.mark.parametrize("data", [b"", b"koly", b"sprs", bytes(511), bytes(513), b"koly" * 100])
def test_what_is_no_disk_image(data: bytes) -> None:
    """Anything that is not whole sectors and has no trailer is cut short or something else."""
    assert "cut short or no disk image" in refused(data)


def test_truncated_image_is_found_out() -> None:
    """A compressed image without its end has no trailer, and seldom whole sectors."""
    data = udzo(b"hello " * 10_000)

    assert "cut short" in refused(data[:-1])


RAW = [chunk(ChunkType.RAW, 0, 1, 0, 4)]
GOOD = tables_xml(table(RAW, sectors=8))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"data_fork_offset": 2**63}, "data fork ends beyond the file"),
        ({"data_fork_length": 10_000}, "data fork ends beyond the file"),
        ({"xml_offset": 2**64 - 1}, "xml ends beyond the file"),
        ({"xml_length": 10_000}, "xml ends beyond the file"),
        ({"xml_length": 20}, "not a property list"),
        ({"segment_count": 2}, "several segments"),
    ],
)
def test_hostile_trailers(fields: dict[str, int], why: str) -> None:
    """Offsets beyond the file and parts of a set are refused by name."""
    assert why in refused(image(b"fork", GOOD, **fields))


@pytest.mark.parametrize(
    ("at", "data", "why"),
    [
        (-508, bytes(4), "trailer is of a version other than 4"),
        (-504, bytes(4), "trailer says that it is not 512 bytes"),
    ],
)
def test_trailers_of_another_make(at: int, data: bytes, why: str) -> None:
    """A version that nobody has seen is not guessed at."""
    good = bytearray(image(b"fork", GOOD))
    good[at : at + len(data)] = data

    assert why in refused(bytes(good))


def with_version(version: int) -> bytes:
    data = bytearray(table(RAW, sectors=8))
    data[4:8] = version.to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        (b"nonsense", "is not a property list"),
        (plistlib.dumps([]), "holds no dictionary"),
        (plistlib.dumps({}), "holds no block tables"),
        (plistlib.dumps({"resource-fork": []}), "holds no block tables"),
        (plistlib.dumps({"resource-fork": {"blkx": {}}}), "holds no block tables"),
        (plistlib.dumps({"resource-fork": {"blkx": [1]}}), "has no data"),
        (plistlib.dumps({"resource-fork": {"blkx": [{"Data": "x"}]}}), "has no data"),
        (plistlib.dumps({"resource-fork": {"blkx": [{}] * 1025}}), "holds no block tables"),
        (tables_xml(b"mish"), "does not begin as one"),
        (tables_xml(b"hsim" + bytes(300)), "does not begin as one"),
        (tables_xml(with_version(2)), "block table is of a version other than 1"),
        (tables_xml(table(RAW, sectors=8, chunk_count=2)), "names 2 chunks"),
        (tables_xml(table(RAW, sectors=8, chunk_count=2**32 - 1)), "names 4294967295 chunks"),
        (tables_xml(table(RAW, sectors=8) + b"x"), "names 1 chunks"),
        (
            tables_xml(table([chunk(ChunkType.ZLIB, 0, 1, 2**63, 2**63)], sectors=8)),
            "ends beyond the data fork",
        ),
        (
            tables_xml(
                table([chunk(kind, 0, 1, 0, 4) for kind in list(ChunkType)[4:6]], sectors=8)
            ),
            "in more than one way",
        ),
    ],
)
def test_hostile_tables(xml: bytes, why: str) -> None:
    """Whatever the property list holds, the outcome is a DmgError with a reason."""
    assert why in refused(image(b"fork", xml))


def test_name_of_a_partition_may_be_missing() -> None:
    """A table without a usable name is a table all the same."""
    blkx = [{"Name": 5, "Data": table(RAW, sectors=8)}]

    found = inspected(image(b"fork", plistlib.dumps({"resource-fork": {"blkx": blkx}})))

    assert found.partitions[0].name == ""


def test_size_of_the_property_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list larger than any image needs is not even read."""
    monkeypatch.setattr(dmg, "MAX_XML_BYTES", len(GOOD) - 1)

    assert "is larger than" in refused(image(b"fork", GOOD))


def verified(data: bytes) -> tuple[Outcome, Outcome]:
    file = io.BytesIO(data)
    found = verify_thd(file, inspect_thd(file))
    return found.data_fork, found.master


def test_checksums_that_hold() -> None:
    """Both checksums of an intact image match, and progress reaches the whole data fork."""
    data = udzo(bytes(range(256)) * 20_000)
    file = io.BytesIO(data)
    found = inspect_thd(file)
    told: list[tuple[int, int]] = []

    result = verify_thd(file, found, lambda done, total: told.append((done, total)))

    assert (result.data_fork, result.master) == (Outcome.MATCHES, Outcome.MATCHES)
    assert result.is_intact
    assert told[-1] == (len(found.data_fork), len(found.data_fork))


def test_progress_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data fork is read in pieces, wherever in the file it lies."""
    monkeypatch.setattr(dmg, "_READ", 1000)
    fork = bytes(2500)
    fields = {"data_fork_offset": 8, "data_checksum": checksum(zlib.crc32(fork))}
    data = image(bytes(8) + fork, GOOD, data_fork_length=2500, xml_offset=2508, **fields)
    file = io.BytesIO(data)
    told: list[tuple[int, int]] = []

    result = verify_thd(file, inspect_thd(file), lambda *step: told.append(step))

    assert result.data_fork is Outcome.MATCHES
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]


def test_damage_in_the_data_fork() -> None:
    """One bit is enough."""
    data = bytearray(udzo(bytes(range(256)) * 100))
    data[10] ^= 1

    assert verified(bytes(data)) == (Outcome.DIFFERS, Outcome.MATCHES)


def test_damage_in_a_table() -> None:
    """The master checksum covers the checksums of all partitions."""
    values = [b"\1\2\3\4", b"\5\6\7\x08"]
    tables = [table(RAW, sectors=4, checksum=checksum(int.from_bytes(v, "big"))) for v in values]
    tables.append(table(RAW, sectors=4, checksum=checksum(None)))
    right = checksum(zlib.crc32(b"".join(values)))

    good = image(b"fork", tables_xml(*tables), master_checksum=right)
    bad = image(b"fork", tables_xml(tables[1], tables[0]), master_checksum=right)

    assert verified(good) == (Outcome.MATCHES, Outcome.MATCHES)
    assert verified(bad) == (Outcome.MATCHES, Outcome.DIFFERS)


@pytest.mark.parametrize(
    ("field", "outcome"),
    [
        ({"type": 0, "bits": 0, "value": bytes(128)}, Outcome.ABSENT),
        ({"type": 2, "bits": 0, "value": bytes(128)}, Outcome.ABSENT),
        ({"type": 2, "bits": 2000, "value": bytes(128)}, Outcome.ABSENT),
        ({"type": 4, "bits": 128, "value": bytes(128)}, Outcome.UNSUPPORTED),
        ({"type": 2, "bits": 16, "value": bytes(128)}, Outcome.DIFFERS),
    ],
)
def test_checksums_that_cannot_be_judged(field: dict[str, Any], outcome: Outcome) -> None:
    """An absent checksum and one of another type say nothing against the image."""
    data = image(b"fork", GOOD, data_checksum=field, master_checksum=field)

    assert verified(data) == (outcome, outcome)


def test_raw_images_have_no_checksums() -> None:
    """Nothing speaks against a raw image."""
    file = io.BytesIO(bytes(512))
    result = verify_thd(file, inspect_thd(file))

    assert (result.data_fork, result.master) == (Outcome.ABSENT, Outcome.ABSENT)
    assert result.is_intact


def test_file_that_shrinks_while_it_is_verified() -> None:
    """An image that was cut meanwhile is an error."""
    data = udzo(bytes(range(256)) * 100)
    found = inspected(data)

    with pytest.raises(DmgError, match="cut short"):
        verify_thd(io.BytesIO(data[:100]), found)


SMALL = udzo(bytes(range(256)) * 8)


@given(st.data())
def test_damaged_images_are_images_or_errors(data: st.DataObject) -> None:
    """Bytes changed in trailer and list give an image or a DmgError, and nothing else."""
    damaged = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    file = io.BytesIO(bytes(damaged))

    try:
        found = inspect_thd(file)
    except DmgError:
        return

    assert isinstance(found.format, Format)
    verify_thd(file, found)


@given(st.binary(max_size=1100))
def test_any_bytes_are_an_image_or_an_error(data: bytes) -> None:
    """There is no third outcome."""
    try:
        found = inspected(data)
    except DmgError:
        return
    assert found.file_size == len(data)
