from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.author import sample_bundle_thd
from images.dmg import Format, inspect_thd, verify_thd
from images.udzo import SECTORS_PER_CHUNK, write_udzo_thd
from tests.interop.peer import peer

from .disk import raw_disk, udzo

CHUNK = SECTORS_PER_CHUNK * 512
NOISE = bytes(range(256)) * 3


class Trickle(io.RawIOBase):
    """A disk that gives a little at a time, as a pipe does."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._step))


@pytest.mark.parametrize(
    "disk",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"x", id="one byte"),
        pytest.param(bytes(512), id="one sector of zeros"),
        pytest.param(b"text " * 200_000, id="text"),
        pytest.param(bytes(3 * CHUNK), id="zeros"),
        pytest.param(b"a" * CHUNK + bytes(CHUNK) + b"b" * 700, id="mixed"),
    ],
)
def test_disk_is_read_back(disk: bytes) -> None:
    """What goes in comes out, padded to whole sectors, and the checksums hold."""
    data = udzo(disk)
    file = io.BytesIO(data)
    found = inspect_thd(file)

    assert raw_disk(data) == disk + bytes(-len(disk) % 512)
    assert found.format in (Format.UDZO, Format.UDRO)
    assert found.size == len(disk) + -len(disk) % 512
    assert verify_thd(file, found).is_intact


@settings(max_examples=30)
@given(st.lists(st.sampled_from([b"\0" * 5000, b"ab" * 90_000, NOISE, b"x"]), max_size=8))
def test_any_disk_is_read_back(parts: list[bytes]) -> None:
    """Zeros, text and noise in any order survive."""
    disk = b"".join(parts)

    assert raw_disk(udzo(disk, level=1)).rstrip(b"\0") == disk.rstrip(b"\0")


def test_zeros_take_no_room_and_noise_no_more_than_itself() -> None:
    """A chunk is stored in the smallest of three ways."""
    noise = sha_noise(CHUNK)

    assert len(udzo(bytes(100 * CHUNK))) < 12_000
    assert len(noise) < len(udzo(noise)) < len(noise) + 2_000


def sha_noise(size: int) -> bytes:
    import hashlib

    return hashlib.shake_128(b"noise").digest(size)


def test_same_disk_same_file() -> None:
    """However the disk arrives, the image is the same to the byte."""
    disk = b"text " * 200_000
    target = io.BytesIO()

    size = write_udzo_thd(Trickle(disk, 1000), target)  # type: ignore[arg-type]

    assert target.getvalue() == udzo(disk)
    assert size == len(target.getvalue())


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    sample_bundle_thd(tmp_path / "S.nbi", root_image_size=2_000_000, kernelcache_size=1)
    return tmp_path / "S.nbi/NetInstall.dmg"


def run(command: str, *arguments: str | Path) -> None:
    subprocess.run([peer(command), *arguments], check=True, capture_output=True, timeout=60)


@pytest.mark.interop
def test_qemu_reads_the_disk(sample: Path, tmp_path: Path) -> None:
    """QEMU's own dmg driver finds the same disk."""
    run("qemu-img", "convert", "-f", "dmg", "-O", "raw", sample, tmp_path / "raw")

    assert (tmp_path / "raw").read_bytes() == raw_disk(sample.read_bytes())


@pytest.mark.interop
def test_dmg2img_reads_the_disk(sample: Path, tmp_path: Path) -> None:
    """dmg2img finds the same disk."""
    run("dmg2img", sample, tmp_path / "raw")

    assert (tmp_path / "raw").read_bytes() == raw_disk(sample.read_bytes())


@pytest.mark.interop
def test_seven_zip_accepts_the_image(sample: Path) -> None:
    """7-Zip, which checks the checksum of each partition, finds no fault."""
    run("7zz", "t", "-tDmg", sample)
