"""What a DHCP server does with a message: reply, remember, or stay silent for a reason.

Values only. `R` is the reply: a `DhcpMessage` in the conversation, a `ReadyReply` for a shell that
deals in datagrams.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from protocols.dhcp.route import ReplyRoute
from protocols.dhcp.server.lease import Lease

R = TypeVar("R")


class Reason(Enum):
    """Why a message got no answer; the value is how a log says it."""

    NOT_A_REQUEST = "not sent by a client"
    MALFORMED = "an option is malformed"
    MESSAGE_TYPE = "message type is not for a server"
    NO_SUBNET = "no subnet is configured there"
    NO_IDENTITY = "client has neither hardware address nor identifier"
    DENIED = "host is denied"
    UNKNOWN_CLIENT = "only known hosts are served"
    NO_FREE_ADDRESS = "no address is free"
    OTHER_SERVER = "client chose another server"
    NO_REQUESTED_ADDRESS = "no address is requested"
    UNKNOWN_LEASE = "lease is not known here"
    WRONG_NETWORK = "address is of another network"
    NOT_HELD = "address is not held by this client"
    BOOTP = "BOOTP client without a reservation"
    UNSENDABLE = "reply cannot be put on the wire"


class ReadyReply(NamedTuple):
    """A reply as it is sent."""

    payload: bytes
    route: ReplyRoute


class Offer(NamedTuple, Generic[R]):
    """DHCPOFFER. `lease` is held in memory, or the live lease of the client.

    This one and the next are named tuples, because a building that is switched on makes many.
    """

    reply: R
    lease: Lease
    needs_probe: bool
    """Whether the address comes fresh out of a pool, so that a stranger may be using it. An offer
    that is repeated needs none: it was probed, or is being probed."""


class Acknowledge(NamedTuple, Generic[R]):
    """DHCPACK, or a BOOTP reply: to be sent once `store` is on disk.

    Until `LeaseTable.commit(store)`, or `abandon(store)`, the lease is pending.
    """

    reply: R
    store: Lease


@dataclass(frozen=True, slots=True)
class Inform(Generic[R]):
    """DHCPACK to an INFORM: options, no lease."""

    reply: R


@dataclass(frozen=True, slots=True)
class Refuse(Generic[R]):
    """DHCPNAK, and why."""

    reply: R
    reason: Reason


@dataclass(frozen=True, slots=True)
class Release:
    """The client gave its address back. Nothing is sent."""

    store: Lease


@dataclass(frozen=True, slots=True)
class Decline:
    """The client found its address in use. Nothing is sent; `store` keeps everybody off it."""

    store: Lease


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing is sent, nothing is remembered."""

    reason: Reason
    detail: str = ""


Outcome = Offer[R] | Acknowledge[R] | Inform[R] | Refuse[R] | Release | Decline | Silence
