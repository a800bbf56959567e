"""DISCOVER: which address is offered, if any (RFC 2131 §4.3.1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from protocols.dhcp import registry as r
from protocols.dhcp.message import NO_ADDRESS
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.lease import LeaseState
from protocols.dhcp.server.outcome import Reason
from protocols.dhcp.server.plan import ClientClass, Host
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.server.site import (
    HOME,
    MAC,
    NOW,
    OTHER_MAC,
    PLAN,
    SERVER,
    Site,
    address_of,
    number,
    offered,
    pool,
    reason,
    requested,
    subnet,
)

MINE = Host(name="mine", hardware=MAC, address=IPv4Address("10.0.0.200"))


def test_offer_is_a_reply_to_its_request() -> None:
    """An OFFER carries the address, who offers it and for how long, and what identifies it."""
    outcome = offered(Site().discover(secs=7, flags=0x8000))

    reply = outcome.reply
    assert reply.value(r.MESSAGE_TYPE) is MessageType.OFFER
    assert reply.value(r.SERVER_IDENTIFIER) == SERVER
    assert reply.value(r.LEASE_TIME) == 3600
    assert (reply.xid, reply.flags, reply.secs, reply.chaddr[:6]) == (0x11223344, 0x8000, 0, MAC)
    assert reply.ciaddr == NO_ADDRESS
    assert number(str(reply.yiaddr)) == outcome.lease.address


def test_offer_is_held() -> None:
    """An offered address is offered to nobody else for `offer_hold` seconds."""
    site = Site()
    mine = offered(site.discover())
    others = {address_of(site.discover(chaddr=bytes((2, 0, 0, 0, 0, n)))) for n in range(2)}

    assert (mine.lease.state, mine.lease.ends) == (LeaseState.OFFERED, NOW + 60)
    assert address_of(site.discover()) not in others
    assert reason(site.discover(chaddr=OTHER_MAC)) is Reason.NO_FREE_ADDRESS

    site.now += 60

    assert address_of(site.discover(chaddr=OTHER_MAC)) == str(mine.reply.yiaddr)


def test_repeated_discover_gets_the_same_offer() -> None:
    """The same client is offered the same address, and it is held from the last offer on."""
    site = Site()
    first = offered(site.discover())
    site.now += 50

    again = offered(site.discover(secs=50, xid=5))

    assert again.reply.yiaddr == first.reply.yiaddr
    assert (again.lease.starts, again.lease.ends) == (NOW + 50, NOW + 110)


def test_only_fresh_addresses_need_a_probe() -> None:
    """An address is probed when it is first offered, not again while it is held or leased."""
    site = Site()

    assert offered(site.discover()).needs_probe
    assert not offered(site.discover()).needs_probe

    site.bind("10.0.0.10")
    assert not offered(site.discover()).needs_probe

    site.now += 3600
    assert offered(site.discover()).needs_probe


def test_leased_address_is_offered_and_stays_leased() -> None:
    """A client with a lease is offered its address; its lease does not shrink to an offer."""
    site = Site()
    lease = site.bind("10.0.0.11")

    outcome = offered(site.discover())

    assert outcome.lease is lease
    assert site.leases.at(lease.address) is lease


def test_former_address_is_offered() -> None:
    """A client whose lease has ended gets its former address back while nobody else has it."""
    site = Site()
    site.bind("10.0.0.12")
    site.now += 3600

    assert address_of(site.discover()) == "10.0.0.12"


def test_former_address_that_another_client_has() -> None:
    """A former address that was given to somebody else is not offered."""
    site = Site()
    site.bind("10.0.0.12")
    site.now += 3600
    site.bind("10.0.0.12", chaddr=OTHER_MAC)

    assert address_of(site.discover()) == "10.0.0.10"


def test_requested_address_is_offered() -> None:
    """Option 50 is honoured where that address is free and in a pool of the client's wire."""
    assert address_of(Site().discover(requested("10.0.0.11"))) == "10.0.0.11"


def test_requested_address_that_cannot_be_had() -> None:
    """An address of another client, subnet, or outside of the pools is not offered."""
    for wish in ("10.0.0.11", "10.0.0.13", "10.0.1.10", "192.0.2.1"):
        site = Site()
        site.bind("10.0.0.11", chaddr=OTHER_MAC)

        assert address_of(site.discover(requested(wish))) == "10.0.0.10"


def test_current_address_goes_before_the_requested_one() -> None:
    """A client that has a lease is offered that, whatever else it asks for."""
    site = Site()
    site.bind("10.0.0.12")

    assert address_of(site.discover(requested("10.0.0.11"))) == "10.0.0.12"


def test_oldest_ended_address_is_reused_first() -> None:
    """Where no address is unused, the one that has been free longest is taken."""
    site = Site()
    for turn, address in enumerate(("10.0.0.11", "10.0.0.10", "10.0.0.12")):
        site.now = NOW + turn
        site.bind(address, chaddr=bytes((2, 0, 0, 0, 0, turn)))
    site.now += 3600

    assert address_of(site.discover()) == "10.0.0.11"
    assert address_of(site.discover(chaddr=OTHER_MAC)) == "10.0.0.10"


def test_no_free_address() -> None:
    """With all addresses leased there is no offer."""
    site = Site()
    for turn in range(3):
        site.bind(f"10.0.0.1{turn}", chaddr=bytes((2, 0, 0, 0, 0, turn)))

    assert reason(site.discover()) is Reason.NO_FREE_ADDRESS


def test_lease_time_is_what_the_client_wishes_within_bounds() -> None:
    """Option 51 of the client is granted between minimum and maximum."""
    for wish, granted in ((600, 600), (1, 60), (0xFFFFFFFF, 7200)):
        outcome = offered(Site().discover(r.LEASE_TIME.of(wish)))

        assert outcome.reply.value(r.LEASE_TIME) == granted


class TestReserved:
    def test_host_gets_its_address(self) -> None:
        """A reserved address need not be in a pool, and its host gets no other."""
        site = Site(replace(PLAN, hosts=(MINE,)))

        assert address_of(site.discover(requested("10.0.0.11"))) == "10.0.0.200"

    def test_nobody_else_gets_it(self) -> None:
        """A reserved address in a pool is given to its host alone, even if another asks for it."""
        host = replace(MINE, address=IPv4Address("10.0.0.10"))
        site = Site(replace(PLAN, hosts=(host,)))

        others = {
            address_of(site.discover(requested("10.0.0.10"), chaddr=bytes((2, 0, 0, 0, 0, n))))
            for n in range(2)
        }

        assert others == {"10.0.0.11", "10.0.0.12"}
        assert reason(site.discover(chaddr=OTHER_MAC)) is Reason.NO_FREE_ADDRESS
        assert address_of(site.discover()) == "10.0.0.10"

    def test_while_another_has_it(self) -> None:
        """A lease from before the reservation lasts; until then the host gets another address."""
        site = Site()
        site.bind("10.0.0.10", chaddr=OTHER_MAC)
        host = replace(MINE, address=IPv4Address("10.0.0.10"))
        later = Site(replace(PLAN, hosts=(host,)), leases=site.leases)

        assert address_of(later.discover()) == "10.0.0.11"

        later.now += 3600
        assert address_of(later.discover()) == "10.0.0.10"

    def test_on_another_network(self) -> None:
        """Away from the subnet of its address a host gets one of a pool, as anybody."""
        host = replace(MINE, address=IPv4Address("10.0.1.200"))

        assert address_of(Site(replace(PLAN, hosts=(host,))).discover()) == "10.0.0.10"

    def test_one_address_on_each_network(self) -> None:
        """A machine may have a reservation on each of several networks."""
        away = replace(MINE, name="away", address=IPv4Address("10.0.1.200"))
        site = Site(replace(PLAN, hosts=(away, MINE)))

        assert address_of(site.discover()) == "10.0.0.200"
        assert address_of(site.discover(giaddr=IPv4Address("10.0.1.1"))) == "10.0.1.200"

    def test_firmware_and_system_share_it(self) -> None:
        """A host known by its hardware address is the same client, whatever option 61 it sends."""
        site = Site(replace(PLAN, hosts=(MINE,)))
        site.bind("10.0.0.200", RawOption(61, b"\0" + bytes(16)))

        assert address_of(site.discover(RawOption(61, b"\1" + MAC))) == "10.0.0.200"
        assert address_of(site.discover()) == "10.0.0.200"


class TestPools:
    def test_pool_for_a_class(self) -> None:
        """A pool for a class serves its members; others do not get its addresses."""
        phones = ClientClass(name="phones", vendor_class=b"phone")
        home = subnet(
            "10.0.0.0/24",
            pool("10.0.0.10", "10.0.0.10", classes=frozenset({"phones"})),
            pool("10.0.0.20", "10.0.0.20"),
        )
        site = Site(replace(PLAN, subnets=(home,), classes=(phones,)))

        assert address_of(site.discover(requested("10.0.0.10"))) == "10.0.0.20"
        assert reason(site.discover(chaddr=OTHER_MAC)) is Reason.NO_FREE_ADDRESS
        assert address_of(site.discover(RawOption(60, b"phone 7"), chaddr=OTHER_MAC)) == "10.0.0.10"

    def test_shared_network(self) -> None:
        """Where the pools of a subnet are used up, others on the same wire serve."""
        plan = replace(
            PLAN,
            subnets=(
                subnet("10.9.0.0/24", pool("10.9.0.7", "10.9.0.7"), shared_network="hall"),
                replace(HOME, pools=(pool("10.0.0.10", "10.0.0.10"),), shared_network="hall"),
            ),
        )
        site = Site(plan)

        first = offered(site.discover(giaddr=IPv4Address("10.0.0.254")))
        second = offered(site.discover(giaddr=IPv4Address("10.0.0.254"), chaddr=OTHER_MAC))

        assert str(first.reply.yiaddr) == "10.0.0.10"
        assert str(second.reply.yiaddr) == "10.9.0.7"
        assert reason(site.discover(chaddr=bytes(6))) is Reason.NO_FREE_ADDRESS
        assert address_of(site.discover()) == "10.0.0.10"
