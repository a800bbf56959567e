"""dnsmasq.leases: one lease a line, and only what is leased now.

    1795338301 52:54:00:77:00:51 10.77.0.100 blue 01:52:54:00:77:00:51
    |          |                 |           |    client identifier, or *
    |          |                 |           host name, or *
    |          hardware address, `06-` before it where it is not Ethernet's
    end, in seconds since 1970; 0 for never

Then a line `duid …` and the leases of IPv6. Source: lease_update_file() in src/lease.c of dnsmasq
2.90, files under tests/data/dhcp-import. (A dnsmasq that was built for machines without a clock
writes lengths where others write ends; nothing in the file says which.)
"""

from __future__ import annotations

from netbootd.dhcp.importer import value
from netbootd.dhcp.importer.found import (
    INFINITE,
    FoundLease,
    Leases,
    Remarks,
    State,
    check_bounds,
    lines_of,
    shown,
)


def read_leases(data: bytes) -> Leases:
    """Every lease of IPv4. Raises Unreadable if the file is of something else."""
    check_bounds(data)
    remarks = Remarks()
    found: dict[int, FoundLease] = {}
    duid_line = ipv6_leases = 0
    for number, line in lines_of(data):
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "duid":
            duid_line = number
        elif duid_line:
            ipv6_leases += 1
        else:
            try:
                lease = _lease(number, fields)
            except ValueError as error:
                remarks.tell(number, f"`{shown(line)}` is no lease: {shown(str(error))}")
            else:
                found[int(lease.address)] = lease
    if ipv6_leases:
        remarks.tell(duid_line, f"{ipv6_leases} leases of IPv6 are left out")
    return Leases(tuple(found.values()), remarks.in_order())


def _lease(line: int, fields: list[str]) -> FoundLease:
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} fields, not 5")
    ends, hardware, address, host_name, client_id = fields
    return FoundLease(
        line=line,
        address=value.address(address),
        state=State.BOUND,
        hardware=value.ethernet(hardware),
        client_id=None if client_id == "*" else value.octets(client_id),
        host_name="" if host_name == "*" else value.name(host_name),
        starts=0,
        ends=value.moment(ends) or INFINITE,
    )
