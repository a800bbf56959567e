"""One log line per boot stage, in the words that Mac admins have searched for since bootpd.

`BSDP ACK[LIST] sent 10.0.0.50 pktsize 302` is what Apple's server logged; scripts and habits know
that shape. Progress is not logged, nor a size probe or a file that firmware merely tries.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger, LogLevel

from netbootd.event import (
    Event,
    FileMissing,
    ImageOffered,
    ImageSelected,
    ImagesListed,
    RequestUnanswered,
    SelectionFailed,
    TransferFinished,
    TransferStarted,
)
from netbootd.transfer import Outcome

LISTED = (
    "NetBoot: [{identifier}] BSDP ACK[LIST] sent {event.address} pktsize {event.size}"
    " [{event.interface}] arch={event.architecture} sysid={event.system_id} images={event.images}"
)
TRUNCATED = (
    "NetBoot: [{identifier}] image list truncated to first {event.images} images"
    " of {event.applicable}: the machine takes no longer message"
)
SELECTED = (
    "NetBoot: [{identifier}] BSDP ACK[SELECT] sent {event.address} pktsize {event.size}"
    " [{event.interface}] {event.machine_name} arch={event.architecture} sysid={event.system_id}"
    " image={event.image}"
)
FAILED = (
    "NetBoot: [{identifier}] BSDP ACK[FAILED] sent {event.address} [{event.interface}]"
    " arch={event.architecture} sysid={event.system_id} image={event.image_id:#010x}: {event.why}"
)
OFFERED = "NetBoot: [{identifier}] BSDP OFFER sent pktsize {event.size} image={event.image}"
UNANSWERED = "NetBoot: [{identifier}] not answered {event.address} [{event.interface}]: {event.why}"
STARTED = "{event.service}: {who} reads {event.name} ({event.size} bytes)"
FINISHED = (
    "{event.service}: {who} {outcome} {event.name}"
    " ({event.sent} of {event.size} bytes in {event.seconds:.1f} s)"
)
MISSING = "{event.service}: {who} asked for {event.name}: {event.why}"

_STAGES: dict[type[Event], tuple[LogLevel, str]] = {
    ImagesListed: (LogLevel.info, LISTED),
    ImageSelected: (LogLevel.info, SELECTED),
    SelectionFailed: (LogLevel.warn, FAILED),
    ImageOffered: (LogLevel.info, OFFERED),
    RequestUnanswered: (LogLevel.warn, UNANSWERED),
    TransferStarted: (LogLevel.debug, STARTED),
    FileMissing: (LogLevel.debug, MISSING),
}
_OUTCOMES: dict[Outcome, tuple[LogLevel, str]] = {
    Outcome.COMPLETE: (LogLevel.info, "has read"),
    Outcome.PROBE: (LogLevel.debug, "asked the size of"),
    Outcome.ABORTED: (LogLevel.warn, "stopped reading"),
    Outcome.TIMEOUT: (LogLevel.warn, "went silent reading"),
    Outcome.FAILED: (LogLevel.error, "could not be given"),
    Outcome.STOPPED: (LogLevel.info, "was cut off by our stop reading"),
}


def identifier(machine: str) -> str:
    """A machine as Apple's logs name it: `1,a8:20:66:1:2:3`, octets without leading zeros."""
    octets = machine.split(":")
    if len(octets) != 6:
        return machine
    return "1," + ":".join(f"{int(octet, 16):x}" for octet in octets)


def _who(event: Event) -> str:
    """Hardware address and address; a reader that never spoke BSDP to us has the latter only."""
    known = event.machine != event.address
    return f"{event.machine} {event.address}" if known else event.address


def boot_log(log: Logger) -> Callable[[Event], None]:
    """A timeline listener that writes to `log`."""

    def write(event: Event) -> None:
        if isinstance(event, TransferFinished):
            level, outcome = _OUTCOMES[event.outcome]
            log.emit(level, FINISHED, event=event, outcome=outcome, who=_who(event))
            return
        stage = _STAGES.get(type(event))
        if stage is None:
            return
        level, line = stage
        name = identifier(event.machine)
        log.emit(level, line, event=event, identifier=name, who=_who(event))
        if isinstance(event, ImagesListed) and event.images < event.applicable:
            log.emit(LogLevel.warn, TRUNCATED, event=event, identifier=name)

    return write
