"""The system's table of interfaces, as it is on the systems that we run on."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import psutil
import pytest

from netbootd import interface
from netbootd.interface import read_interfaces, served

LINK = SimpleNamespace(family=getattr(psutil, "AF_LINK", -1), address="a8:20:66:00:00:01")
UP, DOWN = SimpleNamespace(isup=True), SimpleNamespace(isup=False)


def ipv4(address: str, netmask: str | None = "255.255.255.0") -> SimpleNamespace:
    return SimpleNamespace(family=socket.AF_INET, address=address, netmask=netmask)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[SimpleNamespace]]:
    """What psutil finds; interfaces are up, but for one called `down`."""
    found: dict[str, list[SimpleNamespace]] = {}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: found)
    monkeypatch.setattr(
        psutil, "net_if_stats", lambda: {"en0": UP, "en1": UP, "down": DOWN, "bare": UP}
    )
    indexes = {"en0": 2, "en1": 3, "down": 4, "bare": 5}

    def index(name: str) -> int:
        if name not in indexes:
            raise OSError("no interface with this name")
        return indexes[name]

    monkeypatch.setattr(socket, "if_nametoindex", index)
    return found


def test_interfaces_that_are_up_and_have_an_address(
    table: dict[str, list[SimpleNamespace]],
) -> None:
    """An interface that is down, or has no IPv4 address, is none; the order is the system's."""
    table["en1"] = [LINK, ipv4("10.0.1.1")]
    table["en0"] = [ipv4("10.0.0.1"), LINK, ipv4("10.0.0.2")]
    table["down"] = [ipv4("10.0.2.1")]
    table["bare"] = [LINK]

    found = read_interfaces()

    assert [(one.name, one.index, [str(a) for a in one.addresses]) for one in found] == [
        ("en0", 2, ["10.0.0.1/24", "10.0.0.2/24"]),
        ("en1", 3, ["10.0.1.1/24"]),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="labels of addresses are Linux")
def test_a_label_is_no_interface(table: dict[str, list[SimpleNamespace]]) -> None:
    """`en0:1` is en0 with one more address: up when en0 is, and configured as en0."""
    table["en0"] = [ipv4("10.0.0.1")]
    table["en0:1"] = [ipv4("10.0.9.1")]
    table["down:1"] = [ipv4("10.0.2.1")]

    (only,) = read_interfaces()

    assert (only.name, [str(address.ip) for address in only.addresses]) == (
        "en0",
        ["10.0.0.1", "10.0.9.1"],
    )


@pytest.mark.parametrize("netmask", [None, "", "255.0.255.0"])
def test_an_address_without_a_usable_netmask(
    table: dict[str, list[SimpleNamespace]], netmask: str | None
) -> None:
    """A tunnel's or a virtual switch's address counts as a network of its own."""
    table["en0"] = [ipv4("10.0.0.1", netmask)]

    (only,) = read_interfaces()

    assert [str(address) for address in only.addresses] == ["10.0.0.1/32"]


def test_a_name_without_an_index(table: dict[str, list[SimpleNamespace]]) -> None:
    """Windows calls interfaces by names that have no index; that is no error."""
    table["Ethernet 2"] = [ipv4("10.0.0.1")]

    (only,) = read_interfaces()

    assert (only.name, only.index) == ("Ethernet 2", 0)


def test_served_keeps_addresses_that_are_allowed(table: dict[str, list[SimpleNamespace]]) -> None:
    """Of each interface the allowed addresses stay; without any, the interface goes."""
    table["en0"] = [ipv4("10.0.0.1"), ipv4("192.0.2.1")]
    table["en1"] = [ipv4("192.0.2.2")]

    kept = served(read_interfaces(), lambda name, address: str(address).startswith("10."))

    assert [(one.name, len(one.addresses)) for one in kept] == [("en0", 1)]


def test_the_loopback_is_told_by_its_addresses() -> None:
    """An interface is loopback if all of its addresses are."""
    (loopback,) = (one for one in interface.read_interfaces() if one.is_loopback)

    assert str(loopback.addresses[0].ip) == "127.0.0.1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("a8:20:66:00:00:01", "a82066000001"),
        ("A8-20-66-00-00-01", "a82066000001"),  # as Windows writes it
        ("00:00:00:00:00:00", None),  # loopback
        ("0a:00:00:01", None),  # a GRE tunnel, whose address is IPv4
        ("", None),
        (None, None),  # a tunnel without any
    ],
)
def test_hardware_address(
    table: dict[str, list[SimpleNamespace]], said: str | None, expected: str | None
) -> None:
    """An interface of the Ethernet kind has a hardware address of six bytes."""
    table["en0"] = [ipv4("10.0.0.1"), SimpleNamespace(family=int(psutil.AF_LINK), address=said)]

    (only,) = read_interfaces()

    assert only.hardware_address == (bytes.fromhex(expected) if expected else None)
