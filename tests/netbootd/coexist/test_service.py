"""What is told after the start of other DHCP servers, of none, and of a firewall."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent

from netbootd.coexist.discover import WAIT
from netbootd.coexist.nft import tables_from
from netbootd.coexist.ruleset import Table
from netbootd.coexist.service import AGAIN, PAUSE, Neighbours
from netbootd.config import Config
from netbootd.interface import Interface
from ops.config import parse
from ops.owner import NOBODY, Owners, Program
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import BOOTREPLY, BROADCAST_FLAG, DhcpMessage
from protocols.dhcp.registry import MESSAGE_TYPE, SERVER_IDENTIFIER
from protocols.dhcp.value import MessageType
from protocols.ethernet import ipv4
from protocols.ethernet.frame import UdpSource
from tests.netbootd.dhcp.test_probe import FakeSocket, no_socket

ETH0 = Interface(
    name="eth0",
    index=2,
    addresses=(IPv4Interface("10.0.0.1/24"),),
    hardware_address=bytes.fromhex("525400770001"),
)
ETH1 = Interface(
    name="eth1",
    index=3,
    addresses=(IPv4Interface("10.0.1.1/24"),),
    hardware_address=bytes.fromhex("525400770002"),
)
TUNNEL = Interface(name="tun0", index=4, addresses=(IPv4Interface("10.0.2.1/24"),))
XID = 0x12345678
SERVER = IPv4Address("10.0.0.2")

BESIDE = ""
POOL = 'network = "10.0.0.0/24"\npools = ["10.0.0.50-10.0.0.99"]\n'
ALONE = f"[dhcp]\nenabled = true\n[[dhcp.subnet]]\n{POOL}"


def offer_to(question: bytes, **changes: Any) -> DhcpMessage:
    """What a DHCP server answers to a frame."""
    asked = decode(ipv4.decode_udp(ipv4.decode(question[14:]).payload).payload)
    options = changes.pop("options", None) or (
        MESSAGE_TYPE.of(MessageType.OFFER),
        SERVER_IDENTIFIER.of(changes.pop("server", SERVER)),
    )
    answer = {"op": BOOTREPLY, "yiaddr": IPv4Address("10.0.0.77"), **changes}
    return replace(asked, options=options, **answer)


class Rig:
    """A look around whose clock, socket and firewall are the test's."""

    def __init__(
        self,
        settings: str = BESIDE,
        interfaces: Sequence[Interface] = (ETH0,),
        *,
        opens: Any = None,
        tables: Sequence[Table] | None = None,
        owners: Owners = NOBODY,
    ) -> None:
        self.reactor = MemoryReactorClock()
        self.socket = FakeSocket()
        self.neighbours = Neighbours(
            reactor=self.reactor,
            config=parse(settings.encode(), Config),
            interfaces=interfaces,
            xid=XID,
            open_socket=opens or (lambda: self.socket),
            read_tables=lambda: tables,
            owners=lambda kind, port: owners,
        )

    def start(self) -> None:
        self.neighbours.privilegedStartService()
        self.neighbours.startService()
        self.reactor.advance(0)

    def answer(self, interface: str = "eth0", **changes: Any) -> None:
        """A frame with an OFFER comes in."""
        question = next(data for data, to in self.socket.sent if to[0] == interface)
        source = UdpSource(hardware_address=bytes(6), address=int(SERVER))
        frame = source.frame(
            encode(offer_to(question, **changes)),
            to_hardware=b"\xff" * 6,
            to=0xFFFFFFFF,
            from_port=67,
            to_port=68,
        )
        self.socket.inbox.append((frame, (interface, 0x800, 1, 1, bytes(6))))
        for reader in self.reactor.getReaders():
            reader.doRead()

    def again(self) -> None:
        """The time of the next look has come."""
        self.socket.sent.clear()
        self.reactor.advance(AGAIN)

    def finish(self) -> None:
        for seconds in (1, WAIT - 1, PAUSE, 1, WAIT - 1):
            self.reactor.advance(seconds)

    @property
    def is_resting(self) -> bool:
        """Whether nothing is to be done before the next look."""
        (next_look,) = self.reactor.getDelayedCalls()
        return bool(next_look.getTime() == self.reactor.seconds() + AGAIN)

    @property
    def is_over(self) -> bool:
        return (
            self.socket.is_closed
            and self.reactor.getReaders() == []
            and self.reactor.getDelayedCalls() == []
        )


@contextmanager
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    with capturedLogs() as events:
        yield lines
    lines.extend(f"{event['log_level'].name}: {formatEvent(event)}" for event in events)


def test_question() -> None:
    """A DISCOVER is broadcast as any client without an address does, to be answered likewise."""
    rig = Rig()

    rig.start()

    ((frame, to),) = rig.socket.sent
    assert to == ("eth0", 0x0800)
    assert frame[:12] == b"\xff" * 6 + ETH0.hardware_address
    packet = ipv4.decode(frame[14:])
    datagram = ipv4.decode_udp(packet.payload)
    assert (packet.source, packet.destination) == (0, 0xFFFFFFFF)
    assert (datagram.source_port, datagram.destination_port) == (68, 67)
    message = decode(datagram.payload)
    assert message.value(MESSAGE_TYPE) is MessageType.DISCOVER
    assert (message.xid, message.flags) == (XID, BROADCAST_FLAG)
    assert message.chaddr[:6] == ETH0.hardware_address
    assert len(datagram.payload) >= 300  # what BOOTP relays and servers expect


def test_beside_a_dhcp_server() -> None:
    """Where another server gives addresses and we do not, that is told and all is well."""
    rig = Rig(BESIDE)
    with log() as lines:
        rig.start()
        rig.answer()
        rig.reactor.advance(1)
        rig.reactor.advance(WAIT)

    assert lines == ["info: DHCP servers: DHCP server 10.0.0.2 on eth0 gives addresses"]
    assert len(rig.socket.sent) == 1
    assert rig.is_resting


def test_nobody_gives_addresses() -> None:
    """Where nobody answers, not even half a minute later, a warning says so."""
    rig = Rig(BESIDE)
    with log() as lines:
        rig.start()
        rig.finish()

    assert lines == [
        "warn: DHCP servers: no DHCP server answers on eth0: machines get no address there;"
        " start one, or enable [dhcp] here"
    ]
    assert len(rig.socket.sent) == 4
    assert rig.is_resting


def test_a_server_that_answers_late() -> None:
    """A port of a switch that forwards only after a while is no reason to warn."""
    rig = Rig(BESIDE)
    with log() as lines:
        rig.start()
        for seconds in (1, WAIT - 1, PAUSE):
            rig.reactor.advance(seconds)
        rig.answer()
        rig.reactor.advance(1)
        rig.reactor.advance(WAIT)

    assert lines == ["info: DHCP servers: DHCP server 10.0.0.2 on eth0 gives addresses"]
    assert rig.is_resting


def test_two_servers() -> None:
    """Where we give addresses, another that does is told at once, with what to do."""
    rig = Rig(ALONE)
    with log() as lines:
        rig.start()
        rig.answer()
        rig.answer(server=IPv4Address("10.0.0.3"))
        rig.answer()
        rig.reactor.advance(1)
        rig.reactor.advance(WAIT)

    said = (
        "on eth0 gives addresses, and so do we: one address may go to two machines; stop it, or"
        " set dhcp = false in [interface.eth0]"
    )
    assert lines == [f"warn: DHCP servers: DHCP server 10.0.0.{number} {said}" for number in (2, 3)]


def test_alone() -> None:
    """Where we give addresses and nobody else does, all is well."""
    rig = Rig(ALONE)
    with log() as lines:
        rig.start()
        rig.finish()

    assert lines == ["info: DHCP servers: no other DHCP server answers on eth0"]


def test_each_link_on_its_own() -> None:
    """A server on one link is none on another; a link where [dhcp] is off is not ours."""
    rig = Rig(f"{ALONE}[interface.eth1]\ndhcp = false\n", (ETH0, ETH1))
    with log() as lines:
        rig.start()
        rig.answer("eth1")
        rig.finish()

    assert lines == [
        "info: DHCP servers: DHCP server 10.0.0.2 on eth1 gives addresses",
        "info: DHCP servers: no other DHCP server answers on eth0",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"xid": XID + 1},
        {"chaddr": bytes.fromhex("525400770003")},
        {"yiaddr": IPv4Address(0)},  # a boot server: BSDP, proxyDHCP
        {"server": IPv4Address("10.0.0.1")},  # ourselves, by another way
        {"op": 1},
        {"options": (MESSAGE_TYPE.of(MessageType.ACK),)},
        {"options": (MESSAGE_TYPE.of(MessageType.NAK),)},
    ],
)
def test_what_is_no_offer_to_us(changes: dict[str, Any]) -> None:
    """Answers to others, of boot servers and of ourselves do not count."""
    rig = Rig(ALONE)
    with log() as lines:
        rig.start()
        rig.answer(**changes)
        rig.finish()

    assert lines == ["info: DHCP servers: no other DHCP server answers on eth0"]


def test_a_server_that_does_not_name_itself() -> None:
    """Without a server identifier it is where its packet came from."""
    rig = Rig(BESIDE)
    with log() as lines:
        rig.start()
        rig.answer(options=(MESSAGE_TYPE.of(MessageType.OFFER),))
        rig.reactor.advance(1)
        rig.reactor.advance(WAIT)

    assert lines == ["info: DHCP servers: DHCP server 10.0.0.2 on eth0 gives addresses"]


def test_bytes_that_are_no_packet() -> None:
    """Whatever comes in beside answers is passed over."""
    rig = Rig(ALONE)
    rig.start()
    for frame in (b"", bytes(14), bytes(60), bytes(14) + b"\x45" + bytes(40)):
        rig.socket.inbox.append((frame, ("eth0", 0x800, 1, 1, bytes(6))))
    rig.socket.inbox.append((b"", ("eth9", 0x800, 1, 1, bytes(6))))

    with log() as lines:
        rig.finish()

    assert lines == ["info: DHCP servers: no other DHCP server answers on eth0"]


def test_a_link_that_is_down() -> None:
    """A question that cannot be sent is a question without an answer."""
    rig = Rig(ALONE)
    rig.socket.refuses = True

    with log() as lines:
        rig.start()
        rig.finish()

    assert lines == ["info: DHCP servers: no other DHCP server answers on eth0"]


DNSMASQ = Owners(programs=(Program(pid=812, name="dnsmasq"),))
SHARING = "[bsdp]\nshare_port = true\n"
LEFT = "[bsdp]\nenabled = false\n[pxe]\nenabled = true\nproxy = false\n"


@pytest.mark.parametrize("settings", [SHARING, LEFT])
def test_a_server_on_this_computer(settings: str) -> None:
    """Who has port 67 where we do not have it to ourselves hears no question, and is not missed."""
    rig = Rig(settings, owners=DNSMASQ)
    with log() as lines:
        rig.start()
        rig.finish()

    assert lines == [
        "info: DHCP servers: dnsmasq (pid 812) on this computer has UDP port 67 and may give"
        " addresses on eth0"
    ]


def test_two_servers_on_this_computer() -> None:
    """A DHCP server that shares its port invites another to answer, too."""
    rig = Rig(ALONE + SHARING, owners=DNSMASQ)
    with log() as lines:
        rig.start()
        rig.finish()

    assert lines == [
        "warn: DHCP servers: bsdp.share_port lets another DHCP server on this computer answer"
        " beside [dhcp]: one address may go to two machines; set it to false",
        "warn: DHCP servers: dnsmasq (pid 812) on this computer has UDP port 67 and may give"
        " addresses on eth0, and so do we: one address may go to two machines; stop it",
    ]


def test_a_server_that_comes_later() -> None:
    """Every quarter of an hour we look again, and tell what is new."""
    rig = Rig(ALONE)
    with log() as lines:
        rig.start()
        rig.finish()
        rig.again()
        rig.finish()
        rig.again()
        rig.answer()
        rig.finish()
        rig.again()
        rig.answer(yiaddr=IPv4Address("10.0.0.78"))
        rig.finish()

    assert lines == [
        "info: DHCP servers: no other DHCP server answers on eth0",
        "warn: DHCP servers: DHCP server 10.0.0.2 on eth0 gives addresses, and so do we: one"
        " address may go to two machines; stop it, or set dhcp = false in [interface.eth0]",
    ]


def test_an_interface_that_changes() -> None:
    """A new table of interfaces is looked at at once, also for subnets that are missing."""
    rig = Rig(ALONE)
    moved = replace(ETH0, addresses=(IPv4Interface("10.0.9.1/24"),))
    with log() as lines:
        rig.start()
        rig.neighbours.serve([moved])
        rig.neighbours.serve([moved])
        rig.finish()

    assert lines == [
        "warn: DHCP: 10.0.9.1/24 [eth0] is in no [[dhcp.subnet]]: machines there get no address"
        ' from us; add one with network = "10.0.9.0/24", or set dhcp = false in [interface.eth0]',
        "warn: DHCP servers: no DHCP server answers on eth0: machines get no address there; start"
        " one, or enable [dhcp] here",
    ]
    assert rig.is_resting


def test_settings_that_change() -> None:
    """After a reload the look goes by the new settings."""
    rig = Rig(ALONE)
    with log() as lines:
        rig.start()
        rig.finish()
        rig.neighbours.apply(parse(BESIDE.encode(), Config))
        rig.finish()

    assert [line[:54] for line in lines] == [
        "info: DHCP servers: no other DHCP server answers on et",
        "warn: DHCP servers: no DHCP server answers on eth0: ma",
    ]


def test_without_privileges_nothing_is_looked_at() -> None:
    """Where no packet socket can be had, nothing is said of others."""
    rig = Rig(BESIDE, opens=no_socket)

    with log() as lines:
        rig.start()
        rig.finish()

    assert lines == []
    assert rig.reactor.getDelayedCalls() == []


def test_no_ethernet() -> None:
    """On loopback and tunnels there are no DHCP servers to look for."""

    def opens() -> Any:
        raise AssertionError(errno.EPERM)

    rig = Rig(BESIDE, (TUNNEL,), opens=opens)

    rig.start()

    assert rig.reactor.getDelayedCalls() == []


def test_a_firewall() -> None:
    """Ports that a firewall closes are told at the start; an open one is not."""
    chain = {"family": "inet", "table": "f", "name": "in", "hook": "input", "policy": "drop"}
    closed = tables_from(f'{{"nftables": [{{"chain": {chain}}}]}}'.replace("'", '"'))

    with log() as lines:
        Rig(BESIDE, tables=closed).start()
        Rig(BESIDE, tables=[]).start()

    assert lines == [
        "warn: firewall: inet f in lets no client to UDP 67, UDP 69, TCP 80 on eth0; `nft insert"
        " rule inet f in udp dport '{ 67, 69 }' accept && nft insert rule inet f in tcp dport"
        " '{ 80 }' accept` opens the way"
    ]


def test_stop_and_start() -> None:
    """A stop ends the search; the next start begins anew."""
    rig = Rig(BESIDE)
    rig.start()

    rig.neighbours.stopService()

    assert rig.is_over
    rig.socket = FakeSocket()
    with log() as lines:
        rig.start()
        rig.finish()
    assert len(lines) == 1
