"""The log of the DHCP server: the words that admins search for, and what to do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, Logger, formatEvent

from netbootd.dhcp import leases
from netbootd.dhcp.event import (
    AddressDeclined,
    AddressLeased,
    AddressReleased,
    AddressRenewed,
    ClientUnanswered,
    ConflictFound,
    DhcpEvent,
    LeaseUnstored,
    PoolExhausted,
    RequestRefused,
)
from netbootd.dhcp.lease_log import lease_log
from netbootd.event import FileMissing
from ops import reload
from protocols.dhcp.server.outcome import Reason

PAGE = Path(__file__).parents[3] / "docs" / "alone-on-a-network.md"
ABOUT = {
    "at": datetime(2026, 3, 1, tzinfo=UTC),
    "machine": "a8:20:66:01:02:03",
    "address": "10.0.0.100",
}


def made(kind: type[DhcpEvent], **others: Any) -> DhcpEvent:
    return kind(**ABOUT, via="en0", **others)


EVENTS = [
    (
        made(AddressLeased, host_name="imac-17", seconds=3600),
        "info: DHCPACK on 10.0.0.100 to a8:20:66:01:02:03 (imac-17) via en0: leased for 1h",
    ),
    (
        made(AddressLeased, host_name="", seconds=0xFFFFFFFF),
        "info: DHCPACK on 10.0.0.100 to a8:20:66:01:02:03 via en0: leased for ever",
    ),
    (
        made(AddressLeased, host_name="a\x1b[31m\n\u202e", seconds=90),
        "info: DHCPACK on 10.0.0.100 to a8:20:66:01:02:03 (a\\x1b[31m\\n\\u202e) via en0:"
        " leased for 90s",
    ),
    (
        made(AddressRenewed, host_name="imac-17", seconds=3600),
        "debug: DHCPACK on 10.0.0.100 to a8:20:66:01:02:03 (imac-17) via en0: renewed for 1h",
    ),
    (
        made(AddressReleased, host_name=""),
        "info: DHCPRELEASE of 10.0.0.100 by a8:20:66:01:02:03 via en0",
    ),
    (
        made(AddressDeclined, seconds=3600, host=""),
        "warn: DHCPDECLINE of 10.0.0.100 by a8:20:66:01:02:03 via en0: somebody else uses it;"
        " nobody gets it for 1h. Find who it is, or exclude the address in its [[dhcp.subnet]]",
    ),
    (
        made(AddressDeclined, seconds=3600, host="imac-17"),
        "warn: DHCPDECLINE of 10.0.0.100 by a8:20:66:01:02:03 via en0: somebody else uses the"
        " address reserved for imac-17; nobody gets it for 1h, the machine meanwhile one of a pool,"
        " if it may. Find who uses it and give that one another, or reserve another in the"
        " [[dhcp.host]]",
    ),
    (
        made(ConflictFound, seconds=3600, host="imac-17"),
        "warn: 10.0.0.100, reserved for imac-17 (a8:20:66:01:02:03 via en0), is used by somebody"
        " without a lease; nobody gets it for 1h, the machine meanwhile one of a pool, if it may."
        " Find who uses it and give that one another, or reserve another in the [[dhcp.host]]",
    ),
    (
        made(ConflictFound, seconds=3600, host=""),
        "warn: 10.0.0.100, to be offered to a8:20:66:01:02:03 via en0, is used by somebody without"
        " a lease; nobody gets it for 1h. Find who it is, or exclude the address in its"
        " [[dhcp.subnet]]",
    ),
    (
        made(RequestRefused, why=Reason.WRONG_NETWORK.value),
        "info: DHCPNAK on 10.0.0.100 to a8:20:66:01:02:03 via en0: address is of another network",
    ),
    (
        made(PoolExhausted, network="10.0.0.0/24", others=0),
        "error: DHCPDISCOVER from a8:20:66:01:02:03 via en0: no address is free in 10.0.0.0/24;"
        " give its [[dhcp.subnet]] more addresses, or a shorter lease_time",
    ),
    (
        made(PoolExhausted, network="10.0.0.0/24", others=12),
        "error: DHCPDISCOVER from a8:20:66:01:02:03 via en0: no address is free in 10.0.0.0/24,"
        " and none was for 12 other machines since this was last said; give its [[dhcp.subnet]]"
        " more addresses, or a shorter lease_time",
    ),
    (
        made(ClientUnanswered, why="its message is malformed"),
        "warn: DHCP: a8:20:66:01:02:03 via en0 is not answered: its message is malformed",
    ),
    (
        made(LeaseUnstored, why="the disk is full"),
        "error: DHCPACK on 10.0.0.100 to a8:20:66:01:02:03 via en0 not sent: the disk is full",
    ),
]


def written(event: Any) -> list[str]:
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        lines.append(f"{event['log_level'].name}: {formatEvent(event)}")

    lease_log(Logger("test", observer=observe))(event)
    return lines


@pytest.mark.parametrize(("event", "line"), EVENTS)
def test_each_event_is_one_line(event: DhcpEvent, line: str) -> None:
    """Who, which address, where from, and where something is wrong, the remedy; nothing that a
    machine calls itself can upset a terminal."""
    assert written(event) == [line]


def test_events_of_others_are_left_to_others() -> None:
    """What is not about leases is not logged here."""
    assert written(FileMissing(**ABOUT, service="tftp", name="x", why="y")) == []


def test_every_line_that_the_page_explains_is_written() -> None:
    """The table of the documentation quotes lines that there are."""
    sources = "".join(Path(str(module.__file__)).read_text() for module in (reload, leases))
    formats = re.findall(r'(?:_log\.\w+\(|text = )"(.*?)"', sources)
    lines = [line.partition(": ")[2] for _, line in EVENTS] + formats
    known = "\n".join(lines).replace("{daemon}", "netbootd")
    quoted = re.findall(r"^\| `(.*?)` \|", PAGE.read_text(), re.MULTILINE)

    assert len(quoted) == 10
    for line in quoted:
        regex = ".*".join(re.escape(part) for part in line.split("…"))
        assert re.search(regex, known), line
