"""Frames to machines without an address: who gets them, and what happens where none can be sent."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent

from netbootd import link as link_module
from netbootd.arrival import Arrival, arrival_at
from netbootd.datagram import Datagrams, open_datagrams
from netbootd.interface import Interface
from netbootd.link import Link
from protocols.dhcp.route import ReplyRoute, RouteKind
from protocols.ethernet import ipv4

OURS = bytes.fromhex("525400770001")
CLIENT = bytes.fromhex("525400770050")
LOOPBACK = Interface(name="lo", index=1, addresses=(IPv4Interface("127.0.0.1/8"),))
LAN = arrival_at("en0", 7, "10.0.0.1", OURS)
ROUTE = ReplyRoute(kind=RouteKind.LINK, address=IPv4Address("10.0.0.50"), port=68)


class FakePacketSocket:
    """A packet socket that keeps frames, unless it is full."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []
        self.is_full = False
        self.is_closed = False

    def setsockopt(self, *option: Any) -> None:
        pass

    def sendto(self, frame: bytes, to: Any) -> None:
        if self.is_full:
            raise OSError(errno.ENOBUFS, "No buffer space available")
        self.sent.append((frame, to))

    def close(self) -> None:
        self.is_closed = True


class Server(Datagrams):
    """Port 67, whose broadcasts are kept."""

    broadcasts: list[tuple[bytes, int]]

    def broadcast(self, data: bytes, port: int, arrival: Arrival) -> bool:
        self.broadcasts.append((data, port))
        return True


@pytest.fixture
def packets(monkeypatch: pytest.MonkeyPatch) -> FakePacketSocket:
    sock = FakePacketSocket()
    monkeypatch.setattr(link_module, "packet_socket", lambda kind: sock)
    return sock


@pytest.fixture
def server(packets: FakePacketSocket) -> Iterator[Server]:
    link = Link(is_missed=True)
    link.privilegedStartService()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server = Server(MemoryReactorClock(), sock, lambda *_: None, arrival=LAN, link=link)
    server.broadcasts = []
    yield server
    sock.close()


def test_a_machine_that_has_no_address_yet(server: Server, packets: FakePacketSocket) -> None:
    """It gets one frame, to its hardware address and the address that it is to have."""
    assert server.deliver(b"offer", ROUTE, CLIENT, LAN)

    ((frame, to),) = packets.sent
    assert to == ("en0", 0x0800)
    assert frame[:12] == CLIENT + OURS
    packet = ipv4.decode(frame[14:])
    assert (packet.source, packet.destination) == (0x0A000001, 0x0A000032)
    datagram = ipv4.decode_udp(packet.payload)
    assert (datagram.source_port, datagram.destination_port) == (server.port, 68)
    assert datagram.payload == b"offer"
    assert server.broadcasts == []


@pytest.mark.parametrize("reason", ["full", "no Ethernet address", "tunnel", "closed"])
def test_what_cannot_be_sent_as_a_frame_is_broadcast(
    server: Server, packets: FakePacketSocket, reason: str
) -> None:
    """A full queue, a client or an interface that is no Ethernet, a socket that is no more."""
    packets.is_full = reason == "full"
    if reason == "closed":
        server._link.stopService()
    mac = bytes(8) if reason == "no Ethernet address" else CLIENT
    arrival = arrival_at("tun0", 9, "10.0.0.1") if reason == "tunnel" else LAN

    assert server.deliver(b"offer", ROUTE, mac, arrival)

    assert packets.sent == []
    assert server.broadcasts == [(b"offer", 68)]


def test_a_broadcast_is_no_frame(server: Server, packets: FakePacketSocket) -> None:
    """Who asks for a broadcast gets one."""
    route = ReplyRoute(kind=RouteKind.BROADCAST, address=IPv4Address("255.255.255.255"), port=68)

    assert server.deliver(b"offer", route, CLIENT, LAN)

    assert packets.sent == []
    assert server.broadcasts == [(b"offer", 68)]


@pytest.mark.parametrize(("is_missed", "lines"), [(True, 1), (False, 0)])
def test_without_privileges(
    monkeypatch: pytest.MonkeyPatch, *, is_missed: bool, lines: int
) -> None:
    """Where no socket can be had that is said once, to those whom it concerns."""

    def refuse(kind: int) -> Any:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(link_module, "packet_socket", refuse)
    link = Link(is_missed=is_missed)

    with capturedLogs() as events:
        for _ in range(2):
            link.privilegedStartService()
            link.stopService()

    said = [formatEvent(event) for event in events]
    assert len(said) == lines
    assert all("packet sockets need root or CAP_NET_RAW" in line for line in said)


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without packet sockets is told of as such."""
    monkeypatch.setattr(link_module, "HAS_PACKET", False)

    with capturedLogs() as events:
        Link(is_missed=True).privilegedStartService()

    (event,) = events
    assert formatEvent(event).endswith("by broadcast: this system has no packet sockets")


def test_stop_closes_the_socket(packets: FakePacketSocket) -> None:
    """A stop leaves nothing open."""
    link = Link(is_missed=True)
    link.privilegedStartService()

    link.stopService()

    assert packets.is_closed


def test_routed_replies_leave_by_the_udp_socket() -> None:
    """Unicast and relayed replies go to their address, whatever the link can do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(5)
        (datagrams,) = open_datagrams(MemoryReactorClock(), [LOOPBACK], 0, lambda *_: None)
        for kind in (RouteKind.UNICAST, RouteKind.RELAY):
            route = ReplyRoute(
                kind=kind, address=IPv4Address("127.0.0.1"), port=client.getsockname()[1]
            )

            assert datagrams.deliver(b"offer", route, CLIENT, arrival_at("lo", 1, "127.0.0.1"))

            assert client.recv(100) == b"offer"
        datagrams.stop()
