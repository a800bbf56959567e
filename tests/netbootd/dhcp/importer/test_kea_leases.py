"""kea-leases4.csv, as Kea's memfile writes it."""

from __future__ import annotations

import pytest

from netbootd.dhcp.importer.found import INFINITE, State, Unreadable
from netbootd.dhcp.importer.kea_leases import read_leases
from tests.netbootd.dhcp.importer.data import by_machine, data, texts

HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state"
LINE = "10.77.0.100,52:54:00:77:00:51,01:52:54:00:77:00:51,3600,1795341198,1,0,0,blue,0"


def test_file_of_kea() -> None:
    """All leases of a real file are found, the last line of each address; released ones are not."""
    found = read_leases(data("kea-leases4.csv"))

    leases = by_machine(found)
    assert found.remarks == ()
    assert leases.keys() == {0, 0x51, 0x53, 0x54, 0x56, 0x57, 0x59, 0x5B}
    assert (leases[0x51].state, leases[0x51].host_name) == (State.BOUND, "blue")
    assert (leases[0x51].starts, leases[0x51].ends) == (1795337598, 1795341198)
    assert leases[0x53].host_name == "gold,x"
    assert leases[0x54].state is State.OVER
    assert leases[0x56].client_id is None
    assert (leases[0].state, str(leases[0].address)) == (State.CONFLICT, "10.77.0.107")


def test_columns_of_other_versions() -> None:
    """Columns go by their names; missing ones at the end are empty."""
    text = f"{HEADER},user_context,pool_id\n{LINE}\n"

    assert len(read_leases(text.encode()).leases) == 1


def test_infinite_lease() -> None:
    """The lifetime 4294967295 has no end."""
    text = f"{HEADER}\n{LINE}\n".replace("3600", "4294967295")

    assert read_leases(text.encode()).leases[0].ends == INFINITE


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (LINE.replace("10.77.0.100", "fd77::1"), "is not an IPv4 address"),
        (f"{LINE[:-1]}9", "state 9 is not known"),
        (LINE.replace("52:54:00:77:00:51,01:52:54:00:77:00:51", ","), "does not say whose it is"),
        (LINE.replace("3600", "-1"), "-1 is not a number of 32 bits"),
        ("10.77.0.100", "has 1 fields, not 10"),
    ],
)
def test_line_that_is_no_lease_is_told(line: str, told: str) -> None:
    """Other lines are left out, with the reason."""
    found = read_leases(f"{HEADER}\n{line}\n".encode())

    assert found.leases == ()
    assert found.remarks[0].line == 2
    assert told in texts(found)[0]


def test_other_file() -> None:
    """A file without Kea's columns is refused."""
    with pytest.raises(Unreadable, match="names no column address"):
        read_leases(b"a,b\n1,2\n")
