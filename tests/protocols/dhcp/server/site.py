"""A site to serve: plans, a server on one link, and clients that ask it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from protocols.dhcp import registry as r
from protocols.dhcp.message import DhcpMessage
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.case import BootAnswer, Link
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.lease import Lease, LeaseTable
from protocols.dhcp.server.outcome import Acknowledge, Offer, Outcome, Reason, Refuse, Silence
from protocols.dhcp.server.plan import LeaseTimes, Plan, Pool, Subnet
from protocols.dhcp.value import MessageType

TIMES = LeaseTimes(default=3600, minimum=60, maximum=7200)
NOW = 1_800_000_000
NOWHERE = IPv4Address(0)
SERVER = IPv4Address("10.0.0.1")
LINK = Link(local=SERVER, networks=(IPv4Network("10.0.0.0/24"),))
MAC = bytes.fromhex("525400770010")
OTHER_MAC = bytes.fromhex("525400770011")
RELAY = IPv4Address("10.0.1.1")


def number(address: str) -> int:
    return int(IPv4Address(address))


def pool(first: str, last: str, **others: Any) -> Pool:
    return Pool(ranges=((number(first), number(last)),), **others)


def subnet(network: str, *pools: Pool, **others: Any) -> Subnet:
    return Subnet(
        **({"network": IPv4Network(network), "pools": pools, "lease_times": TIMES} | others)
    )


HOME = subnet("10.0.0.0/24", pool("10.0.0.10", "10.0.0.12"))
"""Three addresses."""
AWAY = subnet("10.0.1.0/24", pool("10.0.1.10", "10.0.1.12"))
PLAN = Plan(subnets=(HOME, AWAY), offer_hold=60, decline_hold=600)


def message(kind: MessageType | None, *options: RawOption, **header: Any) -> DhcpMessage:
    """What a client of `MAC` sends."""
    said = () if kind is None else (r.MESSAGE_TYPE.of(kind),)
    fixed = DhcpMessage(op=1, xid=0x11223344, chaddr=MAC, options=(*said, *options))
    return replace(fixed, **header)


def wants(*codes: int) -> RawOption:
    """Option 55."""
    return RawOption(55, bytes(codes))


def relayed(*sub_options: tuple[int, bytes]) -> RawOption:
    """Option 82."""
    return RawOption(82, b"".join(bytes((code, len(data))) + data for code, data in sub_options))


@dataclass
class Site:
    """A server with its leases, and one message at a time."""

    plan: Plan = PLAN
    link: Link = LINK
    now: int = NOW
    boot: BootAnswer | None = None
    leases: LeaseTable = field(default_factory=LeaseTable)

    def __post_init__(self) -> None:
        self.server = DhcpServer(self.plan, self.leases)

    def hears(self, request: DhcpMessage, source: IPv4Address = NOWHERE) -> Outcome[DhcpMessage]:
        return self.server.respond(
            request, link=self.link, source=source, now=self.now, boot=self.boot
        )

    def asked(
        self, kind: MessageType | None, *options: RawOption, **header: Any
    ) -> Outcome[DhcpMessage]:
        return self.hears(message(kind, *options, **header))

    def discover(self, *options: RawOption, **header: Any) -> Outcome[DhcpMessage]:
        return self.asked(MessageType.DISCOVER, *options, **header)

    def select(
        self, address: str, *options: RawOption, server: IPv4Address = SERVER, **header: Any
    ) -> Outcome[DhcpMessage]:
        """REQUEST in SELECTING state."""
        said = (requested(address), r.SERVER_IDENTIFIER.of(server))
        return self.asked(MessageType.REQUEST, *said, *options, **header)

    def reboot(self, address: str, *options: RawOption, **header: Any) -> Outcome[DhcpMessage]:
        """REQUEST in INIT-REBOOT state."""
        return self.asked(MessageType.REQUEST, requested(address), *options, **header)

    def renew(self, address: str, *options: RawOption, **header: Any) -> Outcome[DhcpMessage]:
        """REQUEST in RENEWING or REBINDING state."""
        return self.asked(MessageType.REQUEST, *options, ciaddr=IPv4Address(address), **header)

    def bind(self, address: str, *options: RawOption, **header: Any) -> Lease:
        """A lease that the client has and that is on disk."""
        outcome = acknowledged(self.select(address, *options, **header))
        self.leases.commit(outcome.store)
        return outcome.store


def requested(address: str) -> RawOption:
    return r.REQUESTED_ADDRESS.of(IPv4Address(address))


def offered(outcome: Outcome[DhcpMessage]) -> Offer[DhcpMessage]:
    assert isinstance(outcome, Offer), outcome
    return outcome


def acknowledged(outcome: Outcome[DhcpMessage]) -> Acknowledge[DhcpMessage]:
    assert isinstance(outcome, Acknowledge), outcome
    return outcome


def refused(outcome: Outcome[DhcpMessage]) -> Refuse[DhcpMessage]:
    assert isinstance(outcome, Refuse), outcome
    return outcome


def reason(outcome: Outcome[DhcpMessage]) -> Reason:
    """Why nothing is said."""
    assert isinstance(outcome, Silence), outcome
    return outcome.reason


def address_of(outcome: Outcome[DhcpMessage]) -> str:
    """What an OFFER or an ACK gives."""
    assert isinstance(outcome, Offer | Acknowledge), outcome
    return str(outcome.reply.yiaddr)


def codes(reply: DhcpMessage) -> list[int]:
    """The options of a reply, in order."""
    return [code for code, _ in reply.options]
