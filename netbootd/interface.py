"""The machine's network interfaces as values: who we are on each LAN.

A daemon that answers broadcasts must know the interface a datagram arrived on and its own address
there. This module reads the system's table (psutil, so Windows too) and picks the addresses that
the configuration allows; it opens no socket.
"""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError
from typing import Any

import psutil

LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface that is up, with its IPv4 addresses in the system's order."""

    name: str
    index: int
    """The system's interface index, as IP_PKTINFO reports it."""
    addresses: tuple[IPv4Interface, ...]
    hardware_address: bytes | None = None
    """Six bytes, for an interface of the Ethernet kind (Wi-Fi, VLAN, bridge, ...)."""

    @property
    def is_loopback(self) -> bool:
        return all(address.ip in LOOPBACK for address in self.addresses)


def read_interfaces() -> tuple[Interface, ...]:
    """The interfaces that are up and have an IPv4 address, by index."""
    states = psutil.net_if_stats()
    found: dict[str, list[IPv4Interface]] = {}
    hardware: dict[str, bytes | None] = {}
    for label, entries in psutil.net_if_addrs().items():
        name = _name(label)
        state = states.get(name)
        if state is not None and not state.isup:
            continue
        addresses = [_address(entry) for entry in entries if entry.family is socket.AF_INET]
        if addresses:
            found.setdefault(name, []).extend(addresses)
            hardware[name] = hardware.get(name) or _hardware_address(entries)
    interfaces = [
        Interface(
            name=name,
            index=_index(name),
            addresses=tuple(addresses),
            hardware_address=hardware[name],
        )
        for name, addresses in found.items()
    ]
    return tuple(sorted(interfaces, key=lambda interface: interface.index))


def _name(label: str) -> str:
    """The interface of an address's label: `eth0` of `eth0:1`, which Linux lists beside it."""
    return label.partition(":")[0] if sys.platform == "linux" else label


def _address(entry: Any) -> IPv4Interface:
    """One of psutil's addresses; without a usable netmask it is a network of its own."""
    try:
        return IPv4Interface(f"{entry.address}/{entry.netmask}")
    except NetmaskValueError:
        return IPv4Interface(entry.address)


def _hardware_address(entries: Iterable[Any]) -> bytes | None:
    """That of psutil's entries, if it is Ethernet's. Loopback says `00:00:00:00:00:00`."""
    for entry in entries:
        if entry.family == psutil.AF_LINK:
            packed = bytes.fromhex(re.sub("[:-]", "", entry.address or ""))
            return packed if len(packed) == 6 and any(packed) else None
    return None


def _index(name: str) -> int:
    """0 where the system has no index for a name (a Windows friendly name, an alias)."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def served(
    interfaces: Iterable[Interface], serves: Callable[[str, IPv4Address], bool]
) -> tuple[Interface, ...]:
    """Those on which at least one address is to be served, cut down to such addresses."""
    kept = []
    for interface in interfaces:
        addresses = tuple(
            address for address in interface.addresses if serves(interface.name, address.ip)
        )
        if addresses:
            kept.append(replace(interface, addresses=addresses))
    return tuple(kept)
