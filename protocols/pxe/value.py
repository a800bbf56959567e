"""What the values of PXE sub-options are, where a number or an address does not say it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

CREDENTIALS_LAYER = 0x8000
"""Bit of a boot item's layer: a request for credentials, not for a boot file (PXE 2.1 §2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootServer:
    """Where boot servers of one type are."""

    type: int
    addresses: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One line of the boot menu: the type of boot server that it asks, and its text."""

    type: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuPrompt:
    """What stands above the menu. `seconds` is how long the firmware waits for a key before it
    takes the first entry: 0 not at all, 255 for ever."""

    seconds: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastBlock:
    """Multicast addresses that a client may listen to."""

    base: IPv4Address
    block: int
    range: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BootItem:
    """What a client asks a boot server for: the type that it chose in the menu, and a layer."""

    type: int
    layer: int
