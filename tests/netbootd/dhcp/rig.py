"""A DHCP responder on a real database; sockets, wire and clock are the test's."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from netbootd.arrival import Arrival, arrival_at
from netbootd.bsdp.responder import Admission
from netbootd.dhcp.leases import Leases
from netbootd.dhcp.plan import plan_of
from netbootd.dhcp.responder import DhcpResponder, Place
from netbootd.dhcp.settings import DhcpSettings
from netbootd.dhcp.teller import DhcpTeller
from netbootd.event import Event
from netbootd.statement import FORGET_LEASE, LOAD_LEASES, SCHEMA
from netbootd.timeline import Timeline
from ops.config import parse
from ops.counter import Counters
from ops.database import Database
from ops.store import Store
from protocols.dhcp import registry
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.case import BootAnswer, Link
from protocols.dhcp.server.lease import LeaseTable
from protocols.dhcp.value import MessageType
from tests.netbootd.responder import FakeDatagrams, Sent
from tests.ops.mailbox import Mailbox

NOW = 1_700_000_000
SERVER = IPv4Address("10.0.0.1")
LAN = arrival_at("en0", 7, str(SERVER))
SETTINGS = """
enabled = true
[[subnet]]
network = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.102"]
router = "10.0.0.1"
"""


def settings_of(document: str) -> DhcpSettings:
    """What stands under `[dhcp]`, without that line and without `dhcp.` in the tables' names."""
    return parse(document.encode(), DhcpSettings)


class GatedDatabase(Database):
    """A real database that writes when the test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, SCHEMA)
        self.may_write = threading.Event()
        self.may_write.set()

    def write_thd(self, batch: Any) -> Any:
        self.may_write.wait(30)
        return super().write_thd(batch)


class FakeWire:
    """What answers to probes: nobody, or whoever has one of `taken`; after the test says so."""

    def __init__(self) -> None:
        self.method = "off"
        self.taken: set[str] = set()
        self.asked: list[tuple[str, bool, bytes]] = []
        self._waiting: list[tuple[str, Deferred[bool]]] = []

    def in_use(
        self, address: IPv4Address, arrival: Arrival, *, relayed: bool, hardware_address: bytes
    ) -> Deferred[bool]:
        answer: Deferred[bool] = Deferred()
        self.asked.append((str(address), relayed, hardware_address))
        self._waiting.append((str(address), answer))
        return answer

    def answer(self) -> None:
        """The time to wait is over."""
        waiting, self._waiting = self._waiting, []
        for address, answer in waiting:
            answer.callback(address in self.taken)


class Rig:
    """The responder and everything around it."""

    def __init__(
        self,
        folder: Path,
        *,
        settings: str = SETTINGS,
        admission: Admission | None = None,
        boot: BootAnswer | None = None,
        capacity: int = 10_000,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.counters = Counters()
        self.reactor = Mailbox()
        self.database = GatedDatabase(folder / "netbootd.sqlite")
        self.store = Store(
            self.database,
            reactor=self.reactor,
            counters=self.counters,
            prefix="netbootd",
            capacity=capacity,
        )
        self.store.open_thd()
        self.leases = Leases(self.store, LeaseTable(), self.counters).load_thd()
        self.wire = FakeWire()
        self.events: list[Event] = []
        timeline = Timeline(lambda: datetime.fromtimestamp(self.clock.seconds(), UTC))
        timeline.listen(self.events.append)
        link = Link(local=SERVER, networks=(IPv4Interface(f"{SERVER}/24").network,))
        self.responder = DhcpResponder(
            plan_of(settings_of(settings), ours=[SERVER]),
            leases=self.leases,
            prober=self.wire,
            place=lambda arrival: Place(link=link, boot=boot),
            teller=DhcpTeller(timeline, self.clock.seconds, self.counters),
            now=self.clock.seconds,
            counters=self.counters,
            admission=admission or Admission(),
        )
        self.socket = FakeDatagrams()
        self.handled = False
        """Whether the last datagram was ours to deal with."""

    def receive(
        self, data: bytes | DhcpMessage, *, source: str = "0.0.0.0", arrival: Arrival = LAN
    ) -> None:
        """A datagram comes in."""
        self.handled = self.responder.received(
            self.socket,  # type: ignore[arg-type]
            encode(data) if isinstance(data, DhcpMessage) else data,
            (source, 68),
            arrival,
        )

    def settle(self) -> None:
        """The disk has done all that it was given."""
        self.database.may_write.set()
        self.reactor.until(self.store.write(FORGET_LEASE, address=0))

    def sent(self) -> list[Sent]:
        """What was sent since the last time."""
        sent, self.socket.sent = self.socket.sent, []
        return sent

    def reply(self) -> DhcpMessage:
        """The one reply that was sent, after the disk has done its part."""
        self.settle()
        (sent,) = self.sent()
        return decode(sent.data)

    def lease(self, mac: int, address: str | None = None) -> str:
        """A whole conversation; the address that it ended with."""
        self.receive(discover(mac))
        offered = str(self.reply().yiaddr)
        self.receive(chosen(mac, address or offered))
        reply = self.reply()
        assert reply.value(registry.MESSAGE_TYPE) is MessageType.ACK
        return str(reply.yiaddr)

    def rows(self) -> list[tuple[Any, ...]]:
        """The leases on disk."""
        self.settle()
        return self.store.read_thd(LOAD_LEASES)

    def count(self, name: str) -> int:
        return self.counters.snapshot()[f"netbootd_dhcp_{name}_total"]

    def close(self) -> None:
        self.database.may_write.set()
        self.reactor.until(self.store.close())


def mac_of(number: int) -> bytes:
    return bytes.fromhex("5254") + number.to_bytes(4, "big")


def message(
    kind: MessageType, mac: int, *options: RawOption, xid: int | None = None, **header: Any
) -> DhcpMessage:
    """A message of the machine with number `mac`."""
    return DhcpMessage(
        op=1,
        htype=1,
        hlen=6,
        xid=mac if xid is None else xid,
        chaddr=mac_of(mac).ljust(16, b"\0"),
        options=(registry.MESSAGE_TYPE.of(kind), *options),
        **header,
    )


def discover(mac: int, *options: RawOption, **header: Any) -> DhcpMessage:
    return message(MessageType.DISCOVER, mac, *options, **header)


def chosen(mac: int, address: str, *options: RawOption, **header: Any) -> DhcpMessage:
    """REQUEST for an address that we offered."""
    chosen = (
        registry.SERVER_IDENTIFIER.of(SERVER),
        registry.REQUESTED_ADDRESS.of(IPv4Address(address)),
    )
    return message(MessageType.REQUEST, mac, *chosen, *options, **header)


def renew(mac: int, address: str, **header: Any) -> DhcpMessage:
    """REQUEST for more time."""
    return message(MessageType.REQUEST, mac, ciaddr=IPv4Address(address), **header)


def type_of(reply: DhcpMessage) -> MessageType | None:
    return reply.value(registry.MESSAGE_TYPE)
