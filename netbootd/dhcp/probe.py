"""Is an address in use although nobody leased it? Asked before it is offered (RFC 2131 §3.1, 2.).

    client on our own wire    ARP request on that wire        a host that holds the address answers,
                                                              even one whose firewall drops pings
    client behind a relay     ICMP echo request, routed       ARP does not get there

Silence for the whole wait means free. The client's own answer is no conflict: a machine that starts
anew may hold its former address still.

All probes share two sockets, which are opened before root is given up, and one timer. The packet
path pays a Deferred and a send per probe. What cannot be probed counts as free, as if probing were
off: an address that is in use after all is declined by the client, which probes on its own account.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorFDSet,
    IReactorTime,
    IReadDescriptor,
)
from twisted.logger import Logger
from zope.interface import implementer

from netbootd.arrival import Arrival
from netbootd.link import HAS_PACKET, attach_filter, packet_socket, why_closed
from ops.counter import Counters
from protocols.errors import DecodeError
from protocols.ethernet import arp, icmp, ipv4
from protocols.ethernet.arp import Arp, Operation
from protocols.ethernet.formats import ARP_TYPE
from protocols.ethernet.icmp import Echo, EchoType

MAX_PROBES: Final = 4096
"""Probes under way, half a KiB each. With a wait of half a second that is 8,000 machines a second
that no one ever saw before; what exceeds it is offered unprobed."""
BATCH: Final = 128
"""Answers read in one turn of the reactor."""
MAX_ANSWER: Final = 576
"""Longest answer read; ours take 28 bytes (ARP) or 36 (echo)."""
DATA: Final = b"netbootd"
"""What our echo requests carry, for who sees them in a capture."""

SOL_RAW: Final = 255
ICMP_FILTER: Final = 1
"""Linux `<linux/icmp.h>`; Python's socket module does not name it."""
ARP_REPLIES: Final = ((0x28, 0, 0, 6), (0x15, 0, 1, 2), (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
"""Classic BPF: load the half-word at 6 (the operation); is it 2? take the packet, else drop it."""


def open_arp() -> Any:
    """A socket that sends ARP and wakes for replies only. Raises OSError."""
    sock = packet_socket(socket.SOCK_DGRAM, ARP_TYPE)
    attach_filter(sock, ARP_REPLIES)
    return sock


def open_echo() -> Any:
    """A socket that sends ICMP and wakes for echo replies only. Raises OSError."""
    if not HAS_PACKET:
        raise OSError("probes are for Linux only")
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setblocking(False)
    sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", ~(1 << EchoType.REPLY) & 0xFFFFFFFF))
    return sock


@dataclass(slots=True, eq=False)
class _Probe:
    """An address that was asked for, and who waits to hear."""

    hardware_address: bytes
    """The client's, whose own answer does not count."""
    deadline: float
    waiting: list[Deferred[bool]] = field(default_factory=list)


class IReactor(IReactorFDSet, IReactorTime):
    """What probing needs of a reactor."""


class Prober(Service):
    """Asks whether addresses are in use. Reactor thread only."""

    name = "prober"

    def __init__(
        self,
        *,
        reactor: IReactor,
        method: str,
        wait: float,
        identifier: int,
        counters: Counters,
        open_arp: Callable[[], Any] = open_arp,
        open_echo: Callable[[], Any] = open_echo,
    ) -> None:
        """`method` is `auto`, `arp`, `icmp` or `off` as in `[dhcp] probe`, `wait` is in seconds;
        `identifier`, 16 random bits, tells our echoes from those of other programs."""
        self.method = method
        self.wait = wait
        self._reactor = reactor
        self._identifier = identifier
        self._opens = {"ARP": open_arp, "ICMP": open_echo}
        self._readers: dict[str, _Reader] = {}
        self._probes: dict[tuple[str, int], _Probe] = {}
        self._timer: IDelayedCall | None = None
        self._is_told = False
        self._echo = icmp.encode(
            Echo(type=EchoType.REQUEST, identifier=identifier, sequence=1, data=DATA)
        )
        self._sent = counters.counter(
            "netbootd_dhcp_probes_total", "Addresses probed before they were offered."
        )
        self._answered = counters.counter(
            "netbootd_dhcp_probes_answered_total", "Probed addresses that proved to be in use."
        )
        self._omitted = counters.counter(
            "netbootd_dhcp_probes_omitted_total",
            "Addresses offered unprobed: no socket, no route, or too many probes under way.",
        )

    # What Twisted calls.

    def privilegedStartService(self) -> None:
        """Open the sockets, while we may. Where we may not, say so once, and go on."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        takes = {"ARP": self._take_arp, "ICMP": self._take_echo}
        for kind, opens in self._opens.items():
            if kind in self._readers:
                continue
            try:
                self._readers[kind] = _Reader(opens(), takes[kind])
            except OSError as error:
                self._tell(kind, error)

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        for reader in self._readers.values():
            self._reactor.addReader(reader)

    def stopService(self) -> None:
        """Close the sockets. Who waits is told "free", as when the time is up."""
        super().stopService()  # type: ignore[no-untyped-call]
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            self._reactor.removeReader(reader)
            reader.socket.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key in list(self._probes):
            self._settle(key, is_in_use=False)

    # Our own.

    def in_use(
        self,
        address: IPv4Address,
        arrival: Arrival,
        *,
        relayed: bool,
        hardware_address: bytes = b"",
    ) -> Deferred[bool]:
        """Whether a host other than the one with `hardware_address` holds `address`.

        Fires within `wait` seconds, at once where nothing can be asked; never fails. `arrival` is
        where the client's request came in.
        """
        answer: Deferred[bool] = Deferred()
        kind = self._kind(relayed)
        number = int(address)
        key = (arrival.interface if kind == "ARP" else "", number)
        probe = self._probes.get(key)
        if probe is None:
            if not kind or not self._ask(kind, address, arrival):
                answer.callback(False)
                return answer
            deadline = self._reactor.seconds() + self.wait
            probe = self._probes[key] = _Probe(hardware_address, deadline)
            if self._timer is None:
                self._timer = self._reactor.callLater(self.wait, self._expire)
        probe.waiting.append(answer)
        return answer

    def _kind(self, relayed: bool) -> str:
        """How to ask; empty: not at all."""
        match self.method:
            case "auto":
                return "ICMP" if relayed else "ARP"
            case "arp":
                return "" if relayed else "ARP"
            case "icmp":
                return "ICMP"
            case _:
                return ""

    def _ask(self, kind: str, address: IPv4Address, arrival: Arrival) -> bool:
        reader = self._readers.get(kind)
        if reader is None or len(self._probes) >= MAX_PROBES:
            self._omitted.value += 1
            return False
        try:
            if kind == "ICMP":
                reader.socket.sendmsg((self._echo,), arrival.unicast, 0, (str(address), 0))
            elif arrival.link is not None:
                packet = Arp(
                    operation=Operation.REQUEST,
                    sender_hardware=arrival.link.hardware_address,
                    sender=arrival.link.address,
                    target=int(address),
                )
                to_all = (arrival.interface, ARP_TYPE, 0, 0, b"\xff" * 6)
                reader.socket.sendto(arp.encode(packet), to_all)
            else:
                raise OSError("not Ethernet")
        except OSError:
            self._omitted.value += 1
            return False
        self._sent.value += 1
        return True

    def _take_arp(self, data: bytes, source: tuple[Any, ...]) -> None:
        packet = arp.decode(data)
        key = (source[0], packet.sender)
        probe = self._probes.get(key)
        if (
            probe is not None
            and packet.operation is Operation.REPLY
            and packet.sender_hardware != probe.hardware_address
        ):
            self._settle(key, is_in_use=True)

    def _take_echo(self, data: bytes, source: tuple[Any, ...]) -> None:
        packet = ipv4.decode(data)
        echo = icmp.decode(packet.payload)
        key = ("", packet.source)
        if (
            key in self._probes
            and echo.type is EchoType.REPLY
            and echo.identifier == self._identifier
        ):
            self._settle(key, is_in_use=True)

    def _expire(self) -> None:
        """Settle all whose time is up; they lie in the order in which they were asked."""
        self._timer = None
        now = self._reactor.seconds()
        due = []
        for key, probe in self._probes.items():
            if probe.deadline > now:
                self._timer = self._reactor.callLater(probe.deadline - now, self._expire)
                break
            due.append(key)
        for key in due:
            self._settle(key, is_in_use=False)

    def _settle(self, key: tuple[str, int], *, is_in_use: bool) -> None:
        probe = self._probes.pop(key, None)
        if probe is None:
            return  # settled by what the one before it in the same turn led to
        if is_in_use:
            self._answered.value += 1
        for answer in probe.waiting:
            answer.callback(is_in_use)

    def _tell(self, kind: str, error: OSError) -> None:
        if not self._is_told and self.method != "off":
            self._is_told = True
            _log.warn(
                "Addresses are offered without a probe whether they are in use ({kind}): {why}",
                kind=kind,
                why=why_closed(error),
            )


@implementer(IReadDescriptor)
class _Reader:
    """One of the sockets in the reactor."""

    def __init__(self, sock: Any, take: Callable[[bytes, tuple[Any, ...]], None]) -> None:
        self.socket = sock
        self._take = take

    def fileno(self) -> int:
        number: int = self.socket.fileno()
        return number

    def logPrefix(self) -> str:
        return "probe"

    def doRead(self) -> None:
        for _ in range(BATCH):
            try:
                data, source = self.socket.recvfrom(MAX_ANSWER)
            except BlockingIOError:
                return
            except OSError:
                continue  # an interface went down; the next read has the next answer
            try:
                self._take(data, source)
            except DecodeError:
                continue
            except Exception:  # whoever waited had a fault; others still wait
                _log.failure("An answer to a probe could not be handled")

    def connectionLost(self, reason: object) -> None:
        self.socket.close()


_log = Logger()
