"""The machine's network interfaces as values: who we are on each LAN.

A daemon that answers broadcasts must know the interface a datagram arrived on and its own address
there. This module reads the system's table (psutil, so Windows too) and picks the addresses to
serve; it opens no socket.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import psutil

LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One interface that is up, with its IPv4 addresses in the system's order."""

    name: str
    index: int
    """The system's interface index, as IP_PKTINFO reports it."""
    addresses: tuple[IPv4Interface, ...]

    @property
    def is_loopback(self) -> bool:
        return all(address.ip in LOOPBACK for address in self.addresses)


def read_interfaces() -> tuple[Interface, ...]:
    """The interfaces that are up and have an IPv4 address, by index."""
    states = psutil.net_if_stats()
    found = []
    for name, entries in psutil.net_if_addrs().items():
        state = states.get(name)
        if state is not None and not state.isup:
            continue
        addresses = tuple(
            IPv4Interface(f"{entry.address}/{entry.netmask or '255.255.255.255'}")
            for entry in entries
            if entry.family is socket.AF_INET
        )
        if addresses:
            found.append(Interface(name=name, index=_index(name), addresses=addresses))
    return tuple(sorted(found, key=lambda interface: interface.index))


def _index(name: str) -> int:
    """0 where the system has no index for a name (a Windows friendly name, an alias)."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def private_interfaces(interfaces: Iterable[Interface]) -> tuple[Interface, ...]:
    """Those with at least one private, non-loopback address, cut down to such addresses.

    This is what a daemon without configuration serves: a LAN, never the internet side.
    """
    kept = []
    for interface in interfaces:
        addresses = tuple(
            address
            for address in interface.addresses
            if address.ip.is_private and address.ip not in LOOPBACK
        )
        if addresses:
            kept.append(Interface(name=interface.name, index=interface.index, addresses=addresses))
    return tuple(kept)


def address_strings(interfaces: Iterable[Interface]) -> tuple[str, ...]:
    """Every address of `interfaces`, dotted, in order."""
    return tuple(str(address.ip) for interface in interfaces for address in interface.addresses)


UNSPECIFIED = IPv4Address(0)
