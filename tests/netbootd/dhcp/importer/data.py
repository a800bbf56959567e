"""Files that other DHCP servers wrote (tests/data/dhcp-import), and what stands in all of them."""

from __future__ import annotations

from pathlib import Path

from netbootd.dhcp.importer.found import FoundLease, Leases

FOLDER = Path(__file__).parents[3] / "data" / "dhcp-import"


def data(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def by_machine(found: Leases) -> dict[int, FoundLease]:
    """The leases by the last octet of the Ethernet address; 0 for an address of a stranger."""
    leases = {lease.hardware[-1] if lease.hardware else 0: lease for lease in found.leases}
    assert len(leases) == len(found.leases)
    return leases


def texts(found: Leases) -> list[str]:
    return [remark.text for remark in found.remarks]
