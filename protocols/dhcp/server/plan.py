"""What a DHCP server may give to whom: subnets, their pools, reservations, classes of clients.

Values, complete at birth: what cannot work raises ValueError, which names the offender. A plan
knows no lease and never changes; a new configuration is a new plan.

Addresses are plain integers wherever a packet is compared with them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeVar

from protocols.dhcp.option import INSTANCE_LIMIT, VENDOR_SPECIFIC, RawOption

if TYPE_CHECKING:
    from protocols.dhcp.server.question import Question

K = TypeVar("K")

INFINITE: Final = 0xFFFFFFFF
"""A lease time, or an end of a lease, that never comes (RFC 2131 §3.3)."""

MINUTE: Final = 60
_HARDWARE_LIMIT: Final = 16
_SERVER_OWN: Final = frozenset({50, 51, 52, 53, 54, 55, 57, 58, 59, 61, 82, 118})
"""Options that the conversation decides; to configure them would break it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """Seconds for which addresses are leased; `INFINITE` is for ever."""

    default: int
    """For clients that wish for nothing."""
    minimum: int
    maximum: int
    renewal: int | None = None
    """T1; None is half of the lease (RFC 2131 §4.4.5)."""
    rebinding: int | None = None
    """T2; None is seven eighths."""

    def __post_init__(self) -> None:
        if not 0 < self.minimum <= self.default <= self.maximum <= INFINITE:
            raise ValueError(
                f"lease times: minimum {self.minimum}, default {self.default} and maximum "
                f"{self.maximum} are not in that order"
            )
        renewal, rebinding = self.timers(self.default)
        if self.renewal not in (None, renewal) or self.rebinding not in (None, rebinding):
            raise ValueError(
                f"lease times: renewal {self.renewal} and rebinding {self.rebinding} do not lie in "
                f"that order within the default {self.default}"
            )

    def granted(self, wish: int | None) -> int:
        """The seconds for a client that wishes for `wish` (option 51)."""
        if wish is None:
            return self.default
        return max(self.minimum, min(wish, self.maximum))

    def timers(self, seconds: int) -> tuple[int, int]:
        """T1 and T2 of a lease of `seconds`. Set ones that do not fit it make way for the usual."""
        renewal = seconds // 2 if self.renewal is None else self.renewal
        rebinding = seconds * 7 // 8 if self.rebinding is None else self.rebinding
        if 0 < renewal <= rebinding <= seconds:
            return renewal, rebinding
        return seconds // 2, seconds * 7 // 8

    @property
    def sets_timers(self) -> bool:
        """Whether clients must be told T1 and T2 even if they do not ask."""
        return self.renewal is not None or self.rebinding is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Addresses to lease to whoever comes, or to members of certain classes."""

    ranges: tuple[tuple[int, int], ...]
    """First and last addresses, in order, without what is excluded."""
    classes: frozenset[str] = frozenset()
    """Names of the classes whose members are served; empty: everybody."""
    options: tuple[RawOption, ...] = ()

    def __post_init__(self) -> None:
        end = 0
        for first, last in self.ranges:
            if not end < first <= last:
                raise ValueError(f"pool: {_shown(first)}-{_shown(last)} is empty or out of order")
            end = last
        check_options("pool", self.options)

    def __contains__(self, address: int) -> bool:
        at = bisect_right(self.ranges, (address, INFINITE)) - 1
        return at >= 0 and address <= self.ranges[at][1]

    def serves(self, classes: tuple[ClientClass, ...]) -> bool:
        """Whether a client that is in `classes` may have an address of this pool."""
        return not self.classes or any(each.name in self.classes for each in classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """One network: its pools and what its clients are told."""

    network: IPv4Network
    lease_times: LeaseTimes
    pools: tuple[Pool, ...] = ()
    options: tuple[RawOption, ...] = ()
    shared_network: str | None = None
    """Subnets of the same name share a wire."""
    authoritative: bool = False
    """Whether a lease that we do not know is certainly wrong, so that its holder is told (NAK)."""
    first: int = field(init=False, repr=False)
    last: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", int(self.network.network_address))
        object.__setattr__(self, "last", int(self.network.broadcast_address))
        check_options(f"subnet {self.network}", self.options)
        # A point-to-point network has two hosts and no broadcast address (RFC 3021).
        edge = 0 if self.network.prefixlen >= 31 else 1
        taken: list[tuple[int, int]] = []
        for pool in self.pools:
            for first, last in pool.ranges:
                if first < self.first + edge or last > self.last - edge:
                    raise ValueError(
                        f"subnet {self.network}: pool {_shown(first)}-{_shown(last)} reaches "
                        "beyond its host addresses"
                    )
                taken.append((first, last))
        taken.sort()
        for (_, last), (first, _) in pairwise(taken):
            if first <= last:
                raise ValueError(f"subnet {self.network}: {_shown(first)} is in two pools")

    def pool_of(self, address: int) -> Pool | None:
        """The pool that an address lies in."""
        return next((pool for pool in self.pools if address in pool), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine that is known, by its own address or identifier, or by where it is plugged in."""

    name: str
    hardware: bytes | None = None
    client_id: bytes | None = None
    """The data of option 61. With `hardware` too, either of them will do."""
    circuit_id: bytes | None = None
    remote_id: bytes | None = None
    """Sub-options of option 82. Where both are given, both must be the same."""
    address: IPv4Address | None = None
    """Its reserved address; None: one of a pool."""
    host_name: str | None = None
    options: tuple[RawOption, ...] = ()
    boot: str | None = None
    """Which boot entry it is to boot."""
    denied: bool = False
    """Whether it gets no answer."""

    def __post_init__(self) -> None:
        own = self.hardware is not None or self.client_id is not None
        plugged = self.circuit_id is not None or self.remote_id is not None
        if own is plugged:
            raise ValueError(
                f"host {self.name}: is known either by hardware address or client identifier, or "
                "by circuit or remote identifier"
            )
        if any(known == b"" for known in (self.client_id, self.circuit_id, self.remote_id)):
            raise ValueError(f"host {self.name}: an identifier is empty")
        if self.hardware is not None and not 0 < len(self.hardware) <= _HARDWARE_LIMIT:
            raise ValueError(f"host {self.name}: hardware address of {len(self.hardware)} bytes")
        check_options(f"host {self.name}", self.options)

    @property
    def has_options(self) -> bool:
        """Whether it is told anything that others are not, its address aside."""
        return bool(self.options or self.host_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientClass:
    """Clients that have something in common: all that is given here."""

    name: str
    vendor_class: bytes | None = None
    """How option 60 begins."""
    user_class: bytes | None = None
    """One of the classes of option 77."""
    architectures: frozenset[int] = frozenset()
    """Any of them in option 93."""
    hardware_prefix: bytes | None = None
    circuit_id: bytes | None = None
    remote_id: bytes | None = None
    options: tuple[RawOption, ...] = ()
    boot: str | None = None
    lease_times: LeaseTimes | None = None

    def __post_init__(self) -> None:
        if not (self.architectures or any(self._texts())):
            raise ValueError(f"class {self.name}: says nothing about its members")
        check_options(f"class {self.name}", self.options)

    def _texts(self) -> tuple[bytes | None, ...]:
        return (
            *(self.vendor_class, self.user_class, self.hardware_prefix),
            *(self.circuit_id, self.remote_id),
        )

    def has(self, question: Question, hardware: bytes) -> bool:
        """Whether the client that asks is a member."""
        return (
            (self.vendor_class is None or question.vendor_class.startswith(self.vendor_class))
            and (self.user_class is None or self.user_class in question.user_classes)
            and (
                not self.architectures or not self.architectures.isdisjoint(question.architectures)
            )
            and (self.hardware_prefix is None or hardware.startswith(self.hardware_prefix))
            and (self.circuit_id is None or self.circuit_id == question.circuit_id)
            and (self.remote_id is None or self.remote_id == question.remote_id)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The subnets of one wire, in the order of the plan."""

    subnets: tuple[Subnet, ...]

    def subnet_of(self, address: int) -> Subnet | None:
        """The subnet that an address lies in, the first that has it."""
        for subnet in self.subnets:
            if subnet.first <= address <= subnet.last:
                return subnet
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a DHCP server is told by its configuration, with its indexes."""

    subnets: tuple[Subnet, ...] = ()
    hosts: tuple[Host, ...] = ()
    classes: tuple[ClientClass, ...] = ()
    """In order of precedence: what the first says wins."""
    options: tuple[RawOption, ...] = ()
    ignore_client_identifier: bool = False
    """Tell machines apart by hardware address alone."""
    known_only: bool = False
    """Answer the hosts above and nobody else."""
    bootp: bool = False
    """Lease addresses of pools, for ever, to BOOTP clients; reserved ones they get in any case."""
    offer_hold: int = MINUTE
    """Seconds for which an address that was offered is offered to nobody else."""
    decline_hold: int = 60 * MINUTE
    """Seconds for which an address that is in use by a stranger is left alone."""

    segments: tuple[Segment, ...] = field(init=False, repr=False, compare=False)
    reserved: dict[int, Host] = field(init=False, repr=False, compare=False)
    by_hardware: dict[bytes, tuple[Host, ...]] = field(init=False, repr=False, compare=False)
    by_client_id: dict[bytes, tuple[Host, ...]] = field(init=False, repr=False, compare=False)
    by_port: dict[tuple[bytes | None, bytes | None], tuple[Host, ...]] = field(
        init=False, repr=False, compare=False
    )
    """Hosts by circuit and remote identifier; None where the host does not say it."""
    _starts: list[int] = field(init=False, repr=False, compare=False)
    _located: list[tuple[Segment, Subnet]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_options("global", self.options)
        if self.offer_hold <= 0 or self.decline_hold <= 0:
            raise ValueError("offer hold and decline hold are 1 second or more")
        self._check_classes()
        segments = tuple(Segment(tuple(each)) for each in _by_wire(self.subnets))
        located = sorted(
            ((segment, subnet) for segment in segments for subnet in segment.subnets),
            key=lambda found: found[1].first,
        )
        for (_, before), (_, after) in pairwise(located):
            if after.first <= before.last:
                raise ValueError(f"subnets {before.network} and {after.network} overlap")
        values = {
            "segments": segments,
            "_starts": [subnet.first for _, subnet in located],
            "_located": located,
            "by_hardware": _index((host.hardware, host) for host in self.hosts),
            "by_client_id": _index((host.client_id, host) for host in self.hosts),
            "by_port": _index(
                ((host.circuit_id, host.remote_id), host)
                for host in self.hosts
                if host.circuit_id is not None or host.remote_id is not None
            ),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "reserved", self._reservations())

    def _check_classes(self) -> None:
        names = [each.name for each in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("two classes have the same name")
        for subnet in self.subnets:
            for pool in subnet.pools:
                if unknown := pool.classes - set(names):
                    raise ValueError(f"subnet {subnet.network}: no class {min(unknown)}")

    def _reservations(self) -> dict[int, Host]:
        reserved: dict[int, Host] = {}
        for host in self.hosts:
            if host.address is None:
                continue
            address = int(host.address)
            if self.locate(address) is None:
                raise ValueError(f"host {host.name}: {host.address} is in no subnet")
            other = reserved.setdefault(address, host)
            if other is not host:
                raise ValueError(f"hosts {other.name} and {host.name} share {host.address}")
        return reserved

    def locate(self, address: int) -> tuple[Segment, Subnet] | None:
        """The wire and the subnet that `address` belongs to."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or self._located[at][1].last < address:
            return None
        return self._located[at]

    def segment_among(self, networks: Iterable[IPv4Network]) -> tuple[Segment, Subnet] | None:
        """The first subnet of the plan that shares addresses with one of `networks`."""
        found = tuple(networks)
        for segment in self.segments:
            for subnet in segment.subnets:
                if any(subnet.network.overlaps(network) for network in found):
                    return segment, subnet
        return None

    def classes_of(self, question: Question, hardware: bytes) -> tuple[ClientClass, ...]:
        """The classes that the client is a member of, in order of precedence."""
        if not self.classes:
            return ()
        return tuple([each for each in self.classes if each.has(question, hardware)])


def check_options(where: str, options: tuple[RawOption, ...]) -> None:
    """Raise ValueError, naming `where`, for options that cannot be sent or are not for sale."""
    for code, data in options:
        if not 0 < code < 255:
            raise ValueError(f"{where}: there is no option {code}")
        if code in _SERVER_OWN:
            raise ValueError(f"{where}: option {code} is the server's own business")
        if code == VENDOR_SPECIFIC and len(data) > INSTANCE_LIMIT:
            raise ValueError(f"{where}: option 43 of {len(data)} bytes must be cut into several")


def _by_wire(subnets: tuple[Subnet, ...]) -> Iterator[list[Subnet]]:
    shared: dict[str, list[Subnet]] = {}
    groups: list[list[Subnet]] = []
    for subnet in subnets:
        if subnet.shared_network is None:
            groups.append([subnet])
        elif subnet.shared_network in shared:
            shared[subnet.shared_network].append(subnet)
        else:
            groups.append(shared.setdefault(subnet.shared_network, [subnet]))
    return iter(groups)


def _index(pairs: Iterable[tuple[K | None, Host]]) -> dict[K, tuple[Host, ...]]:
    found: dict[K, tuple[Host, ...]] = {}
    for key, host in pairs:
        if key is not None:
            found[key] = (*found.get(key, ()), host)
    return found


def _shown(address: int) -> str:
    return str(IPv4Address(address))
