"""Whatever the bytes of a lease file, it is refused as a whole, or the outcome is leases that fit
netbootd's database, each of an address of its own, and remarks about lines that are there."""

from __future__ import annotations

from netbootd.dhcp.importer.dnsmasq_leases import read_leases
from netbootd.dhcp.importer.found import INFINITE, Unreadable


def target(data: bytes) -> None:
    try:
        found = read_leases(data)
    except Unreadable:
        return
    last_line = data.count(b"\n") + 1
    assert len({lease.address for lease in found.leases}) == len(found.leases)
    for lease in found.leases:
        assert 1 <= lease.line <= last_line
        assert lease.hardware is None or len(lease.hardware) == 6
        assert lease.client_id is None or 0 <= len(lease.client_id) <= 255
        assert 0 <= lease.starts <= INFINITE
        assert 0 <= lease.ends <= INFINITE
        lease.host_name.encode()
        assert len(lease.host_name) <= 255
    for remark in found.remarks:
        assert 1 <= remark.line <= last_line
        assert remark.text.isprintable()
