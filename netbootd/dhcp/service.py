"""The DHCP server as a part of the daemon: plan, leases, probes and responder, and their upkeep.

It owns no socket of port 67: `netbootd.port67` hands it the datagrams.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from netbootd.arrival import Arrival
from netbootd.bsdp.responder import Admission
from netbootd.dhcp.lease_log import lease_log
from netbootd.dhcp.leases import Leases
from netbootd.dhcp.plan import plan_of
from netbootd.dhcp.probe import Prober
from netbootd.dhcp.reservation import (
    MAX_RESERVATIONS,
    Reservation,
    Reservations,
    objection,
)
from netbootd.dhcp.responder import DhcpResponder, Place
from netbootd.dhcp.settings import DhcpSettings
from netbootd.dhcp.teller import DhcpTeller
from netbootd.interface import Interface
from netbootd.timeline import Timeline
from ops.config import Invalid
from ops.counter import Counters
from ops.setting import MacAddress
from ops.start import StartError
from ops.store import Store
from protocols.dhcp.server.case import BootAnswer, Link
from protocols.dhcp.server.lease import Lease, LeaseTable
from protocols.dhcp.server.plan import Plan

PRUNE_INTERVAL: Final = 600.0
"""Seconds between looks for leases that ended long ago: 17 ms each with 100,000 of them."""


class DhcpService(Service):
    """Leases addresses. Reactor thread only."""

    name = "dhcp"

    def __init__(
        self,
        settings: DhcpSettings,
        *,
        reactor: Any,
        store: Store,
        timeline: Timeline,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        counters: Counters,
        interfaces: Sequence[Interface],
        boot: Callable[[Arrival], BootAnswer | None],
    ) -> None:
        """`now` gives unix seconds; `boot` who answers network boot clients where a datagram
        arrived. Raises StartError if the settings do not suit our own addresses."""
        self._settings = settings
        self._now = now
        self._interfaces = tuple(interfaces)
        self._boot = boot
        timeline.listen(lease_log(Logger("netbootd.dhcp")))
        self.leases = Leases(store, LeaseTable(), counters)
        self.reservations = Reservations(store)
        self.prober = Prober(
            reactor=reactor,
            method=settings.probe,
            wait=settings.probe_time,
            identifier=secrets.randbits(16),
            counters=counters,
        )
        self.responder = DhcpResponder(
            self._plan(settings),
            leases=self.leases,
            prober=self.prober,
            place=self._place,
            teller=DhcpTeller(timeline, monotonic, counters),
            now=now,
            counters=counters,
            admission=_admission(settings),
        )
        self.received = self.responder.received
        """One datagram, as `netbootd.port67` wants it answered."""
        self._pruning = LoopingCall(self._prune)
        self._pruning.clock = reactor

    # What Twisted calls.

    def privilegedStartService(self) -> None:
        """Open the sockets of the probes, while we may."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self.prober.privilegedStartService()

    def startService(self) -> None:
        """Begin to serve; `load_thd` comes first."""
        super().startService()  # type: ignore[no-untyped-call]
        self.prober.startService()
        self._pruning.start(PRUNE_INTERVAL).addErrback(self._broke)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._pruning.running:
            self._pruning.stop()
        self.prober.stopService()

    # Our own.

    def load_thd(self) -> None:
        """Read leases and reservations. Blocks; call it once the store is open. Raises
        StoreError."""
        self.leases.load_thd()
        if self.reservations.load_thd().all:
            self.responder.use(self._plan(self._settings), _admission(self._settings))

    def serve(self, interfaces: Sequence[Interface]) -> None:
        """The table of interfaces has changed."""
        before, self._interfaces = self._ours(), tuple(interfaces)
        self.responder.forget()
        if self._ours() != before:
            try:
                self.apply(self._settings)
            except StartError as error:
                self._log.error("{error}", error=error)

    def forget(self) -> None:
        """What network boot clients are told has changed."""
        self.responder.forget()

    def apply(self, settings: DhcpSettings) -> None:
        """Go by `settings` from now on; no lease is lost. Raises StartError, and changes nothing,
        if they do not suit our own addresses."""
        plan = self._plan(settings)
        self._settings = settings
        self.prober.method, self.prober.wait = settings.probe, settings.probe_time
        self.responder.use(plan, _admission(settings))

    async def reserve(self, wanted: Reservation) -> None:
        """Keep an address for a machine from now on. Raises Invalid if it cannot be, StoreError if
        it cannot be stored."""
        reservations = self.reservations
        why = objection(wanted, self._settings, reservations.all, self._ours())
        if why is None and len(reservations.all) >= MAX_RESERVATIONS:
            why = Invalid("mac", f"{MAX_RESERVATIONS} are reserved", "write [[dhcp.host]] instead")
        if why is not None:
            raise why
        await reservations.add(wanted)
        self.apply(self._settings)

    async def unreserve(self, mac: MacAddress) -> None:
        """Keep no address for a machine any more. Raises StoreError."""
        await self.reservations.remove(mac)
        self.apply(self._settings)

    def end(self, lease: Lease) -> Lease:
        """Take a lease back: its address is anybody's from now on. Returns it as it is then."""
        ended = self.leases.table.release(lease, int(self._now()))
        self.leases.record(ended)
        return ended

    def _ours(self) -> frozenset[IPv4Address]:
        return frozenset(address.ip for one in self._interfaces for address in one.addresses)

    def _plan(self, settings: DhcpSettings) -> Plan:
        try:
            return plan_of(self.reservations.settings(settings, self._ours()), ours=self._ours())
        except Invalid as error:
            raise StartError(f"dhcp.{error.key}: {error.problem}; {error.remedy}") from error

    def _place(self, arrival: Arrival) -> Place:
        here = [one for one in self._interfaces if one.name == arrival.interface]
        networks = tuple(address.network for one in here for address in one.addresses)
        link = Link(local=arrival.local_address, networks=networks)
        return Place(link=link, boot=self._boot(arrival))

    def _prune(self) -> None:
        self.leases.prune(int(self._now() - self._settings.keep_time))

    def _broke(self, failure: Any) -> None:
        self._log.failure("Leases are not pruned any more", failure=failure)

    _log = Logger()


def _admission(settings: DhcpSettings) -> Admission:
    return Admission(allow=frozenset(settings.allow), deny=frozenset(settings.deny))
