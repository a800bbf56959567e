"""Many datagrams in one system call: all arrive, whole, in order, from the address asked for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address
from unittest.mock import patch

import pytest
from twisted.internet.interfaces import IReactorFDSet, IReactorFromThreads
from zope.interface import implementer

from netbootd.arrival import Arrivals, arrival_at
from netbootd.batch import MAX_BATCH, ROOM, Batch
from netbootd.datagram import Datagrams
from ops.counter import Counters
from protocols.dhcp.route import ReplyRoute, RouteKind

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="only Linux has sendmmsg")

OURS = arrival_at("lo", 1, "127.0.0.5")
NOT_OURS = arrival_at("lo", 1, "203.0.113.1")


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(10)
    return sock


@pytest.fixture
def relay() -> Iterator[socket.socket]:
    with closing(bound()) as sock:
        yield sock


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.bind(("", 0))
        yield sock


def test_all_arrive_as_they_are(sender: socket.socket, relay: socket.socket) -> None:
    """Lengths differ, order does not, and the source is the address of the arrival."""
    payloads = [bytes((n,)) * size for n, size in enumerate([300, 1, ROOM, 0, 576])]

    refused = Batch().send(sender, payloads, OURS.unicast, relay.getsockname())

    assert refused == 0
    heard = [relay.recvfrom(ROOM) for _ in payloads]
    assert [payload for payload, _ in heard] == payloads
    assert {source[0] for _, source in heard} == {"127.0.0.5"}


def test_a_batch_is_used_again(sender: socket.socket, relay: socket.socket) -> None:
    """Nothing of an earlier call shows in a later one, with other ancillary data."""
    batch = Batch()
    batch.send(sender, [b"long" * 100] * MAX_BATCH, OURS.unicast, relay.getsockname())
    for _ in range(MAX_BATCH):
        relay.recvfrom(ROOM)

    assert batch.send(sender, [b"short"], [], relay.getsockname()) == 0

    payload, (source, _) = relay.recvfrom(ROOM)
    assert (payload, source) == (b"short", "127.0.0.1")


def test_what_the_system_refuses_is_told(sender: socket.socket, relay: socket.socket) -> None:
    """Each datagram that could not be sent counts; the socket serves on."""
    batch = Batch()

    assert batch.send(sender, [b"a", b"b", b"c"], NOT_OURS.unicast, relay.getsockname()) == 3
    assert batch.send(sender, [b"d"], OURS.unicast, relay.getsockname()) == 0
    assert relay.recvfrom(ROOM)[0] == b"d"


@implementer(IReactorFDSet, IReactorFromThreads)
class Turn:
    """A reactor whose next turn comes by hand."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def callFromThread(self, callable: object) -> None:
        self.calls.append(callable)

    def removeReader(self, reader: object) -> None:
        pass


class Responder:
    """Answers what it hears to a relay, and counts what is on its way by then."""

    def __init__(self, route: ReplyRoute) -> None:
        self.route = route

    def received(self, datagrams: Datagrams, data: bytes, peer: object, arrival: object) -> None:
        assert datagrams.deliver(data, self.route, b"", OURS)


@pytest.mark.parametrize("has_batch", [True, False])
def test_answers_to_a_relay_leave_when_all_is_read(
    relay: socket.socket, sender: socket.socket, has_batch: bool
) -> None:
    """Whether the system can send them together or not, the relay gets all, in order."""
    host, port = relay.getsockname()
    route = ReplyRoute(kind=RouteKind.RELAY, address=IPv4Address(host), port=port)
    counters, turn = Counters(), Turn()
    arrivals = Arrivals([])
    datagrams = Datagrams(
        turn, sender, Responder(route).received, arrivals=arrivals, counters=counters
    )
    answers = [bytes((n,)) * 300 for n in range(2 * MAX_BATCH + 3)]

    def read(of: Arrivals) -> None:
        for answer in answers:
            datagrams._receive(datagrams, answer, ("192.0.2.1", 67), OURS)

    missing = {} if has_batch else {"side_effect": AttributeError("sendmmsg")}
    with patch.object(datagrams, "_read_with_info", read):
        with patch("netbootd.datagram.Batch", wraps=Batch, **missing):
            datagrams.doRead()

    assert [relay.recvfrom(ROOM)[0] for _ in answers] == answers
    assert turn.calls == []
    assert counters.snapshot()["netbootd_datagrams_unsent_total"] == 0


def test_answers_that_nothing_was_read_for_leave_in_the_next_turn(
    relay: socket.socket, sender: socket.socket
) -> None:
    """ACKs wait for the disk, not for a datagram: those of one commit leave together, soon."""
    host, port = relay.getsockname()
    route = ReplyRoute(kind=RouteKind.RELAY, address=IPv4Address(host), port=port)
    turn = Turn()
    datagrams = Datagrams(turn, sender, Responder(route).received, arrivals=Arrivals([]))

    for payload in (b"one", b"two"):
        assert datagrams.deliver(payload, route, b"", OURS)
    (flush,) = turn.calls
    assert callable(flush)
    flush()

    assert [relay.recvfrom(ROOM)[0] for _ in range(2)] == [b"one", b"two"]


def test_what_is_gathered_leaves_before_the_socket_closes(
    relay: socket.socket, sender: socket.socket
) -> None:
    """A daemon that stops sends what it has promised."""
    host, port = relay.getsockname()
    route = ReplyRoute(kind=RouteKind.RELAY, address=IPv4Address(host), port=port)
    datagrams = Datagrams(Turn(), sender, Responder(route).received, arrivals=Arrivals([]))
    datagrams.deliver(b"last", route, b"", OURS)

    datagrams.stop()

    assert relay.recvfrom(ROOM)[0] == b"last"
