"""The lease table: pending leases, plans that change, bounds."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from protocols.dhcp.server import lease as lease_module
from protocols.dhcp.server.lease import Lease, LeaseState, LeaseTable
from protocols.dhcp.server.outcome import Reason
from protocols.dhcp.server.plan import Host, Plan, Pool, Subnet
from protocols.dhcp.value import MessageType
from tests.protocols.dhcp.server.site import (
    HOME,
    MAC,
    NOW,
    OTHER_MAC,
    PLAN,
    TIMES,
    Site,
    acknowledged,
    address_of,
    number,
    offered,
    reason,
    refused,
)

TEN, ELEVEN = number("10.0.0.10"), number("10.0.0.11")


def bound(address: int, client: bytes = b"\1" + MAC, ends: int = NOW + 3600) -> Lease:
    return Lease(address, client, client[1:], LeaseState.BOUND, NOW, ends)


class TestPending:
    def test_pending_lease_is_held(self) -> None:
        """From the moment it is to be stored, a lease keeps others off its address."""
        site = Site()
        acknowledged(site.select("10.0.0.10"))

        assert refused(site.select("10.0.0.10", chaddr=OTHER_MAC)).reason is Reason.NOT_HELD

    def test_abandoned_lease_never_was(self) -> None:
        """A lease that could not be stored leaves its address as it was."""
        site = Site()
        outcome = acknowledged(site.select("10.0.0.10"))

        site.leases.abandon(outcome.store)

        assert site.leases.at(TEN) is None
        assert address_of(site.discover(chaddr=OTHER_MAC)) == "10.0.0.10"

    def test_abandoned_offer(self) -> None:
        """The offer that a lease was to come of is over, too."""
        site = Site()
        offered(site.discover())

        site.leases.abandon(acknowledged(site.select("10.0.0.10")).store)

        assert site.leases.at(TEN) is None

    def test_abandoned_renewal(self) -> None:
        """A renewal that could not be stored leaves the lease with its old end."""
        site = Site()
        lease = site.bind("10.0.0.10")
        site.now += 1800

        site.leases.abandon(acknowledged(site.renew("10.0.0.10")).store)

        assert site.leases.at(TEN) is lease
        site.now = lease.ends
        for n in range(3):
            site.bind(f"10.0.0.1{n}", chaddr=bytes((2, 0, 0, 0, 0, n)))

    @pytest.mark.parametrize(
        ("settled", "left"),
        [
            (("commit 0", "commit 1"), 1),
            (("commit 0", "abandon 1"), 0),
            (("abandon 0", "commit 1"), 1),
            (("abandon 0", "abandon 1"), None),
            (("abandon 1", "commit 0"), 0),
        ],
    )
    def test_two_on_their_way(self, settled: tuple[str, ...], left: int | None) -> None:
        """A client that asks twice has what was last stored, whatever becomes of each."""
        site = Site()
        stores = []
        for _ in range(2):
            stores.append(acknowledged(site.select("10.0.0.10")).store)
            site.now += 1

        for each in settled:
            what, which = each.split()
            getattr(site.leases, what)(stores[int(which)])

        assert site.leases.at(TEN) is (None if left is None else stores[left])

    def test_one_of_two_does_not_free_the_address(self) -> None:
        """While one of two is on its way, the failure of the other gives the address to nobody."""
        site = Site()
        acknowledged(site.select("10.0.0.10"))
        second = acknowledged(site.select("10.0.0.10")).store

        site.leases.abandon(second)

        assert refused(site.select("10.0.0.10", chaddr=OTHER_MAC))

    def test_conflict_while_pending(self) -> None:
        """What happened since a lease became pending stays, however that ends."""
        site = Site()
        store = acknowledged(site.select("10.0.0.10")).store
        declined = site.leases.conflicted(TEN, NOW)

        site.leases.abandon(store)

        assert site.leases.at(TEN) is declined


class TestWholeTables:
    def test_load(self) -> None:
        """Leases from the disk are there, before as after a plan is adopted."""
        for early in (True, False):
            leases = LeaseTable()
            if early:
                leases.load([bound(ELEVEN)])
            site = Site(leases=leases)
            if not early:
                leases.load([bound(ELEVEN)])

            assert address_of(site.discover()) == "10.0.0.11"
            assert len(leases) == 1

    def test_load_over_an_offer(self) -> None:
        """A loaded lease takes the place of an offer, and is not evicted as one."""
        site = Site()
        offered(site.discover())

        site.leases.load([bound(TEN, b"\1" + OTHER_MAC)])
        site.select("10.0.0.99", server=IPv4Address("10.0.0.2"))

        assert site.leases.at(TEN) == bound(TEN, b"\1" + OTHER_MAC)

    def test_latest_of_two_leases_of_a_client(self) -> None:
        """Of two leases on one wire the client goes by the one that ends last."""
        leases = LeaseTable()
        leases.load([bound(ELEVEN, ends=NOW + 9), bound(TEN, ends=NOW + 5)])

        assert address_of(Site(leases=leases).discover()) == "10.0.0.11"

    def test_new_plan_keeps_leases(self) -> None:
        """A plan without their subnet keeps leases; one that has it again finds them."""
        site = Site()
        lease = site.bind("10.0.0.11")
        Site(Plan(), leases=site.leases)

        assert site.leases.at(ELEVEN) is lease

        later = Site(leases=site.leases)
        assert offered(later.discover()).lease is lease
        assert address_of(later.discover(chaddr=OTHER_MAC)) == "10.0.0.10"

    def test_new_plan_keeps_offers(self) -> None:
        """An offer outlives a new plan, and may be taken back under one without its subnet."""
        site = Site()
        lease = offered(site.discover()).lease

        Site(Plan(), leases=site.leases)
        site.leases.forget(lease)

        assert len(site.leases) == 0

    def test_prune(self) -> None:
        """Leases that ended long ago are forgotten, some at a time; their addresses are free."""
        site = Site()
        for turn in range(3):
            site.bind(f"10.0.0.1{turn}", chaddr=bytes((2, 0, 0, 0, 0, turn)))
        site.now += 5000

        assert site.leases.prune(NOW + 3600, 5) == []
        assert site.leases.prune(NOW + 3601, 2) == [TEN, ELEVEN]
        assert site.leases.prune(NOW + 3601, 2) == [number("10.0.0.12")]
        assert len(site.leases) == 0
        assert {address_of(site.discover(chaddr=bytes((2, 0, 0, 0, 0, n)))) for n in range(3)} == {
            "10.0.0.10",
            "10.0.0.11",
            "10.0.0.12",
        }

    def test_prune_of_a_former_address(self) -> None:
        """A client whose former lease is forgotten is still known by its present one."""
        leases = LeaseTable()
        leases.load([bound(ELEVEN), bound(TEN, ends=NOW - 5)])
        site = Site(leases=leases)

        assert leases.prune(NOW, 5) == [TEN]
        assert address_of(site.discover()) == "10.0.0.11"

    def test_iteration_is_a_copy(self) -> None:
        """Whoever goes through the leases may change the table meanwhile."""
        leases = LeaseTable()
        leases.load([bound(TEN), bound(ELEVEN)])

        for lease in leases:
            leases.conflicted(lease.address, NOW)

        assert {lease.state for lease in leases} == {LeaseState.DECLINED}


def test_state_at() -> None:
    """A bound lease is expired from its end on; other states stay what they are."""
    lease = bound(TEN)

    assert lease.state_at(lease.ends - 1) is LeaseState.BOUND
    assert lease.state_at(lease.ends) is LeaseState.EXPIRED
    assert lease._replace(state=LeaseState.RELEASED).state_at(lease.ends) is LeaseState.RELEASED


def test_flood_of_discovers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past `MAX_OFFERS` the oldest offer is forgotten, and no lease."""
    monkeypatch.setattr(lease_module, "MAX_OFFERS", 10)
    wide = Subnet(
        network=IPv4Network("10.0.0.0/16"),
        lease_times=TIMES,
        pools=(Pool(ranges=((number("10.0.0.10"), number("10.0.200.0")),)),),
    )
    site = Site(replace(PLAN, subnets=(wide,)))
    lease = site.bind("10.0.0.10")
    site.discover()

    for forged in range(1000):
        assert offered(site.discover(chaddr=b"\2\0" + forged.to_bytes(4, "big")))

    assert len(site.leases) == 11
    assert site.leases.at(TEN) is lease


def test_churn_leaves_the_heap_small() -> None:
    """Leases that are made and released for ever do not pile up ends of leases."""
    site = Site()
    for turn in range(2000):
        site.now += 1
        mac = bytes((2, 0, 0, 0)) + (turn % 7).to_bytes(2, "big")
        address = address_of(site.discover(chaddr=mac))
        site.bind(address, chaddr=mac)
        site.asked(MessageType.RELEASE, ciaddr=IPv4Address(address), chaddr=mac)

    (free,) = site.leases._segments[id(site.plan.segments[0])].free[HOME.first]
    assert len(free._ends) <= 2 * 3 + 64


def test_reserved_addresses_cut_pools() -> None:
    """A pool gives out what is left of it around reserved addresses, at its edges, too."""
    hosts = tuple(
        Host(name=str(n), hardware=bytes((2, 0, 0, 0, 0, n)), address=IPv4Address(f"10.0.0.{n}"))
        for n in (10, 12, 13, 15, 99)
    )
    home = replace(
        HOME, pools=(Pool(ranges=((TEN, TEN + 5), (TEN + 89, TEN + 89), (TEN + 90, TEN + 90))),)
    )
    site = Site(replace(PLAN, subnets=(home,), hosts=hosts))

    given = [address_of(site.discover(chaddr=bytes((4, 0, 0, 0, 0, n)))) for n in range(3)]

    assert given == ["10.0.0.11", "10.0.0.14", "10.0.0.100"]
    assert reason(site.discover()) is Reason.NO_FREE_ADDRESS


def test_memory_of_a_large_site() -> None:
    """100,000 leases, as they come from a database, take less than 70 MiB."""
    count = 100_000
    first = number("10.0.0.10")
    wide = Subnet(
        network=IPv4Network("10.0.0.0/8"),
        lease_times=TIMES,
        pools=(Pool(ranges=((first, first + 2 * count),)),),
    )
    plan = replace(PLAN, subnets=(wide,))
    leases = LeaseTable()
    tracemalloc.start()

    leases.load(
        Lease(
            first + turn,
            b"\1\2\0" + turn.to_bytes(4, "big"),
            b"\2\0" + turn.to_bytes(4, "big"),
            LeaseState.BOUND,
            NOW - turn,
            NOW + turn,
            f"host-{turn}",
        )
        for turn in range(count)
    )
    site = Site(plan, leases=leases)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used < 70 << 20
    assert address_of(site.discover()) == str(IPv4Address(first + count))
