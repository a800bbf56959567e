"""UDP sockets that know where each datagram arrived.

Twisted's own UDP port gives the peer's address and nothing more. A boot server needs the arrival
interface and its own address there: replies must name the address that this client can reach, from
that address, out of that interface. On Linux one socket on 0.0.0.0 sees broadcasts and unicast of
all interfaces, and IP_PKTINFO tells the arrival; elsewhere there is one socket per address.

The reader drains its socket in bounded batches, so that a flood cannot keep the reactor from
timers and other descriptors. It creates no Deferred, writes no log line and keeps no datagram.

Replies to machines without an address leave by `netbootd.link`, where that is open.

A reactor closes a descriptor whose reader raises. One datagram that meets a fault of ours must not
end the service for all, so what `receive` raises stops here: counted, and the first few told.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import closing

from twisted.internet.interfaces import IReactorFDSet, IReactorFromThreads, IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from netbootd.arrival import HAS_PKTINFO, IP_PKTINFO, Arrival, Arrivals, arrival_at
from netbootd.batch import MAX_BATCH, ROOM, Batch
from netbootd.interface import Interface
from netbootd.link import Link
from ops.counter import Counters
from ops.service.inherited import Inherited
from protocols.dhcp.route import ReplyRoute, RouteKind

BATCH = 128
"""Datagrams read in one turn of the reactor: at 10 µs each, 1.3 ms before others get theirs."""
RECEIVE_BUFFER = 1 << 20
"""Bytes asked of the kernel: room for about 1,000 requests that arrive while we do something else
(a school starting 300 Macs at one bell sends about 600 within a second)."""
MAX_DATAGRAM = 9216
"""Longest datagram read: a jumbo frame. A longer one is cut by the kernel and fails to decode."""
MAX_FAULTS_TOLD = 10
"""Tracebacks written per socket: enough to mend by, and no flood of a log."""


Receive = Callable[["Datagrams", bytes, tuple[str, int], Arrival], None]
"""Called for each datagram: the socket it came by, its bytes, the peer, the arrival."""


class DatagramCounters:
    """What goes wrong with datagrams, on all ports together."""

    __slots__ = ("faults", "unsent", "unserved")

    def __init__(self, counters: Counters) -> None:
        self.unserved = counters.counter(
            "netbootd_datagrams_unserved_total",
            "Datagrams dropped: they came in by an interface that is not served.",
        )
        self.unsent = counters.counter(
            "netbootd_datagrams_unsent_total",
            "Replies that the system refused to send (no route, no buffer).",
        )
        self.faults = counters.counter(
            "netbootd_datagrams_faults_total", "Datagrams dropped by a fault of netbootd."
        )


@implementer(IReadDescriptor)
class Datagrams:
    """One bound UDP socket in the reactor."""

    def __init__(
        self,
        reactor: IReactorFDSet,
        sock: socket.socket,
        receive: Receive,
        *,
        arrivals: Arrivals | None = None,
        arrival: Arrival | None = None,
        link: Link | None = None,
        counters: Counters | None = None,
    ) -> None:
        """`arrivals` where the socket reports IP_PKTINFO, else the one `arrival` it is bound to."""
        self._reactor = reactor
        self._sock = sock
        self._port: int = sock.getsockname()[1]
        self._receive = receive
        self._arrivals = arrivals
        self._arrival = arrival
        self._link = link
        self._counted = DatagramCounters(counters or Counters())
        self._faults = 0
        self._batch: Batch | None = None
        self._can_batch = HAS_PKTINFO and arrivals is not None
        self._relayed: list[bytes] = []
        """Replies to one relay that leave together, at the end of a turn."""
        self._relay: tuple[ReplyRoute, Arrival] | None = None
        """Where they go, and the arrival that they are answers to."""
        self._is_reading = False

    # What Twisted calls.

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "datagrams"

    def doRead(self) -> None:
        self._is_reading = True
        try:
            if self._arrivals is not None:
                self._read_with_info(self._arrivals)
            elif self._arrival is not None:
                self._read_bound(self._arrival)
        except Exception:  # what waits behind it is read in the reactor's next turn
            self._counted.faults.value += 1
            self._faults += 1
            if self._faults <= MAX_FAULTS_TOLD:
                _log.failure("A datagram could not be handled")
        finally:
            self._is_reading = False
            self._flush()

    def connectionLost(self, reason: object) -> None:
        self.stop()

    # Our own.

    @property
    def port(self) -> int:
        """The bound UDP port."""
        return self._port

    def start(self) -> None:
        self._reactor.addReader(self)

    def stop(self) -> None:
        self._reactor.removeReader(self)
        self._flush()
        self._sock.close()

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """Serve these from now on. A socket bound to one address goes on serving that."""
        if self._arrivals is not None:
            self._arrivals.serve(interfaces)

    def _read_with_info(self, arrivals: Arrivals) -> None:
        recvmsg = self._sock.recvmsg
        receive = self._receive
        for _ in range(BATCH):
            try:
                data, ancillary, _flags, peer = recvmsg(MAX_DATAGRAM, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier reply; the next read has the next datagram
            arrival = arrivals.get(ancillary[0][2]) if ancillary else None
            if arrival is None:
                self._counted.unserved.value += 1
                continue
            receive(self, data, peer, arrival)

    def _read_bound(self, arrival: Arrival) -> None:
        recvfrom = self._sock.recvfrom
        receive = self._receive
        for _ in range(BATCH):
            try:
                data, peer = recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue
            receive(self, data, peer, arrival)

    def send(self, data: bytes, to: tuple[str, int], arrival: Arrival) -> bool:
        """Send a routed reply from the arrival's address. False: the kernel refused it."""
        try:
            if arrival.unicast:
                self._sock.sendmsg((data,), arrival.unicast, 0, to)
            else:  # bound to one address; Windows has no sendmsg
                self._sock.sendto(data, to)
        except OSError:
            self._counted.unsent.value += 1
            return False
        return True

    def send_routed(self, data: bytes, to: tuple[str, int], arrival: Arrival) -> bool:
        """The same where `routed_source(to)` is the arrival's address anyway: a tenth cheaper."""
        try:
            self._sock.sendto(data, to)
        except OSError:
            self._counted.unsent.value += 1
            return False
        return True

    def deliver(
        self, payload: bytes, route: ReplyRoute, hardware_address: bytes, arrival: Arrival
    ) -> bool:
        """Send a reply the way that `route` says, to the client with `hardware_address`.

        What cannot be sent as a frame is broadcast. False: the kernel refused it. What goes to a
        relay leaves at the end of this turn of the reactor, together with more of the kind; if the
        kernel refuses that, it is only counted.
        """
        kind = route.kind
        if kind is RouteKind.UNICAST or kind is RouteKind.RELAY:
            if kind is RouteKind.RELAY and self._can_batch and len(payload) <= ROOM:
                self._gather(payload, route, arrival)
                return True
            return self.send(payload, _destination(route), arrival)
        if kind is RouteKind.LINK and self.send_frame(
            payload, hardware_address, int(route.address), route.port, arrival
        ):
            return True
        return self.broadcast(payload, route.port, arrival)

    def _gather(self, payload: bytes, route: ReplyRoute, arrival: Arrival) -> None:
        """Keep a reply to a relay until there is nothing more to read, or to answer."""
        relay = self._relay
        if (
            relay is None
            or relay[1] is not arrival
            or (relay[0] is not route and relay[0] != route)
        ):
            self._flush()
            self._relay = route, arrival
        if not self._relayed and not self._is_reading:
            IReactorFromThreads(self._reactor).callFromThread(self._flush)  # the next turn
        self._relayed.append(payload)
        if len(self._relayed) == MAX_BATCH:
            self._flush()

    def _flush(self) -> None:
        """Send what was gathered."""
        payloads = self._relayed
        if self._relay is None or not payloads:
            return
        self._relayed = []
        route, arrival = self._relay
        to = _destination(route)
        batch = self._ready_batch() if len(payloads) > 1 else None
        if batch is not None:
            refused = batch.send(self._sock, payloads, arrival.unicast, to)
            self._counted.unsent.value += refused
            return
        for payload in payloads:
            self.send(payload, to, arrival)

    def _ready_batch(self) -> Batch | None:
        """None: the system cannot; it is not asked again."""
        if self._batch is None:
            try:
                self._batch = Batch()
            except (ImportError, AttributeError, OSError):
                self._can_batch = False
        return self._batch

    def send_frame(
        self, payload: bytes, hardware_address: bytes, address: int, port: int, arrival: Arrival
    ) -> bool:
        """Send to the station with `hardware_address`, which is to have `address`, as one frame.

        False: it cannot be sent that way; broadcast it.
        """
        if self._link is None or arrival.link is None:
            return False
        return self._link.send(
            payload,
            interface=arrival.interface,
            source=arrival.link,
            to_hardware=hardware_address,
            to=address,
            from_port=self.port,
            to_port=port,
        )

    def broadcast(self, data: bytes, port: int, arrival: Arrival) -> bool:
        """Send to every host on the arrival interface's link."""
        to = ("255.255.255.255", port)
        try:
            if arrival.broadcast:
                self._sock.sendmsg((data,), arrival.broadcast, 0, to)
            else:
                self._sock.sendto(data, to)
        except OSError:
            self._counted.unsent.value += 1
            return False
        return True


def _destination(route: ReplyRoute) -> tuple[str, int]:
    # str(route.address) takes 1 us more
    return socket.inet_ntoa(route.address.packed), route.port


def hears_all(interfaces: Sequence[Interface]) -> bool:
    """Whether one socket on 0.0.0.0 serves them all, rather than one for each address."""
    return HAS_PKTINFO and not all(interface.is_loopback for interface in interfaces)


def routed_source(to: tuple[str, int]) -> str | None:
    """The address that the system sends to `to` from, left to itself; None: it cannot."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        try:
            sock.connect(to)  # of a UDP socket: a look at the routes, nothing is sent
        except OSError:
            return None
        source: str = sock.getsockname()[0]
        return source


def open_datagrams(
    reactor: IReactorFDSet,
    interfaces: Sequence[Interface],
    port: int,
    receive: Receive,
    *,
    share_port: bool = False,
    link: Link | None = None,
    counters: Counters | None = None,
    inherited: Inherited | None = None,
) -> list[Datagrams]:
    """Bind UDP `port` for `interfaces`; the sockets are not yet reading (call `start`).

    `link` sends what a machine without an address is told; without it that is broadcast.
    `inherited` has sockets that are bound already.

    A daemon that serves loopback addresses only binds those, so that nothing is reachable from
    outside. Raises OSError as `bind` does, with nothing left open.
    """
    opened: list[Datagrams] = []
    try:
        if hears_all(interfaces):
            everywhere = "0.0.0.0"  # noqa: S104 - broadcasts reach no other
            sock = _bound(everywhere, port, share_port, inherited)
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            arrivals = Arrivals(interfaces)
            opened.append(
                Datagrams(reactor, sock, receive, arrivals=arrivals, link=link, counters=counters)
            )
            return opened
        for interface in interfaces:
            for address in interface.addresses:
                local = str(address.ip)
                arrival = arrival_at(interface.name, interface.index, local)
                sock = _bound(local, port, share_port, inherited)
                opened.append(Datagrams(reactor, sock, receive, arrival=arrival, counters=counters))
    except OSError:
        for datagrams in opened:
            datagrams.stop()
        raise
    return opened


def _bound(address: str, port: int, share_port: bool, inherited: Inherited | None) -> socket.socket:
    taken = None if inherited is None else inherited.take(socket.SOCK_DGRAM, address, port)
    sock = taken or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if taken is not None:
            return taken
        if share_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


_log = Logger()
