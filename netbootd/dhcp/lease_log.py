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
REFUSED = "DHCPNAK on {event.address} to {event.machine} via {event.via}: {event.why}"
EXHAUSTED = (
    "DHCPDISCOVER from {event.machine} via {event.via}: {event.why}; give its [[dhcp.subnet]] more"
    " addresses, or a shorter lease_time"
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


def lease_log(log: Logger) -> Callable[[Event], None]:
    """A timeline listener that writes to `log`."""

    def write(event: Event) -> None:
        line = _LINES.get(type(event))
        if line is not None and isinstance(event, DhcpEvent):
            log.emit(*line, event=event, name=_name(event), time=_time(event))

    return write


def _name(event: DhcpEvent) -> str:
    host_name = getattr(event, "host_name", "")
    return f" ({escape(host_name)})" if host_name else ""


def _time(event: DhcpEvent) -> str:
    seconds = getattr(event, "seconds", 0)
    return "for ever" if seconds == FOR_EVER else f"for {Duration(seconds)}"
