"""What machines a program is for, told from its first bytes: EFI programs and Linux kernels.

A Linux kernel for x86 is two programs in one file: a bzImage, which BIOS loaders start, and (with
CONFIG_EFI_STUB, as every distribution builds it) an EFI program. Pure: bytes in, a value out. It
must never trust an offset that it read.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 4096
"""Read of each file. Linkers put the PE header within the first 512 bytes."""

PLATFORMS: Final = (
    "bios",
    "uefi-x86",
    "uefi-x86-64",
    "uefi-arm",
    "uefi-arm64",
    "uefi-riscv32",
    "uefi-riscv64",
    "uefi-riscv128",
    "uefi-loongarch32",
    "uefi-loongarch64",
)
"""What a boot entry may be for, in the words of the whole project."""

# PE format (Microsoft Learn, "PE Format", machine types); Thumb is what EDK2 builds for ARM.
_PE_MACHINES: Final[Mapping[int, str]] = {
    0x014C: "uefi-x86",
    0x8664: "uefi-x86-64",
    0x01C2: "uefi-arm",
    0x01C4: "uefi-arm",
    0xAA64: "uefi-arm64",
    0x5032: "uefi-riscv32",
    0x5064: "uefi-riscv64",
    0x5128: "uefi-riscv128",
    0x6232: "uefi-loongarch32",
    0x6264: "uefi-loongarch64",
}
# EFI application, boot service driver, runtime driver. Windows programs have 2 or 3.
_EFI_SUBSYSTEMS: Final = frozenset({10, 11, 12})

FAT_EFI: Final = b"\xb9\xfa\xf1\x0e"
"""Of a file with EFI programs for Macs of 32 and of 64 bits, as boot.efi was up to 10.7 (rEFIt,
"Fat binaries")."""
COMPRESSED_KERNEL: Final = b"complzss"
"""Of a prelinked kernel as macOS keeps it (kext_tools, PrelinkedKernelHeader)."""
# Mach-O in either byte order, and several of them in one file (mach-o/loader.h, fat.h).
_MACH_O: Final = tuple(
    map(bytes.fromhex, ("cefaedfe", "cffaedfe", "feedface", "feedfacf", "cafebabe"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What the head of a file says."""

    efi: str | None
    """The platform whose firmware loads it, or None if it is no EFI program."""
    is_linux_x86: bool
    """A bzImage, which BIOS loaders start as well."""

    @property
    def platforms(self) -> frozenset[str]:
        """Machines that can start it as a kernel; empty where the head does not tell."""
        bios = {"bios"} if self.is_linux_x86 else set()
        return frozenset(bios | ({self.efi} if self.efi is not None else set()))


def read_program(head: bytes) -> Program:
    """Look at the first `HEAD_BYTES` bytes of a file, or at all of a shorter one."""
    # Documentation/arch/x86/boot.rst of Linux: the setup header.
    return Program(efi=_efi_platform(head), is_linux_x86=head[0x202:0x206] == b"HdrS")


def is_mac_booter(head: bytes) -> bool:
    """Whether the firmware of an Intel Mac could start it."""
    return head.startswith(FAT_EFI) or _efi_platform(head) in {"uefi-x86", "uefi-x86-64"}


def is_mac_kernel(head: bytes) -> bool:
    """Whether boot.efi could load it: a Mach-O kernel, or a compressed one."""
    return head.startswith((*_MACH_O, COMPRESSED_KERNEL, b"complzvn"))


def _efi_platform(head: bytes) -> str | None:
    if head[:2] != b"MZ" or len(head) < 0x40:
        return None
    (at,) = struct.unpack_from("<I", head, 0x3C)
    # Signature 4, COFF header 20, then 68 bytes of the optional header before its subsystem.
    if head[at : at + 4] != b"PE\0\0" or len(head) < at + 94:
        return None
    (machine,) = struct.unpack_from("<H", head, at + 4)
    (subsystem,) = struct.unpack_from("<H", head, at + 92)
    return _PE_MACHINES.get(machine) if subsystem in _EFI_SUBSYSTEMS else None
