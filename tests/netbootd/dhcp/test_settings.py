"""`[dhcp]`: six lines are enough, and what contradicts itself is told with its remedy."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address, IPv4Network

import pytest

from netbootd.config import Config
from netbootd.dhcp.plan import plan_of
from netbootd.dhcp.settings import DhcpSettings
from ops.config import ConfigError, Invalid, parse
from protocols.dhcp import registry
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.plan import ClientClass, Host, LeaseTimes, Plan, Pool, Subnet
from protocols.pxe.architecture import Architecture
from tests.ops.facts import run

LEAST = """
[dhcp]
enabled = true
[[dhcp.subnet]]
network = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.199"]
router = "10.0.0.1"
"""
HOST = '\n[[dhcp.host]]\nname = "a"\nmac = "52:54:00:00:00:01"\n'
CLASS = '\n[[dhcp.class]]\nname = "lab"\nvendor_class = "PXEClient"\n'


def settings_of(document: str) -> DhcpSettings:
    return parse(document.encode(), Config).dhcp


def planned(document: str, *ours: str) -> Plan:
    return plan_of(settings_of(document), ours=[IPv4Address(address) for address in ours])


def span(first: str, last: str) -> tuple[int, int]:
    return int(IPv4Address(first)), int(IPv4Address(last))


def problem(document: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(document.encode(), Config)
    return str(caught.value)


def test_by_default_nobody_is_leased_anything() -> None:
    """Without a configuration netbootd is no DHCP server, and nothing of one is imported."""
    script = """
        import sys
        import netbootd.config

        assert not netbootd.config.Config().dhcp.enabled
        assert not {"netbootd.dhcp.plan", "protocols.dhcp.server.plan"} & set(sys.modules)
    """

    assert run(script, stdout=subprocess.DEVNULL).wait() == 0


def test_six_lines_are_a_network() -> None:
    """A subnet, a pool and a router: leases of an hour, whatever a machine asks for."""
    assert planned(LEAST) == Plan(
        subnets=(
            Subnet(
                network=IPv4Network("10.0.0.0/24"),
                lease_times=LeaseTimes(default=3600, minimum=3600, maximum=3600),
                pools=(Pool(ranges=(span("10.0.0.100", "10.0.0.199"),)),),
                options=(registry.ROUTER.of((IPv4Address("10.0.0.1"),)),),
            ),
        ),
        offer_hold=60,
        decline_hold=3600,
    )


def test_everything_that_can_be_said_arrives_in_the_plan() -> None:
    """Each setting has its place among the values that the server works by."""
    plan = planned("""
        [dhcp]
        enabled = true
        lease_time = "2h"
        min_lease_time = "1h"
        max_lease_time = "3h"
        dns = ["10.0.0.2", "10.0.0.3"]
        domain = "example.com"
        search = ["example.com", "lab.example.com"]
        ntp = "10.0.0.4"
        options = { "224" = "hex:0a0b" }
        offer_time = "30s"
        decline_time = "10m"
        ignore_client_identifier = true
        bootp = true
        known_only = true
        [[dhcp.subnet]]
        network = "10.0.0.0/24"
        pools = [
            "10.0.0.100-10.0.0.199",
            { range = "10.0.0.210-10.0.0.219", class = ["lab"] },
        ]
        exclude = ["10.0.0.110-10.0.0.119", "10.0.0.199"]
        router = ["10.0.0.1", "10.0.0.100"]
        routes = ["10.9.0.0/16 via 10.0.0.254"]
        lease_time = "90m"
        renewal = "30m"
        rebinding = "80m"
        authoritative = true
        shared_network = "floor"
        options = { time-offset = -3600 }
        [[dhcp.host]]
        name = "mac-17"
        mac = "52:54:00:00:00:01"
        client_id = "hex:ff01"
        address = "10.0.0.150"
        options = { root-path = "/here" }
        boot = "debian"
        [[dhcp.host]]
        name = "socket-4"
        circuit_id = "eth4"
        remote_id = "switch"
        deny = true
        [[dhcp.class]]
        name = "lab"
        vendor_class = "PXEClient"
        user_class = "iPXE"
        platforms = ["uefi-x86-64"]
        mac = "52:54"
        circuit_id = "a"
        remote_id = "b"
        options = { log-server = "10.0.0.9" }
        boot = "memtest"
        lease_time = "10m"
    """)

    ten_minutes = LeaseTimes(default=600, minimum=600, maximum=600)
    assert plan == Plan(
        subnets=(
            Subnet(
                network=IPv4Network("10.0.0.0/24"),
                lease_times=LeaseTimes(
                    default=5400, minimum=3600, maximum=10800, renewal=1800, rebinding=4800
                ),
                pools=(
                    Pool(
                        ranges=(
                            span("10.0.0.101", "10.0.0.109"),
                            span("10.0.0.120", "10.0.0.149"),
                            span("10.0.0.151", "10.0.0.198"),
                        )
                    ),
                    Pool(
                        ranges=(span("10.0.0.210", "10.0.0.219"),),
                        classes=frozenset({"lab"}),
                    ),
                ),
                options=(
                    RawOption(3, bytes((10, 0, 0, 1, 10, 0, 0, 100))),
                    RawOption(121, bytes((16, 10, 9, 10, 0, 0, 254))),
                    RawOption(2, (-3600).to_bytes(4, "big", signed=True)),
                ),
                shared_network="floor",
                authoritative=True,
            ),
        ),
        hosts=(
            Host(
                name="mac-17",
                hardware=bytes.fromhex("525400000001"),
                client_id=b"\xff\x01",
                address=IPv4Address("10.0.0.150"),
                host_name="mac-17",
                options=(RawOption(17, b"/here"),),
                boot="debian",
            ),
            Host(
                name="socket-4",
                circuit_id=b"eth4",
                remote_id=b"switch",
                host_name="socket-4",
                denied=True,
            ),
        ),
        classes=(
            ClientClass(
                name="lab",
                vendor_class=b"PXEClient",
                user_class=b"iPXE",
                architectures=frozenset(
                    {Architecture.X64_UEFI, Architecture.EBC}
                    | {Architecture.X64_UEFI_HTTP, Architecture.EBC_HTTP}
                ),
                hardware_prefix=b"\x52\x54",
                circuit_id=b"a",
                remote_id=b"b",
                options=(RawOption(7, bytes((10, 0, 0, 9))),),
                boot="memtest",
                lease_times=ten_minutes,
            ),
        ),
        options=(
            RawOption(6, bytes((10, 0, 0, 2, 10, 0, 0, 3))),
            RawOption(42, bytes((10, 0, 0, 4))),
            RawOption(15, b"example.com"),
            registry.DOMAIN_SEARCH.of(("example.com", "lab.example.com")),
            RawOption(224, b"\x0a\x0b"),
        ),
        ignore_client_identifier=True,
        bootp=True,
        known_only=True,
        offer_hold=30,
        decline_hold=600,
    )


def test_our_own_addresses_are_never_leased() -> None:
    """What is ours in a pool is cut out of it, as is whatever else has an address already."""
    plan = planned(LEAST.replace('10.0.0.1"', '10.0.0.199"'), "10.0.0.100", "192.168.0.1")

    assert plan.subnets[0].pools[0].ranges == (span("10.0.0.101", "10.0.0.198"),)


@pytest.mark.parametrize(
    ("address", "whose"), [("10.0.0.1", "a router"), ("10.0.0.9", "this computer")]
)
def test_our_own_addresses_and_those_of_routers_are_reserved_for_nobody(
    address: str, whose: str
) -> None:
    """A reservation of an address that somebody has is refused with its key."""
    host = f'[[dhcp.host]]\nname = "a"\nmac = "52:54:00:00:00:01"\naddress = "{address}"\n'

    with pytest.raises((Invalid, ConfigError)) as caught:
        planned(LEAST + host, "10.0.0.9")

    assert caught.value.key.endswith("host[0].address")
    assert caught.value.problem == f"{address} is the address of {whose}"


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (
            "[dhcp]\nenabled = true",
            "dhcp.subnet: is missing; add a [[dhcp.subnet]] with `network` and `pools`, or set",
        ),
        ("[[dhcp.subnet]]", "dhcp.subnet[0].network: is missing; give an IPv4 network"),
        (
            '[[dhcp.subnet]]\nnetwork = "10.0.0.1/24"',
            'dhcp.subnet[0].network: "10.0.0.1/24" has host bits set; did you mean "10.0.0.0/24"?',
        ),
        (
            CLASS.replace("vendor_class", "platforms").replace('"PXEClient"', '["uefi-x64"]'),
            'dhcp.class[0].platforms[0]: "uefi-x64" is no platform; did you mean "uefi-x86-64"?',
        ),
        (
            '[[dhcp.subnet]]\nnetwork = "224.0.0.0/24"',
            "dhcp.subnet[0].network: 224.0.0.0/24 is no network of machines; give one such as",
        ),
        (
            LEAST + '[[dhcp.subnet]]\nnetwork = "10.0.0.128/25"',
            "dhcp.subnet[1].network: 10.0.0.128/25 overlaps 10.0.0.0/24; describe each network",
        ),
        (
            LEAST.replace("10.0.0.199", "10.0.1.199"),
            "dhcp.subnet[0].pools[0]: 10.0.1.199 is not in 10.0.0.0/24; give an address of the",
        ),
        (
            LEAST.replace("10.0.0.100-", "10.0.0.0-"),
            "10.0.0.0 is the network address of 10.0.0.0/24; addresses of machines are 10.0.0.1-",
        ),
        (
            LEAST.replace("10.0.0.199", "10.0.0.255"),
            "10.0.0.255 is the broadcast address of 10.0.0.0/24",
        ),
        (
            LEAST.replace("10.0.0.199", "10.0.0.99"),
            'dhcp.subnet[0].pools[0]: "10.0.0.100-10.0.0.99" runs backwards; did you mean',
        ),
        (
            LEAST.replace("pools = [", 'pools = ["10.0.0.150-10.0.0.210", '),
            "pools[1]: 10.0.0.100-10.0.0.199 overlaps 10.0.0.150-10.0.0.210; give every address",
        ),
        (
            LEAST + 'exclude = ["10.0.0.50-10.0.0.200"]',
            "pools[0]: 10.0.0.100-10.0.0.199 has no address that is free to lease; give it more",
        ),
        (
            LEAST + 'exclude = ["10.0.1.50"]',
            "dhcp.subnet[0].exclude[0]: 10.0.1.50 is not in 10.0.0.0/24; name addresses of the",
        ),
        (
            LEAST.replace('"10.0.0.100-10.0.0.199"', "{ range = '10.0.0.7', class = ['lap'] }")
            + CLASS,
            'subnet[0].pools[0].class[0]: "lap" is no [[dhcp.class]]; did you mean "lab"?',
        ),
        (
            LEAST.replace('"10.0.0.100-10.0.0.199"', "{ rang = '10.0.0.7' }"),
            "dhcp.subnet[0].pools[0].rang: is not a setting; did you mean `range`?",
        ),
        (
            LEAST.replace('"10.0.0.1"', '["10.0.0.1", "10.1.0.1"]'),
            "dhcp.subnet[0].router[1]: 10.1.0.1 is not in 10.0.0.0/24; give an address of the",
        ),
        (
            LEAST + 'routes = ["10.9.0.0/16 via 10.1.0.2"]',
            "dhcp.subnet[0].routes[0]: 10.1.0.2 is not in 10.0.0.0/24",
        ),
        (
            LEAST + 'routes = ["10.9.0.0/16"]',
            'routes[0]: "10.9.0.0/16" is not possible; give a route such as "10.9.0.0/16 via',
        ),
        (
            LEAST + 'dns = "dns.example.com"',
            'dhcp.subnet[0].dns: "dns.example.com" is not possible; give an IPv4 address',
        ),
        (
            LEAST + 'domain = "a..b"',
            'dhcp.subnet[0].domain: "a..b" is not possible; give a domain name such as',
        ),
        (
            LEAST + 'lease_time = "1s"',
            'lease_time: "1s" is not possible; give a duration with a unit',
        ),
        (
            LEAST + 'min_lease_time = "2h"',
            "dhcp.subnet[0].min_lease_time: 2h is more than `lease_time`, 1h; give no more",
        ),
        (
            LEAST + 'max_lease_time = "30m"',
            "dhcp.subnet[0].max_lease_time: 30m is less than `lease_time`, 1h; give no less",
        ),
        (
            '[dhcp]\nmax_lease_time = "2h"\n' + LEAST.replace("[dhcp]\n", "") + 'lease_time = "3h"',
            "dhcp.max_lease_time: 2h is less than `subnet[0].lease_time`, 3h; give no less",
        ),
        (
            LEAST + 'rebinding = "61m"',
            "dhcp.subnet[0].rebinding: 61m is more than `lease_time`, 1h; give a time before",
        ),
        (
            LEAST + 'renewal = "50m"\nrebinding = "40m"',
            "dhcp.subnet[0].renewal: renewal after 50m is later than rebinding after 40m; a",
        ),
        (
            LEAST + 'rebinding = "10m"',
            "dhcp.subnet[0].rebinding: renewal after 30m is later than rebinding after 10m",
        ),
        (
            LEAST + "options = { tiem-offset = 1 }",
            'dhcp.subnet[0].options.tiem-offset: is not an option; did you mean "time-offset"?',
        ),
        (
            LEAST + 'options = { "300" = "x" }',
            "dhcp.subnet[0].options.300: is no option; option numbers are 1 to 254",
        ),
        (
            LEAST + "options = { lease-time = 1 }",
            "options.lease-time: is not an option",
        ),
        (
            LEAST + 'options = { "51" = 1 }',
            "dhcp.subnet[0].options.51: is the server's own; set `lease_time`",
        ),
        (
            LEAST + 'options = { router = "10.0.0.2" }',
            "options.router: is option 3, which `router` gives already; give it once",
        ),
        (
            LEAST + 'options = { "2" = 1, time-offset = 1 }',
            'options.time-offset: is option 2, which "2" gives already; give it once',
        ),
        (
            LEAST + 'options = { time-offset = "noon" }',
            'options.time-offset: "noon" is not possible; give a whole number from -2147483648',
        ),
        (
            LEAST + "options = { interface-mtu = 70000 }",
            "options.interface-mtu: 70000 is not possible; give a whole number from 0 to 65535",
        ),
        (
            LEAST + 'options = { "224" = 7 }',
            'options.224: 7 is not possible; its width is not known here: give bytes such as "hex:',
        ),
        (
            LEAST + 'options = { "224" = "hex:0" }',
            'options.224: "hex:0" is not possible; give bytes such as "hex:0a0b0c"',
        ),
        (
            f'{LEAST}options = {{ vendor-specific-information = "{"x" * 256}" }}',
            "options.vendor-specific-information: has more than 255 bytes; give less",
        ),
        (
            "[dhcp]\noptions = { domain-name = 1 }",
            "dhcp.options.domain-name: 1 is not possible; give a text",
        ),
        (
            LEAST + HOST + "options = { ip-forwarding = 1 }",
            "dhcp.host[0].options.ip-forwarding: 1 is not possible; give true or false",
        ),
        (
            LEAST + '[[dhcp.host]]\nname = "a"',
            "dhcp.host[0]: does not say which machine it is; set mac, client_id, circuit_id or",
        ),
        (
            LEAST + HOST + 'circuit_id = "eth4"',
            "dhcp.host[0].circuit_id: cannot be said beside what machine it is; take it away",
        ),
        (
            LEAST + HOST + 'address = "10.0.1.5"',
            "dhcp.host[0].address: 10.0.1.5 is in no subnet; give one of a [[dhcp.subnet]]",
        ),
        (
            LEAST + HOST + 'address = "10.0.0.255"',
            "dhcp.host[0].address: 10.0.0.255 is the broadcast address of 10.0.0.0/24",
        ),
        (
            LEAST + HOST + 'address = "10.0.0.5"\ndeny = true',
            "dhcp.host[0].address: is reserved for a machine that gets none; take the address",
        ),
        (
            LEAST
            + HOST
            + 'address = "10.0.0.5"'
            + HOST.replace('"a"', '"b"').replace("01", "02")
            + 'address = "10.0.0.5"',
            'dhcp.host[1].address: 10.0.0.5 is reserved for host "a"; give each machine',
        ),
        (
            LEAST + HOST + HOST.replace('"a"', '"b"'),
            'dhcp.host[1].mac: is that of host "a"; describe a machine once, or once for each',
        ),
        (LEAST + HOST + HOST.replace("01", "02"), 'dhcp.host[1].name: "a" is taken; give each'),
        (
            LEAST + HOST.replace('"a"', '"a b"'),
            'dhcp.host[0].name: "a b" is not possible; give a host name of up to 63',
        ),
        (
            LEAST + '[[dhcp.host]]\nname = "a"\nclient_id = "hex:012"',
            'dhcp.host[0].client_id: "hex:012" is not possible; give a text of up to 255',
        ),
        (LEAST + CLASS + CLASS, 'dhcp.class[1].name: "lab" is taken; give each class a name'),
        (
            LEAST + '[[dhcp.class]]\nname = "lab"',
            "dhcp.class[0]: does not say which machines it has; set vendor_class, user_class,",
        ),
        (
            LEAST + CLASS + 'platforms = ["uefi-x86_64"]',
            'dhcp.class[0].platforms[0]: "uefi-x86_64" is no platform; did you mean "uefi-x86-64"?',
        ),
        (
            LEAST.replace("enabled = true", "enabled = true\nknown_only = true"),
            "dhcp.known_only: serves nobody; add a [[dhcp.host]], or set it to false",
        ),
        (
            "[dhcp]\nprobe = 'ping'",
            'dhcp.probe: "ping" is not possible; give "auto", "arp", "icmp"',
        ),
    ],
)
def test_what_contradicts_itself_is_refused_with_a_remedy(document: str, line: str) -> None:
    """The line names the key and what would be right."""
    assert line in problem(document)


def test_a_server_that_is_switched_off_is_checked_too() -> None:
    """A mistake is told before the day on which the server is switched on."""
    document = LEAST.replace("enabled = true", "").replace("10.0.0.199", "10.0.1.199")

    assert "dhcp.subnet[0].pools[0]: 10.0.1.199 is not in 10.0.0.0/24" in problem(document)


def test_a_machine_may_have_an_address_in_each_of_several_subnets() -> None:
    """A notebook that moves between two rooms is described once for each."""
    plan = planned(
        LEAST
        + '[[dhcp.subnet]]\nnetwork = "10.0.1.0/24"'
        + HOST
        + 'address = "10.0.0.5"'
        + HOST.replace('"a"', '"b"')
        + 'address = "10.0.1.5"'
    )

    assert [host.name for host in plan.by_hardware[bytes.fromhex("525400000001")]] == ["a", "b"]
