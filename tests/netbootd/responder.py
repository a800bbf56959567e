"""A BSDP responder whose sockets, disk and clock are the test's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from netbootd.arrival import Arrival, arrival_at
from netbootd.binding import Bindings
from netbootd.booter import Asker
from netbootd.bsdp.responder import Admission, BsdpResponder, LocalServer
from netbootd.bsdp.teller import BsdpTeller
from netbootd.event import Event
from netbootd.timeline import Timeline
from ops.counter import Counters
from ops.database import Statement
from protocols.bsdp.offered import OfferedImage, ServerIdentity
from protocols.dhcp.route import ReplyRoute, RouteKind
from tests.protocols.bsdp.site import CLIENT, IDENTITY, SERVER, http

LAN = arrival_at("en0", 7, str(SERVER))
SOURCE = (str(CLIENT), 68)
SIERRA = http("Sierra Install", 0x810003E9)
CATALINA = http("Catalina", 0x81001004)


@dataclass(frozen=True, slots=True)
class Sent:
    """A reply on its way: `to` is ("broadcast", port) for 255.255.255.255."""

    data: bytes
    to: tuple[str, int]
    arrival: Arrival


class FakeDatagrams:
    """A socket; the kernel refuses to send while `refuses`."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.refuses = False

    def send(self, data: bytes, to: tuple[str, int], arrival: Arrival) -> bool:
        if not self.refuses:
            self.sent.append(Sent(data, to, arrival))
        return not self.refuses

    def deliver(
        self, payload: bytes, route: ReplyRoute, hardware_address: bytes, arrival: Arrival
    ) -> bool:
        unicast = route.kind is RouteKind.UNICAST or route.kind is RouteKind.RELAY
        to = str(route.address) if unicast else "broadcast"
        return self.send(payload, (to, route.port), arrival)


class FakeStore:
    """A disk that answers when the test says so."""

    def __init__(self) -> None:
        self.writes: list[Deferred[None]] = []

    def read_thd(self, statement: Statement, **parameters: Any) -> list[tuple[Any, ...]]:
        return []

    def write(self, statement: Statement, **parameters: Any) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.writes.append(done)
        return done

    def commit(self) -> None:
        """All that waits is on disk."""
        writes, self.writes = self.writes, []
        for done in writes:
            done.callback(None)

    def fail(self, error: Exception) -> None:
        """Nothing of what waits ever will be."""
        writes, self.writes = self.writes, []
        for done in writes:
            done.errback(error)


@dataclass(eq=False)
class FakeBooter:
    """Offers `images` to everybody whom `applies` admits."""

    images: Sequence[OfferedImage] = (SIERRA, CATALINA)
    applies: Callable[[Asker, OfferedImage], bool] = lambda asker, image: True
    generation: int = 1
    asked: list[Asker] = field(default_factory=list)

    def offered_images(self, asker: Asker) -> tuple[OfferedImage, ...]:
        self.asked.append(asker)
        return tuple(image for image in self.images if self.applies(asker, image))


class Rig:
    """The responder and everything around it."""

    def __init__(
        self,
        *,
        admission: Admission | None = None,
        server: Callable[[Arrival], ServerIdentity] = lambda arrival: IDENTITY,
        spreads_load: bool = True,
        store: FakeStore | None = None,
        bindings: Bindings | None = None,
        booter: FakeBooter | None = None,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.counters = Counters()
        self.store = store or FakeStore()
        self.bindings = bindings or Bindings(
            self.store,  # type: ignore[arg-type]
            now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
            counters=self.counters,
        )
        self.booter = booter or FakeBooter()
        self.events: list[Event] = []
        timeline = Timeline(lambda: datetime(2026, 3, 1, tzinfo=UTC))
        timeline.listen(self.events.append)
        self.responder = BsdpResponder(
            booter=self.booter,  # type: ignore[arg-type]
            bindings=self.bindings,
            local_server=lambda arrival: LocalServer(
                identity=server(arrival), spreads_load=spreads_load
            ),
            teller=BsdpTeller(timeline, self.clock.seconds, self.counters),
            seconds=self.clock.seconds,
            counters=self.counters,
            admission=admission or Admission(),
        )
        self.socket = FakeDatagrams()
        self.ended = False
        """Whether the last datagram was for BSDP alone."""

    def receive(
        self, data: bytes, *, source: tuple[str, int] = SOURCE, arrival: Arrival = LAN
    ) -> list[Sent]:
        """What is sent at once in answer to a datagram."""
        self.socket.sent.clear()
        self.ended = self.responder.received(
            self.socket,  # type: ignore[arg-type]
            data,
            source,
            arrival,
        )
        return list(self.socket.sent)

    def count(self, name: str) -> int:
        return self.counters.snapshot()[f"netbootd_{name}_total"]


def server_at(address: str, **others: Any) -> ServerIdentity:
    return ServerIdentity(address=IPv4Address(address), host_name="srv.test", **others)
