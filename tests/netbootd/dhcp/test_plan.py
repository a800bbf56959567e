"""A plan of any settings: one that the server can work by, or an error for the operator."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from netbootd.config import Config
from netbootd.dhcp.option_text import BY_NAME, OptionError, identifier_from, option_from
from netbootd.dhcp.plan import plan_of
from netbootd.dhcp.settings import OptionValue
from ops.config import ConfigError, Invalid, parse
from protocols.dhcp.option import RawOption
from protocols.dhcp.server.conversation import DhcpServer
from protocols.dhcp.server.lease import LeaseTable

ADDRESSES = [f"10.0.{third}.{last}" for third in (0, 1) for last in (0, 1, 2, 5, 6, 7, 254, 255)]
address = st.sampled_from(ADDRESSES)
span = st.one_of(address, st.builds(lambda a, b: f"{a}-{b}", address, address))
seconds = st.sampled_from(["4s", "10s", "1m", "1h"])
name = st.sampled_from(["a", "b", "A"])
option = st.dictionaries(
    st.sampled_from([*BY_NAME, "224", "0", "51", "x"]),
    st.one_of(
        st.booleans(),
        st.integers(),
        address,
        st.text(max_size=3),
        st.lists(address, max_size=2),
        st.just("hex:00"),
        st.just("10.0.1.0/24 via 10.0.0.1"),
    ),
    max_size=2,
)
subnets = st.fixed_dictionaries(
    {
        "network": st.sampled_from(
            ["10.0.0.0/24", "10.0.1.0/24", "10.0.0.4/30", "10.0.0.6/31", "10.0.0.0/16", "0.0.0.0/0"]
        )
    },
    optional={
        "pools": st.lists(
            st.one_of(span, st.fixed_dictionaries({"range": span, "class": st.lists(name)})),
            max_size=3,
        ),
        "exclude": st.lists(span, max_size=2),
        "router": st.one_of(address, st.lists(address, max_size=2)),
        "dns": st.lists(address, max_size=2),
        "search": st.lists(st.just("example.com"), max_size=2),
        "routes": st.lists(st.builds("10.9.0.0/16 via {}".format, address), max_size=2),
        "lease_time": seconds,
        "min_lease_time": seconds,
        "max_lease_time": seconds,
        "renewal": seconds,
        "rebinding": seconds,
        "shared_network": name,
        "options": option,
    },
)
hosts = st.fixed_dictionaries(
    {"name": name},
    optional={
        "mac": st.sampled_from(["52:54:00:00:00:01", "52:54:00:00:00:02"]),
        "client_id": name,
        "circuit_id": name,
        "remote_id": name,
        "address": address,
        "deny": st.booleans(),
        "options": option,
    },
)
classes = st.fixed_dictionaries(
    {"name": name},
    optional={
        "vendor_class": name,
        "mac": st.just("52:54"),
        "platforms": st.lists(st.sampled_from(["bios", "uefi-x86-64", "pc"]), max_size=1),
        "lease_time": seconds,
        "options": option,
    },
)
tables = st.fixed_dictionaries(
    {"subnet": st.lists(subnets, max_size=2)},
    optional={
        "enabled": st.booleans(),
        "known_only": st.booleans(),
        "host": st.lists(hosts, max_size=2),
        "class": st.lists(classes, max_size=2),
        "lease_time": seconds,
        "renewal": seconds,
        "options": option,
    },
)


def toml(value: object) -> str:
    """`value` as an inline value of TOML."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {toml(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


@given(table=tables, ours=st.sets(address.map(IPv4Address), max_size=2))
def test_any_settings_are_a_plan_or_an_error(
    table: dict[str, object], ours: set[IPv4Address]
) -> None:
    """What is read without an error is a plan that a server takes, and in which nobody's address
    is in a pool."""
    try:
        settings = parse(f"dhcp = {toml(table)}".encode(), Config).dhcp
        plan = plan_of(settings, ours=ours)
    except (ConfigError, Invalid):
        event("refused")
        return
    event("planned")

    DhcpServer(plan, LeaseTable())
    pools = [pool for subnet in plan.subnets for pool in subnet.pools]
    for taken in (*plan.reserved, *map(int, ours)):
        assert not any(taken in pool for pool in pools)


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("time-offset", -3600, "fffff1f0"),
        ("Time Offset", 1, "00000001"),
        ("time_offset", 1, "00000001"),
        ("2", 1, "00000001"),
        ("router", "10.0.0.1", "0a000001"),
        ("router", ("10.0.0.1", "10.0.0.2"), "0a0000010a000002"),
        ("swap-server", "10.0.0.1", "0a000001"),
        ("static-route", ("10.9.0.0 10.0.0.2",), "0a0900000a000002"),
        ("classless-static-routes", "10.9.0.0/16 via 10.0.0.2", "100a090a000002"),
        ("domain-search", "a.b", "0161016200"),
        ("ip-forwarding", True, "01"),
        ("default-ip-time-to-live", 64, "40"),
        ("interface-mtu", 1400, "0578"),
        ("arp-cache-timeout", 60, "0000003c"),
        ("path-mtu-plateau-table", (68, 296), "00440128"),
        ("root-path", "/a", "2f61"),
        ("root-path", "hex:00:ff", "00ff"),
        ("vendor-specific-information", "ab", "6162"),
        ("user-class", "iPXE", "69505845"),
        ("224", "10.0.0.1", "0a000001"),
        ("224", ("10.0.0.1", "10.0.0.2"), "0a0000010a000002"),
        ("224", "10.0.0.1.", "31302e302e302e312e"),
    ],
)
def test_an_option_is_written_as_its_type_has_it(name: str, value: OptionValue, data: str) -> None:
    """Names are forgiving, values are not; an unknown option is addresses, else text."""
    assert option_from(name, value).data.hex() == data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("256", "x"),
        ("router", "10.0.0"),
        ("router", ()),
        ("router", 1),
        ("time-offset", True),
        ("ip-forwarding", "yes"),
        ("static-route", "10.9.0.0"),
        ("classless-static-routes", "10.9.0.1/16 via 10.0.0.2"),
        ("domain-search", ".a"),
        ("root-path", ""),
        ("vendor-specific-information", 1),
        ("224", ""),
        ("224", ()),
        ("224", "hex:"),
        ("224", "x" * 4081),
        ("client-identifier", "x"),
        ("relay-agent-information", "x"),
    ],
)
def test_an_option_that_cannot_be_sent_is_refused(name: str, value: OptionValue) -> None:
    """A value of another type, too long, or an option that is not the operator's."""
    with pytest.raises(OptionError):
        option_from(name, value)


def test_identifiers_are_texts_or_bytes() -> None:
    """`hex:` begins bytes."""
    assert identifier_from("eth0/1") == b"eth0/1"
    assert identifier_from("hex:01ff") == b"\x01\xff"


def test_lists_too_long_for_an_option_are_refused() -> None:
    """A thousand routers are an error of that setting, not of the program."""
    routers = ", ".join(f'"10.{n // 250}.{n % 250}.1"' for n in range(1100))
    document = f'[[dhcp.subnet]]\nnetwork = "10.0.0.0/8"\nrouter = [{routers}]'

    with pytest.raises(ConfigError, match=r"subnet\[0\].router: is more than an option can hold"):
        parse(document.encode(), Config)


def test_the_options_are_raw() -> None:
    """What is written is one instance; the server cuts it where it is long."""
    assert option_from("224", "x" * 300) == RawOption(224, b"x" * 300)
