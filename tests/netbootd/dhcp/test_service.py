"""The DHCP server as a part: settings and addresses that change, leases that are forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from netbootd.arrival import Arrival
from netbootd.dhcp.service import PRUNE_INTERVAL, DhcpService
from netbootd.interface import Interface
from netbootd.statement import LOAD_LEASES, SCHEMA
from netbootd.timeline import Timeline
from ops.counter import Counters
from ops.database import Database
from ops.start import StartError
from ops.store import Store
from protocols.dhcp import registry
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.server.case import BootAnswer
from protocols.dhcp.server.lease import Lease, LeaseState
from tests.netbootd.dhcp.rig import LAN, NOW, SETTINGS, discover, mac_of, settings_of
from tests.netbootd.responder import FakeDatagrams
from tests.ops.mailbox import Mailbox


def interface(*addresses: str) -> Interface:
    return Interface(name="en0", index=7, addresses=tuple(map(IPv4Interface, addresses)))


class Part:
    """The service on a real database, with a clock and sockets of the test's."""

    def __init__(self, folder: Path, settings: str = SETTINGS, address: str = "10.0.0.1") -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(NOW)
        self.mailbox = Mailbox()
        self.counters = Counters()
        self.store = Store(
            Database(folder / "netbootd.sqlite", SCHEMA),
            reactor=self.mailbox,
            counters=self.counters,
            prefix="netbootd",
        )
        self.store.open_thd()
        self.asked: list[Arrival] = []
        self.file = b"a.efi"
        self.socket = FakeDatagrams()
        try:
            self.service = DhcpService(
                settings_of(settings),
                reactor=self.reactor,
                store=self.store,
                timeline=Timeline(lambda: datetime.fromtimestamp(NOW, UTC)),
                now=self.reactor.seconds,
                monotonic=self.reactor.seconds,
                counters=self.counters,
                interfaces=[interface(f"{address}/24")],
                boot=self.boot,
            )
        except StartError:
            self.close()
            raise

    def boot(self, arrival: Arrival) -> BootAnswer:
        self.asked.append(arrival)
        file = self.file
        return lambda message, name: BootParameters(file=file)

    def offer(self, message: DhcpMessage) -> DhcpMessage | None:
        """What is offered at once in answer."""
        self.socket.sent.clear()
        socket: Any = self.socket
        self.service.received(socket, encode(message), ("0.0.0.0", 68), LAN)
        return decode(self.socket.sent[0].data) if self.socket.sent else None

    def offered(self, message: DhcpMessage) -> str | None:
        offer = self.offer(message)
        return None if offer is None else str(offer.yiaddr)

    def close(self) -> None:
        self.mailbox.until(self.store.close())


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Part]:
    part = Part(tmp_path, SETTINGS + '\n[[class]]\nname = "x"\nmac = "ff"\n')
    yield part
    part.close()


def test_our_own_addresses_are_not_leased_whatever_they_become(part: Part) -> None:
    """An address of ours in the pool is left out, from the moment on that we have it."""
    part.service.serve([interface("10.0.0.1/24", "10.0.0.100/24")])

    assert part.offered(discover(1)) == "10.0.0.101"


def test_addresses_that_leave_nothing_to_lease_stop_the_start(tmp_path: Path) -> None:
    """A pool of nothing but our own address is a mistake that is told."""
    settings = SETTINGS.replace("10.0.0.100-10.0.0.102", "10.0.0.9")

    with pytest.raises(StartError, match=r"dhcp.subnet\[0\].pools\[0\]: 10.0.0.9 has no address"):
        Part(tmp_path, settings, address="10.0.0.9")


def test_settings_that_do_not_suit_us_change_nothing(part: Part) -> None:
    """The plan that works stays."""
    part.service.serve([interface("10.0.0.2/24")])

    with pytest.raises(StartError):
        part.service.apply(settings_of(SETTINGS.replace("10.0.0.100-10.0.0.102", "10.0.0.2")))

    assert part.offered(discover(1)) == "10.0.0.100"


def test_settings_apply_to_the_next_machine(part: Part) -> None:
    """Pools, probes and admission are the new ones at once."""
    part.service.apply(
        settings_of(
            SETTINGS.replace(
                "enabled = true", 'probe = "off"\ndeny = ["52:54:00:00:00:01"]'
            ).replace("10.0.0.100-", "10.0.0.102-")
        )
    )

    assert part.offered(discover(1)) is None
    assert part.offered(discover(2)) == "10.0.0.102"
    assert part.service.prober.method == "off"


def test_a_network_that_we_have_no_leg_in_is_not_ours(part: Part) -> None:
    """Where our address is in no subnet, the message is left to others; once it is, it is ours."""
    part.service.serve([interface("192.168.7.1/24")])
    assert part.offered(discover(1)) is None

    part.service.serve([interface("10.0.0.1/24")])
    assert part.offered(discover(1)) == "10.0.0.100"


def test_boot_clients_are_told_what_holds_now(part: Part) -> None:
    """Who answers them is asked once for an arrival, and anew after a change."""
    pxe = registry.CLASS_IDENTIFIER.of(b"PXEClient:Arch:00007:UNDI:003000")

    def file() -> bytes:
        offer = part.offer(discover(1, pxe))
        assert offer is not None
        return offer.file.rstrip(b"\0")

    assert [file(), file()] == [b"a.efi"] * 2
    assert part.asked == [LAN]
    part.file = b"b.efi"
    part.service.forget()
    assert file() == b"b.efi"


def test_leases_that_ended_long_ago_are_forgotten_by_and_by(part: Part) -> None:
    """After `keep_time`, 30 days, neither memory nor disk has them."""
    address = int(IPv4Address("10.0.0.100"))
    lease = Lease(address, b"\1" + mac_of(1), mac_of(1), LeaseState.BOUND, NOW, NOW + 3600)
    part.service.leases.table.load([lease])
    part.service.leases.record(lease)
    part.service.startService()
    part.reactor.advance(30 * 86_400)
    assert len(part.service.leases.table) == 1

    part.reactor.advance(3600 + PRUNE_INTERVAL)

    assert len(part.service.leases.table) == 0
    part.service.stopService()
    part.mailbox.until(part.store.close())
    part.store.open_thd()
    assert part.store.read_thd(LOAD_LEASES) == []


def test_it_survives_start_stop_start(part: Part) -> None:
    """What it leased in its first life it knows in its second."""
    address = int(IPv4Address("10.0.0.100"))
    lease = Lease(address, b"\1" + mac_of(9), mac_of(9), LeaseState.BOUND, NOW, NOW + 3600)
    part.service.startService()
    part.service.leases.record(lease)
    part.service.stopService()
    part.mailbox.until(part.store.close())

    part.store.open_thd()
    part.service.load_thd()
    part.service.startService()

    assert part.offered(discover(1)) == "10.0.0.101"
    part.service.stopService()
