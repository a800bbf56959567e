"""Every file of an image is read to its end, and what is wrong with it is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from images.author import sample_bundle_thd
from images.bundle import Bundle, read_bundle_thd
from images.entry import read_entry_thd
from images.program import is_mac_booter, is_mac_kernel
from images.verify import Check, Grade, checks_thd

from .conftest import as_nobody
from .disk import checksum, chunk, image, table, tables_xml, udzo
from .entries import ARM64, X86, X86_64, efi_program, make_entry
from .folder import make_folder, write

DISK = bytes(range(256)) * 3000


class Watch:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.began_with: list[str] = []
        self.steps: list[tuple[int, int]] = []

    def began(self, subject: str) -> None:
        self.began_with.append(subject)

    def progressed(self, done: int, total: int) -> None:
        self.steps.append((done, total))


def checks(found: Bundle) -> dict[str, Check]:
    return {check.subject: check for check in checks_thd(found, Watch())}


def with_root(root: Path, data: bytes) -> Check:
    """What is said of a root image."""
    folder = make_folder(root, files={"NetInstall.dmg": data})
    return checks(read_bundle_thd(folder))["NetInstall.dmg"]


def test_a_sample_is_right(tmp_path: Path) -> None:
    """The small files first, and how far each is is told to the end."""
    bundle = sample_bundle_thd(tmp_path / "S.nbi", root_image_size=3_000_000)
    watch = Watch()

    found = list(checks_thd(bundle, watch))

    assert {check.grade for check in found} == {Grade.OK}
    assert [bundle.sizes[name] for name in watch.began_with] == sorted(bundle.sizes.values())
    assert [check.subject for check in found] == watch.began_with
    root = next(check for check in found if check.subject == "NetInstall.dmg")
    assert root.text == "zlib image, 3 checksums match"
    assert all(0 <= done <= total for done, total in watch.steps)
    ends = {total for done, total in watch.steps if done == total}
    assert {bundle.sizes["i386/x86_64/kernelcache"], bundle.sizes["i386/booter"]} <= ends


def test_boot_files_that_are_none(tmp_path: Path) -> None:
    """A booter that is no EFI program and a kernel that is none are doubts, with a remedy."""
    found = checks(read_bundle_thd(make_folder(tmp_path)))

    assert found["i386/booter"].grade is Grade.DOUBT
    assert found["i386/booter"].text.startswith("is not an EFI program")
    assert found["i386/x86_64/kernelcache"].text == "is not a kernel of macOS"
    assert found["i386/x86_64/kernelcache"].remedy is not None
    assert found["i386/PlatformSupport.plist"].grade is Grade.OK


def test_drivers_of_an_old_system(tmp_path: Path) -> None:
    """An archive of drivers is no kernel, and need not be; PowerPC is let alone."""
    files = {"i386/mach.macosx.mkext": b"MKXT", "i386/mach.macosx": b"\xce\xfa\xed\xfe"}
    folder = make_folder(
        tmp_path,
        files={**files, "ppc/booter": b"text", "ppc/mach.macosx": b"?"},
        without=("i386/x86_64/kernelcache",),
        Architectures=["i386", "ppc"],
    )

    found = checks(read_bundle_thd(folder))

    assert [name for name, check in found.items() if check.grade is Grade.DOUBT] == ["i386/booter"]


def test_warnings_of_the_catalog_come_first(tmp_path: Path) -> None:
    """As doubts."""
    bundle = read_bundle_thd(make_folder(tmp_path, IsDefault=1))

    first = next(checks_thd(bundle, Watch()))

    assert (first.subject, first.grade) == ("NBImageInfo.plist", Grade.DOUBT)
    assert "IsDefault" in first.text


def test_an_intact_root_image(tmp_path: Path) -> None:
    """All of its checksums match."""
    check = with_root(tmp_path, udzo(DISK))

    assert (check.grade, check.text) == (Grade.OK, "zlib image, 3 checksums match")


def test_a_damaged_root_image(tmp_path: Path) -> None:
    """One bit is enough, and all checksums that it breaks are named."""
    data = bytearray(udzo(DISK))
    data[100] ^= 1

    check = with_root(tmp_path, bytes(data))

    assert check.grade is Grade.BAD
    assert check.text.startswith("is damaged: the checksum of the data, partition whole disk")
    assert check.remedy == "copy the disk image again, or make it anew"


def test_a_root_image_that_is_cut_short(tmp_path: Path) -> None:
    """It is no disk image any more."""
    check = with_root(tmp_path, udzo(DISK)[:-3])

    assert check.grade is Grade.BAD
    assert "cut short" in check.text


def test_a_raw_root_image(tmp_path: Path) -> None:
    """There is nothing to compare with, and that is said."""
    check = with_root(tmp_path, bytes(1024))

    assert check.grade is Grade.OK
    assert check.text == "raw image, which records no checksum that can be computed"


def test_an_image_that_python_cannot_decompress(tmp_path: Path) -> None:
    """Its bytes are verified, its sectors are not, and that is said."""
    from images.udif import ChunkType

    chunks = [chunk(ChunkType.LZFSE, 0, 8, 0, 4)]
    part = table(chunks, sectors=8, checksum=checksum(5))

    check = with_root(tmp_path, image(b"fork", tables_xml(part)))

    assert check.grade is Grade.OK
    assert check.text == "LZFSE image, 1 checksum matches; 1 cannot be computed here"


def test_what_cannot_be_read(open_folder: Path) -> None:
    """The system's word and a remedy; the rest is looked at all the same."""
    folder = make_folder(open_folder)
    bundle = read_bundle_thd(folder)
    (folder / "i386/x86_64/kernelcache").chmod(0o600)
    os.chown(folder / "i386/x86_64/kernelcache", 0, 0)

    with as_nobody():
        found = checks(bundle)

    assert found["i386/x86_64/kernelcache"].grade is Grade.BAD
    assert "Permission denied" in found["i386/x86_64/kernelcache"].text
    assert len(found) == len(bundle.files)


def test_a_file_that_grows(tmp_path: Path) -> None:
    """No bar runs over its end."""
    bundle = read_bundle_thd(make_folder(tmp_path))
    write(tmp_path / "A.nbi/i386/PlatformSupport.plist", bytes(5000))
    watch = Watch()

    list(checks_thd(bundle, watch))

    assert watch.steps
    assert all(done <= total for done, total in watch.steps)


def test_an_entry(tmp_path: Path) -> None:
    """Its files are read."""
    entry = read_entry_thd(make_entry(tmp_path))

    found = list(checks_thd(entry, Watch()))

    assert {check.subject for check in found} == set(entry.files)
    assert {check.grade for check in found} == {Grade.OK}


@pytest.mark.parametrize(
    ("head", "is_booter"),
    [
        (efi_program(X86_64), True),
        (efi_program(X86), True),
        (b"\xb9\xfa\xf1\x0e....", True),
        (efi_program(ARM64), False),
        (b"<!DOCTYPE html>", False),
        (b"", False),
    ],
)
def test_booters(head: bytes, is_booter: bool) -> None:
    """EFI programs for Intel, one or two in a file."""
    assert is_mac_booter(head) is is_booter


@pytest.mark.parametrize(
    ("head", "is_kernel"),
    [
        (b"\xcf\xfa\xed\xfe", True),
        (b"\xca\xfe\xba\xbe", True),
        (b"complzss", True),
        (b"complzvn", True),
        (b"<!DOCTYPE html>", False),
        (b"", False),
    ],
)
def test_kernels(head: bytes, is_kernel: bool) -> None:
    """Mach-O, or compressed."""
    assert is_mac_kernel(head) is is_kernel
