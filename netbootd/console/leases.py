"""The page of leases."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from twisted.web.template import Tag, tags

from ops.web.block import UNKNOWN, badge, mono, panel, table, text
from ops.web.live import Part
from ops.web.route import Request
from ops.web.shell import Content
from ops.web.words import moment, number, plural
from protocols.dhcp.server.lease import Lease, LeaseState
from protocols.dhcp.server.plan import INFINITE

if TYPE_CHECKING:
    from netbootd.dhcp.reservation import Reservation
    from netbootd.service import BootService

MOST: Final = 500
"""Rows of the table; `?find=` narrows it."""
STATES: Final = {
    LeaseState.BOUND: "good",
    LeaseState.OFFERED: "busy",
    LeaseState.RELEASED: "off",
    LeaseState.EXPIRED: "off",
    LeaseState.DECLINED: "bad",
}
COLUMNS: Final = (
    ("Address", "m"),
    ("State", ""),
    ("Machine", ""),
    ("Name", "w"),
    ("Ends", "n"),
)

RESERVED: Final = (("Address", "m"), ("Machine", ""), ("Name", "w"))


def leases_page(service: BootService, request: Request) -> Content:
    """Addresses that were given out, and those that are kept by command, by address; `?find=` shows
    those whose address, machine or name has the text in it."""
    asked = request.query.get("find", "").strip().lower()

    def shown() -> Tag:
        if service.dhcp is None:
            return panel(
                "No addresses are leased",
                tags.p("Set dhcp.enabled = true to lease addresses from here.", class_="nothing"),
            )
        now = service.timeline.now()
        found = sorted(lease for lease in service.dhcp.leases.table if _has(lease, asked))
        rows = [_row(lease, now) for lease in found[:MOST]]
        note = plural(len(found), "lease", "leases")
        if len(found) > MOST:
            note += f", the first {number(MOST)} of them"
        nothing = "Nothing fits." if asked else "No address has been leased yet."
        return panel("Leases", table("Leases by address", COLUMNS, rows, nothing), note=note)

    def search() -> Tag:
        return tags.form(
            tags.label("Find", for_="find"),
            tags.input(type="search", name="find", id="find", value=asked, maxlength="64"),
            tags.button("Find", type="submit", class_="quiet"),
            role="search",
            class_="search",
            action="/leases",
        )

    def reserved() -> Tag:
        assert service.dhcp is not None  # noqa: S101 - or the part would not be there
        kept = sorted(service.dhcp.reservations.all, key=lambda one: one.address)
        found = [one for one in kept if _fits(asked, str(one.address), str(one.mac), one.name)]
        rows = [_reserved_row(one) for one in found[:MOST]]
        nothing = "Nothing fits." if asked else "None; `netbootctl leases reserve` keeps one."
        shown = table("Reservations by address", RESERVED, rows, nothing)
        return panel("Reserved by command", shown, note=number(len(found)) if found else "")

    leases = Part(name="leases", render=shown)
    if service.dhcp is None:
        return "Leases", [leases]
    kept = Part(name="reserved", render=reserved)
    return "Leases", [Part(name="search", render=search), leases, kept]


def _has(lease: Lease, asked: str) -> bool:
    address = str(IPv4Address(lease.address))
    return _fits(asked, address, lease.hardware.hex(":"), lease.host_name)


def _fits(asked: str, *texts: str) -> bool:
    return not asked or any(asked in text.lower() for text in texts)


def _reserved_row(one: Reservation) -> list[Any]:
    mac = str(one.mac)
    link = tags.a(mono(mac), href=f"/machines/{quote(mac)}")
    return [str(one.address), link, text(one.name)]


def _row(lease: Lease, now: datetime) -> list[Any]:
    state = lease.state_at(int(now.timestamp()))
    mac = lease.hardware.hex(":")
    ends: Any = "never"
    if lease.ends != INFINITE:
        ends = moment(datetime.fromtimestamp(lease.ends, UTC), now)
    return [
        str(IPv4Address(lease.address)),
        badge(state.value, STATES[state]),
        tags.a(mono(mac), href=f"/machines/{quote(mac)}") if mac else UNKNOWN,
        text(lease.host_name),
        ends,
    ]
