"""How full the pools of each subnet are, counted a little at a time.

A look at 100,000 leases takes some 80 ms, and packets do not wait for it: what is told is
of the last count that was finished.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from protocols.dhcp.server.lease import Lease, LeaseState, LeaseTable
from protocols.dhcp.server.plan import Plan

SLICE: Final = 1000
"""Leases that are looked at in one turn of the reactor: some 0.5 ms."""


class PoolUse:
    """Counts addresses. Reactor thread only."""

    def __init__(
        self,
        table: LeaseTable,
        *,
        plan: Callable[[], Plan],
        unix: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Any],
    ) -> None:
        """`plan` is what is gone by; `unix` gives seconds since 1970."""
        self._table = table
        self._plan = plan
        self._unix = unix
        self._call_later = call_later
        self._rest: Iterator[Lease] | None = None
        self._ranges: list[tuple[int, int, str]] = []
        """First and last address of each range of a pool, and its subnet."""
        self._firsts: list[int] = []
        self._counting: dict[str, float] = {}
        self._counted: dict[str, float] = {}

    def sizes(self) -> dict[str, float]:
        """By subnet, how many addresses its pools have."""
        return {
            str(subnet.network): sum(
                last - first + 1 for pool in subnet.pools for first, last in pool.ranges
            )
            for subnet in self._plan().subnets
        }

    def used(self) -> dict[str, float]:
        """By subnet, how many of these are leased, offered, or used by a stranger. Of some thousand
        leases it is so at this moment; of more, when it was asked for the last time."""
        if self._rest is None:
            self._begin()
            self._go_on()
        return self._counted

    def _begin(self) -> None:
        subnets = self._plan().subnets
        self._ranges = sorted(
            (first, last, str(subnet.network))
            for subnet in subnets
            for pool in subnet.pools
            for first, last in pool.ranges
        )
        self._firsts = [first for first, _, _ in self._ranges]
        self._counting = {str(subnet.network): 0 for subnet in subnets}
        self._rest = iter(self._table)

    def _go_on(self) -> None:
        if self._rest is None:
            return
        leases = list(islice(self._rest, SLICE))
        self._count(leases)
        if len(leases) == SLICE:
            self._call_later(0, self._go_on)
        else:
            self._counted, self._rest = self._counting, None

    def _count(self, leases: list[Lease]) -> None:
        now, ranges, firsts, counting = self._unix(), self._ranges, self._firsts, self._counting
        for lease in leases:
            address = lease.address
            at = bisect_right(firsts, address) - 1
            if at >= 0 and lease.ends > now and lease.state is not LeaseState.RELEASED:
                _, last, subnet = ranges[at]
                if address <= last:
                    counting[subnet] += 1
