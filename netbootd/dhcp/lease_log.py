"""One log line per lease, in the words that admins have searched for since ISC dhcpd:
`DHCPACK on 10.0.0.100 to a8:20:66:01:02:03 (imac-17) via en0`, and what to do where something is
wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger, LogLevel

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
from netbootd.event import Event
from ops.setting import Duration
from ops.text import escape

FOR_EVER = 0xFFFFFFFF

LEASED = "DHCPACK on {event.address} to {event.machine}{name} via {event.via}: leased {time}"
RENEWED = "DHCPACK on {event.address} to {event.machine}{name} via {event.via}: renewed {time}"
RELEASED = "DHCPRELEASE of {event.address} by {event.machine}{name} via {event.via}"
DECLINED = (
    "DHCPDECLINE of {event.address} by {event.machine} via {event.via}: somebody else uses it;"
    " nobody gets it {time}. Find who it is, or exclude the address in its [[dhcp.subnet]]"
)
CONFLICT = (
    "{event.address}, to be offered to {event.machine} via {event.via}, is used by somebody without"
    " a lease; nobody gets it {time}. Find who it is, or exclude the address in its [[dhcp.subnet]]"
)
DECLINED_RESERVED = (
    "DHCPDECLINE of {event.address} by {event.machine} via {event.via}: somebody else uses the"
    " address reserved for {event.host}; nobody gets it {time}, the machine meanwhile one of a"
    " pool, if it may. Find who uses it and give that one another, or reserve another in the"
    " [[dhcp.host]]"
)
CONFLICT_RESERVED = (
    "{event.address}, reserved for {event.host} ({event.machine} via {event.via}), is used by"
    " somebody without a lease; nobody gets it {time}, the machine meanwhile one of a pool, if it"
    " may. Find who uses it and give that one another, or reserve another in the [[dhcp.host]]"
)
REFUSED = "DHCPNAK on {event.address} to {event.machine} via {event.via}: {event.why}"
EXHAUSTED = (
    "DHCPDISCOVER from {event.machine} via {event.via}: no address is free in {event.network}"
    "{others}; give its [[dhcp.subnet]] more addresses, or a shorter lease_time"
)
UNANSWERED = "DHCP: {event.machine} via {event.via} is not answered: {event.why}"
UNSTORED = "DHCPACK on {event.address} to {event.machine} via {event.via} not sent: {event.why}"

_LINES: dict[type[Event], tuple[LogLevel, str]] = {
    AddressLeased: (LogLevel.info, LEASED),
    AddressRenewed: (LogLevel.debug, RENEWED),
    AddressReleased: (LogLevel.info, RELEASED),
    AddressDeclined: (LogLevel.warn, DECLINED),
    ConflictFound: (LogLevel.warn, CONFLICT),
    RequestRefused: (LogLevel.info, REFUSED),
    PoolExhausted: (LogLevel.error, EXHAUSTED),
    ClientUnanswered: (LogLevel.warn, UNANSWERED),
    LeaseUnstored: (LogLevel.error, UNSTORED),
}
_RESERVED: dict[type[Event], tuple[LogLevel, str]] = {
    AddressDeclined: (LogLevel.warn, DECLINED_RESERVED),
    ConflictFound: (LogLevel.warn, CONFLICT_RESERVED),
}


def lease_log(log: Logger) -> Callable[[Event], None]:
    """A timeline listener that writes to `log`."""

    def write(event: Event) -> None:
        line = _LINES.get(type(event))
        if getattr(event, "host", ""):
            line = _RESERVED.get(type(event))
        if line is not None and isinstance(event, DhcpEvent):
            level, text = line
            more = {"name": _name(event), "time": _time(event), "others": _others(event)}
            log.emit(level, text, event=event, **more)

    return write


def _name(event: DhcpEvent) -> str:
    host_name = getattr(event, "host_name", "")
    return f" ({escape(host_name)})" if host_name else ""


def _others(event: DhcpEvent) -> str:
    count = getattr(event, "others", 0)
    if not count:
        return ""
    machines = "machine" if count == 1 else "machines"
    return f", and none was for {count} other {machines} since this was last said"


def _time(event: DhcpEvent) -> str:
    seconds = getattr(event, "seconds", 0)
    return "for ever" if seconds == FOR_EVER else f"for {Duration(seconds)}"
