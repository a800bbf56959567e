"""What an operator may set for PCs and virtual machines: `[pxe]`."""

from __future__ import annotations

from msgspec import Struct


class PxeSettings(Struct, frozen=True, kw_only=True):
    """Network boot of PCs and virtual machines: PXE, UEFI HTTP boot, iPXE."""

    enabled: bool = False
    """Answer PXE and HTTP boot clients."""
