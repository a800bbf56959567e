"""UDP sockets that know where each datagram arrived."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Interface

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet
from twisted.trial.unittest import TestCase

from netbootd import arrival as arrivals
from netbootd import datagram
from netbootd.arrival import HAS_PKTINFO, IN_PKTINFO, Arrival, Arrivals, arrival_at
from netbootd.config import NetworkSettings
from netbootd.datagram import MAX_FAULTS_TOLD, Datagrams, open_datagrams, routed_source
from netbootd.interface import Interface, read_interfaces, served
from netbootd.link import Link
from ops.counter import Counters
from protocols.dhcp.route import ReplyRoute, RouteKind

LOOPBACK = Interface(name="lo", index=1, addresses=(IPv4Interface("127.0.0.1/8"),))
LAN = Interface(
    name="en0",
    index=7,
    addresses=(IPv4Interface("10.0.0.1/24"), IPv4Interface("10.0.1.1/24")),
)


def info(index: int, local: str) -> bytes:
    """`struct in_pktinfo` as the kernel fills it for a broadcast."""
    return IN_PKTINFO.pack(index, socket.inet_aton(local), b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    ("index", "local", "expected"),
    [
        (7, "10.0.0.1", "10.0.0.1"),
        (7, "10.0.1.1", "10.0.1.1"),
        (7, "192.0.2.1", "10.0.0.1"),  # an address of that interface that is not served
        (1, "10.0.1.1", "10.0.1.1"),  # this host to itself
        (1, "127.0.0.1", None),
        (8, "10.0.0.1", None),  # our LAN address reached by an interface that is not served
    ],
)
def test_arrival(index: int, local: str, expected: str | None) -> None:
    """A datagram is served by its arrival interface and answered from an address there."""
    arrivals = Arrivals([LAN])

    for _ in range(2):
        arrival = arrivals.get(info(index, local))

        assert (arrival.local if arrival else None) == expected


def test_short_ancillary_data_is_not_served() -> None:
    """Ancillary data that is not an in_pktinfo gives no arrival."""
    assert Arrivals([LAN]).get(b"\0\0") is None


def test_the_default_serves_private_lan_addresses_only() -> None:
    """Without configuration a public or a loopback address is never served."""
    public = Interface(
        name="wan",
        index=3,
        addresses=(IPv4Interface("192.168.1.1/24"), IPv4Interface("8.8.8.8/24")),
    )

    kept = served([LOOPBACK, LAN, public], NetworkSettings().serves)

    assert [(one.name, [str(a.ip) for a in one.addresses]) for one in kept] == [
        ("en0", ["10.0.0.1", "10.0.1.1"]),
        ("wan", ["192.168.1.1"]),
    ]


def test_the_systems_own_table_has_loopback() -> None:
    """This machine's interfaces can be read, index included."""
    by_name = {interface.name: interface for interface in read_interfaces()}

    assert any(interface.is_loopback for interface in by_name.values())


class DatagramsTests(TestCase):
    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = IReactorFDSet(reactor)
        self.received: Deferred[tuple[bytes, tuple[str, int], Arrival]] = Deferred()

    def receive(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> None:
        datagrams.send(data.upper(), peer, arrival)
        self.received.callback((data, peer, arrival))

    def client(self) -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind(("127.0.0.1", 0))
        client.settimeout(5)
        self.addCleanup(client.close)
        return client

    async def exchange(self, datagrams: Datagrams) -> Arrival:
        datagrams.start()
        self.addCleanup(datagrams.stop)
        client = self.client()
        client.sendto(b"list", ("127.0.0.1", datagrams.port))
        data, peer, arrival = await self.received
        self.assertEqual((data, peer), (b"list", client.getsockname()))
        answer, source = client.recvfrom(100)
        self.assertEqual((answer, source), (b"LIST", ("127.0.0.1", datagrams.port)))
        return arrival

    async def test_a_loopback_daemon_binds_loopback_only(self) -> None:
        """Serving loopback addresses only, nothing listens on the others."""
        (datagrams,) = open_datagrams(self.reactor, [LOOPBACK], 0, self.receive)

        arrival = await self.exchange(datagrams)

        self.assertEqual((arrival.interface, arrival.local), ("lo", "127.0.0.1"))
        self.assertEqual(datagrams._sock.getsockname()[0], "127.0.0.1")

    async def test_one_socket_tells_the_arrival(self) -> None:
        """On Linux one socket serves all interfaces and each datagram comes with its arrival."""
        if not HAS_PKTINFO:
            self.skipTest("IP_PKTINFO is Linux")
        (datagrams,) = open_datagrams(self.reactor, [LAN, LOOPBACK], 0, self.receive)

        arrival = await self.exchange(datagrams)

        self.assertEqual((arrival.interface, arrival.index), ("lo", 1))

    def test_a_busy_port_is_an_oserror_and_leaves_nothing_open(self) -> None:
        """The caller gets the system's own error to turn into one clear line."""
        (first,) = open_datagrams(self.reactor, [LOOPBACK], 0, self.receive)
        self.addCleanup(first.stop)

        with self.assertRaises(OSError):
            open_datagrams(self.reactor, [LOOPBACK], first.port, self.receive)

    def test_share_port(self) -> None:
        """With share_port two daemons of one host may both listen."""
        (first,) = open_datagrams(self.reactor, [LOOPBACK], 0, self.receive, share_port=True)
        self.addCleanup(first.stop)
        (second,) = open_datagrams(
            self.reactor, [LOOPBACK], first.port, self.receive, share_port=True
        )
        self.addCleanup(second.stop)

        self.assertEqual(first.port, second.port)

    def test_a_routed_reply_leaves_from_where_the_system_says(self) -> None:
        """`send_routed` is what `routed_source` promises."""
        (datagrams,) = open_datagrams(self.reactor, [LOOPBACK], 0, self.receive)
        self.addCleanup(datagrams.stop)
        client = self.client()
        arrival = arrival_at("lo", 1, "127.0.0.1")

        sent = datagrams.send_routed(b"list", client.getsockname(), arrival)

        self.assertTrue(sent)
        _, source = client.recvfrom(100)
        self.assertEqual(source[0], routed_source(client.getsockname()))

    def test_a_refused_reply_is_counted(self) -> None:
        """A reply that the kernel will not send is counted, not raised."""
        counters = Counters()
        (datagrams,) = open_datagrams(self.reactor, [LOOPBACK], 0, self.receive, counters=counters)
        self.addCleanup(datagrams.stop)
        assert datagrams._arrival is not None

        sent = datagrams.send(b"x" * 70000, ("127.0.0.1", 9), datagrams._arrival)

        self.assertFalse(sent)
        self.assertEqual(counters.snapshot()["netbootd_datagrams_unsent_total"], 1)

    async def test_a_datagram_that_meets_a_fault_ends_nothing(self) -> None:
        """Our own bug is logged and counted; the next datagram is served, and so are the others."""
        served = self.receive

        def receive(
            datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
        ) -> None:
            if data == b"poison":
                raise RuntimeError("a fault of ours")
            served(datagrams, data, peer, arrival)

        counters = Counters()
        (datagrams,) = open_datagrams(self.reactor, [LOOPBACK], 0, receive, counters=counters)
        poisoner = self.client()
        poison = MAX_FAULTS_TOLD + 5
        for _ in range(poison):
            poisoner.sendto(b"poison", ("127.0.0.1", datagrams.port))

        await self.exchange(datagrams)

        self.assertEqual(counters.snapshot()["netbootd_datagrams_faults_total"], poison)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), MAX_FAULTS_TOLD)

    async def test_without_ancillary_data_each_address_has_its_socket(self) -> None:
        """Where no arrival is told, a socket is bound to each address and answers by itself."""
        for module in (arrivals, datagram):
            self.patch(module, "HAS_PKTINFO", False)
        self.patch(socket, "socket", SocketOfWindows)
        two = Interface(
            name="Ethernet",
            index=0,
            addresses=(IPv4Interface("127.0.0.1/8"), IPv4Interface("127.0.0.2/8")),
        )
        first, second = open_datagrams(self.reactor, [two], 0, self.receive)
        self.addCleanup(second.stop)

        arrival = await self.exchange(first)

        self.assertEqual((arrival.interface, arrival.local), ("Ethernet", "127.0.0.1"))
        self.assertEqual(second._sock.getsockname()[0], "127.0.0.2")
        self.assertTrue(first.broadcast(b"offer", 9, arrival))
        self.assertFalse(first.send(b"x" * 70000, ("127.0.0.1", 9), arrival))

    async def test_an_interface_that_comes_is_served_by_the_socket_that_is_there(self) -> None:
        """With one socket for all, a new table of interfaces is all that it takes."""
        if not HAS_PKTINFO:
            self.skipTest("IP_PKTINFO is Linux")
        counters = Counters()
        (datagrams,) = open_datagrams(self.reactor, [LAN], 0, self.receive, counters=counters)
        self.client().sendto(b"too early", ("127.0.0.1", datagrams.port))
        datagrams.doRead()
        self.assertEqual(counters.snapshot()["netbootd_datagrams_unserved_total"], 1)

        datagrams.serve([LAN, LOOPBACK])

        await self.exchange(datagrams)

    async def test_without_a_link_a_machine_without_an_address_is_told_by_broadcast(self) -> None:
        """A frame that cannot be sent becomes a broadcast, which RFC 2131 §4.1 allows."""
        closed = Link(is_missed=False)
        broadcast: list[tuple[int, bytes]] = []
        (datagrams,) = open_datagrams(self.reactor, [LAN], 0, self.receive, link=closed)
        self.addCleanup(datagrams.stop)
        self.patch(
            datagrams,
            "broadcast",
            lambda data, port, arrival: broadcast.append((port, data)) or True,
        )
        route = ReplyRoute(kind=RouteKind.LINK, address=IPv4Address("10.0.0.50"), port=68)

        for hardware_address in (bytes(6), None):
            arrival = arrival_at("en0", 7, "10.0.0.1", hardware_address)

            self.assertTrue(datagrams.deliver(b"offer", route, b"abcdef", arrival))

        self.assertEqual(broadcast, [(68, b"offer")] * 2)


class SocketOfWindows(socket.socket):
    """A socket without what Windows does not have."""

    @property
    def sendmsg(self) -> None:  # type: ignore[override]
        raise AttributeError("socket has no sendmsg")

    recvmsg = sendmsg  # type: ignore[assignment]
