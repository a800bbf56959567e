"""What an operator may set for PCs and virtual machines: `[pxe]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ops.config import Invalid
from ops.setting import Duration, Port

LoaderName = Annotated[
    str,
    Meta(
        pattern=r"\A(?!/)(?!(.*/)?\.\.?(/|\Z))[!-~]{0,127}\Z",
        description="the path of a file in the folder of loaders, up to 127 characters, or empty",
    ),
]
"""What fits the `file` field of a reply together with its NUL."""

HostName = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}))*\Z",
        max_length=100,
        description='a host name such as "boot.example.com"',
    ),
]

MenuText = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[ -~]+\Z")]
"""ROMs show it in a font of ASCII."""


class LoaderSettings(Struct, frozen=True, kw_only=True):
    """The boot loader of each platform: a file in the folder of loaders. It must be one that asks
    on by itself, such as iPXE. An empty name stands for none."""

    bios: LoaderName = "undionly.kpxe"
    """PCs with a BIOS."""
    uefi_x86_64: LoaderName = field(default="snponly.efi", name="uefi-x86-64")
    """PCs with UEFI."""
    uefi_x86: LoaderName = field(default="i386-efi/snponly.efi", name="uefi-x86")
    """PCs and tablets with 32-bit UEFI."""
    uefi_arm64: LoaderName = field(default="arm64-efi/snponly.efi", name="uefi-arm64")
    """64-bit ARM machines with UEFI."""
    uefi_arm: LoaderName = field(default="arm32-efi/snponly.efi", name="uefi-arm")
    """32-bit ARM machines with UEFI."""
    uefi_riscv64: LoaderName = field(default="riscv64-efi/snponly.efi", name="uefi-riscv64")
    """64-bit RISC-V machines with UEFI."""
    uefi_loongarch64: LoaderName = field(default="loong64-efi/snponly.efi", name="uefi-loongarch64")
    """64-bit LoongArch machines with UEFI."""

    def of(self, platform: str) -> str:
        """The loader's name for a platform, empty if there is none."""
        key = platform.replace("-", "_")
        name: str = getattr(self, key) if key in self.__struct_fields__ else ""
        return name


class PxeSettings(Struct, frozen=True, kw_only=True):
    """Network boot of PCs and virtual machines: PXE, UEFI HTTP boot, iPXE. Beside a DHCP server of
    somebody else, netbootd is their proxyDHCP server and leases nothing."""

    enabled: bool = False
    """Answer PXE and HTTP boot clients, and nobody else."""
    proxy: bool = True
    """Answer their first question, on port 67, beside the DHCP server (proxyDHCP). Turn it off
    where the DHCP server, on this computer, sends them on to port 4011 by option 60 "PXEClient"."""
    port: Port = 4011
    """UDP port of the boot server that PXE firmware asks again. Firmware knows no other."""
    loaders: Annotated[Path | None, Meta(examples=["/usr/lib/ipxe"])] = None
    """Folder of boot loaders, published over TFTP and HTTP with all that is in it. Without it, only
    boot entries with an EFI program of their own can be booted."""
    menu: Literal["auto"] | bool = "auto"
    """Show the firmware's own boot menu. "auto": where a machine may boot several entries and there
    is no loader that would show a better one."""
    prompt: MenuText = "Network boot"
    """The text above that menu."""
    timeout: Annotated[Duration, Meta(ge=0, le=254)] = Duration(10)
    """How long that menu, and those of iPXE and GRUB, wait for a key before they take the first
    entry, in whole seconds."""
    scheme: Literal["http", "https"] = "http"
    """How UEFI HTTP boot loads. With "https" the firmware must trust who signed the certificate of
    `[https]`, which must have an RSA key. iPXE and kernels go on with HTTP."""
    host_name: Annotated[HostName | None, Meta(examples=["boot.example.com"])] = None
    """Name of this computer in https URLs, as its certificate has it; firmware asks the DNS server
    that DHCP names for it. Default: our address, which the certificate must then have."""
    loader: LoaderSettings = LoaderSettings()

    def __post_init__(self) -> None:
        if not float(self.timeout).is_integer():
            raise Invalid("timeout", "is no whole number of seconds", 'write such as "10s"')
