"""Whether an address is in use: who is asked, whose answer counts, and what silence means."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent

from netbootd.arrival import Arrival, arrival_at
from netbootd.dhcp import probe
from netbootd.dhcp.probe import Prober
from ops.counter import Counters
from protocols.ethernet import arp, icmp
from protocols.ethernet.arp import Arp, Operation
from protocols.ethernet.icmp import Echo, EchoType

OURS = bytes.fromhex("525400770001")
HOLDER = bytes.fromhex("525400770099")
CLIENT = bytes.fromhex("525400770050")
LAN = arrival_at("en0", 7, "10.77.0.1", OURS)
OTHER_LAN = arrival_at("en1", 8, "10.77.0.1", OURS)
TUNNEL = arrival_at("tun0", 9, "10.77.0.1")
ADDRESS = IPv4Address("10.77.0.100")
WAIT = 0.5


class FakeSocket:
    """A packet or raw socket: what is sent is kept, what the test says has come in."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []
        self.inbox: list[tuple[bytes, tuple[Any, ...]]] = []
        self.refuses = False
        self.is_closed = False

    def sendto(self, data: bytes, to: Any) -> None:
        if self.refuses:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self.sent.append((data, to))

    def sendmsg(self, parts: tuple[bytes, ...], ancillary: Any, flags: int, to: Any) -> None:
        self.sendto(b"".join(parts), to)

    def recvfrom(self, size: int) -> tuple[bytes, tuple[Any, ...]]:
        if not self.inbox:
            raise BlockingIOError
        data, source = self.inbox.pop(0)
        return data[:size], source

    def fileno(self) -> int:
        return 99

    def close(self) -> None:
        self.is_closed = True


def no_socket() -> Any:
    raise PermissionError(errno.EPERM, "Operation not permitted")


class Rig:
    """A prober whose clock and sockets are the test's."""

    def __init__(self, method: str = "auto", *, may_open: bool = True) -> None:
        self.reactor = MemoryReactorClock()
        self.counters = Counters()
        self.arp, self.echo = FakeSocket(), FakeSocket()
        self.prober = Prober(
            reactor=self.reactor,
            method=method,
            wait=WAIT,
            identifier=0x1234,
            counters=self.counters,
            open_arp=(lambda: self.arp) if may_open else no_socket,
            open_echo=(lambda: self.echo) if may_open else no_socket,
        )
        self.start()

    def start(self) -> None:
        self.prober.privilegedStartService()
        self.prober.startService()

    def ask(
        self,
        address: IPv4Address = ADDRESS,
        arrival: Arrival = LAN,
        *,
        relayed: bool = False,
        client: bytes = CLIENT,
    ) -> Deferred[bool]:
        return self.prober.in_use(address, arrival, relayed=relayed, hardware_address=client)

    def arp_reply(
        self,
        *,
        sender: IPv4Address = ADDRESS,
        mac: bytes = HOLDER,
        operation: Operation = Operation.REPLY,
        interface: str = "en0",
    ) -> None:
        packet = Arp(
            operation=operation,
            sender_hardware=mac,
            sender=int(sender),
            target_hardware=OURS,
            target=0x0A4D0001,
        )
        self.receive(self.arp, arp.encode(packet) + bytes(18), (interface, 0x806, 0, 1, mac))

    def echo_reply(
        self, *, source: IPv4Address = ADDRESS, identifier: int = 0x1234, type: int = 0
    ) -> None:
        message = icmp.encode(Echo(type=EchoType(type), identifier=identifier, sequence=1))
        header = bytes((0x45, 0)) + (20 + len(message)).to_bytes(2) + bytes((0, 0, 0, 0, 64, 1))
        packet = header + bytes(2) + source.packed + IPv4Address("10.77.0.1").packed + message
        self.receive(self.echo, packet, (str(source), 0))

    def receive(self, sock: FakeSocket, data: bytes, source: tuple[Any, ...]) -> None:
        sock.inbox.append((data, source))
        for reader in self.reactor.getReaders():
            reader.doRead()

    def count(self, name: str) -> int:
        return self.counters.snapshot()[f"netbootd_dhcp_{name}_total"]


def outcome(answer: Deferred[bool]) -> bool | None:
    """None: it has not been answered."""
    return answer.result if answer.called else None


def test_silence_means_free() -> None:
    """Nobody has answered when the wait is over: the address is free."""
    rig = Rig()

    answer = rig.ask()
    rig.reactor.advance(WAIT - 0.01)
    before = outcome(answer)
    rig.reactor.advance(0.01)

    assert (before, outcome(answer)) == (None, False)
    assert (rig.count("probes"), rig.count("probes_answered")) == (1, 0)


def test_local_client_is_probed_by_arp() -> None:
    """Everybody on the wire of the client is asked, from our address there."""
    rig = Rig()

    rig.ask()

    ((data, to),) = rig.arp.sent
    assert to == ("en0", 0x0806, 0, 0, b"\xff" * 6)
    assert arp.decode(data) == Arp(
        operation=Operation.REQUEST, sender_hardware=OURS, sender=0x0A4D0001, target=int(ADDRESS)
    )
    assert rig.echo.sent == []


def test_host_that_answers_holds_the_address() -> None:
    """An ARP reply from the address is told at once."""
    rig = Rig()
    answer = rig.ask()

    rig.arp_reply()

    assert outcome(answer) is True
    assert rig.count("probes_answered") == 1
    rig.reactor.advance(WAIT)
    assert rig.reactor.getDelayedCalls() == []


def test_relayed_client_is_probed_by_echo() -> None:
    """Where ARP does not get, the address is pinged."""
    rig = Rig()

    answer = rig.ask(relayed=True)
    rig.echo_reply()

    ((data, to),) = rig.echo.sent
    echo = icmp.decode(data)
    assert to == (str(ADDRESS), 0)
    assert (echo.type, echo.identifier) == (EchoType.REQUEST, 0x1234)
    assert rig.arp.sent == []
    assert outcome(answer) is True


@pytest.mark.parametrize(
    "answer",
    [
        {"mac": CLIENT},  # the client holds its former address still
        {"sender": IPv4Address("10.77.0.101")},
        {"operation": Operation.REQUEST},
        {"interface": "en1"},
    ],
)
def test_arp_that_does_not_count(answer: dict[str, Any]) -> None:
    """The client itself, another address, a request, another wire: no conflict."""
    rig = Rig()
    waiting = rig.ask()

    rig.arp_reply(**answer)

    assert outcome(waiting) is None
    rig.arp_reply()
    assert outcome(waiting) is True


@pytest.mark.parametrize(
    "answer", [{"source": IPv4Address("10.77.0.101")}, {"identifier": 0x1235}, {"type": 8}]
)
def test_echo_that_does_not_count(answer: dict[str, Any]) -> None:
    """Another address, another program's echo, a request: no conflict."""
    rig = Rig()
    waiting = rig.ask(relayed=True)

    rig.echo_reply(**answer)

    assert outcome(waiting) is None
    rig.echo_reply()
    assert outcome(waiting) is True


def test_malformed_answers_are_dropped() -> None:
    """Bytes that are neither ARP nor echo end nothing; what waits behind them is read."""
    rig = Rig()
    waiting = rig.ask()
    for data in (b"", bytes(28)):
        rig.arp.inbox.append((data, ("en0", 0x806, 0, 1, HOLDER)))
        rig.receive(rig.echo, data, (str(ADDRESS), 0))

    rig.arp_reply()

    assert outcome(waiting) is True


def test_an_address_is_asked_for_once() -> None:
    """Who asks while a probe is under way hears of that one."""
    rig = Rig()

    answers = [rig.ask(), rig.ask()]
    rig.arp_reply()

    assert [outcome(answer) for answer in answers] == [True, True]
    assert len(rig.arp.sent) == 1


def test_one_address_on_two_wires_is_two_questions() -> None:
    """An answer on one wire says nothing of the other."""
    rig = Rig()

    here, there = rig.ask(), rig.ask(arrival=OTHER_LAN)
    rig.arp_reply(interface="en1")
    rig.reactor.advance(WAIT)

    assert (outcome(here), outcome(there)) == (False, True)


def test_each_has_its_own_time() -> None:
    """Probes share one timer, and each is free when its own wait is over."""
    rig = Rig()

    first = rig.ask()
    rig.reactor.advance(0.3)
    second = rig.ask(IPv4Address("10.77.0.101"))

    assert len(rig.reactor.getDelayedCalls()) == 1
    rig.reactor.advance(0.2)
    assert (outcome(first), outcome(second)) == (False, None)
    rig.reactor.advance(0.3)
    assert outcome(second) is False


def test_who_is_told_may_ask_again() -> None:
    """The next address is probed from within the answer to the last."""
    rig = Rig()
    answers: list[bool] = []

    def next_one(is_in_use: bool) -> None:
        rig.ask(IPv4Address("10.77.0.101")).addCallback(answers.append)

    rig.ask().addCallback(next_one)
    rig.reactor.advance(WAIT)
    rig.reactor.advance(WAIT)

    assert answers == [False]


@pytest.mark.parametrize(
    ("method", "relayed", "asked"),
    [
        ("auto", False, "arp"),
        ("auto", True, "echo"),
        ("arp", False, "arp"),
        ("arp", True, ""),
        ("icmp", False, "echo"),
        ("icmp", True, "echo"),
        ("off", False, ""),
        ("off", True, ""),
    ],
)
def test_method(method: str, relayed: bool, asked: str) -> None:
    """What the operator chose; who is not asked for counts as free at once."""
    rig = Rig(method)

    answer = rig.ask(relayed=relayed)

    assert [name for name in ("arp", "echo") if getattr(rig, name).sent] == [asked] * bool(asked)
    assert outcome(answer) is (None if asked else False)


def test_what_cannot_be_sent_is_free() -> None:
    """No route to the address, or an interface without Ethernet: free at once, and counted."""
    rig = Rig()
    rig.echo.refuses = True

    answers = [rig.ask(relayed=True), rig.ask(arrival=TUNNEL)]

    assert [outcome(answer) for answer in answers] == [False, False]
    assert (rig.count("probes"), rig.count("probes_omitted")) == (0, 2)


def test_probes_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound an address is offered unprobed, and counted."""
    monkeypatch.setattr(probe, "MAX_PROBES", 2)
    rig = Rig()

    answers = [rig.ask(IPv4Address("10.77.0.0") + number) for number in range(3)]

    assert [outcome(answer) for answer in answers] == [None, None, False]
    assert (rig.count("probes"), rig.count("probes_omitted")) == (2, 1)


def test_without_privileges_everything_is_free() -> None:
    """Where no socket can be opened that is said once, and every address counts as free."""
    with capturedLogs() as events:
        rig = Rig(may_open=False)
        rig.start()

    answers = [rig.ask(), rig.ask(relayed=True)]

    assert [outcome(answer) for answer in answers] == [False, False]
    (line,) = [formatEvent(event) for event in events]
    assert "without a probe" in line
    assert "CAP_NET_RAW" in line


def test_stop_and_start() -> None:
    """A stop closes the sockets, tells who waits "free", and a start makes it work again."""
    rig = Rig()
    waiting = rig.ask()

    rig.prober.stopService()

    assert outcome(waiting) is False
    assert rig.arp.is_closed
    assert rig.echo.is_closed
    assert (rig.reactor.getDelayedCalls(), rig.reactor.getReaders()) == ([], [])
    assert outcome(rig.ask()) is False
    rig.arp = FakeSocket()
    rig.start()
    again = rig.ask()
    rig.arp_reply()
    assert outcome(again) is True
