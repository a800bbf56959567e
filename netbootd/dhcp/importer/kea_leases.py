"""kea-leases4.csv, the journal of Kea's memfile: of several lines for an address the last holds.

    address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,…
    10.77.0.100,52:54:00:77:00:51,01:52:54:00:77:00:51,600,1795338301,1,0,0,blue,0,

A line whose lifetime is 0 takes the lease away. Source: src/lib/dhcpsrv/csv_lease_file4.cc of Kea
2.2, files under tests/data/dhcp-import.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final

from netbootd.dhcp.importer import value
from netbootd.dhcp.importer.found import (
    INFINITE,
    FoundLease,
    Leases,
    Remarks,
    State,
    Unreadable,
    check_bounds,
    lines_of,
    shown,
)

_COLUMNS: Final = ("address", "hwaddr", "client_id", "valid_lifetime", "expire", "hostname")
_STATES: Final = {
    "0": State.BOUND,
    "1": State.CONFLICT,  # declined
    "2": State.OVER,  # expired, and reclaimed
    "3": State.OVER,  # released: Kea 2.6
}
_REFERENCE = re.compile(r"&#x([0-9A-Fa-f]{2})")
"""How Kea writes a comma inside a field."""


def read_leases(data: bytes) -> Leases:
    """The last word on each address. Raises Unreadable if the file is of something else."""
    check_bounds(data)
    remarks = Remarks()
    found: dict[int, FoundLease | None] = {}
    lines = lines_of(data)
    _, header = next(lines)
    columns = header.split(",")
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise Unreadable(f"its first line names no column {missing[0]}")
    for number, line in lines:
        if not line.strip():
            continue
        fields = line.split(",")
        if len(fields) > len(columns) or len(fields) < len(columns) - 2:
            remarks.tell(number, f"`{shown(line)}` has {len(fields)} fields, not {len(columns)}")
            continue
        try:
            _read_line(number, dict(zip_longest(columns, fields, fillvalue="")), found)
        except ValueError as error:
            remarks.tell(number, f"`{shown(line)}` is no lease: {shown(str(error))}")
    leases = (lease for lease in found.values() if lease is not None)
    return Leases(tuple(leases), remarks.in_order())


def _read_line(line: int, row: dict[str, str], found: dict[int, FoundLease | None]) -> None:
    address = value.address(row["address"])
    found[int(address)] = None
    lifetime = value.number(row["valid_lifetime"])
    if lifetime == 0:
        return
    code = row.get("state", "0") or "0"
    if code not in _STATES:
        raise ValueError(f"state {code} is not known")
    state = _STATES[code]
    hardware = value.ethernet(row["hwaddr"]) if row["hwaddr"] else None
    client_id = value.octets(row["client_id"]) if row["client_id"] else None
    if hardware is None and client_id is None and state is not State.CONFLICT:
        raise ValueError("it does not say whose it is")
    expire = value.moment(row["expire"])
    found[int(address)] = FoundLease(
        line=line,
        address=address,
        state=state,
        hardware=hardware,
        client_id=client_id,
        host_name=value.name(_REFERENCE.sub(lambda r: chr(int(r[1], 16)), row["hostname"])),
        starts=max(0, expire - lifetime),
        ends=INFINITE if lifetime == INFINITE else expire,
    )
