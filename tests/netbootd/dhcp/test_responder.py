"""The DHCP responder: what leaves at once, what waits for the disk, what waits for the wire."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from netbootd.bsdp.responder import Admission
from netbootd.dhcp.event import (
    AddressDeclined,
    AddressLeased,
    AddressReleased,
    AddressRenewed,
    ClientUnanswered,
    ConflictFound,
    LeaseUnstored,
    PoolExhausted,
    RequestRefused,
)
from netbootd.dhcp.plan import plan_of
from netbootd.dhcp.responder import MAX_TRIES
from netbootd.dhcp.teller import UNANSWERED_QUIET
from protocols.dhcp import registry
from protocols.dhcp.boot import BootParameters
from protocols.dhcp.codec import decode, encode
from protocols.dhcp.message import NO_ADDRESS, DhcpMessage
from protocols.dhcp.value import MessageType
from tests.netbootd.dhcp.rig import (
    LAN,
    NOW,
    SERVER,
    SETTINGS,
    Rig,
    chosen,
    discover,
    mac_of,
    message,
    renew,
    settings_of,
    type_of,
)

Make = Callable[..., Rig]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes responders, one after another, on one database; all are closed in the end."""
    rigs: list[Rig] = []

    def make(**arguments: Any) -> Rig:
        for rig in rigs:
            rig.close()
        rigs.append(Rig(tmp_path, **arguments))
        return rigs[-1]

    yield make
    rigs[-1].close()


@pytest.fixture
def rig(make: Make) -> Rig:
    return make()


def observed(lines: list[str]) -> ILogObserver:
    """Writes what is logged about leases into `lines`, until it is removed."""

    def observe(event: LogEvent) -> None:
        if event["log_namespace"] == "netbootd.dhcp.leases":
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    return observe


def test_an_offer_leaves_at_once(rig: Rig) -> None:
    """DISCOVER is answered before the disk has heard of it; nothing is stored for it."""
    rig.database.may_write.clear()

    rig.receive(discover(1))

    (sent,) = rig.sent()
    reply = decode(sent.data)
    assert (type_of(reply), str(reply.yiaddr)) == (MessageType.OFFER, "10.0.0.100")
    assert (sent.to, sent.arrival) == (("broadcast", 68), LAN)
    assert rig.rows() == []
    assert (rig.handled, rig.count("offers"), rig.count("requests")) == (True, 1, 1)


def test_a_lease_is_on_disk_before_its_ack_leaves(rig: Rig, tmp_path: Path) -> None:
    """REQUEST is answered after the commit: at the moment of sending, others can read the row."""
    rig.receive(discover(1))
    rig.sent()
    rig.database.may_write.clear()
    rig.receive(chosen(1, "10.0.0.100", registry.HOST_NAME.of("imac\udcff")))
    assert rig.sent() == []
    stored: list[tuple[Any, ...]] = []
    send = rig.socket.send

    def watched(*arguments: Any) -> bool:
        with sqlite3.connect(tmp_path / "netbootd.sqlite") as connection:
            stored.extend(connection.execute("SELECT * FROM leases"))
        return send(*arguments)

    rig.socket.send = watched  # type: ignore[method-assign]
    rig.settle()

    (sent,) = rig.sent()
    assert type_of(decode(sent.data)) is MessageType.ACK
    address = int(IPv4Address("10.0.0.100"))
    mac = "52:54:00:00:00:01"
    assert stored == [
        (address, "01525400000001", mac, "bound", NOW, NOW + 3600, "imac\ufffd", "", "")
    ]
    (event,) = rig.events
    assert isinstance(event, AddressLeased)
    assert (event.machine, event.address, event.via, event.seconds) == (
        mac,
        "10.0.0.100",
        "en0",
        3600,
    )
    assert rig.count("acknowledgements") == 1


def test_a_request_repeated_while_its_lease_is_stored_is_answered_once(rig: Rig) -> None:
    """A client that asks again before the disk has answered gets one ACK; later, another."""
    rig.receive(discover(1))
    rig.sent()
    rig.database.may_write.clear()
    for _ in range(3):
        rig.receive(chosen(1, "10.0.0.100"))

    assert type_of(rig.reply()) is MessageType.ACK
    assert rig.count("repeated_requests") == 2

    rig.receive(chosen(1, "10.0.0.100"))
    assert type_of(rig.reply()) is MessageType.ACK


def test_what_cannot_be_stored_is_not_acknowledged(
    make: Make, request: pytest.FixtureRequest
) -> None:
    """On a full disk nobody gets an ACK that is not stored, one line says so, and later another
    that it is over."""
    lines: list[str] = []
    rig = make(settings=SETTINGS.replace("10.0.0.102", "10.0.0.199"))
    log = observed(lines)
    request.addfinalizer(lambda: globalLogPublisher.removeObserver(log))
    pages = rig.store.read_thd("PRAGMA page_count")[0][0]
    rig.store.read_thd(f"PRAGMA max_page_count = {pages}")

    acknowledged = []
    for number in range(60):
        rig.receive(discover(number, registry.HOST_NAME.of("x" * 250)))
        (offer,) = rig.sent()
        address = str(decode(offer.data).yiaddr)
        rig.receive(chosen(number, address, registry.HOST_NAME.of("x" * 250)))
        rig.settle()
        acknowledged += [str(decode(sent.data).yiaddr) for sent in rig.sent()]

    stored = [str(IPv4Address(row[0])) for row in rig.rows()]
    assert 0 < len(acknowledged) < 60
    assert sorted(stored) == sorted(acknowledged)
    assert rig.count("unacknowledged_leases") == 60 - len(acknowledged)
    assert len([line for line in lines if "Leases cannot be stored" in line]) == 1

    rig.store.read_thd("PRAGMA max_page_count = 100000")
    assert rig.lease(59) not in acknowledged
    assert "Leases are stored again" in lines[-1]


def test_a_full_queue_acknowledges_nothing(make: Make) -> None:
    """A store that takes no more leaves the client without an answer, and the address free."""
    rig = make(capacity=1)
    rig.receive(discover(1))
    rig.receive(discover(2))
    rig.sent()
    rig.database.may_write.clear()

    rig.receive(chosen(1, "10.0.0.100"))
    rig.receive(chosen(2, "10.0.0.101"))

    assert rig.count("unacknowledged_leases") == 1
    (event,) = rig.events
    assert isinstance(event, LeaseUnstored)
    assert (event.address, event.why) == (
        "10.0.0.101",
        "1 writes wait for the disk; check the disk, or ask again later",
    )
    rig.database.may_write.set()
    rig.close()
    rig = make()
    assert [row[1] for row in rig.rows()] == ["01525400000001"]


def test_a_renewal_is_no_news_and_is_stored(rig: Rig) -> None:
    """More time is written down and acknowledged; the start of the lease stays."""
    address = rig.lease(1)
    rig.clock.advance(1800)

    rig.receive(renew(1, address), source=address)

    (sent,) = rig.sent() or (rig.settle(), rig.sent())[1]
    assert sent.to == (address, 68)
    assert rig.rows()[0][4:6] == (NOW, NOW + 1800 + 3600)
    assert [type(event) for event in rig.events] == [AddressLeased, AddressRenewed]


def test_a_release_is_stored_and_the_address_remembered(rig: Rig) -> None:
    """The lease is over on disk, too, and its machine gets the same address again."""
    rig.lease(1)
    address = rig.lease(2)

    rig.receive(
        message(
            MessageType.RELEASE,
            2,
            registry.SERVER_IDENTIFIER.of(SERVER),
            ciaddr=IPv4Address(address),
        )
    )

    assert [row[3] for row in rig.rows()] == ["bound", "released"]
    assert rig.sent() == []
    assert isinstance(rig.events[-1], AddressReleased)
    assert rig.count("releases") == 1
    assert rig.lease(2) == address


def test_a_declined_address_is_left_alone(rig: Rig) -> None:
    """Nobody gets what its machine found in use, for an hour, also after a restart."""
    address = rig.lease(1)

    rig.receive(
        message(
            MessageType.DECLINE,
            1,
            registry.SERVER_IDENTIFIER.of(SERVER),
            registry.REQUESTED_ADDRESS.of(IPv4Address(address)),
        )
    )

    (row,) = rig.rows()
    assert (row[3], row[5]) == ("declined", NOW + 3600)
    event = rig.events[-1]
    assert isinstance(event, AddressDeclined)
    assert (event.machine, event.address) == ("52:54:00:00:00:01", address)
    assert rig.lease(1) != address


def test_a_wrong_address_is_refused_with_a_reason(make: Make) -> None:
    """Where we are authoritative, an address that is not ours to lease gets a NAK."""
    rig = make(settings=SETTINGS + "authoritative = true")

    wanted = registry.REQUESTED_ADDRESS.of(IPv4Address("192.168.7.7"))
    rig.receive(message(MessageType.REQUEST, 1, wanted))

    assert type_of(rig.reply()) is MessageType.NAK
    (event,) = rig.events
    assert isinstance(event, RequestRefused)
    assert (event.address, event.why) == ("192.168.7.7", "address is of another network")
    assert rig.count("refusals") == 1


def test_inform_is_answered_with_options(rig: Rig) -> None:
    """A machine with an address of its own gets the options, and no lease."""
    rig.receive(message(MessageType.INFORM, 1, ciaddr=IPv4Address("10.0.0.9")), source="10.0.0.9")

    reply = rig.reply()
    assert (type_of(reply), reply.yiaddr) == (MessageType.ACK, NO_ADDRESS)
    assert reply.value(registry.ROUTER) == (SERVER,)
    assert rig.rows() == []
    assert rig.count("informs") == 1


def test_a_pool_that_is_used_up_is_told_once_a_minute(rig: Rig) -> None:
    """The admin hears of the first machine without an address, a minute later of how many more
    there were."""
    for number in range(3):
        rig.lease(number)
    rig.events.clear()

    for number in (*range(3, 9), *range(3, 9)):
        rig.receive(discover(number))
    rig.clock.advance(UNANSWERED_QUIET)
    rig.receive(discover(8))

    assert rig.sent() == []
    told = [event for event in rig.events if isinstance(event, PoolExhausted)]
    assert len(told) == len(rig.events)
    assert [(event.machine[-2:], event.network, event.others) for event in told] == [
        ("03", "10.0.0.0/24", 0),
        ("08", "10.0.0.0/24", 5),
    ]
    assert rig.count("exhausted_requests") == 13


def test_what_is_not_ours_is_left_to_others(rig: Rig) -> None:
    """Junk, replies and relays of unknown networks are not handled; such a relay is told of."""
    rig.receive(b"junk")
    assert not rig.handled
    rig.receive(bytes((2,)) + encode(discover(1))[1:])
    assert not rig.handled
    rig.receive(discover(1, giaddr=IPv4Address("10.9.0.1")), source="10.9.0.1")
    assert not rig.handled

    (event,) = rig.events
    assert isinstance(event, ClientUnanswered)
    assert (event.via, event.why) == (
        "10.9.0.1",
        "no [[dhcp.subnet]] has the address of that relay",
    )
    assert rig.count("requests") == 0


def test_machines_that_are_not_admitted_get_no_answer(make: Make) -> None:
    """A machine on the deny list, or missing on the allow list, is counted and left alone."""
    rig = make(admission=Admission(deny=frozenset({mac_of(1)})))
    rig.receive(discover(1))
    assert (rig.sent(), rig.handled, rig.count("refused_requests")) == ([], True, 1)

    rig = make(admission=Admission(allow=frozenset({mac_of(1)})))
    rig.receive(discover(2))
    assert (rig.sent(), rig.handled) == ([], True)
    rig.receive(discover(1))
    assert len(rig.sent()) == 1


def test_what_to_boot_is_asked_for_network_boot_clients(make: Make) -> None:
    """Whoever answers them hears the message and the entry that the configuration names."""
    asked: list[tuple[DhcpMessage, str | None]] = []

    def boot(message: DhcpMessage, name: str | None) -> BootParameters:
        asked.append((message, name))
        return BootParameters(next_server=SERVER, file=b"snponly.efi")

    host = '[[host]]\nname = "pc"\nmac = "52:54:00:00:00:01"\nboot = "debian"'
    rig = make(settings=SETTINGS + host, boot=boot)
    rig.receive(discover(1, registry.CLASS_IDENTIFIER.of(b"PXEClient:Arch:00007:UNDI:003000")))

    reply = rig.reply()
    assert reply.file.rstrip(b"\0") == b"snponly.efi"
    assert reply.siaddr == SERVER
    assert [name for _, name in asked] == ["debian"]


def test_leases_outlast_a_restart(make: Make) -> None:
    """A new process knows every lease of the old one: its owner keeps it, nobody else gets it."""
    addresses = {number: make().lease(number) for number in range(3)}
    assert len(set(addresses.values())) == 3

    rig = make()
    rig.receive(discover(7))
    assert rig.sent() == []
    for number, address in addresses.items():
        rig.receive(renew(number, address), source=address)
        assert str(rig.reply().yiaddr) == address


def test_new_settings_lose_no_lease(rig: Rig) -> None:
    """After a change of pools the old lease runs on, and its address is given to nobody else."""
    old = rig.lease(1)

    rig.responder.use(
        plan_of(settings_of(SETTINGS.replace("10.0.0.102", "10.0.0.101"))), Admission()
    )

    assert rig.lease(2) not in (old,)
    rig.receive(discover(3))
    assert rig.sent() == []
    rig.receive(renew(1, old), source=old)
    assert str(rig.reply().yiaddr) == old


def test_long_ended_leases_are_forgotten(rig: Rig) -> None:
    """Pruning takes leases that ended before a moment out of memory and off the disk."""
    rig.lease(1)
    rig.clock.advance(1800)
    rig.lease(2)

    assert rig.leases.prune(NOW + 3600) == 0
    assert rig.leases.prune(NOW + 3601) == 1

    assert [row[1] for row in rig.rows()] == ["01525400000002"]
    assert [lease.hardware for lease in rig.leases.table] == [mac_of(2)]


class TestProbes:
    """An address that comes fresh out of a pool is asked for on the wire before it is offered."""

    @pytest.fixture
    def rig(self, make: Make) -> Rig:
        rig = make()
        rig.wire.method = "auto"
        return rig

    def test_a_fresh_address_is_offered_when_the_wire_is_silent(self, rig: Rig) -> None:
        """The OFFER waits for the probe, and goes out when nobody answers it."""
        rig.receive(discover(1))
        assert rig.sent() == []
        assert rig.wire.asked == [("10.0.0.100", False, mac_of(1))]

        rig.wire.answer()

        assert str(rig.reply().yiaddr) == "10.0.0.100"

    def test_a_client_that_asks_again_meanwhile_is_answered_once(self, rig: Rig) -> None:
        """One probe, one OFFER, and that to the latest DISCOVER."""
        rig.receive(discover(1, xid=1))
        rig.receive(discover(1, xid=2))
        assert rig.sent() == []

        rig.wire.answer()

        assert rig.reply().xid == 2
        assert len(rig.wire.asked) == 1

    def test_a_known_address_is_offered_at_once(self, rig: Rig) -> None:
        """Whoever had the address before is not kept waiting for a probe."""
        rig.wire.method = "off"
        address = rig.lease(1)
        rig.wire.method = "auto"

        rig.receive(discover(1))

        assert str(rig.reply().yiaddr) == address
        assert rig.wire.asked == []

    def test_an_address_in_use_is_left_alone_and_another_offered(self, rig: Rig) -> None:
        """What a stranger uses is declined on disk, told, and the machine gets the next."""
        rig.wire.taken.add("10.0.0.100")
        rig.receive(discover(1))

        rig.wire.answer()
        assert rig.sent() == []
        rig.wire.answer()

        assert str(rig.reply().yiaddr) == "10.0.0.101"
        (row,) = rig.rows()
        assert (row[0], row[3]) == (int(IPv4Address("10.0.0.100")), "declined")
        (event,) = rig.events
        assert isinstance(event, ConflictFound)
        assert (event.address, event.machine) == ("10.0.0.100", "52:54:00:00:00:01")
        assert rig.count("conflicts") == 1

    def test_a_reserved_address_in_use_is_told_as_such(self, make: Make) -> None:
        """Who finds its reserved address in use gets one of the pool, and the admin its name."""
        host = '[[host]]\nname = "pc-1"\nmac = "52:54:00:00:00:01"\naddress = "10.0.0.9"\n'
        rig = make(settings=SETTINGS + host)
        rig.wire.method = "auto"
        rig.wire.taken.add("10.0.0.9")
        rig.receive(discover(1))

        rig.wire.answer()
        rig.wire.answer()

        assert str(rig.reply().yiaddr) == "10.0.0.100"
        (event,) = rig.events
        assert isinstance(event, ConflictFound)
        assert (event.address, event.host) == ("10.0.0.9", "pc-1")

    def test_a_network_full_of_strangers_ends_the_search(self, make: Make) -> None:
        """After a few addresses in use the machine has to ask again, and the search goes on."""
        rig = make(settings=SETTINGS.replace("10.0.0.102", "10.0.0.149"))
        rig.wire.method = "auto"
        rig.wire.taken.update(f"10.0.0.{n}" for n in range(100, 100 + MAX_TRIES))
        rig.receive(discover(1))
        for _ in range(MAX_TRIES + 1):
            rig.wire.answer()
        assert len(rig.wire.asked) == MAX_TRIES
        rig.settle()
        assert rig.sent() == []

        rig.receive(discover(1))
        rig.wire.answer()

        assert str(rig.reply().yiaddr) == f"10.0.0.{100 + MAX_TRIES}"

    def test_a_pool_of_strangers_is_told_to_be_used_up(self, rig: Rig) -> None:
        """When the last address proves to be in use, none is left to offer."""
        rig.wire.taken.update(("10.0.0.100", "10.0.0.101"))
        rig.wire.method = "off"
        rig.lease(9)  # 10.0.0.100
        rig.lease(8)  # 10.0.0.101
        rig.wire.method = "auto"
        rig.wire.taken.add("10.0.0.102")

        rig.receive(discover(1))
        rig.wire.answer()

        assert isinstance(rig.events[-1], PoolExhausted)
        rig.settle()
        assert rig.sent() == []

    def test_a_late_conflict_does_not_end_a_lease(self, rig: Rig) -> None:
        """A machine that took the address while the probe ran keeps it: it is the one in use."""
        rig.receive(discover(1))
        rig.receive(chosen(1, "10.0.0.100"))
        assert type_of(rig.reply()) is MessageType.ACK
        rig.wire.taken.add("10.0.0.100")

        rig.wire.answer()

        assert [row[3] for row in rig.rows()] == ["bound"]
        assert rig.sent() == []

    def test_clients_behind_a_relay_are_probed_as_such(self, make: Make) -> None:
        """The wire is told that ARP would not get there."""
        rig = make(settings=SETTINGS + '[[subnet]]\nnetwork = "10.9.0.0/24"\npools = ["10.9.0.50"]')
        rig.wire.method = "auto"

        rig.receive(discover(1, giaddr=IPv4Address("10.9.0.1")), source="10.9.0.1")
        rig.wire.answer()

        assert rig.wire.asked == [("10.9.0.50", True, mac_of(1))]
        (sent,) = rig.sent()
        assert sent.to == ("10.9.0.1", 67)
