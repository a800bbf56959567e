from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.program import HEAD_BYTES, PLATFORMS, read_program
from protocols.pxe import architecture
from tests.interop.peer import peer_file

from .entries import ARM64, X86, X86_64, efi_program, linux


def test_platforms_are_those_of_the_project() -> None:
    """Boot entries use the words that DHCP clients are described by."""
    assert set(PLATFORMS) <= set(architecture.PLATFORMS)


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        (X86_64, "uefi-x86-64"),
        (X86, "uefi-x86"),
        (ARM64, "uefi-arm64"),
        (0x01C2, "uefi-arm"),
        (0x01C4, "uefi-arm"),
        (0x5064, "uefi-riscv64"),
        (0x6264, "uefi-loongarch64"),
        (0x0200, None),  # Itanium: no entry is for it
    ],
)
def test_efi_programs(machine: int, platform: str | None) -> None:
    """The machine type of the PE header tells whose firmware starts it."""
    program = read_program(efi_program(machine))

    assert program.efi == platform
    assert program.platforms == ({platform} if platform else set())


@pytest.mark.parametrize("subsystem", [2, 3])
def test_windows_programs_are_no_efi_programs(subsystem: int) -> None:
    """A PE file of another subsystem means nothing to firmware."""
    assert read_program(efi_program(subsystem=subsystem)).efi is None


@pytest.mark.parametrize(
    ("machine", "platforms"),
    [
        (X86_64, {"bios", "uefi-x86-64"}),
        (X86, {"bios", "uefi-x86"}),
        (None, {"bios"}),  # built without CONFIG_EFI_STUB
    ],
)
def test_linux_for_x86(machine: int | None, platforms: set[str]) -> None:
    """A bzImage is started by BIOS loaders, and by firmware as far as it is an EFI program too."""
    assert read_program(linux(machine)).platforms == platforms


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"MZ",
        b"#!ipxe\nboot\n",
        b"\x1f\x8b" + bytes(600),  # a kernel packed with gzip, as on arm64
        efi_program()[:0x80],
        efi_program()[: 0x80 + 93],
        b"MZ" + bytes(58) + b"\xff\xff\xff\xff" + bytes(500),  # PE header out of the file
    ],
)
def test_what_tells_nothing(head: bytes) -> None:
    """Everything else is for nobody in particular."""
    assert read_program(head).platforms == set()


@given(st.binary(max_size=600), st.integers(0, 0x300))
def test_any_bytes(noise: bytes, at: int) -> None:
    """Nothing in a file can do harm, wherever the header is said to be."""
    head = bytearray(linux())
    head[at : at + len(noise)] = noise

    program = read_program(bytes(head))

    assert program.platforms <= set(PLATFORMS)


@pytest.mark.parametrize(
    ("name", "platforms"),
    [
        ("snponly.efi", {"uefi-x86-64"}),
        ("undionly.kpxe", set()),
        ("ipxe.pxe", set()),
    ],
)
def test_loaders_of_debian(name: str, platforms: set[str]) -> None:
    """iPXE as Debian ships it."""
    folder = Path(peer_file("/usr/lib/ipxe"))

    with (folder / name).open("rb") as file:
        assert read_program(file.read(HEAD_BYTES)).platforms == platforms
