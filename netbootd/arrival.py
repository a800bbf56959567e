"""Where a datagram arrived, and how to answer from there.

A reply must name the address of ours that its client can reach, leave from that address, and, where
it is a broadcast, by the interface that the request came in by. Linux tells all that with each
datagram (IP_PKTINFO); elsewhere there is a socket for each address.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from netbootd.interface import Interface
from protocols.ethernet.frame import UdpSource

IP_PKTINFO = 8
"""Linux `<bits/in.h>`; Python's socket module does not name it before 3.14."""
HAS_PKTINFO = sys.platform == "linux"
IN_PKTINFO = struct.Struct("=I4s4s")
"""`struct in_pktinfo`: interface index, local address to answer from, destination address."""
LOOPBACK_INDEX = 1
"""Linux numbers the loopback interface first in every network namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Where datagrams came in, and how to answer from there."""

    interface: str
    index: int
    local: str
    """Our address for this client, dotted."""
    unicast: Sequence[tuple[int, int, bytes]]
    """Ancillary data for a reply that is routed: source address set, interface left to routing."""
    broadcast: Sequence[tuple[int, int, bytes]]
    """Ancillary data for a reply to 255.255.255.255: it must leave by the arrival interface."""
    link: UdpSource | None
    """What frames to one station of the arrival's link leave from; None: it is no Ethernet."""

    @property
    def local_address(self) -> IPv4Address:
        return IPv4Address(self.local)


def arrival_at(
    interface: str, index: int, local: str, hardware_address: bytes | None = None
) -> Arrival:
    """The `Arrival` for one of our addresses."""
    packed = socket.inet_aton(local)

    def ancillary(out_of: int) -> Sequence[tuple[int, int, bytes]]:
        if not HAS_PKTINFO:
            return ()
        info = IN_PKTINFO.pack(out_of, packed, b"\0\0\0\0")
        return [(socket.IPPROTO_IP, IP_PKTINFO, info)]

    link = None
    if hardware_address is not None:
        link = UdpSource(hardware_address=hardware_address, address=int.from_bytes(packed, "big"))
    return Arrival(
        interface=interface,
        index=index,
        local=local,
        unicast=ancillary(0),
        broadcast=ancillary(index),
        link=link,
    )


class Arrivals:
    """Which interfaces are served, asked once per datagram by the bytes the kernel gave.

    Answers are remembered by those bytes. The table of remembered answers is bounded by the number
    of (interface, local address) pairs; an unserved pair is remembered as None.
    """

    MAX_REMEMBERED = 1024
    """Far above any host's interfaces times addresses; past it the table is emptied, not grown."""

    def __init__(self, interfaces: Sequence[Interface]) -> None:
        self._by_info: dict[bytes, Arrival | None] = {}
        self.serve(interfaces)

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """Serve these from now on (addresses changed, an interface came or went)."""
        self.interfaces = tuple(interfaces)
        self._by_info.clear()

    def get(self, info: bytes) -> Arrival | None:
        """The arrival for one `in_pktinfo`, or None where that interface is not served."""
        try:
            return self._by_info[info]
        except KeyError:
            return self._remember(info)

    def _remember(self, info: bytes) -> Arrival | None:
        if len(info) != IN_PKTINFO.size:
            return None
        if len(self._by_info) >= self.MAX_REMEMBERED:
            self._by_info.clear()
        index, local, _ = IN_PKTINFO.unpack(info)
        arrival = self._find(index, IPv4Address(local))
        self._by_info[info] = arrival
        return arrival

    def _find(self, index: int, local: IPv4Address) -> Arrival | None:
        """None unless the arrival interface is served. What this host sends to itself arrives by
        the loopback interface whatever the address; it counts as come in by that address."""
        for interface in self.interfaces:
            ours = [address.ip for address in interface.addresses]
            if interface.index == index:
                ours_here = local if local in ours else ours[0]
                return arrival_at(interface.name, index, str(ours_here), interface.hardware_address)
            if index == LOOPBACK_INDEX and local in ours:
                return arrival_at(interface.name, interface.index, str(local))
        return None
