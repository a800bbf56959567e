"""Disk images of every compression, with checksums as `images.sectors` computes them, are right for
other programs as well."""

from __future__ import annotations

import bz2
import io
import lzma
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from images.dmg import Outcome, inspect_thd, verify_thd
from images.sectors import verify_partitions_thd
from images.udif import ChunkType
from tests.interop.peer import peer

from .disk import checksum, chunk, image, table, tables_xml

SECTORS = 512
DISK = b"".join(
    (number * 7919).to_bytes(4, "big") * 128 if number % 3 else bytes(512)
    for number in range(3 * SECTORS)
)
WAYS: dict[str, tuple[ChunkType, Callable[[bytes], bytes]]] = {
    "zlib": (ChunkType.ZLIB, zlib.compress),
    "bzip2": (ChunkType.BZIP2, bz2.compress),
    "lzma": (ChunkType.LZMA, lzma.compress),
    "raw": (ChunkType.RAW, bytes),
}


def disk_image(way: str, *, wrong: int = 0) -> bytes:
    """Three chunks and a run of zeros; `wrong` is added to the checksum of the sectors."""
    kind, compress = WAYS[way]
    fork = b""
    chunks = []
    for first in range(0, 3 * SECTORS, SECTORS):
        stored = compress(DISK[first * 512 : (first + SECTORS) * 512])
        chunks.append(chunk(kind, first, SECTORS, len(fork), len(stored)))
        fork += stored
    chunks += [chunk(ChunkType.ZERO, 3 * SECTORS, 8), chunk(ChunkType.END, 3 * SECTORS + 8, 0)]
    crc = zlib.crc32(DISK + bytes(8 * 512)) + wrong
    part = table(chunks, sectors=3 * SECTORS + 8, checksum=checksum(crc))
    return image(
        fork,
        tables_xml(part),
        sector_count=3 * SECTORS + 8,
        master_checksum=checksum(zlib.crc32(crc.to_bytes(4, "big"))),
    )


def is_right(data: bytes) -> bool:
    file = io.BytesIO(data)
    found = inspect_thd(file)
    whole = verify_thd(file, found)
    outcomes = {whole.data_fork, whole.master, *verify_partitions_thd(file, found)}
    return outcomes == {Outcome.MATCHES}


@pytest.mark.interop
@pytest.mark.parametrize("way", WAYS)
def test_seven_zip_agrees(tmp_path: Path, way: str) -> None:
    """7-Zip, which verifies the same checksum of the sectors, says the same of right and wrong."""
    seven_zip = peer("7zz")
    for wrong in (0, 1):
        data = disk_image(way, wrong=wrong)
        (tmp_path / "a.dmg").write_bytes(data)

        tested = subprocess.run(
            [seven_zip, "t", "-tDmg", "a.dmg"], cwd=tmp_path, capture_output=True, timeout=60
        )

        assert is_right(data) is (tested.returncode == 0) is (not wrong)


@pytest.mark.interop
@pytest.mark.parametrize(
    ("way", "command"),
    [
        ("zlib", ("qemu-img", "convert", "-f", "dmg", "-O", "raw")),
        ("raw", ("qemu-img", "convert", "-f", "dmg", "-O", "raw")),
        ("zlib", ("dmg2img", "-s")),
        ("bzip2", ("dmg2img", "-s")),
        ("raw", ("dmg2img", "-s")),
    ],
)
def test_others_read_the_sectors(tmp_path: Path, way: str, command: tuple[str, ...]) -> None:
    """qemu-img and dmg2img find the disk whose checksum we found right."""
    data = disk_image(way)
    assert is_right(data)
    (tmp_path / "a.dmg").write_bytes(data)

    done = subprocess.run(
        [peer(command[0]), *command[1:], "a.dmg", "raw"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "raw").read_bytes() == DISK + bytes(8 * 512)
