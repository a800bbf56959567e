"""What the admin API says, as types: JSON by msgspec. Times are RFC 3339, in UTC."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Served(Struct, frozen=True, kw_only=True):
    """A service and its port."""

    service: str
    """`BSDP`, `DHCP`, `PXE`, `TFTP`, `HTTP`, `HTTPS`."""
    port: int


class Status(Struct, frozen=True, kw_only=True):
    """`GET /v1/status`: how netbootd is."""

    version: str
    pid: int
    started_at: datetime
    interfaces: dict[str, tuple[str, ...]]
    """The addresses that are served, by interface."""
    services: tuple[Served, ...]
    images: int
    boot_entries: int
    disabled: int
    """Folders of images that are switched off."""
    errors: int
    """Folders that hold no image that could be served."""
    leases: int | None
    """None: no addresses are leased."""
    machines: int
    """Macs that have selected an image."""
    seen: int
    """Machines seen since the start."""
    counters: dict[str, int]
    """All counters, by name, since the start."""
