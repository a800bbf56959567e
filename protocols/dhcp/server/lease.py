"""Who holds which address: the lease table, in memory.

It must never have two live leases of one address, and forgets no lease that was acknowledged before
it ends. It decides nothing about messages (`conversation`) and writes nothing to a disk: a lease
that is to be acknowledged is `pending` until the caller says that it is stored.

    free ──hold──▶ OFFERED ──pend──▶ BOUND (pending) ──commit──▶ BOUND ──release──▶ RELEASED
                      │                     └──abandon──▶ as before
                      └──forget──▶ free                 conflicted ──▶ DECLINED

Every kind of lease ends by itself at `ends`; from then on its address is free, and the record stays
as the memory of who had it last.

Time is unix seconds, whole ones. A clock that is set back keeps leases longer, never shorter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from protocols.dhcp.server.plan import INFINITE, ClientClass, Plan, Segment, Subnet
from protocols.dhcp.server.pool import FreeAddresses

MAX_OFFERS: Final = 16_384
"""Offers held at a time: 16,384 times 0.5 KiB are 8 MiB, however many hardware addresses somebody
forges. Past it the oldest offer is forgotten, as a server may (RFC 2131 §3.1)."""

LAST_END: Final = INFINITE - 1

NOBODY: Final = b""
"""The client of an address that a stranger uses."""


class LeaseState(Enum):
    """What became of an address; the value is how a log and the database say it."""

    OFFERED = "offered"
    """In memory only."""
    BOUND = "bound"
    RELEASED = "released"
    EXPIRED = "expired"
    """Bound, and past its end (`Lease.state_at`)."""
    DECLINED = "declined"
    """Used by a stranger."""


class Lease(NamedTuple):
    """One address and its client.

    A named tuple and not a dataclass: there are 100,000, and every packet makes one.
    """

    address: int
    client: bytes
    """The client's key: see `conversation.client_key`."""
    hardware: bytes
    """Its hardware address, without the type."""
    state: LeaseState
    starts: int
    """Unix seconds: when it was first given to this client without a break."""
    ends: int
    """Unix seconds, or `INFINITE`."""
    host_name: str = ""
    circuit_id: bytes = b""
    remote_id: bytes = b""

    def state_at(self, now: int) -> LeaseState:
        """The state, where BOUND is EXPIRED after its end."""
        if self.state is LeaseState.BOUND and self.ends <= now:
            return LeaseState.EXPIRED
        return self.state


@dataclass(slots=True)
class _Pending:
    """What the disk holds of an address, what it is to hold, and how many are on their way."""

    stored: Lease | None
    latest: Lease
    waiting: int = 1


class SegmentLeases:
    """The leases of one wire: by client, and what is free."""

    __slots__ = ("by_client", "free")

    def __init__(self) -> None:
        self.by_client: dict[bytes, int] = {}
        self.free: dict[int, tuple[FreeAddresses, ...]] = {}
        """By the first address of a subnet."""


class LeaseTable:
    """All leases. `DhcpServer` adopts a plan into it; until then it only knows addresses."""

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}
        self._offers: OrderedDict[int, None] = OrderedDict()
        self._pending: dict[int, _Pending] = {}
        self._plan: Plan | None = None
        self._decline_hold = 0
        self._segments: dict[int, SegmentLeases] = {}
        self._starts: list[int] = []
        self._located: list[tuple[int, SegmentLeases, tuple[FreeAddresses, ...]]] = []

    def __len__(self) -> int:
        return len(self._leases)

    def __iter__(self) -> Iterator[Lease]:
        """All records, offers and ended leases among them, in no order."""
        return iter(tuple(self._leases.values()))

    def at(self, address: int) -> Lease | None:
        """The record of `address`."""
        return self._leases.get(address)

    # Whole tables.

    def load(self, leases: Iterable[Lease]) -> None:
        """Enter leases that were stored, in place of what is known of their addresses."""
        for lease in leases:
            self._leases[lease.address] = lease
            self._offers.pop(lease.address, None)
        if self._plan is not None:
            self.adopt(self._plan)

    def adopt(self, plan: Plan) -> None:
        """Go by the pools of `plan` from now on; no lease is lost, wherever its address is now."""
        self._plan = plan
        self._decline_hold = plan.decline_hold
        self._segments = {}
        located = []
        for segment in plan.segments:
            of_segment = self._segments[id(segment)] = SegmentLeases()
            for subnet in segment.subnets:
                free = tuple(
                    FreeAddresses(pool, plan.reserved, self._leases) for pool in subnet.pools
                )
                of_segment.free[subnet.first] = free
                located.append((subnet.first, subnet.last, of_segment, free))
        located.sort(key=lambda found: found[0])
        self._starts = [found[0] for found in located]
        self._located = [found[1:] for found in located]
        for lease in sorted(self._leases.values(), key=lambda lease: lease.ends):
            self._index(lease, None)

    def prune(self, before: int, limit: int) -> list[int]:
        """Forget up to `limit` leases that ended before `before`; tells their addresses.

        Looks at every lease: 100,000 take 8 ms, so do it once in a while.
        """
        ended = [lease.address for lease in self._leases.values() if lease.ends < before]
        for address in ended[:limit]:
            self._offers.pop(address, None)
            self._remove(address)
        return ended[:limit]

    # Looking.

    def find(self, segment: Segment, client: bytes) -> Lease | None:
        """The latest lease, live or ended, that `client` has on this wire."""
        address = self._segments[id(segment)].by_client.get(client)
        if address is None:
            return None
        return self._leases[address]

    def is_free_for(self, client: bytes, address: int, now: int) -> bool:
        """Whether nobody else holds `address`."""
        lease = self._leases.get(address)
        return lease is None or lease.ends <= now or lease.client == client

    def choose(
        self,
        segment: Segment,
        subnet: Subnet,
        classes: tuple[ClientClass, ...],
        now: int,
    ) -> int | None:
        """A free address for a client without any: of `subnet`, else of others on its wire."""
        of_segment = self._segments[id(segment)].free
        for each in (subnet, *segment.subnets):
            for free in of_segment[each.first]:
                if free.pool.serves(classes) and (address := free.find(now)) is not None:
                    return address
        return None

    def free_in(self, segment: Segment, subnet: Subnet) -> FreeAddresses | None:
        """The first pool of `subnet` that is for everybody, until the next `load` or `adopt`."""
        pools = self._segments[id(segment)].free[subnet.first]
        return next((free for free in pools if free.pool.ranges and free.pool.serves(())), None)

    # Changes.

    def hold(self, lease: Lease) -> None:
        """Enter an offer. Past `MAX_OFFERS` the oldest is forgotten; its address is free again when
        it would have ended."""
        address, offers = lease.address, self._offers
        self._put(lease)
        if address in offers:
            offers.move_to_end(address)
            return
        offers[address] = None
        if len(offers) > MAX_OFFERS:
            self._drop(offers.popitem(last=False)[0])

    def forget(self, lease: Lease) -> None:
        """Take an offer back: its client chose another server."""
        if lease.state is LeaseState.OFFERED:
            del self._offers[lease.address]
            self._remove(lease.address)

    def pend(self, lease: Lease) -> None:
        """Enter a lease that is about to be stored: nobody else gets the address from now on."""
        pending = self._pending.get(lease.address)
        if pending is None:
            before = self._leases.get(lease.address)
            self._pending[lease.address] = _Pending(before, lease)
        else:
            pending.latest = lease
            pending.waiting += 1
        self._offers.pop(lease.address, None)
        self._put(lease)

    def commit(self, lease: Lease) -> None:
        """`lease` is on disk. Each lease that `pend` took is committed or abandoned once."""
        self._pending[lease.address].stored = lease
        self._settle(lease.address)

    def abandon(self, lease: Lease) -> None:
        """`lease` could not be stored: what was there before will be there again."""
        self._settle(lease.address)

    def _settle(self, address: int) -> None:
        """The last one to be settled leaves what is on disk, if nothing happened since."""
        pending = self._pending[address]
        pending.waiting -= 1
        if pending.waiting:
            return
        del self._pending[address]
        stored = pending.stored
        if stored is pending.latest or self._leases.get(address) is not pending.latest:
            return
        if stored is None or stored.state is LeaseState.OFFERED:
            self._remove(address)
        else:
            self._put(stored)

    def release(self, lease: Lease, now: int) -> Lease:
        """The client of `lease` gave it back. Returns the lease to be stored."""
        released = lease._replace(state=LeaseState.RELEASED, ends=min(now, lease.ends))
        self._put(released)
        return released

    def conflicted(self, address: int, now: int) -> Lease:
        """A stranger uses `address`: nobody gets it for a while. Returns the lease to be stored."""
        declined = Lease(
            address=address,
            client=NOBODY,
            hardware=b"",
            state=LeaseState.DECLINED,
            starts=now,
            ends=min(now + self._decline_hold, LAST_END),
        )
        self._offers.pop(address, None)
        self._put(declined)
        return declined

    def _put(self, lease: Lease) -> None:
        before = self._leases.get(lease.address)
        self._leases[lease.address] = lease
        self._index(lease, before)

    def _index(self, lease: Lease, before: Lease | None) -> None:
        """Enter `lease`, which replaces `before`, where clients and ends are looked up."""
        address = lease.address
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return
        last, of_segment, pools = self._located[at]
        if address > last:
            return
        if before is not None and before.client != lease.client:
            if of_segment.by_client.get(before.client) == address:
                del of_segment.by_client[before.client]
        if lease.client:
            of_segment.by_client[lease.client] = address
        if before is None or lease.ends < before.ends:
            for free in pools:
                free.ends_at(address, lease.ends)

    def _remove(self, address: int) -> None:
        """Forget what is known of `address`, which is free from now on."""
        for free in self._drop(address):
            free.ends_at(address, 0)

    def _drop(self, address: int) -> tuple[FreeAddresses, ...]:
        """Forget what is known of `address`, which is free when that would have ended; tells which
        pools it may be of."""
        lease = self._leases.pop(address)
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address > self._located[at][0]:
            return ()
        _, of_segment, pools = self._located[at]
        if of_segment.by_client.get(lease.client) == address:
            del of_segment.by_client[lease.client]
        return pools
