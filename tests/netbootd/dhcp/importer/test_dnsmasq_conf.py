"""dnsmasq.conf, and what becomes of it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from netbootd.dhcp.importer.dnsmasq_conf import read_settings
from netbootd.dhcp.importer.found import INFINITE, FoundHost, FoundSubnet, FoundTimes, Settings
from tests.netbootd.dhcp.importer.data import data

ALL_SAID = "dhcp-option=3,10.0.0.1\ndhcp-option=6,10.0.0.2\n"
RANGE = "dhcp-range=10.0.0.10,10.0.0.20,255.255.255.0"


def read(text: str) -> Settings:
    """The settings of a text in which everything is understood."""
    found = read_settings(text.encode())
    assert found.remarks == ()
    return found


def subnet(line: str) -> FoundSubnet:
    (found,) = read(f"{ALL_SAID}{line}\n").subnets
    return found


def host(line: str) -> FoundHost:
    (found,) = read(f"{line}\n").hosts
    return found


def told(text: str) -> list[tuple[int, str]]:
    return [(remark.line, remark.text) for remark in read_settings(text.encode()).remarks]


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (f"{RANGE},12h", 43200),
        (f"{RANGE},10.0.0.255,45m", 2700),
        (f"{RANGE},1d", 86400),
        (f"{RANGE},300", 300),
        (f"{RANGE},infinite", INFINITE),
        (f"{RANGE}", None),
        (f"{RANGE.replace('=', ' = ')} # the lan", None),
    ],
)
def test_range(line: str, seconds: int | None) -> None:
    """A range names first and last address, mask and lease time."""
    found = subnet(line)

    assert found.network == IPv4Network("10.0.0.0/24")
    assert found.ranges == ((IPv4Address("10.0.0.10"), IPv4Address("10.0.0.20")),)
    assert found.times == FoundTimes(default=seconds)


def test_static_range() -> None:
    """A static range is a subnet without addresses to lease."""
    found = subnet("dhcp-range=10.0.0.0,static,255.255.0.0")

    assert (found.network, found.ranges) == (IPv4Network("10.0.0.0/16"), ())


def test_two_ranges_of_a_network() -> None:
    """Ranges of one network are one subnet."""
    found = subnet(f"{RANGE}\n{RANGE.replace('.10,', '.30,').replace('.20,', '.40,')}")

    assert len(found.ranges) == 2


@pytest.mark.parametrize(
    "line",
    [
        "dhcp-host=0:1:2:3:4:5,blue,10.0.0.9",
        "dhcp-host=00-01-02-03-04-05,10.0.0.9,blue",
        "--dhcp-host=00:01:02:03:04:05,set:x,10.0.0.9,blue",
        "00:01:02:03:04:05,10.0.0.9,blue",
    ],
)
def test_host(line: str) -> None:
    """The parts of a host may stand in any order."""
    found = host(line)

    assert (found.name, found.address) == ("blue", IPv4Address("10.0.0.9"))
    assert found.hardware == bytes(range(6))


@pytest.mark.parametrize(("text", "data"), [("01:ab", b"\x01\xab"), ("marvin", b"marvin")])
def test_host_by_client_identifier(text: str, data: bytes) -> None:
    """A client identifier is octets or a text."""
    found = host(f"dhcp-host=id:{text},10.0.0.9")

    assert (found.client_id, found.hardware) == (data, None)


def test_ignored_host() -> None:
    """Who is to be ignored gets no address."""
    assert host("dhcp-host=0:1:2:3:4:5,ignore").denied is True


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("3,10.0.0.1", 3, "10.0.0.1"),
        ("option:router,10.0.0.1", 3, "10.0.0.1"),
        ("option:dns-server,10.0.0.1,10.0.0.2", 6, ("10.0.0.1", "10.0.0.2")),
        ("119,a.example,example", 119, ("a.example", "example")),
        ("option:mtu,1400s", 26, 1400),
        ("121,10.9.0.0/16,10.0.0.1", 121, "10.9.0.0/16 via 10.0.0.1"),
        ("43,01:02:ff", 43, "hex:0102ff"),
        ('252,"http://x/wpad.dat"', 252, "http://x/wpad.dat"),
        ("252,http://x/wpad.dat", 252, "http://x/wpad.dat"),
        ("150,10.0.0.1", 150, "10.0.0.1"),
        ('224,"10"', 224, "10"),
    ],
)
def test_options(text: str, code: int, expected: object) -> None:
    """Each option has its value as it is written here."""
    for key in ("dhcp-option", "dhcp-option-force"):
        assert read(f"{key}={text}").options == {code: expected}


def test_options_for_tags() -> None:
    """An option with tags is for the ranges and hosts that set all of them."""
    found = read(
        f"{ALL_SAID}{RANGE.replace('=', '=set:a,')}\n"
        "dhcp-host=0:1:2:3:4:5,set:b,set:c\n"
        "dhcp-option=tag:a,15,a.example\ndhcp-option=tag:b,tag:c,15,bc.example\n"
    )

    assert found.subnets[0].options == {15: "a.example"}
    assert found.hosts[0].options == {15: "bc.example"}
    assert 15 not in found.options


def test_what_dnsmasq_says_by_itself() -> None:
    """Where no router and no DNS server is set dnsmasq names itself: the operator is told."""
    assert told(RANGE) == [
        (1, f"10.0.0.0/24: no {key} is set, for which dnsmasq names itself; set `{key}`")
        for key in ("router", "dns")
    ]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("dhcp-range=10.0.0.10,10.0.0.20,12h", "no netmask is named: 10.0.0.0/24 is a guess"),
        ("dhcp-range=fd77::1,fd77::2,64", "it is of IPv6"),
        ("dhcp-range=10.0.0.0,proxy", "proxyDHCP is [pxe]"),
        ("dhcp-range=lan", "lan is not an IPv4 address"),
        ("dhcp-host=0:1:2:*:*:*,x", "0:1:2:*:*:* has no counterpart"),
        ("dhcp-host=0:1:2:3:4:5,10.0.0.9,45m", "the lease time 45m of a host stays out"),
        ("dhcp-host=0:1:2:3:4:5,0:1:2:3:4:6,10.0.0.9", "00:01:02:03:04:06 cannot share it"),
        ("dhcp-option=3", "it takes an option away"),
        ("dhcp-option=6,0.0.0.0", "it stands for the address of the server"),
        ("dhcp-option=tag:!known,3,10.0.0.1", "it is for who has not a tag"),
        ("dhcp-option=tag:x,3,10.0.0.1", "no range and no host here sets x"),
        ("dhcp-option=vendor:PXEClient,6,2b", "is not an option by itself"),
        ("dhcp-option=option:surprise,1", "is not a number"),
        ("dhcp-option=224,10", "how wide it is nobody says"),
        ("dhcp-boot=pxelinux.0", "which file boots a machine"),
        ("conf-dir=/etc/dnsmasq.d", "is not followed; import its files, too"),
        ("dhcp-surprise", "`dhcp-surprise` is not understood"),
        ("server=9.9.9.9", "is not about addresses"),
        ("\x1b[31mx=", "`\\x1b[31mx=`"),
    ],
)
def test_what_stays_out_is_told(line: str, part: str) -> None:
    """What is not taken over, or is a guess, is told with its line and why."""
    found = told(f"{ALL_SAID}{line}\n")

    assert [number for number, _ in found] == [3]
    assert part in found[0][1]


def test_file_that_dnsmasq_accepts() -> None:
    """In a real file, whatever has a place here gets it."""
    found = read_settings(data("dnsmasq.conf"))

    assert [str(each.network) for each in found.subnets] == [
        "10.77.0.0/24",
        "10.78.0.0/24",
        "10.79.0.0/24",
    ]
    assert {each.name for each in found.hosts} >= {"blue", "red", "green"}
    assert found.subnets[0].options == {3: "10.77.0.254"}
    assert found.authoritative is True
