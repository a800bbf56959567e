"""Small boot entries for the tests, and the heads of the programs in them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from .folder import write

DEBIAN = """\
title = "Debian 12 installer"
kernel = "linux"
initrd = "initrd.gz"
command_line = "auto=true url={base_url}/preseed.cfg"
"""
X86_64, X86, ARM64 = 0x8664, 0x014C, 0xAA64


def efi_program(machine: int = X86_64, *, subsystem: int = 10, size: int = 512) -> bytes:
    """The head of a PE file, with its PE header where GNU ld puts it."""
    head = bytearray(size)
    head[:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, 0x80)
    struct.pack_into("<4sH", head, 0x80, b"PE\0\0", machine)
    struct.pack_into("<H", head, 0x80 + 92, subsystem)
    return bytes(head)


def linux(machine: int | None = X86_64) -> bytes:
    """The head of a bzImage, which is an EFI program for `machine` too (None: for none)."""
    head = bytearray(efi_program(machine, size=1024) if machine else 1024)
    head[0x202:0x206] = b"HdrS"
    return bytes(head)


def make_entry(
    root: Path,
    name: str = "debian",
    boot_toml: str | bytes = DEBIAN,
    *,
    files: Mapping[str, bytes] | None = None,
    without: tuple[str, ...] = (),
) -> Path:
    """Write `root/name` with a kernel, an initrd and `files`, but not those in `without`."""
    path = root / name
    data = boot_toml if isinstance(boot_toml, bytes) else boot_toml.encode()
    contents = {
        "boot.toml": data,
        "linux": linux(),
        "initrd.gz": b"the initrd",
        "preseed.cfg": b"the answers",
        **(files or {}),
    }
    for relative, content in contents.items():
        if relative not in without:
            write(path / relative, content)
    return path
