"""One request to a DHCP server, with all that the plan has to say about it.

    subnet    82.5 or 118 ▷ giaddr ▷ ciaddr ▷ arrival        (RFC 3527, 3011, 2131 §4.3.1)
    host      client identifier ▷ hardware address ▷ where it is plugged in
    key       who the client is to the lease table

It knows the plan and no lease.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from protocols.dhcp.boot import BootParameters
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.server.outcome import Reason, Silence
from protocols.dhcp.server.plan import ClientClass, Host, LeaseTimes, Plan, Segment, Subnet
from protocols.dhcp.server.question import Question
from protocols.dhcp.value import MessageType

BootAnswer = Callable[[DhcpMessage, str | None], BootParameters | None]
"""What a machine that sent this message should boot; the text is the entry that its host or class
names. None: nothing, it is no network boot client. May raise DecodeError."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """Where a request came in. Make one and keep it: links are told apart by identity."""

    local: IPv4Address
    """Our address there, for the server identifier."""
    networks: tuple[IPv4Network, ...]
    """Those of the interface."""


class Sender(NamedTuple):
    """What the header of a request says about who sent it; addresses as numbers."""

    htype: int
    hardware: bytes
    """The part of chaddr that is used."""
    ciaddr: int
    giaddr: int
    source: int
    """The IP address that the datagram came from; only INFORM needs it."""


@dataclass(slots=True)
class Case:
    """A request, placed."""

    question: Question
    ciaddr: int
    hardware: bytes
    key: bytes
    server: int
    """Our identifier to this client: our address on the link, or what its relay says (RFC 5107)."""
    segment: Segment
    subnet: Subnet
    host: Host | None
    classes: tuple[ClientClass, ...]
    now: int
    boot: BootParameters | None = None

    @property
    def times(self) -> LeaseTimes:
        for each in self.classes:
            if each.lease_times is not None:
                return each.lease_times
        return self.subnet.lease_times

    @property
    def boot_name(self) -> str | None:
        """The boot entry that the configuration names for this client."""
        if self.host is not None and self.host.boot is not None:
            return self.host.boot
        return next((each.boot for each in self.classes if each.boot is not None), None)


def client_key(htype: int, hardware: bytes, client_id: bytes, *, ignore: bool) -> bytes:
    """Who a client is: its option 61, else hardware type and address; empty if it has neither.

    Type 1 and an Ethernet address, the usual option 61, is the same key as no option 61, so that
    firmware, boot loader and system share one lease. `ignore` does without option 61 wherever there
    is a hardware address: then they share it whatever they send.
    """
    if client_id and not (ignore and hardware):
        return client_id
    return bytes((htype,)) + hardware if hardware else b""


def find_host(plan: Plan, question: Question, hardware: bytes, segment: Segment) -> Host | None:
    """The host that asks. Of several, that with an address on this wire, else one without any."""
    found = (
        *plan.by_client_id.get(question.client_id, ()),
        *plan.by_hardware.get(hardware, ()),
    )
    if question.is_relayed:
        circuit_id, remote_id = question.circuit_id, question.remote_id
        for port in ((circuit_id, remote_id), (circuit_id, None), (None, remote_id)):
            found += plan.by_port.get(port, ())
    for host in found:
        if host.denied or (host.address and segment.subnet_of(int(host.address))):
            return host
    return next((host for host in found if host.address is None), found[0] if found else None)


def reserved_address(case: Case) -> int | None:
    """The address that is kept for the host of `case` on this wire."""
    if case.host is None or case.host.address is None:
        return None
    address = int(case.host.address)
    return address if case.segment.subnet_of(address) else None


def place(
    plan: Plan,
    question: Question,
    sender: Sender,
    found: tuple[Segment, Subnet] | None,
    local: int,
    now: int,
) -> Case | Silence:
    """The case of a request of the subnet `found`, or why there is none; `local` is our address
    where it came in."""
    if found is None:
        return Silence(Reason.NO_SUBNET)
    segment, subnet = found
    htype, hardware, ciaddr, _, _ = sender
    host = find_host(plan, question, hardware, segment) if plan.hosts else None
    if host is None and plan.known_only:
        return Silence(Reason.UNKNOWN_CLIENT)
    if host is not None and host.denied:
        return Silence(Reason.DENIED, host.name)
    if host is not None and host.hardware:
        key = bytes((htype,)) + host.hardware  # whichever of its identifiers it sends
    else:
        key = client_key(htype, hardware, question.client_id, ignore=plan.ignore_client_identifier)
    if not key:
        return Silence(Reason.NO_IDENTITY)
    return Case(
        question,
        ciaddr,
        hardware,
        key,
        question.server_override or local,
        segment,
        subnet,
        host,
        plan.classes_of(question, hardware),
        now,
    )


def subnet_of(
    plan: Plan,
    question: Question,
    sender: Sender,
    link: tuple[Segment, Subnet] | None,
) -> tuple[Segment, Subnet] | None:
    """Which subnet a request belongs to; `link` is that of the interface where it came in.

    A selected subnet, or a relay's, that is not ours is nobody's (RFC 3011 §2): no guess replaces
    it. A ciaddr that is not ours may be of a client that has moved here.
    """
    if question.subnet is not None:
        return plan.locate(question.subnet)
    if sender.giaddr:
        return plan.locate(sender.giaddr)
    ciaddr = sender.ciaddr
    if not ciaddr and question.type == MessageType.INFORM:
        ciaddr = sender.source
    return (plan.locate(ciaddr) if ciaddr else None) or link
