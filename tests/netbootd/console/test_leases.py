"""The page of leases."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.template import flattenString

from netbootd.console.leases import MOST, leases_page
from netbootd.dhcp.reservation import Reservation
from ops.setting import MacAddress
from ops.web.route import Request
from protocols.dhcp.server.lease import Lease, LeaseState, LeaseTable
from protocols.dhcp.server.plan import INFINITE

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def lease(
    number: int, name: str = "", *, ends: int = 3600, state: LeaseState = LeaseState.BOUND
) -> Lease:
    """Of 10.0.0.`number`, which ends so many seconds from now."""
    at = int(NOW.timestamp())
    return Lease(
        address=int(IPv4Address("10.0.0.0")) + number,
        client=b"\x01" + number.to_bytes(6, "big"),
        hardware=number.to_bytes(6, "big"),
        state=state,
        starts=at - 60,
        ends=INFINITE if ends == INFINITE else at + ends,
        host_name=name,
    )


def html(
    *leases: Lease,
    find: str = "",
    is_on: bool = True,
    reserved: tuple[Reservation, ...] = (),
    name: str = "leases",
) -> str:
    """The part of the page that has the leases, or the one of that name."""
    table = LeaseTable()
    table.load(leases)
    service: Any = SimpleNamespace(
        dhcp=SimpleNamespace(
            leases=SimpleNamespace(table=table), reservations=SimpleNamespace(all=reserved)
        )
        if is_on
        else None,
        timeline=SimpleNamespace(now=lambda: NOW),
    )
    _, parts = leases_page(service, Request(method="GET", query={"find": find} if find else {}))
    (part,) = [one for one in parts if one.name == name]
    written: list[bytes] = []
    rendered: Deferred[bytes] = flattenString(None, part.render())  # type: ignore[arg-type]
    rendered.addCallback(written.append)
    return written[0].decode()


def test_all() -> None:
    """By address; what has ended is told as such, and so is what never does."""
    page = html(lease(20, "lab-20", ends=-5), lease(3, "lab-03"), lease(9, ends=INFINITE))

    assert page.index("10.0.0.3") < page.index("10.0.0.9") < page.index("10.0.0.20")
    assert "expired" in page
    assert "never" in page
    assert "3 leases" in page


def test_find() -> None:
    """By a part of the name, the address, or the hardware address."""
    leases = (lease(3, "Anna"), lease(4, "Berta"), lease(0x99, "Carla"))

    assert "Berta" not in html(*leases, find="ann")
    assert "Anna" in html(*leases, find="ann")
    assert "Berta" in html(*leases, find="10.0.0.4")
    assert "Carla" in html(*leases, find="00:99")
    assert "Nothing fits" in html(*leases, find="nobody")


def test_reservations() -> None:
    """Who waits for a machine with an address of its own finds it before that has ever asked."""
    reserved = tuple(
        Reservation(
            mac=MacAddress(number.to_bytes(6, "big")),
            address=IPv4Address("10.0.0.0") + number,
            name=f"lab-{number}",
            reserved_at=0,
        )
        for number in (60, 9)
    )

    page = html(reserved=reserved, name="reserved")

    assert page.index("10.0.0.9") < page.index("10.0.0.60")
    assert "00:00:00:00:00:3c" in page
    assert "lab-60" not in html(reserved=reserved, name="reserved", find="LAB-9")
    assert "leases reserve" in html(name="reserved")


def test_what_machines_say_of_themselves() -> None:
    """A host name is a text, whatever is in it."""
    page = html(lease(3, "<script>alert(1)</script>\x1b[31m"))

    assert "<script" not in page
    assert "\x1b" not in page


def test_many() -> None:
    """A page has its bound, and says so."""
    page = html(*(lease(number) for number in range(1, MOST + 20)))

    assert page.count("<tr>") == MOST + 1
    assert f"the first {MOST} of them" in page


def test_off() -> None:
    """Where no addresses are leased it says how they would be."""
    assert "dhcp.enabled" in html(is_on=False)
