"""The DHCP server's side of the conversation (RFC 2131 §4.3): a message in, an outcome out.

    DISCOVER                        an address for it ──▶ OFFER                       else silence
    REQUEST  SELECTING  (54)        ours, and free for it ──▶ ACK                     else NAK
                                    another server's ──▶ our offer is taken back, silence
             INIT-REBOOT (50)       its lease ──▶ ACK; another's, or it has another ──▶ NAK;
             RENEWING   (ciaddr)      not known here: NAK where we are authoritative, else silence
             REBINDING  (ciaddr)
    DECLINE                         its address ──▶ left alone for a while
    RELEASE                         its address ──▶ free, remembered as its last
    INFORM                          options ──▶ ACK
    BOOTP                           reserved or, if allowed, any address ──▶ reply, for ever

Pure but for the lease table, which it changes. What an ACK promises is `pending` in the table until
the caller has it on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any, Final, TypeVar

from protocols.dhcp.boot import BootParameters
from protocols.dhcp.message import BOOTREQUEST, NO_ADDRESS, RELAY_AGENT_INFORMATION, DhcpMessage
from protocols.dhcp.reply import reply_to
from protocols.dhcp.server.answer import Answer, informing, leasing, refusal
from protocols.dhcp.server.case import (
    BootAnswer,
    Case,
    Link,
    Sender,
    place,
    reserved_address,
    subnet_of,
)
from protocols.dhcp.server.lease import LAST_END, Lease, LeaseState, LeaseTable
from protocols.dhcp.server.outcome import (
    Acknowledge,
    Decline,
    Inform,
    Offer,
    Outcome,
    Reason,
    Refuse,
    Release,
    Silence,
)
from protocols.dhcp.server.plan import INFINITE, Plan, Segment, Subnet
from protocols.dhcp.server.question import Question, question_of
from protocols.dhcp.server.reply import option_list
from protocols.dhcp.value import MessageType
from protocols.errors import DecodeError, EncodeError

MAX_LINKS: Final = 1024
"""Links whose subnet is remembered: far above any host's interfaces times addresses."""

NOTHING_TO_BOOT: Final = BootParameters()

R = TypeVar("R")

Write = Callable[[Answer], R]
"""Turns an answer into the reply to the request at hand. May raise EncodeError."""


class DhcpServer:
    """A plan and the leases made by it. A new plan is a new server with the same leases."""

    def __init__(self, plan: Plan, leases: LeaseTable) -> None:
        self.plan = plan
        self.leases = leases
        leases.adopt(plan)
        self._links: dict[Link, tuple[Segment, Subnet] | None] = {}
        self._by_type: dict[int | None, Callable[[Case, Write[Any]], Outcome[Any]]] = {
            MessageType.DISCOVER: self._discover,
            MessageType.REQUEST: self._request,
            MessageType.DECLINE: self._decline,
            MessageType.RELEASE: self._release,
            MessageType.INFORM: self._inform,
            None: self._bootp,
        }

    def respond(
        self,
        request: DhcpMessage,
        *,
        link: Link,
        source: IPv4Address,
        now: int,
        boot: BootAnswer | None = None,
    ) -> Outcome[DhcpMessage]:
        """Answer `request`, which came from the IP address `source`. Raises nothing."""
        if request.op != BOOTREQUEST:
            return Silence(Reason.NOT_A_REQUEST)
        try:
            question = question_of(request)
        except DecodeError as error:
            return Silence(Reason.MALFORMED, str(error))
        sender = Sender(
            request.htype,
            request.hardware_address,
            int(request.ciaddr),
            int(request.giaddr),
            int(source),
        )
        case = self.place(question, sender, link, now)
        if isinstance(case, Silence):
            return case
        if boot is not None and (question.may_boot or question.type is None):
            case.boot = _boot_parameters(boot, request, case)
        return self.decide(case, lambda answer: _message(self.plan, request, case, answer))

    def place(self, question: Question, sender: Sender, link: Link, now: int) -> Case | Silence:
        """The case of what `sender` asks on `link`, or why there is none."""
        found = subnet_of(self.plan, question, sender, self._segment_at(link))
        return place(self.plan, question, sender, found, int(link.local), now)

    def decide(self, case: Case, write: Write[R]) -> Outcome[R]:
        """What `case` gets. The lease table changes only if its reply could be written."""
        decide = self._by_type.get(case.question.type)
        if decide is None:
            return Silence(Reason.MESSAGE_TYPE, str(case.question.type))
        try:
            return decide(case, write)
        except EncodeError as error:
            return Silence(Reason.UNSENDABLE, str(error))

    def _segment_at(self, link: Link) -> tuple[Segment, Subnet] | None:
        try:
            return self._links[link]
        except KeyError:
            if len(self._links) >= MAX_LINKS:
                self._links.clear()
            found = self._links[link] = self.plan.segment_among(link.networks)
            return found

    # The messages.

    def _discover(self, case: Case, write: Write[R]) -> Outcome[R]:
        address = self._address_for(case)
        if address is None:
            return Silence(Reason.NO_FREE_ADDRESS, _networks(case))
        before = self.leases.at(address)
        held = before is not None and before.client == case.key and before.ends > case.now
        reply = write(leasing(case, MessageType.OFFER, address))
        if before is not None and held and before.state is LeaseState.BOUND:
            return Offer(reply, before, False)  # it stays bound until it ends
        lease = _lease(case, address, LeaseState.OFFERED, case.now, self.plan.offer_hold)
        self.leases.hold(lease)
        return Offer(reply, lease, not held)

    def _request(self, case: Case, write: Write[R]) -> Outcome[R]:
        question = case.question
        if question.server is not None:
            return self._select(case, question.requested or case.ciaddr, write)
        address = case.ciaddr or question.requested
        if not address:
            return Silence(Reason.NO_REQUESTED_ADDRESS)
        return self._keep(case, address, write)

    def _select(self, case: Case, address: int, write: Write[R]) -> Outcome[R]:
        """REQUEST in SELECTING state."""
        if case.question.server != case.server:
            offered = self.leases.find(case.segment, case.key)
            if offered is not None:
                self.leases.forget(offered)
            return Silence(Reason.OTHER_SERVER)
        if not address:
            return Silence(Reason.NO_REQUESTED_ADDRESS)
        if self._may_have(case, address):
            return self._acknowledge(case, address, write)
        return Refuse(write(refusal(case, "address is not available")), Reason.NOT_HELD)

    def _keep(self, case: Case, address: int, write: Write[R]) -> Outcome[R]:
        """REQUEST in INIT-REBOOT, RENEWING or REBINDING state: the client has `address`, it says.

        Unicast to us (RENEWING) or broadcast (REBINDING) makes no difference: what we know is the
        same.
        """
        if case.segment.subnet_of(address) is None:
            return self._unknown(case, Reason.WRONG_NETWORK, write)
        lease = self.leases.at(address)
        its_own = reserved_address(case) == address or (
            lease is not None and lease.client == case.key
        )
        if its_own and self._may_have(case, address):
            return self._acknowledge(case, address, write)
        is_taken = lease is not None and lease.ends > case.now
        other = self.leases.find(case.segment, case.key)
        has_another = other is not None and other.state_at(case.now) is LeaseState.BOUND
        if its_own or is_taken or has_another:
            return Refuse(write(refusal(case, "address is not yours")), Reason.NOT_HELD)
        return self._unknown(case, Reason.UNKNOWN_LEASE, write)

    def _unknown(self, case: Case, reason: Reason, write: Write[R]) -> Outcome[R]:
        """Another server may know better, unless there is none (RFC 2131 §4.3.2)."""
        if not case.subnet.authoritative:
            return Silence(reason)
        return Refuse(write(refusal(case, reason.value)), reason)

    def _decline(self, case: Case, write: Write[R]) -> Outcome[R]:
        address = case.question.requested
        lease = self.leases.at(address) if address else None
        if case.question.server not in (None, case.server):
            return Silence(Reason.OTHER_SERVER)
        if lease is None or lease.client != case.key:
            return Silence(Reason.NOT_HELD)
        return Decline(self.leases.conflicted(lease.address, case.now))

    def _release(self, case: Case, write: Write[R]) -> Outcome[R]:
        lease = self.leases.at(case.ciaddr)
        if case.question.server not in (None, case.server):
            return Silence(Reason.OTHER_SERVER)
        if (
            lease is None
            or lease.client != case.key
            or lease.state_at(case.now) is not LeaseState.BOUND
        ):
            return Silence(Reason.NOT_HELD)
        return Release(self.leases.release(lease, case.now))

    def _inform(self, case: Case, write: Write[R]) -> Outcome[R]:
        return Inform(write(informing(case)))

    def _bootp(self, case: Case, write: Write[R]) -> Outcome[R]:
        """A BOOTP client gets its address for ever: it would not renew it (RFC 1534 §2)."""
        if not self.plan.bootp and reserved_address(case) is None:
            return Silence(Reason.BOOTP)
        address = self._address_for(case) if self.plan.bootp else self._reserved(case)
        if address is None:
            return Silence(Reason.NO_FREE_ADDRESS, _networks(case))
        return self._acknowledge(case, address, write)

    # Addresses.

    def _address_for(self, case: Case) -> int | None:
        """The address to offer (RFC 2131 §4.3.1): reserved, current or former, requested, any."""
        address = self._reserved(case)
        if address is not None:
            return address
        lease = self.leases.find(case.segment, case.key)
        if lease is not None and self._is_open_to(case, lease.address):
            return lease.address
        requested = case.question.requested
        if (
            requested is not None
            and self._is_open_to(case, requested)
            and self.leases.is_free_for(case.key, requested, case.now)
        ):
            return requested
        return self.leases.choose(case.segment, case.subnet, case.classes, case.now)

    def _reserved(self, case: Case) -> int | None:
        """The address reserved for this client, if nobody has it: a stranger may, or a client from
        before the reservation was made."""
        if case.host is None:
            return None
        address = reserved_address(case)
        if address is None or not self.leases.is_free_for(case.key, address, case.now):
            return None
        return address

    def _may_have(self, case: Case, address: int) -> bool:
        """Whether `address` may be leased to the client, now."""
        reserved = self._reserved(case)
        if reserved is not None:
            return reserved == address
        return self._is_open_to(case, address) and self.leases.is_free_for(
            case.key, address, case.now
        )

    def _is_open_to(self, case: Case, address: int) -> bool:
        """Whether the plan lets the client have `address`, out of a pool on its wire."""
        subnet = case.segment.subnet_of(address)
        if subnet is None or address in self.plan.reserved:
            return False
        pool = subnet.pool_of(address)
        return pool is not None and pool.serves(case.classes)

    def _acknowledge(self, case: Case, address: int, write: Write[R]) -> Outcome[R]:
        question = case.question
        if question.type is None:
            kind, seconds = None, INFINITE
        else:
            kind, seconds = MessageType.ACK, case.times.granted(question.lease_time)
        reply = write(leasing(case, kind, address))
        before = self.leases.at(address)
        goes_on = (
            before is not None
            and before.client == case.key
            and before.state_at(case.now) is LeaseState.BOUND
        )
        starts = before.starts if before is not None and goes_on else case.now
        lease = _lease(case, address, LeaseState.BOUND, starts, seconds)
        self.leases.pend(lease)
        return Acknowledge(reply, lease)


def _networks(case: Case) -> str:
    """Those that the client could have had an address of."""
    return " and ".join(str(subnet.network) for subnet in case.segment.subnets)


def _lease(case: Case, address: int, state: LeaseState, starts: int, seconds: int) -> Lease:
    question = case.question
    return Lease(
        address,
        case.key,
        case.hardware,
        state,
        starts,
        INFINITE if seconds == INFINITE else min(case.now + seconds, LAST_END),
        question.host_name,
        question.circuit_id or b"",
        question.remote_id or b"",
    )


def _boot_parameters(boot: BootAnswer, request: DhcpMessage, case: Case) -> BootParameters | None:
    """What the client is to boot. One that says so in a malformed way still gets its address."""
    try:
        return boot(request, case.boot_name)
    except DecodeError:
        return None


def _message(plan: Plan, request: DhcpMessage, case: Case, answer: Answer) -> DhcpMessage:
    """The reply to `request`."""
    boot = answer.terms.boot or NOTHING_TO_BOOT
    return reply_to(
        request,
        (
            *option_list(plan, answer.terms),
            *(each for each in case.question.echo if each.code != RELAY_AGENT_INFORMATION),
        ),
        ciaddr=request.ciaddr if answer.echoes_ciaddr else NO_ADDRESS,
        yiaddr=IPv4Address(answer.address),
        siaddr=boot.next_server,
        sname=boot.server_name,
        file=boot.file,
    )
