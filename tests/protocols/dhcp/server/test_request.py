"""REQUEST: acknowledged, refused or left to others (RFC 2131 §4.3.2 and table 4).

state        ciaddr   option 50   option 54
SELECTING    zero     address     chosen server
INIT-REBOOT  zero     address     none
RENEWING     address  none        none       (REBINDING likewise, by broadcast)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Final

import pytest

from protocols.dhcp import registry as r
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.server.lease import LeaseState
from protocols.dhcp.server.outcome import Outcome, Reason
from protocols.dhcp.server.plan import INFINITE, Host, LeaseTimes
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.server.site import (
    AWAY,
    HOME,
    MAC,
    NOW,
    OTHER_MAC,
    PLAN,
    SERVER,
    Site,
    acknowledged,
    address_of,
    codes,
    number,
    offered,
    reason,
    refused,
    subnet,
)

AUTHORITATIVE: Final = replace(
    PLAN, subnets=(replace(HOME, authoritative=True), replace(AWAY, authoritative=True))
)

Keep = Callable[[Site, str], Outcome[DhcpMessage]]
KEEPING: Final = pytest.mark.parametrize(
    "keep", [Site.reboot, Site.renew], ids=["INIT-REBOOT", "RENEWING"]
)


class TestSelecting:
    def test_offer_becomes_a_lease(self) -> None:
        """The address that was offered is leased, and what is to be stored says to whom."""
        site = Site()
        address = address_of(site.discover())

        outcome = acknowledged(site.select(address, r.HOST_NAME.of("mac-7")))

        assert outcome.reply.value(r.MESSAGE_TYPE) is MessageType.ACK
        assert str(outcome.reply.yiaddr) == address
        assert outcome.store.address == number(address)
        assert outcome.store.client == b"\1" + MAC
        assert outcome.store.hardware == MAC
        assert outcome.store.state is LeaseState.BOUND
        assert (outcome.store.starts, outcome.store.ends) == (NOW, NOW + 3600)
        assert outcome.store.host_name == "mac-7"

    def test_repeated_request_gets_the_same_answer(self) -> None:
        """A client that did not hear its ACK asks again and hears the same."""
        site = Site()
        first = acknowledged(site.select("10.0.0.11"))

        again = acknowledged(site.select("10.0.0.11"))

        assert (again.reply, again.store) == (first.reply, first.store)

    def test_another_server(self) -> None:
        """Who chose another server gets no answer, and our offer is free for others at once."""
        site = Site()
        taken = {address_of(site.discover(chaddr=bytes((2, 0, 0, 0, 0, n)))) for n in range(2)}
        mine = address_of(site.discover())

        outcome = site.select("10.0.0.99", server=IPv4Address("10.0.0.2"))

        assert reason(outcome) is Reason.OTHER_SERVER
        assert address_of(site.discover(chaddr=OTHER_MAC)) == mine
        assert mine not in taken

    def test_another_server_while_leased_here(self) -> None:
        """A lease is no offer: it is kept until it ends, whatever its client chooses."""
        site = Site()
        lease = site.bind("10.0.0.11")

        outcome = site.select("10.0.0.99", server=IPv4Address("10.0.0.2"))

        assert reason(outcome) is Reason.OTHER_SERVER
        assert site.leases.at(lease.address) is lease

    def test_another_server_by_a_stranger(self) -> None:
        """Clients that we never heard of choose other servers, too."""
        outcome = Site().select("10.0.0.99", server=IPv4Address("10.0.0.2"))

        assert reason(outcome) is Reason.OTHER_SERVER

    def test_address_that_was_given_away(self) -> None:
        """An offer that ran out and went to another client is refused."""
        site = Site()
        site.bind("10.0.0.11", chaddr=OTHER_MAC)

        outcome = refused(site.select("10.0.0.11"))

        assert outcome.reason is Reason.NOT_HELD
        assert codes(outcome.reply) == [53, 54, 56]
        assert outcome.reply.value(r.MESSAGE_TYPE) is MessageType.NAK
        assert outcome.reply.value(r.ERROR_MESSAGE) == "address is not available"
        assert outcome.reply.yiaddr == outcome.reply.ciaddr == IPv4Address(0)

    def test_address_that_is_nobodys_to_give(self) -> None:
        """An address out of no pool of the client's wire is refused: we never offer it."""
        for address in ("10.0.0.13", "10.0.1.10", "192.0.2.1"):
            assert refused(Site().select(address)).reason is Reason.NOT_HELD

    def test_offer_lost_in_a_restart(self) -> None:
        """Offers are not on disk: what was offered before a restart is given if it is free."""
        assert address_of(Site().select("10.0.0.12")) == "10.0.0.12"

    def test_without_requested_address(self) -> None:
        """A choice of nothing is no request."""
        outcome = Site().asked(MessageType.REQUEST, r.SERVER_IDENTIFIER.of(SERVER))

        assert reason(outcome) is Reason.NO_REQUESTED_ADDRESS

    def test_address_in_ciaddr(self) -> None:
        """A client that names the server although it renews is understood, and taken at its word
        if it names another."""
        site = Site()
        site.bind("10.0.0.11")

        ours = site.renew("10.0.0.11", r.SERVER_IDENTIFIER.of(SERVER))
        others = site.renew("10.0.0.11", r.SERVER_IDENTIFIER.of(IPv4Address("10.0.0.2")))

        assert acknowledged(ours).reply.ciaddr == IPv4Address("10.0.0.11")
        assert reason(others) is Reason.OTHER_SERVER


@KEEPING
class TestKeeping:
    """INIT-REBOOT, RENEWING and REBINDING: the client says which address it has."""

    def test_its_lease(self, keep: Keep) -> None:
        """A lease goes on from now, and is still the one that began earlier."""
        site = Site()
        site.bind("10.0.0.11")
        site.now += 1800

        outcome = acknowledged(keep(site, "10.0.0.11"))

        assert str(outcome.reply.yiaddr) == "10.0.0.11"
        assert (outcome.store.starts, outcome.store.ends) == (NOW, NOW + 1800 + 3600)

    def test_its_ended_lease(self, keep: Keep) -> None:
        """An ended lease begins anew where nobody else got the address."""
        site = Site()
        site.bind("10.0.0.11")
        site.now += 4000

        outcome = acknowledged(keep(site, "10.0.0.11"))

        assert outcome.store.starts == NOW + 4000

    def test_lease_of_another(self, keep: Keep) -> None:
        """An address that another client has is refused, for two would use it."""
        site = Site()
        site.bind("10.0.0.11", chaddr=OTHER_MAC)

        assert refused(keep(site, "10.0.0.11")).reason is Reason.NOT_HELD

    def test_another_address_than_its_lease(self, keep: Keep) -> None:
        """A client that is known to have another address is told so."""
        site = Site()
        site.bind("10.0.0.11")

        assert refused(keep(site, "10.0.0.12")).reason is Reason.NOT_HELD

    def test_another_address_than_its_offer(self, keep: Keep) -> None:
        """An offer says nothing about which address a client has: it may be another server's."""
        site = Site()
        site.discover()

        assert reason(keep(site, "10.0.0.12")) is Reason.UNKNOWN_LEASE

    def test_unknown_lease(self, keep: Keep) -> None:
        """A lease that is not known here is another server's, unless we are the only one."""
        assert reason(keep(Site(), "10.0.0.11")) is Reason.UNKNOWN_LEASE
        assert refused(keep(Site(AUTHORITATIVE), "10.0.0.11")).reason is Reason.UNKNOWN_LEASE

    def test_wrong_network(self, keep: Keep) -> None:
        """An address of another network is refused only where we are the only server."""
        assert reason(keep(Site(), "192.0.2.7")) is Reason.WRONG_NETWORK
        outcome = refused(keep(Site(AUTHORITATIVE), "192.0.2.7"))
        assert outcome.reason is Reason.WRONG_NETWORK
        assert outcome.reply.value(r.ERROR_MESSAGE) == "address is of another network"

    def test_declined_address(self, keep: Keep) -> None:
        """An address that a stranger uses is not extended."""
        site = Site()
        site.bind("10.0.0.11")
        site.leases.conflicted(number("10.0.0.11"), NOW)

        assert refused(keep(site, "10.0.0.11")).reason is Reason.NOT_HELD

    def test_address_that_left_the_pools(self, keep: Keep) -> None:
        """A lease out of a pool that is no more is refused, so that its client gets a new one."""
        site = Site()
        site.bind("10.0.0.11")
        later = Site(replace(PLAN, subnets=(subnet("10.0.0.0/24"),)), leases=site.leases)

        assert refused(keep(later, "10.0.0.11")).reason is Reason.NOT_HELD

    def test_reservation_moves_its_host(self, keep: Keep) -> None:
        """A host that got a reservation is refused its old address and offered the reserved one."""
        site = Site()
        site.bind("10.0.0.11")
        host = Host(name="mine", hardware=MAC, address=IPv4Address("10.0.0.200"))
        later = Site(replace(PLAN, hosts=(host,)), leases=site.leases)

        assert refused(keep(later, "10.0.0.11")).reason is Reason.NOT_HELD
        assert address_of(later.discover()) == "10.0.0.200"

    def test_reserved_address_without_lease(self, keep: Keep) -> None:
        """A reservation is as good as a lease: the address can be nobody else's."""
        host = Host(name="mine", hardware=MAC, address=IPv4Address("10.0.0.200"))
        site = Site(replace(PLAN, hosts=(host,)))

        assert address_of(keep(site, "10.0.0.200")) == "10.0.0.200"

    def test_reservation_takes_the_address_from_its_client(self, keep: Keep) -> None:
        """A lease of an address that is now reserved for another host is not extended."""
        site = Site()
        site.bind("10.0.0.11")
        host = Host(name="other", hardware=OTHER_MAC, address=IPv4Address("10.0.0.11"))
        later = Site(replace(PLAN, hosts=(host,)), leases=site.leases)

        assert refused(keep(later, "10.0.0.11")).reason is Reason.NOT_HELD


def test_neither_address_nor_server() -> None:
    """A REQUEST that names nothing is not answered."""
    assert reason(Site().asked(MessageType.REQUEST)) is Reason.NO_REQUESTED_ADDRESS


def test_renewal_echoes_ciaddr() -> None:
    """An ACK repeats ciaddr (RFC 2131 table 3)."""
    site = Site()
    site.bind("10.0.0.11")

    reply = acknowledged(site.renew("10.0.0.11")).reply

    assert reply.ciaddr == reply.yiaddr == IPv4Address("10.0.0.11")


def test_moved_client_gets_a_lease_there_and_keeps_the_one_here() -> None:
    """A machine that changes networks gets an address on each; a lease is good until its end, for
    a router may well have the same hardware address on both."""
    site = Site()
    site.bind("10.0.0.11")

    away = address_of(site.discover(giaddr=IPv4Address("10.0.1.1")))

    assert away == "10.0.1.10"
    assert address_of(site.discover()) == "10.0.0.11"


def test_lease_for_ever() -> None:
    """A lease time without end makes a lease without end, and no timers."""
    times = LeaseTimes(default=INFINITE, minimum=60, maximum=INFINITE)
    site = Site(replace(PLAN, subnets=(replace(HOME, lease_times=times),)))

    outcome = acknowledged(site.select("10.0.0.11"))

    assert outcome.store.ends == INFINITE
    assert outcome.reply.value(r.LEASE_TIME) == INFINITE
    assert codes(outcome.reply) == [53, 54, 51, 1, 28]


def test_lease_ends_within_the_field() -> None:
    """A finite lease does not end at the number that stands for never."""
    site = Site(now=INFINITE - 10)

    assert acknowledged(site.select("10.0.0.11")).store.ends == INFINITE - 1


def test_nak_over_a_relay_asks_for_broadcast() -> None:
    """A relay is to broadcast a NAK: the client has no address to send it to (RFC 2131 §4.3.2)."""
    site = Site(AUTHORITATIVE)

    reply = refused(site.reboot("192.0.2.1", giaddr=IPv4Address("10.0.1.1"))).reply

    assert reply.broadcast


def test_offer_of_another_client_is_not_given() -> None:
    """What is on offer to one client is refused to another."""
    site = Site()
    address = address_of(site.discover(chaddr=OTHER_MAC))

    assert refused(site.select(address)).reason is Reason.NOT_HELD
    assert not offered(site.discover(chaddr=OTHER_MAC)).needs_probe
