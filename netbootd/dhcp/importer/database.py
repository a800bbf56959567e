"""Leases of another server, entered into netbootd's database while netbootd does not run.

A running daemon has its leases in memory and would neither see
nor respect new ones: its lock on the database keeps us out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from netbootd.dhcp.importer.found import FoundLease, Remark, State
from netbootd.dhcp.option_text import identifier_from
from netbootd.dhcp.settings import DhcpSettings
from netbootd.statement import LOAD_LEASES, SAVE_LEASE, SCHEMA
from ops.database import Database
from protocols.dhcp.server.case import client_key

ETHERNET: Final = 1
_CLIENT, _STATE, _ENDS = 1, 3, 5
"""Columns of LOAD_LEASES."""

_STATES: Final = {State.BOUND: "bound", State.OVER: "released", State.CONFLICT: "declined"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What came of it."""

    bound: int
    """Leases that hold now."""
    remembered: int
    """Leases that are over: their clients find their address again, if nobody has it by then."""
    avoided: int
    """Addresses of strangers."""
    remarks: tuple[Remark, ...]


def enter_thd(
    path: Path, leases: Sequence[FoundLease], *, now: int, settings: DhcpSettings
) -> Entered:
    """Write `leases` into the database at `path`. `now` is in seconds since 1970; `settings` say
    who is who.

    A lease in the database that ends later is newer, and stays; the same one is not written again.
    Raises StoreError.
    """
    identities = _Identities(settings)
    networks = [subnet.network for subnet in settings.subnets]

    def is_elsewhere(address: IPv4Address) -> bool:
        return bool(networks) and not any(address in network for network in networks)

    database = Database(path, SCHEMA)
    database.open_thd()
    try:
        known = {
            row[0]: (row[_CLIENT], row[_STATE], row[_ENDS])
            for row in database.read_thd(LOAD_LEASES, {})
        }
        remarks = []
        rows = []
        here = []
        for lease in leases:
            row = _row(lease, now, identities)
            its = known.get(row["address"])
            if its == (row["client"], row["state"], row["ends"]):
                here.append(row)
            elif its is not None and its[-1] >= row["ends"]:
                remarks.append(
                    Remark(lease.line, f"{lease.address} has a newer lease here; left out")
                )
                continue
            else:
                rows.append(row)
            if lease.state is State.BOUND and row["ends"] > now and is_elsewhere(lease.address):
                why = "is in no [[dhcp.subnet]]: netbootd will not renew its lease"
                remarks.append(Remark(lease.line, f"{lease.address} {why}"))
        failures = database.write_thd([(SAVE_LEASE, row) for row in rows])
        for failure in filter(None, failures):
            raise failure
    finally:
        database.close_thd()
    rows += here
    live = [row for row in rows if row["ends"] > now]
    bound = sum(row["state"] == "bound" for row in live)
    avoided = sum(row["state"] == "declined" for row in live)
    return Entered(
        bound=bound,
        remembered=len(rows) - bound - avoided,
        avoided=avoided,
        remarks=tuple(remarks),
    )


class _Identities:
    """Who a client is to the server: see `client_key`. One that has a [[dhcp.host]] is known by the
    Ethernet address there, whatever it sends."""

    def __init__(self, settings: DhcpSettings) -> None:
        self._ignore = settings.ignore_client_identifier
        self._hosts: dict[bytes, bytes] = {}
        for host in settings.hosts:
            if host.mac is not None:
                self._hosts[host.mac] = host.mac
                if host.client_id is not None:
                    self._hosts[identifier_from(host.client_id)] = host.mac

    def key(self, lease: FoundLease) -> bytes:
        hardware, client_id = lease.hardware or b"", lease.client_id or b""
        if known := self._hosts.get(client_id) or self._hosts.get(hardware):
            return client_key(ETHERNET, known, b"", ignore=False)
        return client_key(ETHERNET, hardware, client_id, ignore=self._ignore)


def _row(lease: FoundLease, now: int, identities: _Identities) -> dict[str, Any]:
    client = b"" if lease.state is State.CONFLICT else identities.key(lease)
    return {
        "address": int(lease.address),
        "client": client.hex(),
        "hardware": lease.hardware.hex(":") if lease.hardware else "",
        "state": _STATES[lease.state],
        "starts": lease.starts or now,
        "ends": min(lease.ends, now) if lease.state is State.OVER else lease.ends,
        "host_name": lease.host_name,
        "circuit_id": lease.circuit_id.hex(),
        "remote_id": lease.remote_id.hex(),
    }
