"""Reservations: what may be reserved beside the configuration, and what rests."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from netbootd.dhcp.reservation import (
    Reservation,
    candidates,
    objection,
    reservations_of,
    usual_name,
    with_reservations,
)
from netbootd.dhcp.settings import DhcpSettings
from ops.config import Invalid
from ops.database import StoreError
from ops.setting import MacAddress
from protocols.dhcp.server.lease import Lease, LeaseState
from tests.netbootd.dhcp.rig import settings_of

MAC = MacAddress.parse("a8:20:66:01:02:03")
OTHER = MacAddress.parse("a8:20:66:01:02:04")
SETTINGS = """
enabled = true
[[subnet]]
network = "10.0.0.0/24"
pools = ["10.0.0.100-10.0.0.199"]
router = "10.0.0.254"
[[host]]
name = "printer"
mac = "00:11:22:33:44:55"
address = "10.0.0.7"
"""


def reservation(
    address: str = "10.0.0.9", mac: MacAddress = MAC, name: str = "imac-17"
) -> Reservation:
    return Reservation(mac=mac, address=IPv4Address(address), name=name, reserved_at=1)


@pytest.fixture
def settings() -> DhcpSettings:
    return settings_of(SETTINGS)


def test_beside_the_configuration(settings: DhcpSettings) -> None:
    """What nobody else has is reserved, in a pool or not."""
    merged, resting = with_reservations(
        settings, [reservation(), reservation("10.0.0.150", OTHER, "imac-18")], []
    )

    assert resting == []
    assert [(host.name, str(host.address)) for host in merged.hosts] == [
        ("printer", "10.0.0.7"),
        ("imac-17", "10.0.0.9"),
        ("imac-18", "10.0.0.150"),
    ]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (reservation("10.0.0.7"), '10.0.0.7 is reserved for [[dhcp.host]] "printer"'),
        (reservation(mac=MacAddress.parse("00:11:22:33:44:55")), '"printer" of the configuration'),
        (reservation(name="PRINTER"), "has this name"),
        (reservation(name="no name"), '"no name" is no host name'),
        (reservation("10.1.0.9"), "10.1.0.9 is in no subnet"),
        (reservation("10.0.0.255"), "is the broadcast address"),
        (reservation("10.0.0.254"), "is the address of a router"),
        (reservation("10.0.0.1"), "10.0.0.1 is this computer's own"),
    ],
)
def test_the_configuration_wins(settings: DhcpSettings, wanted: Reservation, problem: str) -> None:
    """What contradicts it cannot be reserved; in the store already, it rests, and others do not."""
    ours = [IPv4Address("10.0.0.1")]
    good = reservation("10.0.0.20", OTHER, "imac-20")

    why = objection(wanted, settings, ours=ours)
    merged, resting = with_reservations(settings, [wanted, good], ours)

    assert why is not None
    assert problem in why.problem
    assert why.remedy
    assert [each for each, _ in resting] == [wanted]
    assert [host.name for host in merged.hosts] == ["printer", "imac-20"]


def test_one_address_for_one_machine(settings: DhcpSettings) -> None:
    """Neither an address nor a name is reserved twice; a machine may get another of both."""
    others = [reservation()]

    assert objection(reservation(mac=OTHER, name="other"), settings, others) is not None
    assert objection(reservation("10.0.0.10", OTHER), settings, others) is not None
    assert objection(reservation("10.0.0.10"), settings, others) is None


def test_after_the_subnet_is_gone() -> None:
    """A start without a reservation's subnet is a start all the same."""
    settings = settings_of('enabled = true\n[[subnet]]\nnetwork = "10.1.0.0/24"')

    merged, resting = with_reservations(settings, [reservation()], [])

    assert merged == settings
    assert len(resting) == 1


def test_what_is_left_open() -> None:
    """The address that it has, and the name that it says, or one made for it."""
    own = Lease(0x0A000065, b"c", bytes(MAC), LeaseState.BOUND, 0, 9, "My Mac")

    choices = candidates(MAC, None, None, own=own, before=None, now=5)

    assert [(str(one.address), one.name) for one in choices] == [
        ("10.0.0.101", "My Mac"),
        ("10.0.0.101", usual_name(MAC)),
    ]
    with pytest.raises(Invalid, match="has no lease"):
        candidates(MAC, None, None, own=None, before=None, now=5)


def test_a_row_that_makes_no_sense() -> None:
    """A row that somebody spoilt is named, with its remedy."""
    with pytest.raises(StoreError, match="reservation of 'x' in the database makes no sense"):
        list(reservations_of([("x", "10.0.0.9", "imac", 1)]))
