"""Subnets of the DHCP server against the addresses of this computer."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network

import pytest

from netbootd.coexist.subnet import about_subnets
from netbootd.config import Config
from netbootd.interface import Interface
from ops.config import parse


def leasing(network: str) -> str:
    first = IPv4Network(network)[9]
    subnet = f'network = "{network}"\npools = ["{first}"]\n'
    return f"[dhcp]\nenabled = true\n[[dhcp.subnet]]\n{subnet}"


def said(settings: str, *addresses: str) -> list[str]:
    eth0 = Interface(
        name="eth0", index=2, addresses=tuple(IPv4Interface(address) for address in addresses)
    )
    config = parse(settings.encode(), Config)
    return [f"{one.severity.value}: {one.said}" for one in about_subnets(config, [eth0])]


@pytest.mark.parametrize("addresses", [("10.0.0.1/24",), ("192.0.2.1/24", "10.0.0.1/24")])
def test_an_interface_in_a_subnet(addresses: tuple[str, ...]) -> None:
    """One address of an interface in a subnet is enough to serve it."""
    assert said(leasing("10.0.0.0/24"), *addresses) == [
        "ok: leases addresses of 10.0.0.0/24 on eth0"
    ]


def test_an_interface_in_no_subnet() -> None:
    """An interface outside all subnets is a warning with both remedies."""
    assert said(leasing("10.9.0.0/24"), "10.0.0.1/24") == [
        "WARNING: 10.0.0.1/24 [eth0] is in no [[dhcp.subnet]]: machines there get no address from"
        ' us; add one with network = "10.0.0.0/24", or set dhcp = false in [interface.eth0]'
    ]


def test_a_subnet_that_is_cut_otherwise() -> None:
    """A subnet that is not the network of the interface is a warning: masks would differ."""
    assert said(leasing("10.0.0.0/16"), "10.0.0.1/24") == [
        "WARNING: [[dhcp.subnet]] 10.0.0.0/16 is not the network of eth0, which is 10.0.0.0/24:"
        " machines would not reach each other; correct one of them"
    ]


def test_a_reservation_of_our_own_address() -> None:
    """Our own address in a [[dhcp.host]] would stop the start: an error with the key."""
    host = '[[dhcp.host]]\nname = "a"\nmac = "52:54:00:00:00:01"\naddress = "10.0.0.1"\n'

    assert said(leasing("10.0.0.0/24") + host, "10.0.0.1/24") == [
        "ERROR: dhcp.host[0].address: 10.0.0.1 is the address of this computer; give the machine"
        " another",
        "ok: leases addresses of 10.0.0.0/24 on eth0",
    ]


def test_a_subnet_that_leases_nothing() -> None:
    """A subnet with neither a pool nor a reservation is a mistake; with one of them it is none."""
    empty = '[dhcp]\nenabled = true\n[[dhcp.subnet]]\nnetwork = "10.0.0.0/24"\n'
    host = '[[dhcp.host]]\nname = "a"\nmac = "52:54:00:00:00:01"\naddress = "10.0.0.2"\n'
    served = "ok: leases addresses of 10.0.0.0/24 on eth0"

    assert said(empty, "10.0.0.1/24") == [
        "WARNING: dhcp.subnet[0]: 10.0.0.0/24 has no address to lease; add `pools`",
        served,
    ]
    assert said(empty + host, "10.0.0.1/24") == [served]


@pytest.mark.parametrize(
    "settings",
    ["", leasing("10.9.0.0/24") + "[interface.eth0]\ndhcp = false\n"],
)
def test_where_we_lease_nothing(settings: str) -> None:
    """Without [dhcp], or on an interface where it is off, no subnet is missed."""
    assert said(settings, "10.0.0.1/24") == []
