"""Addresses that an operator reserved by `netbootctl leases reserve`: kept in the store, beside the
`[[dhcp.host]]` of the configuration.

    reserve ─▶ objection? ─▶ store ─▶ plan anew ─▶ the machine gets it when it asks the next time

The configuration wins: where it says something else about a machine, an address or a name, the
reservation rests, and is told of, until that is gone. A start never fails for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final, Self

from msgspec import ValidationError, convert
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from netbootd.dhcp.settings import DhcpSettings, HostName, HostSettings
from netbootd.statement import FORGET_RESERVATION, LOAD_RESERVATIONS, SAVE_RESERVATION
from ops.config import Invalid
from ops.database import StoreError
from ops.setting import MacAddress
from ops.store import Store
from ops.text import escape
from protocols.dhcp.server.lease import Lease

MAX_RESERVATIONS: Final = 10_000
"""A plan with as many is made in a second; who has more knows them better than by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One machine and its address."""

    mac: MacAddress
    address: IPv4Address
    name: str
    """Its host name; it is told so."""
    reserved_at: int
    """Unix seconds."""

    def row(self) -> dict[str, int | str]:
        """As the store keeps it."""
        return {
            "mac": str(self.mac),
            "address": str(self.address),
            "name": self.name,
            "reserved_at": self.reserved_at,
        }

    def host(self) -> HostSettings:
        """As the configuration would say it."""
        return HostSettings(name=self.name, mac=self.mac, address=self.address)


def usual_name(mac: bytes) -> str:
    """For a machine that has said none."""
    return f"host-{mac.hex()}"


def candidates(
    mac: MacAddress,
    address: IPv4Address | None,
    name: str | None,
    *,
    own: Lease | None,
    before: Reservation | None,
    now: int,
) -> list[Reservation]:
    """What to reserve where an operator left something open: the address that the machine has, the
    name that it had or says (`own` is its last lease), or one made for it. The first that can be.
    Raises Invalid where no address is known."""
    if address is None and own is not None:
        address = IPv4Address(own.address)
    if address is None:
        problem = f"{mac} has no lease, so it is not known which address"
        raise Invalid("address", problem, "name the address")
    said = [before.name if before else "", own.host_name if own else "", usual_name(mac)]
    names = [name] if name is not None else [each for each in said if each]
    return [Reservation(mac=mac, address=address, name=each, reserved_at=now) for each in names]


def last_lease(leases: Iterable[Lease], mac: bytes) -> Lease | None:
    """Of those of a machine the one that ends last."""
    own = [lease for lease in leases if lease.hardware == mac]
    return max(own, key=lambda lease: lease.ends, default=None)


def reservations_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[Reservation]:
    """Those in the rows of LOAD_RESERVATIONS. Raises StoreError for one that makes no sense."""
    for mac, address, name, reserved_at in rows:
        try:
            yield Reservation(
                mac=MacAddress.parse(mac),
                address=IPv4Address(address),
                name=name,
                reserved_at=reserved_at,
            )
        except ValueError as error:
            problem = f"reservation of {mac!r} in the database makes no sense ({error})"
            raise StoreError(problem, "delete its row in the table `reservations`") from error


def objection(
    wanted: Reservation,
    settings: DhcpSettings,
    others: Iterable[Reservation] = (),
    ours: Collection[IPv4Address] = (),
) -> Invalid | None:
    """Why `wanted` cannot be, beside the configuration and `others`; `ours` are this computer's
    addresses."""
    address = wanted.address
    for host in settings.hosts:
        what = f'[[dhcp.host]] "{host.name}" of the configuration'
        if host.mac == wanted.mac:
            return Invalid("mac", f"{what} is this machine", "set its address there")
        if host.address == address:
            return Invalid("address", f"{address} is reserved for {what}", "take another")
        if host.name.lower() == wanted.name.lower():
            return Invalid("name", f"{what} has this name", "take another")
    for other in others:
        if other.mac == wanted.mac:
            continue
        if other.address == address:
            return Invalid("address", f"{address} is reserved for {other.mac}", "take another")
        if other.name.lower() == wanted.name.lower():
            return Invalid("name", f"{other.mac} has the name {other.name}", "take another")
    if address in ours:
        return Invalid("address", f"{address} is this computer's own", "take another")
    if not _is_host_name(wanted.name):
        shown = escape(wanted.name, 60)
        return Invalid("name", f'"{shown}" is no host name', "take up to 63 letters and digits")
    try:
        replace(settings, hosts=(*settings.hosts, wanted.host()))
    except Invalid as error:
        return Invalid("address", error.problem, error.remedy)
    return None


def _is_host_name(text: str) -> bool:
    try:
        convert(text, HostName)
    except ValidationError:
        return False
    return True


def with_reservations(
    settings: DhcpSettings, reservations: Sequence[Reservation], ours: Collection[IPv4Address]
) -> tuple[DhcpSettings, list[tuple[Reservation, Invalid]]]:
    """`settings` with a host for each reservation, and those that cannot be."""
    if not reservations:
        return settings, []
    names = {host.name.lower() for host in settings.hosts}
    hardware = {host.mac for host in settings.hosts}
    addresses = {host.address for host in settings.hosts}
    networks = [subnet.network for subnet in settings.subnets]
    hosts, resting = [], []
    for each in reservations:
        is_plain = (
            _is_host_name(each.name)
            and each.name.lower() not in names
            and each.mac not in hardware
            and each.address not in addresses
            and each.address not in ours
            and any(each.address in network for network in networks)
        )
        why = None if is_plain else objection(each, settings, ours=ours)
        if why is None:
            hosts.append(each.host())
        else:
            resting.append((each, why))
    try:
        return replace(settings, hosts=(*settings.hosts, *hosts)), resting
    except Invalid:  # one of them, on the edge of its network or a router's: asked one by one
        return _one_by_one(settings, reservations, ours)


def _one_by_one(
    settings: DhcpSettings, reservations: Sequence[Reservation], ours: Collection[IPv4Address]
) -> tuple[DhcpSettings, list[tuple[Reservation, Invalid]]]:
    good: list[Reservation] = []
    resting = []
    for each in reservations:
        why = objection(each, settings, good, ours)
        if why is None:
            good.append(each)
        else:
            resting.append((each, why))
    return replace(settings, hosts=(*settings.hosts, *(one.host() for one in good))), resting


class Reservations:
    """Those that there are. Reactor thread only."""

    def __init__(self, store: Store) -> None:
        """Call `load_thd` before use."""
        self._store = store
        self._all: dict[MacAddress, Reservation] = {}
        self._told: set[str] = set()

    def load_thd(self) -> Self:
        """Read what is on disk. Blocks. Raises StoreError."""
        rows = self._store.read_thd(LOAD_RESERVATIONS)
        self._all = {each.mac: each for each in reservations_of(rows)}
        return self

    @property
    def all(self) -> tuple[Reservation, ...]:
        return tuple(self._all.values())

    def of(self, mac: MacAddress) -> Reservation | None:
        return self._all.get(mac)

    def add(self, reservation: Reservation) -> Deferred[None]:
        """Fires when it is on disk, and among `all`; fails with StoreError."""

        def remember(_: None) -> None:
            self._all[reservation.mac] = reservation

        return self._store.write(SAVE_RESERVATION, **reservation.row()).addCallback(remember)

    def remove(self, mac: MacAddress) -> Deferred[None]:
        """Fires when it is gone from disk and from `all`; fails with StoreError."""

        def forget(_: None) -> None:
            self._all.pop(mac, None)

        return self._store.write(FORGET_RESERVATION, mac=str(mac)).addCallback(forget)

    def settings(self, settings: DhcpSettings, ours: Collection[IPv4Address]) -> DhcpSettings:
        """`settings` with all that can be beside them; what cannot is told, once."""
        merged, resting = with_reservations(settings, self.all, ours)
        told = set()
        for each, why in resting:
            line = f"{each.address} for {each.mac}: {why.problem}"
            told.add(line)
            if line not in self._told:
                _log.warn("Reservation rests: {line}; {remedy}", line=line, remedy=why.remedy)
        self._told = told
        return merged


_log = Logger()
