"""What kind of machine asks: option 93, the client system architecture (RFC 4578 §2.1).

The numbers are IANA's "Processor Architecture Types" (DHCPv6 parameters, from RFC 5970 §3.3), where
7 is UEFI on x86-64 and 9 EFI byte code, as firmware has it; RFC 4578 printed them the other way
round (its erratum 4624). A platform is what one boot file runs on, however the machine loads it:
the platform names are the words of configuration, boot entries and log.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Architecture(IntEnum):
    """Every type that is registered, the deprecated ones too."""

    X86_BIOS = 0
    NEC_PC98 = 1
    ITANIUM = 2
    DEC_ALPHA = 3
    ARC_X86 = 4
    INTEL_LEAN_CLIENT = 5
    X86_UEFI = 6
    X64_UEFI = 7
    EFI_XSCALE = 8
    EBC = 9
    ARM32_UEFI = 10
    ARM64_UEFI = 11
    POWERPC_OPEN_FIRMWARE = 12
    POWERPC_EPAPR = 13
    POWER_OPAL_V3 = 14
    X86_UEFI_HTTP = 15
    X64_UEFI_HTTP = 16
    EBC_HTTP = 17
    ARM32_UEFI_HTTP = 18
    ARM64_UEFI_HTTP = 19
    X86_BIOS_HTTP = 20
    ARM32_UBOOT = 21
    ARM64_UBOOT = 22
    ARM32_UBOOT_HTTP = 23
    ARM64_UBOOT_HTTP = 24
    RISCV32_UEFI = 25
    RISCV32_UEFI_HTTP = 26
    RISCV64_UEFI = 27
    RISCV64_UEFI_HTTP = 28
    RISCV128_UEFI = 29
    RISCV128_UEFI_HTTP = 30
    S390_BASIC = 31
    S390_EXTENDED = 32
    MIPS32_UEFI = 33
    MIPS64_UEFI = 34
    SUNWAY32_UEFI = 35
    SUNWAY64_UEFI = 36
    LOONGARCH32_UEFI = 37
    LOONGARCH32_UEFI_HTTP = 38
    LOONGARCH64_UEFI = 39
    LOONGARCH64_UEFI_HTTP = 40
    ARM_RPIBOOT = 41

    @property
    def platform(self) -> str:
        """What its boot files are for, such as `uefi-x86-64`; 7 and 9 are the same, and so are a
        type and its HTTP variant."""
        return _PLATFORMS[self]

    @property
    def is_http(self) -> bool:
        """Whether the firmware loads its boot file by HTTP."""
        return self in _HTTP


_PLATFORMS: Final[dict[Architecture, str]] = {
    Architecture.X86_BIOS: "bios",
    Architecture.NEC_PC98: "nec-pc98",
    Architecture.ITANIUM: "uefi-itanium",
    Architecture.DEC_ALPHA: "alpha",
    Architecture.ARC_X86: "arc-x86",
    Architecture.INTEL_LEAN_CLIENT: "lean-client",
    Architecture.X86_UEFI: "uefi-x86",
    Architecture.X64_UEFI: "uefi-x86-64",
    Architecture.EFI_XSCALE: "uefi-xscale",
    # Old firmware follows the RFC, where 9 is x86-64. Nobody ships boot files in EFI byte code.
    Architecture.EBC: "uefi-x86-64",
    Architecture.ARM32_UEFI: "uefi-arm",
    Architecture.ARM64_UEFI: "uefi-arm64",
    Architecture.POWERPC_OPEN_FIRMWARE: "powerpc-open-firmware",
    Architecture.POWERPC_EPAPR: "powerpc-epapr",
    Architecture.POWER_OPAL_V3: "power-opal",
    Architecture.X86_UEFI_HTTP: "uefi-x86",
    Architecture.X64_UEFI_HTTP: "uefi-x86-64",
    Architecture.EBC_HTTP: "uefi-x86-64",
    Architecture.ARM32_UEFI_HTTP: "uefi-arm",
    Architecture.ARM64_UEFI_HTTP: "uefi-arm64",
    Architecture.X86_BIOS_HTTP: "bios",
    Architecture.ARM32_UBOOT: "uboot-arm",
    Architecture.ARM64_UBOOT: "uboot-arm64",
    Architecture.ARM32_UBOOT_HTTP: "uboot-arm",
    Architecture.ARM64_UBOOT_HTTP: "uboot-arm64",
    Architecture.RISCV32_UEFI: "uefi-riscv32",
    Architecture.RISCV32_UEFI_HTTP: "uefi-riscv32",
    Architecture.RISCV64_UEFI: "uefi-riscv64",
    Architecture.RISCV64_UEFI_HTTP: "uefi-riscv64",
    Architecture.RISCV128_UEFI: "uefi-riscv128",
    Architecture.RISCV128_UEFI_HTTP: "uefi-riscv128",
    Architecture.S390_BASIC: "s390-basic",
    Architecture.S390_EXTENDED: "s390-extended",
    Architecture.MIPS32_UEFI: "uefi-mips32",
    Architecture.MIPS64_UEFI: "uefi-mips64",
    Architecture.SUNWAY32_UEFI: "uefi-sunway32",
    Architecture.SUNWAY64_UEFI: "uefi-sunway64",
    Architecture.LOONGARCH32_UEFI: "uefi-loongarch32",
    Architecture.LOONGARCH32_UEFI_HTTP: "uefi-loongarch32",
    Architecture.LOONGARCH64_UEFI: "uefi-loongarch64",
    Architecture.LOONGARCH64_UEFI_HTTP: "uefi-loongarch64",
    Architecture.ARM_RPIBOOT: "arm-rpiboot",
}
_HTTP: Final = frozenset(kind for kind in Architecture if kind.name.endswith("_HTTP"))

PLATFORMS: Final = tuple(dict.fromkeys(_PLATFORMS.values()))
"""Every platform name, in the order of the numbers."""


def platform_of(number: int) -> str:
    """The platform of the architecture type `number`; `architecture-<number>` for one that is not
    registered (yet)."""
    try:
        return Architecture(number).platform
    except ValueError:
        return f"architecture-{number}"
