"""Leases and reservations as records, for the admin API and for `netbootctl leases`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any

from netbootd.dhcp.reservation import Reservation
from netbootd.dhcp.settings import HostSettings
from protocols.dhcp.server.lease import Lease
from protocols.dhcp.server.plan import INFINITE


def lease_records(
    leases: Iterable[Lease],
    reservations: Sequence[Reservation],
    hosts: Iterable[HostSettings],
    now: int,
) -> list[dict[str, Any]]:
    """All by address: leases, and reservations of those that have none."""
    records = {lease.address: _record(lease, now) for lease in leases}
    reserved = [
        (host.address, host.mac, host.name, "configuration") for host in hosts if host.address
    ]
    reserved += [(one.address, one.mac, one.name, "netbootctl") for one in reservations]
    for address, mac, name, by in reserved:
        record = records.setdefault(int(address), _nothing(address, mac, name))
        record["reserved"] = by
        record["reserved_for"] = None if mac is None else str(mac)
    return [records[address] for address in sorted(records)]


def _record(lease: Lease, now: int) -> dict[str, Any]:
    return {
        "address": str(IPv4Address(lease.address)),
        "hardware": lease.hardware.hex(":") or None,
        "client": lease.client.hex(":"),
        "name": lease.host_name,
        "state": lease.state_at(now).value,
        "starts": _local(lease.starts).isoformat(),
        "until": None if lease.ends == INFINITE else _local(lease.ends).isoformat(),
        "circuit_id": lease.circuit_id.hex() or None,
        "remote_id": lease.remote_id.hex() or None,
        "reserved": None,
        "reserved_for": None,
    }


def _nothing(address: IPv4Address, mac: bytes | None, name: str) -> dict[str, Any]:
    """A reserved address that nobody has been leased."""
    return {
        "address": str(address),
        "hardware": None if mac is None else mac.hex(":"),
        "client": "",
        "name": name,
        "state": None,
        "starts": None,
        "until": None,
        "circuit_id": None,
        "remote_id": None,
    }


def _local(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds).astimezone()
