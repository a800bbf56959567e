"""Settings of others, written as settings of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbootd.config import Config
from netbootd.dhcp.importer import dhcpd_conf, dnsmasq_conf
from netbootd.dhcp.importer.found import Unreadable
from netbootd.dhcp.importer.ours import MAX_REFUSALS, toml_of
from ops.config import parse
from tests.netbootd.dhcp.importer.data import data

LAN = "subnet 10.0.0.0 netmask 255.255.255.0"


def converted(text: str) -> tuple[Config, list[tuple[int, str]]]:
    """What netbootd reads of what becomes of a dhcpd.conf, and what the operator is told."""
    document, remarks = toml_of(dhcpd_conf.read_settings(text.encode()))
    return parse(document.encode(), Config), [(r.line, r.text) for r in remarks]


def test_everything_has_its_key() -> None:
    """Subnet, times, options and hosts are read by netbootd as dhcpd meant them."""
    config, told = converted(
        'authoritative; default-lease-time 600; option domain-name "example.com";\n'
        'shared-network "floor 2" {\n'
        f"{LAN} {{ range 10.0.0.10 10.0.0.20; range 10.0.0.30; option routers 10.0.0.1;"
        ' option domain-search "a.example"; option time-offset 3600; max-lease-time 1200; }\n'
        "}\n"
        "host red { hardware ethernet 0:1:2:3:4:5; fixed-address 10.0.0.9; option ntp-servers"
        " 10.0.0.2; }\n"
        'host "blue" { option dhcp-client-identifier 1:2; deny booting; }\n'
    )

    dhcp = config.dhcp
    assert told == []
    assert (dhcp.enabled, dhcp.authoritative, dhcp.lease_time) == (True, True, 600)
    assert dhcp.domain == "example.com"
    (subnet,) = dhcp.subnets
    assert [str(pool) for pool in subnet.pools] == ["10.0.0.10-10.0.0.20", "10.0.0.30"]
    assert (str(subnet.router), subnet.search) == ("10.0.0.1", ("a.example",))
    assert (subnet.shared_network, subnet.max_lease_time) == ("floor-2", 1200)
    assert subnet.options == {"time-offset": 3600}
    red, blue = dhcp.hosts
    assert (red.name, red.mac, str(red.address)) == ("red", bytes(range(6)), "10.0.0.9")
    assert red.options == {"ntp-server": "10.0.0.2"}
    assert (blue.client_id, blue.deny) == ("hex:0102", True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{LAN} {{ range 10.0.0.0 10.0.0.9; }}", "pools is left out: 10.0.0.0 is the network"),
        (f"{LAN} {{ option routers 10.9.0.1; }}", "router is left out: 10.9.0.1 is not in"),
        (f'{LAN} {{ option domain-name "a b"; }}', 'domain is left out: "a b" is not possible'),
        (f"{LAN} {{ default-lease-time -1; }}", "lease_time is 8760h, where 4294967295 s were"),
        (f"{LAN} {{ }} {LAN} {{ }}", "subnet is left out: 10.0.0.0/24 overlaps 10.0.0.0/24"),
        ("host x { }", "host x is left out: does not say which machine it is"),
        (
            "host x { hardware ethernet 0:1:2:3:4:5; fixed-address 10.0.0.9; }",
            "address is left out: 10.0.0.9 is in no subnet",
        ),
        (
            "host x { hardware ethernet 0:1:2:3:4:5; } host y { hardware ethernet 0:1:2:3:4:5; }",
            'host y is left out: its mac 00:01:02:03:04:05 is that of host "x"',
        ),
        ("host a_b { hardware ethernet 0:1:2:3:4:5; }", "host a_b is called a-b"),
        ("host ____ { hardware ethernet 0:1:2:3:4:5; }", "host ____ is called host"),
        (
            "host x { hardware ethernet 0:1:2:3:4:5; } host X { hardware ethernet 0:1:2:3:4:6; }",
            "host X is called X-2",
        ),
    ],
)
def test_what_netbootd_refuses_is_told(text: str, told: str) -> None:
    """What contradicts netbootd's rules is taken out or adapted, and told with its line."""
    _, remarks = converted(f"\n{text}")

    assert [line for line, _ in remarks] == [2]
    assert told in remarks[0][1]


def test_router_of_all() -> None:
    """A router that is set for everybody is that of the subnet which it is in."""
    config, told = converted(f"option routers 10.0.0.1; {LAN} {{ }}")

    assert (str(config.dhcp.subnets[0].router), config.dhcp.options, told) == ("10.0.0.1", {}, [])


def test_router_elsewhere() -> None:
    """A router that is in no subnet is sent to everybody, as the old server did."""
    config, _ = converted(f"option routers 10.9.0.1; {LAN} {{ }}")

    assert config.dhcp.options == {"router": "10.9.0.1"}


def test_without_subnets() -> None:
    """Hosts alone are printed, and the server stays off until there is a subnet."""
    config, told = converted("host x { hardware ethernet 0:1:2:3:4:5; }")

    assert (config.dhcp.enabled, len(config.dhcp.hosts), told) == (False, 1, [])


def test_too_many_contradictions() -> None:
    """A file that is nothing but contradictions is refused."""
    hosts = "host x { }\n" * (MAX_REFUSALS + 1)

    with pytest.raises(Unreadable, match="contradicts itself in too many places"):
        converted(hosts)


@pytest.mark.parametrize(
    ("read", "file"),
    [(dhcpd_conf.read_settings, "dhcpd.conf"), (dnsmasq_conf.read_settings, "dnsmasq.conf")],
)
def test_real_files(read: object, file: str) -> None:
    """What is printed of a real file is a configuration with its subnets and hosts."""
    assert callable(read)

    text, _ = toml_of(read(data(Path(file).name)))

    dhcp = parse(text.encode(), Config).dhcp
    assert len(dhcp.subnets) == 3
    assert len(dhcp.hosts) >= 5
