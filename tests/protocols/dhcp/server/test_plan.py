"""A plan that cannot work is refused at birth, with the name of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from protocols.dhcp.option import RawOption
from protocols.dhcp.server.plan import (
    INFINITE,
    ClientClass,
    Host,
    LeaseTimes,
    Plan,
    Pool,
    check_options,
)
from tests.protocols.dhcp.server.site import AWAY, HOME, MAC, OTHER_MAC, number, pool, subnet

MINE = Host(name="mine", hardware=MAC, address=IPv4Address("10.0.0.200"))
PHONES = ClientClass(name="phones", vendor_class=b"phone")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: LeaseTimes(default=1, minimum=2, maximum=3), "not in that order"),
        (lambda: LeaseTimes(default=4, minimum=2, maximum=3), "not in that order"),
        (lambda: LeaseTimes(default=0, minimum=0, maximum=3), "not in that order"),
        (lambda: LeaseTimes(default=3, minimum=3, maximum=INFINITE + 1), "not in that order"),
        (
            lambda: LeaseTimes(default=60, minimum=60, maximum=60, renewal=50, rebinding=40),
            "renewal 50 and rebinding 40",
        ),
        (lambda: LeaseTimes(default=60, minimum=60, maximum=60, renewal=70), "renewal 70"),
        (lambda: LeaseTimes(default=60, minimum=60, maximum=60, renewal=0), "renewal 0"),
        (lambda: LeaseTimes(default=60, minimum=60, maximum=60, rebinding=61), "rebinding 61"),
        (lambda: pool("10.0.0.9", "10.0.0.8"), "pool: 10.0.0.9-10.0.0.8 is empty"),
        (lambda: pool("0.0.0.0", "10.0.0.8"), "pool: 0.0.0.0-10.0.0.8"),
        (lambda: Pool(ranges=((5, 9), (9, 12))), "0.0.0.9-0.0.0.12 is empty or out of order"),
        (lambda: pool("10.0.0.9", "10.0.0.9", options=(RawOption(54),)), "pool: option 54"),
        (lambda: subnet("10.0.0.0/24", pool("10.0.0.0", "10.0.0.9")), "beyond its host"),
        (lambda: subnet("10.0.0.0/24", pool("10.0.0.9", "10.0.0.255")), "beyond its host"),
        (
            lambda: subnet(
                "10.0.0.0/24", pool("10.0.0.9", "10.0.0.12"), pool("10.0.0.1", "10.0.0.9")
            ),
            "subnet 10.0.0.0/24: 10.0.0.9 is in two pools",
        ),
        (lambda: subnet("10.0.0.0/24", options=(RawOption(0),)), "subnet 10.0.0.0/24: there is"),
        (lambda: Host(name="x"), "host x: is known either"),
        (lambda: Host(name="x", hardware=MAC, circuit_id=b"1"), "host x: is known either"),
        (lambda: Host(name="x", client_id=b""), "host x: an identifier is empty"),
        (lambda: Host(name="x", hardware=b""), "host x: hardware address of 0 bytes"),
        (lambda: Host(name="x", hardware=bytes(17)), "host x: hardware address of 17 bytes"),
        (lambda: Host(name="x", hardware=MAC, options=(RawOption(255),)), "host x: there is no"),
        (lambda: ClientClass(name="c"), "class c: says nothing"),
        (
            lambda: ClientClass(name="c", circuit_id=b"1", options=(RawOption(82),)),
            "class c: option 82",
        ),
        (lambda: Plan(options=(RawOption(53, b"\1"),)), "global: option 53 is the server's own"),
        (lambda: Plan(options=(RawOption(43, bytes(256)),)), "global: option 43 of 256 bytes"),
        (lambda: Plan(offer_hold=0), "offer hold"),
        (lambda: Plan(decline_hold=0), "decline hold"),
        (lambda: Plan(classes=(PHONES, PHONES)), "two classes"),
        (
            lambda: Plan(
                subnets=(subnet("10.0.0.0/24", pool("10.0.0.9", "10.0.0.9", classes={"x"})),)
            ),
            "subnet 10.0.0.0/24: no class x",
        ),
        (
            lambda: Plan(subnets=(HOME, AWAY, subnet("10.0.0.128/25"))),
            "subnets 10.0.0.0/24 and 10.0.0.128/25 overlap",
        ),
        (lambda: Plan(hosts=(MINE,)), "host mine: 10.0.0.200 is in no subnet"),
        (
            lambda: Plan(
                subnets=(HOME,), hosts=(MINE, replace(MINE, name="other", hardware=OTHER_MAC))
            ),
            "hosts mine and other share 10.0.0.200",
        ),
    ],
)
def test_refused(make: Callable[[], object], complaint: str) -> None:
    """What cannot work raises ValueError that says where and what."""
    with pytest.raises(ValueError, match=complaint):
        make()


def test_options_that_are_for_sale() -> None:
    """Any option may be configured that the conversation does not decide."""
    check_options("global", tuple(RawOption(code, b"x") for code in (1, 28, 43, 60, 66, 224, 254)))


def test_locate() -> None:
    """An address belongs to the subnet that holds it, first and last address included."""
    plan = Plan(subnets=(AWAY, HOME))

    for address, expected in (
        ("10.0.0.0", HOME),
        ("10.0.0.255", HOME),
        ("10.0.1.0", AWAY),
        ("9.255.255.255", None),
        ("10.0.2.0", None),
    ):
        found = plan.locate(number(address))
        assert (found[1] if found else None) is expected


def test_shared_networks() -> None:
    """Subnets of one shared network are one segment; others are one each."""
    hall = [replace(each, shared_network="hall") for each in (HOME, AWAY)]
    third = subnet("10.0.2.0/24")

    plan = Plan(subnets=(hall[0], third, hall[1]))

    assert [segment.subnets for segment in plan.segments] == [tuple(hall), (third,)]
    assert plan.segments[0].subnet_of(number("10.0.1.9")) is hall[1]
    assert plan.segments[0].subnet_of(number("10.0.2.9")) is None


def test_segment_of_an_interface() -> None:
    """An interface serves the first subnet that shares addresses with its networks."""
    plan = Plan(subnets=(AWAY, HOME))

    found = plan.segment_among([IPv4Network("192.0.2.0/24"), IPv4Network("10.0.0.0/16")])

    assert found == (plan.segments[0], AWAY)
    assert plan.segment_among([IPv4Network("192.0.2.0/24")]) is None


def test_pool_of() -> None:
    """A pool holds its ranges and not what lies between."""
    split = Pool(ranges=((number("10.0.0.10"), number("10.0.0.12")), (number("10.0.0.20"),) * 2))
    home = subnet("10.0.0.0/24", split)

    for address, inside in (("10.0.0.9", 0), ("10.0.0.12", 1), ("10.0.0.13", 0), ("10.0.0.20", 1)):
        assert home.pool_of(number(address)) is (split if inside else None)


def test_timers_of_short_leases() -> None:
    """Set timers that do not fit a short lease make way for half and seven eighths of it."""
    times = LeaseTimes(default=3600, minimum=60, maximum=7200, renewal=1000, rebinding=2000)

    assert times.timers(3600) == (1000, 2000)
    assert times.timers(800) == (400, 700)
    assert times.sets_timers
    assert replace(times, renewal=None).sets_timers
    assert not replace(times, renewal=None, rebinding=None).sets_timers
