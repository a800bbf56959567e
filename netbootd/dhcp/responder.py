"""The DHCP responder: datagrams on port 67 in, answers out.

    datagram ──▶ respond (pure) ──▶ Offer ──▶ address in use? ──▶ send
                                │             (asked of the wire, where it was nobody's before)
                                ├─▶ Acknowledge ──▶ lease on disk ──▶ send
                                ├─▶ Refuse, Inform ──▶ send
                                ├─▶ Release, Decline ──▶ to disk, nobody waits
                                └─▶ Silence

The packet path is synchronous, touches no disk and writes no log line. Nothing is acknowledged that
is not on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address
from socket import inet_ntoa
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from netbootd.arrival import Arrival
from netbootd.bsdp.responder import Admission
from netbootd.datagram import Datagrams
from netbootd.dhcp.leases import Leases
from netbootd.dhcp.teller import DhcpTeller
from ops.counter import Counter, Counters
from ops.database import StoreError
from protocols.dhcp.codec import CHADDR, GIADDR, HLEN, XID, decode
from protocols.dhcp.registry import REQUESTED_ADDRESS
from protocols.dhcp.server.case import BootAnswer, Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.datagram import DatagramServer
from protocols.dhcp.server.lease import Lease, LeaseState
from protocols.dhcp.server.outcome import (
    Acknowledge,
    Decline,
    Inform,
    Offer,
    ReadyReply,
    Reason,
    Refuse,
    Release,
    Silence,
)
from protocols.dhcp.server.plan import Plan
from protocols.errors import DecodeError

MAX_TRIES: Final = 3
"""Addresses probed for one DISCOVER. With half a second each, the client is still waiting (4 s,
RFC 2131 §4.1); past it, its next DISCOVER goes on where this one ended."""

NO_RELAY: Final = b"\0\0\0\0"


class InUse(Protocol):
    """Who can tell whether an address is in use (`netbootd.dhcp.probe.Prober`)."""

    method: str
    """`off`: do not ask."""

    def in_use(
        self, address: IPv4Address, arrival: Arrival, *, relayed: bool, hardware_address: bytes
    ) -> Deferred[bool]:
        """Whether a host other than the one with `hardware_address` holds `address`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a request's arrival means to it."""

    link: Link
    boot: BootAnswer | None
    """What network boot clients are told there; None: nothing."""


@dataclass(slots=True)
class _Question:
    """A datagram to be answered, and how to send that."""

    datagrams: Datagrams
    data: bytes
    peer: tuple[str, int]
    arrival: Arrival
    place: Place
    now: int
    """Unix seconds when it came."""
    key: bytes
    """By which a repetition is known: xid and chaddr."""
    tries: int = 1

    @property
    def hardware(self) -> bytes:
        return _hardware(self.data)


class DhcpResponder:
    """Answers the DHCP and BOOTP requests of all interfaces. Reactor thread only."""

    def __init__(
        self,
        plan: Plan,
        *,
        leases: Leases,
        prober: InUse,
        place: Callable[[Arrival], Place],
        teller: DhcpTeller,
        now: Callable[[], float],
        counters: Counters,
        admission: Admission,
    ) -> None:
        """`place` tells what an arrival means, and is asked once for each; `now` gives unix
        seconds."""
        self._leases = leases
        self._table = leases.table
        self._prober = prober
        self._place_at = place
        self._teller = teller
        self._now = now
        self._places: dict[tuple[str, str], Place] = {}
        self._storing: set[bytes] = set()
        self._probing: dict[int, tuple[_Question, ReadyReply]] = {}
        self._handlers: dict[type, Callable[[_Question, Any], None]] = {
            Offer: self._offer,
            Acknowledge: self._acknowledge,
            Inform: self._inform,
            Refuse: self._refuse,
            Release: self._release,
            Decline: self._decline,
        }

        def counter(thing: str, help: str) -> Counter:
            return counters.counter(f"netbootd_dhcp_{thing}_total", help)

        self._requests = counter("requests", "DHCP and BOOTP messages in our subnets.")
        self._offers = counter("offers", "DHCPOFFERs sent.")
        self._acknowledged = counter("acknowledgements", "DHCPACKs and BOOTP replies sent.")
        self._informed = counter("informs", "DHCPACKs sent without a lease.")
        self._refusals = counter("refusals", "DHCPNAKs sent.")
        self._releases = counter("releases", "Leases given back.")
        self._declines = counter("declines", "Leases declined: somebody uses the address.")
        self._conflicts = counter("conflicts", "Addresses found in use before they were offered.")
        self._silent = counter("silent_requests", "DHCP messages not answered on purpose.")
        self._exhausted = counter("exhausted_requests", "Requests for which no address was free.")
        self._refused = counter("refused_requests", "Messages of machines not admitted.")
        self._repeated = counter(
            "repeated_requests", "Requests repeated while their lease was being stored."
        )
        self._unacknowledged = counter(
            "unacknowledged_leases", "Leases not acknowledged because they could not be stored."
        )
        self.use(plan, admission)

    def use(self, plan: Plan, admission: Admission) -> None:
        """Go by these from now on; no lease is lost."""
        self.plan = plan
        self._server = DatagramServer(DhcpServer(plan, self._table))
        self._reserved = plan.reserved
        self._admits = admission.admits if admission.allow or admission.deny else None
        self.forget()

    def forget(self) -> None:
        """What arrivals mean may have changed (addresses, settings)."""
        self._places.clear()

    # The packet path.

    def received(
        self, datagrams: Datagrams, data: bytes, peer: tuple[str, int], arrival: Arrival
    ) -> bool:
        """One datagram. False: it is no request, or of a network that we have no subnet for."""
        key = data[XID] + data[CHADDR]
        if key in self._storing:
            self._repeated.value += 1  # it asks again before the disk answered: once is enough
            return True
        if self._admits is not None and not self._admits(data[CHADDR][:6]):
            self._refused.value += 1
            return True
        where = (arrival.interface, arrival.local)
        place = self._places.get(where)
        if place is None:
            place = self._places[where] = self._place_at(arrival)
        now = int(self._now())
        try:
            outcome = self._server.respond(
                data, link=place.link, source=peer[0], now=now, boot=place.boot
            )
        except DecodeError:
            return False
        if type(outcome) is Silence:
            return self._be_silent(data, arrival, outcome)
        self._requests.value += 1
        if (
            type(outcome) is Offer
            and not self._probing
            and not (outcome.needs_probe and self._prober.method != "off")
        ):  # what `_offer` comes to, without a `_Question`
            payload, route = outcome.reply
            if datagrams.deliver(payload, route, _hardware(data), arrival):
                self._offers.value += 1
            return True
        question = _Question(datagrams, data, peer, arrival, place, now, key)
        self._handlers[type(outcome)](question, outcome)
        return True

    def _send(self, question: _Question, reply: ReadyReply, sent: Counter) -> bool:
        payload, route = reply
        hardware = _hardware(question.data)
        if question.datagrams.deliver(payload, route, hardware, question.arrival):
            sent.value += 1
            return True
        return False

    def _be_silent(self, data: bytes, arrival: Arrival, silence: Silence) -> bool:
        reason = silence.reason
        if reason is Reason.NOT_A_REQUEST:
            return False
        if reason is Reason.NO_SUBNET:
            if data[GIADDR] != NO_RELAY:
                self._teller.silent(_hardware(data), _via(data, arrival), silence)
            return False
        self._requests.value += 1
        self._silent.value += 1
        if reason is Reason.NO_FREE_ADDRESS:
            self._exhausted.value += 1
        self._teller.silent(_hardware(data), _via(data, arrival), silence)
        return True

    def _inform(self, question: _Question, outcome: Inform[ReadyReply]) -> None:
        self._send(question, outcome.reply, self._informed)

    def _refuse(self, question: _Question, outcome: Refuse[ReadyReply]) -> None:
        if self._send(question, outcome.reply, self._refusals):
            via = _via(question.data, question.arrival)
            address = _requested(question.data)
            self._teller.refused(question.hardware, address, via, outcome.reason)

    def _release(self, question: _Question, outcome: Release) -> None:
        self._releases.value += 1
        self._leases.record(outcome.store)
        self._teller.released(outcome.store, _via(question.data, question.arrival))

    def _decline(self, question: _Question, outcome: Decline) -> None:
        self._declines.value += 1
        self._leases.record(outcome.store)
        via = _via(question.data, question.arrival)
        self._teller.declined(question.hardware, outcome.store, via, self._host_at(outcome.store))

    # What must be on disk.

    def _acknowledge(self, question: _Question, outcome: Acknowledge[ReadyReply]) -> None:
        self._storing.add(question.key)
        self._leases.acknowledge(outcome.store, partial(self._stored, question, outcome))

    def _stored(
        self,
        question: _Question,
        outcome: Acknowledge[ReadyReply],
        error: StoreError | None,
    ) -> None:
        reply, lease = outcome.reply, outcome.store
        self._storing.discard(question.key)
        if error is not None:
            self._unacknowledged.value += 1
            via = _via(question.data, question.arrival)
            self._teller.unstored(lease, via, str(error))
            return
        holder = self._table.at(lease.address)
        if holder is not lease and (
            holder is None or holder.client != lease.client or _is_over(holder.state)
        ):
            return  # it was given back, or found in use, while the disk was busy
        if self._send(question, reply, self._acknowledged):
            where = partial(_via, question.data, question.arrival)
            self._teller.acknowledged(lease, where, question.now)

    # What must not be in use.

    def _offer(self, question: _Question, outcome: Offer[ReadyReply]) -> None:
        waiting = self._probing.get(outcome.lease.address)
        if waiting is not None:
            question.tries = waiting[0].tries
            self._probing[outcome.lease.address] = question, outcome.reply  # answer the latest
        elif outcome.needs_probe and self._prober.method != "off":
            self._probe(question, outcome)
        else:
            self._send(question, outcome.reply, self._offers)

    def _probe(self, question: _Question, outcome: Offer[ReadyReply]) -> None:
        address, client = outcome.lease.address, outcome.lease.client

        def answered(is_in_use: bool) -> None:
            waiting, reply = self._probing.pop(address)
            holder = self._table.at(address)
            if holder is None or holder.client != client or holder.state is not LeaseState.OFFERED:
                return  # it is leased by now, or was given up
            if is_in_use:
                self._conflict(waiting, address)
            else:
                self._send(waiting, reply, self._offers)

        self._probing[address] = question, outcome.reply
        probing = self._prober.in_use(
            IPv4Address(address),
            question.arrival,
            relayed=question.data[GIADDR] != NO_RELAY,
            hardware_address=question.hardware,
        )
        probing.addCallback(answered).addErrback(self._broke)

    def _conflict(self, question: _Question, address: int) -> None:
        """Somebody uses `address`: keep everybody off it, and try another."""
        self._conflicts.value += 1
        now = int(self._now())
        declined = self._table.conflicted(address, now)
        self._leases.record(declined)
        via = _via(question.data, question.arrival)
        self._teller.conflicted(question.hardware, declined, via, self._host_at(declined))
        if question.tries == MAX_TRIES:
            return
        place = question.place
        outcome = self._server.respond(
            question.data, link=place.link, source=question.peer[0], now=now, boot=place.boot
        )
        if isinstance(outcome, Offer):
            question.tries += 1
            self._offer(question, outcome)
        elif isinstance(outcome, Silence):
            self._be_silent(question.data, question.arrival, outcome)

    def _host_at(self, lease: Lease) -> str:
        """Name of the host that the address of `lease` is reserved for; empty: nobody."""
        host = self._reserved.get(lease.address)
        return "" if host is None else host.name

    def _broke(self, failure: Failure) -> None:
        _log.failure("What followed a probe went wrong", failure=failure)


def _hardware(data: bytes) -> bytes:
    return data[CHADDR.start : CHADDR.start + data[HLEN]]


def _via(data: bytes, arrival: Arrival) -> str:
    """Where a request came from: our interface, or the relay's address."""
    relay = data[GIADDR]
    return arrival.interface if relay == NO_RELAY else inet_ntoa(relay)


def _requested(data: bytes) -> int:
    """The address that a REQUEST is about."""
    request = decode(data)
    requested = request.value(REQUESTED_ADDRESS)
    return int(request.ciaddr if requested is None else requested)


def _is_over(state: LeaseState) -> bool:
    return state is LeaseState.RELEASED or state is LeaseState.DECLINED


_log = Logger()
