"""dnsmasq.leases, as dnsmasq writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbootd.dhcp.importer.dnsmasq_leases import read_leases
from netbootd.dhcp.importer.found import INFINITE, State
from tests.netbootd.dhcp.importer.data import by_machine, data, texts

LINE = "1795341169 52:54:00:77:00:51 10.77.0.106 blue 01:52:54:00:77:00:51"


def test_file_of_dnsmasq() -> None:
    """All leases of a real file are found; its `duid` line is for IPv6."""
    found = read_leases(data("dnsmasq.leases"))

    leases = by_machine(found)
    assert found.remarks == ()
    assert leases.keys() == {0x51, 0x53, 0x54, 0x56, 0x57, 0x59, 0x5B}
    assert all(lease.state is State.BOUND for lease in leases.values())
    assert (leases[0x51].host_name, str(leases[0x51].address)) == ("blue", "10.77.0.106")
    assert leases[0x51].ends == 1795341169
    assert (leases[0x53].host_name, leases[0x53].ends) == ("gold", INFINITE)
    assert (leases[0x56].host_name, leases[0x56].client_id) == ("", None)
    assert leases[0x57].client_id == b'we"i\\rd\x01\xff'


def test_leases_of_ipv6_are_counted() -> None:
    """What follows the `duid` line is told as a number, not line by line."""
    text = (
        f"{LINE}\nduid 00:01\n1795341169 7798 fd77::100 x 00:01\n1795341169 T78 fd77::1 * 00:02\n"
    )

    found = read_leases(text.encode())

    assert len(found.leases) == 1
    assert [(r.line, r.text) for r in found.remarks] == [(2, "2 leases of IPv6 are left out")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1795341169 52:54:00:77:00:51 10.77.0.106 blue", "it has 4 fields, not 5"),
        (LINE.replace("52:54:00:77:00:51 ", "06-52:54:00:77:00:51 "), "not a list of octets"),
        (LINE.replace("52:54:00:77:00:51 ", "52:54 "), "52:54 is not an Ethernet address"),
        (LINE.replace("10.77.0.106", "10.77.0.256"), "10.77.0.256 is not an IPv4 address"),
        (LINE.replace("1795341169", "soon"), "soon is not a time"),
        (LINE.replace("blue", "b" * 256), "a name of more than 255 characters"),
        (LINE.replace(" 01:", " 1g:"), "is not a list of octets"),
    ],
)
def test_line_that_is_no_lease_is_told(line: str, told: str) -> None:
    """Other lines are left out, with the reason."""
    found = read_leases(f"{LINE}\n{line}\n".encode())

    assert len(found.leases) == 1
    assert found.remarks[0].line == 2
    assert told in texts(found)[0]


@given(
    address=st.ip_addresses(v=4),
    hardware=st.binary(min_size=6, max_size=6),
    client_id=st.none() | st.binary(min_size=1, max_size=255),
    name=st.just("*") | st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True),
    ends=st.integers(1, INFINITE),
)
def test_every_lease_comes_back(
    address: object, hardware: bytes, client_id: bytes | None, name: str, ends: int
) -> None:
    """What dnsmasq would write for a lease is read as that lease."""
    shown = "*" if client_id is None else client_id.hex(":")

    found = read_leases(f"{ends} {hardware.hex(':')} {address} {name} {shown}\n".encode())

    (lease,) = found.leases
    assert (lease.address, lease.hardware, lease.client_id) == (address, hardware, client_id)
    assert (lease.host_name, lease.ends) == ("" if name == "*" else name, ends)
