"""dhcpd.conf, and what becomes of it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from netbootd.dhcp.importer.dhcpd_conf import read_settings
from netbootd.dhcp.importer.found import INFINITE, FoundHost, FoundSubnet, FoundTimes, Settings
from tests.netbootd.dhcp.importer.data import data

LAN = "subnet 10.0.0.0 netmask 255.255.255.0"
PAIRS = ("10.1.0.0 255.0.0.0", "10.2.0.0 255.0.0.0")
MAC = "hardware ethernet 0:1:2:3:4:5;"


def read(text: str) -> Settings:
    """The settings of a text in which everything is understood."""
    found = read_settings(text.encode())
    assert found.remarks == ()
    return found


def subnet(text: str) -> FoundSubnet:
    (found,) = read(text).subnets
    return found


def host(text: str) -> FoundHost:
    (found,) = read(text).hosts
    return found


def told(text: str) -> list[tuple[int, str]]:
    return [(remark.line, remark.text) for remark in read_settings(text.encode()).remarks]


def test_subnet() -> None:
    """Network, ranges, options and times of a subnet."""
    found = subnet(
        f"{LAN} {{ range 10.0.0.10 10.0.0.20; range 10.0.0.30;"
        " option routers 10.0.0.1; option subnet-mask 255.255.255.0; default-lease-time 600;"
        " max-lease-time -1; not authoritative; }"
    )

    assert found.network == IPv4Network("10.0.0.0/24")
    assert found.ranges == (
        (IPv4Address("10.0.0.10"), IPv4Address("10.0.0.20")),
        (IPv4Address("10.0.0.30"), IPv4Address("10.0.0.30")),
    )
    assert found.options == {3: "10.0.0.1"}
    assert found.times == FoundTimes(default=600, maximum=INFINITE)
    assert found.authoritative is False


def test_pool_of_a_shared_network() -> None:
    """A range is of the subnet that it lies in, even if its pool stands beside it."""
    found = read(
        f'shared-network "floor 2" {{ option ntp-servers 10.0.0.9; {LAN} {{ }}'
        " subnet 10.1.0.0 netmask 255.255.0.0 { } pool { range 10.1.0.5 10.1.0.6; } }"
    )

    first, second = found.subnets
    assert first.ranges == ()
    assert second.ranges == ((IPv4Address("10.1.0.5"), IPv4Address("10.1.0.6")),)
    assert first.shared_network == second.shared_network == "floor 2"
    assert first.options == second.options == {42: "10.0.0.9"}


@pytest.mark.parametrize(
    "who",
    [
        'allow members of "pxe"',
        'deny members of "pxe"',
        "deny unknown-clients",
        "allow known-clients",
    ],
)
def test_pool_of_some_is_no_pool_of_all(who: str) -> None:
    """Addresses for some machines are not given to everybody: they are left out, and told."""
    text = f"{LAN} {{ range 10.0.0.50; pool {{ {who}; range 10.0.0.10 10.0.0.20; }} }}"
    (found,) = read_settings(text.encode()).subnets

    assert found.ranges == ((IPv4Address("10.0.0.50"), IPv4Address("10.0.0.50")),)
    assert any("the addresses of this pool are left out: `" in line for _, line in told(text))


def test_pool_without_bootp_is_for_all() -> None:
    """BOOTP clients get no address here in any case."""
    text = f"{LAN} {{ pool {{ deny dynamic bootp clients; range 10.0.0.10 10.0.0.20; }} }}"

    (found,) = read_settings(text.encode()).subnets

    assert len(found.ranges) == 1


def test_range_of_bootp() -> None:
    """A range that BOOTP clients share is taken over, and told what they lose."""
    text = f"{LAN} {{ range dynamic-bootp 10.0.0.30; }}"

    (found,) = read_settings(text.encode()).subnets

    assert found.ranges == ((IPv4Address("10.0.0.30"), IPv4Address("10.0.0.30")),)
    (line,) = told(text)
    assert "`dynamic-bootp` stays out: " in line[1]


def test_names_among_addresses() -> None:
    """A server that is named and not numbered is left out and told; the others stay."""
    text = "option domain-name-servers ns1.lab.local, 192.168.1.2;"

    assert read_settings(text.encode()).options == {6: "192.168.1.2"}
    why = "ns1.lab.local is not an IPv4 address; left out, the others stay"
    assert told(text) == [(1, f"`option domain-name-servers`: {why}")]


def test_groups_are_inherited() -> None:
    """An inner block wins over an outer one, wherever in the block its words stand."""
    found = read(
        'group { option domain-name "outer"; group { host a { ' + MAC + " } "
        f'option domain-name "inner"; {LAN} {{ }} }} }}'
    )

    assert found.hosts[0].options == {15: "inner"}
    assert found.subnets[0].options == {15: "inner"}


def test_host_learns_the_rest_from_its_subnet() -> None:
    """Options of a subnet are not copied to the hosts that stand in it."""
    found = read(f"{LAN} {{ option routers 10.0.0.1; host a {{ {MAC} }} }}")

    assert found.hosts[0].options == {}


def test_host() -> None:
    """Sign, address, name and options of a host."""
    found = host(
        "host printer { hardware ethernet 8:0:7:26:c0:a5; fixed-address 10.0.0.9;"
        ' option dhcp-client-identifier "\\001x"; option host-name "hp"; deny booting; }'
    )

    assert (found.name, found.address) == ("hp", IPv4Address("10.0.0.9"))
    assert found.hardware == bytes.fromhex("08000726c0a5")
    assert found.client_id == b"\x01x"
    assert found.denied is True


def test_host_behind_a_relay() -> None:
    """A host may be known by the port of a relay."""
    found = host('host a { host-identifier option agent.circuit-id "r1"; fixed-address 10.0.0.9; }')

    assert found.circuit_id == b"r1"


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("routers 10.0.0.1, 10.0.0.2", 3, ("10.0.0.1", "10.0.0.2")),
        ("time-offset -3600", 2, -3600),
        ("ip-forwarding on", 19, True),
        ("interface-mtu 1400", 26, 1400),
        ('root-path "/srv/nfs"', 17, "/srv/nfs"),
        ('domain-search "a.example", "example"', 119, ("a.example", "example")),
        ("static-routes 10.1.0.1 10.0.0.2", 33, "10.1.0.1 10.0.0.2"),
        ("policy-filter 10.1.0.0 255.0.0.0, 10.2.0.0 255.0.0.0", 21, PAIRS),
        ("vendor-encapsulated-options 1:2:ff", 43, "hex:0102ff"),
        ('vendor-encapsulated-options "abc"', 43, "abc"),
        ("netbios-node-type 8", 46, 8),
    ],
)
def test_options(text: str, code: int, expected: object) -> None:
    """Each option has its value as it is written here."""
    assert read(f"option {text};").options == {code: expected}


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("150 = array of ip-address", "10.0.0.1, 10.0.0.2", ("10.0.0.1", "10.0.0.2")),
        ("150 = ip-address", "10.0.0.1", "10.0.0.1"),
        ("224 = text", '"10"', "10"),
        ("224 = string", "0a:0b", "hex:0a0b"),
        ("121 = array of unsigned integer 8", "24, 10,9,0, 10,0,0,1", "hex:180a09000a000001"),
        ("249 = array of integer 8", "24, 10,9,0, 10,0,0,1", "hex:180a09000a000001"),
    ],
)
def test_options_of_the_operator(kind: str, text: str, expected: object) -> None:
    """An option that the file defines has the value that its layout makes of the words."""
    found = read(f"option mine code {kind}; option mine {text};")

    assert list(found.options.values()) == [expected]


def test_globals() -> None:
    """What stands outside all blocks is for everybody."""
    found = read('authoritative; min-lease-time 60; option domain-name "example.com";')

    assert found.authoritative is True
    assert found.times == FoundTimes(minimum=60)
    assert found.options == {15: "example.com"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('\ninclude "x.conf";', (2, '`include "x.conf"` is not followed; import that file, too')),
        ('filename "pxelinux.0";', (1, "stays out: which file boots a machine is decided by")),
        ('class "x" { match hardware; }', (1, "stays out; see [[dhcp.class]]")),
        ("if known { option routers 10.0.0.1; }", (1, "`if known` is not understood")),
        ("surprise;", (1, "`surprise` is not understood")),
        ("option surprise 1;", (1, "`option surprise 1` is not understood")),
        ("option mine code 224 = { integer 8, text; };", (1, "is not understood")),
        ("option mine code 224 = integer 32;", (1, "is not understood")),
        ("option routers router.example.com;", (1, "router.example.com")),
        ("option time-offset 5000000000;", (1, "is not a number of 32 bits")),
        ("option ip-forwarding maybe;", (1, "maybe is neither true nor false")),
        ("option dhcp-renewal-time 60;", (1, "is the server's own; set `renewal`")),
        ("subnet 10.0.0.1 netmask 255.255.255.0 { }", (1, "is no subnet; left out")),
        (f"{LAN} {{ pool {{ option routers 10.0.0.1; }} }}", (1, "its options and times stay out")),
        (f"{LAN} {{ option subnet-mask 255.0.0.0; }}", (1, "10.0.0.0/24 says it")),
        ("subnet 10.0.0.0 netmask 255.0.0.0 { range 1.1.1.1; }", (1, "is in no subnet of this")),
        (f"host a {{ {MAC} fixed-address blue.example.com; }}", (1, "blue.example.com")),
        (f"host a {{ {MAC} fixed-address 10.0.0.1, 10.1.0.1; }}", (1, "only 10.0.0.1 is taken")),
        ("host a { hardware token-ring 0:1:2:3:4:5; }", (1, "is not understood")),
    ],
)
def test_what_stays_out_is_told(text: str, expected: tuple[int, str]) -> None:
    """What is not taken over is told, with its line and why."""
    line, part = expected

    found = told(text)

    assert {number for number, _ in found} == {line}
    assert part in found[0][1]


def test_file_that_dhcpd_accepts() -> None:
    """In a real file, whatever has a place here gets it."""
    found = read_settings(data("dhcpd.conf"))

    assert [str(each.network) for each in found.subnets] == [
        "10.77.0.0/24",
        "10.78.0.0/24",
        "10.79.0.0/24",
    ]
    assert {each.name for each in found.hosts} >= {"inside", "printer-1", "uid", "circuit", "no"}
    assert found.options == {15: "example.com", 6: ("10.77.0.2", "10.77.0.3")}
