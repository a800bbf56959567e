"""Frames and probes on a real wire: what leaves, who takes it, and what a probe finds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from netbootd.arrival import Arrival, arrival_at
from netbootd.datagram import Datagrams, open_datagrams
from netbootd.dhcp.probe import Prober
from netbootd.interface import Interface, read_interfaces
from netbootd.link import Link
from ops.counter import Counters
from protocols.dhcp.route import ReplyRoute, RouteKind
from tests.interop.bundle import Bundle
from tests.interop.capture import Capture
from tests.interop.client import dhclient, udhcpc
from tests.interop.conftest import Lan
from tests.interop.daemon import READY, TWISTD, Daemon
from tests.interop.lab import Host, Lab, wait_until
from tests.interop.peer import peer

pytestmark = pytest.mark.interop

NOWHERE = IPv4Address("10.77.0.100")
"""An address that nobody has."""
CLIENT_MAC = bytes.fromhex("525400770050")
PAYLOAD = bytes(range(256)) + b"odd"


LEASING = """
user = "nobody"
[dhcp]
enabled = true
probe = "off"
[[dhcp.subnet]]
network = "10.77.0.0/24"
pools = ["10.77.0.100-10.77.0.150"]
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty network, in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with Lab(Path(name)) as lab:
            yield lab


def unheard(datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival) -> None:
    raise AssertionError("nobody asked")


class Server:
    """Port 67 of the server's interface, with frames."""

    def __init__(self, lan: Lan, undo: ExitStack) -> None:
        with lan.server.entered():
            (self.interface,) = [
                one for one in read_interfaces() if one.name == lan.server_interface
            ]
            link = Link(is_missed=True)
            link.privilegedStartService()
            (self.datagrams,) = open_datagrams(
                MemoryReactorClock(), [self.interface], 67, unheard, link=link
            )
        undo.callback(self.datagrams.stop)
        undo.callback(link.stopService)
        self.link = link
        self.arrival = arrival_of(self.interface)

    def deliver(self, payload: bytes, address: IPv4Address = NOWHERE) -> bool:
        route = ReplyRoute(kind=RouteKind.LINK, address=address, port=68)
        return self.datagrams.deliver(payload, route, CLIENT_MAC, self.arrival)


def arrival_of(interface: Interface) -> Arrival:
    return arrival_at(
        interface.name,
        interface.index,
        str(interface.addresses[0].ip),
        interface.hardware_address,
    )


@pytest.fixture
def server(lan: Lan) -> Iterator[Server]:
    with ExitStack() as undo:
        yield Server(lan, undo)


def test_frame_to_a_station_without_an_address(lan: Lan, server: Server) -> None:
    """A reply by LINK is one frame to the client's MAC and the address that it is to have, from
    ours, with right checksums, and nobody is asked for that address by ARP."""
    capture = Capture(lan.client, lan.client_interface, "arp or udp port 68")

    assert server.deliver(PAYLOAD)

    (frame,) = capture.packets("arp || udp.port == 68")
    assert frame.one("eth.dst") == "52:54:00:77:00:50"
    assert frame.values("eth.src") == [server.interface.hardware_address]
    assert (frame.one("ip.src"), frame.one("ip.dst")) == (lan.address, str(NOWHERE))
    assert (frame.one("udp.srcport"), frame.one("udp.dstport")) == ("67", "68")
    assert frame.values("udp.payload") == [PAYLOAD]


def test_checksums(lan: Lan, server: Server) -> None:
    """A host takes what is sent to its address: its kernel verifies both checksums."""
    with lan.client.socket() as client:
        client.bind(("10.77.0.50", 68))

        for length in (0, 1, 2, 299, 300, 1472):
            payload = bytes((0xF0 + length % 16,)) * length
            assert server.deliver(payload, IPv4Address("10.77.0.50"))
            assert client.recv(2048) == payload


def test_longer_than_the_mtu(lan: Lan, server: Server) -> None:
    """What fits into no frame is broadcast in fragments."""
    with lan.client.socket() as client:
        client.bind(("", 68))
        capture = Capture(lan.client, lan.client_interface, "ip")

        assert server.deliver(bytes(3000))

        assert client.recv(4096) == bytes(3000)
        assert capture.count("eth.dst == ff:ff:ff:ff:ff:ff && ip.frag_offset > 0") == 2


def test_nothing_is_received(lan: Lan, server: Server) -> None:
    """The packet socket never gets a frame, however much passes its interface."""
    lan.client.run("sh", "-c", "ping -c 3 -i 0.01 10.77.0.1 || busybox ping -c 3 10.77.0.1")

    with pytest.raises(BlockingIOError):
        server.link._socket.recv(1)


@pytest.fixture
def prober(lan: Lan) -> Iterator[Prober]:
    """One that asks from the server, and waits until the test moves its clock."""
    prober = Prober(
        reactor=MemoryReactorClock(),
        method="auto",
        wait=1.0,
        identifier=0x7777,
        counters=Counters(),
    )
    with lan.server.entered():
        prober.privilegedStartService()
    prober.startService()
    yield prober
    prober.stopService()


def settled(prober: Prober, answer: Deferred[bool]) -> bool:
    """What is told once a host has answered."""

    def answered() -> bool:
        for reader in prober._reactor.getReaders():
            reader.doRead()
        return answer.called

    wait_until(answered)
    return bool(answer.result)


def arrival(lan: Lan) -> Arrival:
    with lan.server.entered():
        (interface,) = [one for one in read_interfaces() if one.name == lan.server_interface]
    return arrival_of(interface)


def test_probe_of_an_address_that_is_held(lan: Lan, prober: Prober) -> None:
    """A host that holds the address answers ARP, be it closed to everything else."""
    lan.client.run(
        "nft",
        "add table ip t; add chain ip t in { type filter hook input priority 0; policy drop; }",
    )

    answer = prober.in_use(IPv4Address("10.77.0.50"), arrival(lan), relayed=False)

    assert settled(prober, answer)


def test_probe_of_an_address_that_its_client_holds(lan: Lan, prober: Prober) -> None:
    """The client's own answer is no conflict."""
    address = IPv4Address("10.77.0.50")
    at = arrival(lan)

    answer = prober.in_use(address, at, relayed=False, hardware_address=CLIENT_MAC)
    later = prober.in_use(address, at, relayed=True)

    assert settled(prober, later)  # by then what came before it has been read
    assert not answer.called


def test_probe_of_an_address_that_nobody_holds(lan: Lan, prober: Prober) -> None:
    """Silence, and no ARP request but the one, which asks for the address from ours."""
    capture = lan.capture("arp")

    answer = prober.in_use(NOWHERE, arrival(lan), relayed=False)
    prober._reactor.advance(1.0)

    assert answer.result is False
    (request,) = capture.packets("arp")
    assert request.one("arp.opcode") == "1"
    assert request.one("arp.dst.proto_ipv4") == str(NOWHERE)
    assert request.one("arp.src.proto_ipv4") == lan.address
    assert request.one("eth.dst") == "ff:ff:ff:ff:ff:ff"


def test_probe_behind_a_router(lab: Lab, lan: Lan, prober: Prober) -> None:
    """A host in another network answers the ping."""
    router, far = lab.host("router"), lab.host("far")
    outer = lab.switch("outer")
    router.plug(lan.switch, "10.77.0.3/24", interface="r0")
    router.plug(outer, "10.78.0.1/24", interface="r1")
    router.forward()
    far.plug(outer, "10.78.0.50/24")
    far.route("default", "10.78.0.1")
    lan.server.route("10.78.0.0/24", "10.77.0.3")
    at = arrival(lan)

    nobody = prober.in_use(IPv4Address("10.78.0.51"), at, relayed=True)
    somebody = prober.in_use(IPv4Address("10.78.0.50"), at, relayed=True)

    assert settled(prober, somebody)
    assert not nobody.called


# Real clients.


def run_udhcpc(host: Host, interface: str) -> None:
    assert udhcpc(host, interface) is not None


def run_dhclient(host: Host, interface: str) -> None:
    client = dhclient(host, interface, "")
    client.wait_for("bound to 10.77.0.100")
    client.stop()


def run_dhcpcd(host: Host, interface: str) -> None:
    command = (peer("dhcpcd"), "-4", "-1", "-B", "-d", "-t", "10", "--noarp", "-f", "/dev/null")
    own_state = 'mount -t tmpfs t /run && mount -t tmpfs t /var/lib/dhcpcd && exec "$@"'
    done = host.run("sh", "-c", own_state, "sh", *command, "-c", "/bin/true", interface)
    assert "leased 10.77.0.100" in done.stdout + done.stderr


@pytest.mark.parametrize("run", [run_udhcpc, run_dhclient, run_dhcpcd])
def test_client_that_sets_no_broadcast_flag(
    lan: Lan, sierra: Bundle, run: Callable[[Host, str], None]
) -> None:
    """A client without an address takes OFFER and ACK as frames to itself, from a server that has
    given root up; nobody else gets them, nobody is asked by ARP."""
    Daemon(lan.server, LEASING).start()
    machine = lan.lab.host("machine")
    interface = machine.plug(lan.switch, mac="52:54:00:77:00:60")
    capture = lan.capture("arp or udp port 67 or udp port 68")

    run(machine, interface)

    replies = capture.packets("udp.srcport == 67")
    assert [reply.one("dhcp.option.dhcp") for reply in replies] == ["2", "5"]
    for reply in replies:
        assert reply.one("eth.dst") == "52:54:00:77:00:60"
        assert reply.one("ip.dst") == reply.one("dhcp.ip.your") == "10.77.0.100"
        assert reply.one("dhcp.flags.bc") in ("0", "False")  # as older and newer tshark put it
    assert capture.count("arp.opcode == 1 && arp.src.hw_mac != 52:54:00:77:00:60") == 0
    assert capture.complaints() == ""


def test_without_packet_sockets_replies_are_broadcast(lan: Lan, sierra: Bundle) -> None:
    """Where no frame can be sent, that is said once, and the client gets its address all the
    same."""
    daemon = Daemon(lan.server, LEASING.replace('user = "nobody"', ""))
    unprivileged = ("setpriv", "--bounding-set=-net_raw", TWISTD, "--nodaemon", "--pidfile=")
    process = lan.server.start(*unprivileged, "netbootd", "--config", str(daemon.config))
    process.wait_for(READY)
    machine = lan.lab.host("machine")
    interface = machine.plug(lan.switch, mac="52:54:00:77:00:60")
    capture = lan.capture()

    run_udhcpc(machine, interface)

    replies = capture.packets("udp.srcport == 67")
    assert {reply.one("eth.dst") for reply in replies} == {"ff:ff:ff:ff:ff:ff"}
    said = "Machines without an address are answered by broadcast: packet sockets need root"
    assert process.output().count(said) == 1


def test_address_that_somebody_holds_is_not_leased(lan: Lan, sierra: Bundle) -> None:
    """Of a pool of two, one that a stranger uses: it is found by ARP, and told of; who asks gets
    the other."""
    settings = LEASING.replace('probe = "off"\n', "").replace("100-10.77.0.150", "100-10.77.0.101")
    daemon = Daemon(lan.server, settings).start()
    lan.client.address(lan.client_interface, "10.77.0.100/24")
    for number in (0, 1):
        machine = lan.lab.host(f"machine{number}")
        interface = machine.plug(lan.switch, mac=f"52:54:00:77:00:6{number}")

        lease = udhcpc(machine, interface)

        assert (lease and lease["ip"]) == (None if number else "10.77.0.101")
    assert "10.77.0.100" in daemon.wait_for("warn .* is used by somebody .*")[0]
