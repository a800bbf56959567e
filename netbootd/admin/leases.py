"""Routes about leases and reservations of the DHCP server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from twisted.logger import Logger

from netbootd.dhcp.lease_record import lease_records
from netbootd.dhcp.reservation import Reservation, candidates, last_lease
from ops.config import Invalid
from ops.database import StoreError
from ops.setting import MacAddress
from ops.text import escape
from ops.web.route import Json, Problem, Request, Route
from protocols.dhcp.server.lease import Lease, LeaseState

if TYPE_CHECKING:
    from netbootd.dhcp.service import DhcpService
    from netbootd.service import BootService


class Wanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST /v1/reservations`."""

    mac: str
    address: str | None = None
    """None: the one that it has."""
    name: str | None = None
    """None: the one that it says, or one made of its hardware address."""


def lease_routes(service: BootService) -> list[Route]:
    """What there is to know of leases, and to do with them."""

    async def reserve(request: Request) -> Json:
        wanted = request.json(Wanted)
        return Json(await _reserve(_dhcp(service), wanted, request.who), status=201)

    async def unreserve(request: Request) -> Json:
        return Json(await _unreserve(_dhcp(service), _mac(request.path["mac"]), request.who))

    return [
        Route("GET", "/v1/leases", lambda request: Json(_all(service))),
        Route(
            "DELETE",
            "/v1/leases/{address}",
            lambda request: Json(_end(_dhcp(service), request.path["address"], request.who)),
        ),
        Route("POST", "/v1/reservations", reserve),
        Route("DELETE", "/v1/reservations/{mac}", unreserve),
    ]


def _dhcp(service: BootService) -> DhcpService:
    if service.dhcp is None:
        raise Problem(409, "netbootd leases no addresses here", "set dhcp.enabled = true")
    return service.dhcp


def _all(service: BootService) -> list[dict[str, Any]]:
    if service.dhcp is None:
        return []
    leases = sorted(
        lease for lease in service.dhcp.leases.table if lease.state is not LeaseState.OFFERED
    )
    reservations = service.dhcp.reservations.all
    return lease_records(leases, reservations, service.config.dhcp.hosts, int(time.time()))


async def _reserve(dhcp: DhcpService, wanted: Wanted, who: str) -> dict[str, Any]:
    mac = _mac(wanted.mac)
    try:
        choices = candidates(
            mac,
            None if wanted.address is None else _address(wanted.address),
            wanted.name,
            own=last_lease(dhcp.leases.table, mac),
            before=dhcp.reservations.of(mac),
            now=int(time.time()),
        )
        reservation = await _reserve_first(dhcp, choices)
    except Invalid as error:
        raise Problem(409, error.problem, error.remedy) from error
    except StoreError as error:
        raise Problem(503, error.problem, error.remedy) from error
    address = reservation.address
    _log.info("{address} is reserved for {mac} by {who}", address=address, mac=mac, who=who)
    holder = _holder(dhcp.leases.table.at(int(address)), mac)
    return reservation.row() | {"held_by": holder}


async def _reserve_first(dhcp: DhcpService, choices: Sequence[Reservation]) -> Reservation:
    """The first that can be. Raises Invalid, of the last one, and StoreError."""
    *first, last = choices
    for choice in first:
        with suppress(Invalid):
            await dhcp.reserve(choice)
            return choice
    await dhcp.reserve(last)
    return last


def _holder(lease: Lease | None, mac: MacAddress) -> str | None:
    """Another machine that has the address for now."""
    if lease is None or lease.hardware == mac:
        return None
    if lease.state_at(int(time.time())) not in (LeaseState.BOUND, LeaseState.DECLINED):
        return None
    return lease.hardware.hex(":") or "somebody without a lease"


async def _unreserve(dhcp: DhcpService, mac: MacAddress, who: str) -> dict[str, Any]:
    reservation = dhcp.reservations.of(mac)
    if reservation is None:
        remedy = "`netbootctl leases list` shows them; those of the configuration are in its file"
        raise Problem(404, f"nothing is reserved for {mac}", remedy)
    try:
        await dhcp.unreserve(mac)
    except StoreError as error:
        raise Problem(503, error.problem, error.remedy) from error
    _log.info("Nothing is reserved for {mac} any more, by {who}", mac=mac, who=who)
    return reservation.row()


def _end(dhcp: DhcpService, text: str, who: str) -> dict[str, Any]:
    """By address, or by the machine that has it."""
    try:
        lease = dhcp.leases.table.at(int(IPv4Address(text)))
    except ValueError:
        lease = last_lease(dhcp.leases.table, _mac(text))
    now = int(time.time())
    if lease is None or lease.state is LeaseState.OFFERED or lease.ends <= now:
        raise Problem(404, f"{escape(text)} has no lease", "`netbootctl leases list` shows them")
    ended = dhcp.end(lease)
    address = IPv4Address(ended.address)
    machine = ended.hardware.hex(":") or None
    text = "Lease of {address} to {machine} ended by {who}"
    _log.info(text, address=address, machine=machine or "somebody", who=who)
    return {"address": str(address), "hardware": machine, "state": ended.state.value}


def _mac(text: str) -> MacAddress:
    try:
        return MacAddress.parse(text)
    except ValueError:
        raise Problem(400, f"{escape(text)} is no Ethernet address", MacAddress.form) from None


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise Problem(400, f"{escape(text)} is no IPv4 address", "such as 10.0.0.17") from None


_log = Logger("netbootd.dhcp")
