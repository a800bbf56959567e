"""What the DHCP server does for a machine, as values of its timeline (see `netbootd.event`)."""

from __future__ import annotations

from dataclasses import dataclass

from netbootd.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpEvent(Event):
    """An event of the DHCP conversation. `machine` is the hardware address, or the client
    identifier in hexadecimal digits where a client sends no other."""

    via: str
    """Name of the interface that the message came in by, or address of the relay that sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressLeased(DhcpEvent):
    """A machine got an address that it did not have; the lease is on disk."""

    host_name: str
    seconds: int
    """For how long; 4294967295 is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRenewed(DhcpEvent):
    """A machine got more time for its address."""

    host_name: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressReleased(DhcpEvent):
    """A machine gave its address back."""

    host_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressDeclined(DhcpEvent):
    """A machine found that somebody uses the address that it was leased."""

    seconds: int
    """For how long nobody gets the address."""
    host: str
    """Name of the `[[dhcp.host]]` that it is reserved for; empty: it is of a pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictFound(DhcpEvent):
    """Our probe found that somebody uses an address that was free; the machine gets another."""

    seconds: int
    """For how long nobody gets the address."""
    host: str
    """Name of the `[[dhcp.host]]` that it is reserved for; empty: it is of a pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRefused(DhcpEvent):
    """A machine was told that it may not have the address that it asks for (DHCPNAK)."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolExhausted(DhcpEvent):
    """No address is free for a machine."""

    network: str
    others: int
    """Other machines that got none since this was last told of the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientUnanswered(DhcpEvent):
    """A DHCP message got no answer on purpose; `why` tells the admin."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseUnstored(DhcpEvent):
    """A machine got no answer, for its lease could not be stored; `why` tells the admin."""

    why: str
