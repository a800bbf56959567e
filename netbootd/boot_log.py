"""One log line per boot stage, in the words that Mac admins have searched for since bootpd.

`BSDP ACK[LIST] sent 10.0.0.50 pktsize 302` is what Apple's server logged; scripts and habits know
that shape. Progress is not logged, nor a size probe or a file that firmware merely tries.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from twisted.logger import Logger, LogLevel

from netbootd.event import (
    BootMenuOffered,
    BootOffered,
    BootUnanswered,
    EntrySelected,
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
UNANSWERED = (
    "NetBoot: [{identifier}] not answered {event.address} [{event.interface}]{model}: {event.why}"
)
BOOT_OFFERED = (
    "NetBoot: [{identifier}] {event.client} client told to load {event.file} arch={event.platform}"
)
MENU_OFFERED = (
    "NetBoot: [{identifier}] {event.client} client told to show a menu of {event.entries} entries"
    " arch={event.platform}"
)
MENU_CUT = (
    "NetBoot: [{identifier}] menu truncated to first {event.entries} entries"
    " of {event.applicable}: firmware takes no longer one"
)
BOOT_UNANSWERED = (
    "NetBoot: [{identifier}] {event.client} client told nothing arch={event.platform}: {event.why}"
)
ENTRY_SELECTED = (
    "NetBoot: [{identifier}] selected {event.address} arch={event.platform} entry={event.entry}"
    " “{event.title}”{stays}"
)
STARTED = "{event.service}: {who} reads {event.name} ({event.size} bytes)"
FINISHED = (
    "{event.service}: {who} {outcome} {event.name}"
    " ({event.sent} of {event.size} bytes in {event.seconds:.1f} s)"
)
MISSING = "{event.service}: {who} asked for {event.name}: {event.why}"

OPTIONAL_FILES = re.compile(
    r"""(?:^|/)(?:
        PlatformSupport\.plist | com\.apple\.Boot\.plist      # boot.efi
      | revocations\w*\.efi | shim_certificate_\d+\.efi      # shim 15.7
      | pxelinux\.cfg/[^/]+                                  # PXELINUX: by UUID, MAC and address
      | grub/[^/]+/(?:command|fs|crypto|terminal)\.lst       # GRUB 2.06
      | grub\.cfg-[0-9A-Fa-f-]+                              # GRUB: by MAC and address
      | autoexec\.ipxe                                       # iPXE since 2020
    )$""",
    re.VERBOSE,
)
"""What firmware and loaders ask for beside what they boot from, and do without: seen in captures,
the last in iPXE's source (usr/autoboot.c)."""
MISSED_QUIET = timedelta(minutes=1)
"""How long the same machine's want of the same file is not told again."""
MAX_MISSED = 100
"""Missing files told of within `MISSED_QUIET`, in all."""

_STAGES: dict[type[Event], tuple[LogLevel, str]] = {
    ImagesListed: (LogLevel.info, LISTED),
    ImageSelected: (LogLevel.info, SELECTED),
    SelectionFailed: (LogLevel.warn, FAILED),
    ImageOffered: (LogLevel.info, OFFERED),
    RequestUnanswered: (LogLevel.warn, UNANSWERED),
    BootOffered: (LogLevel.info, BOOT_OFFERED),
    BootMenuOffered: (LogLevel.info, MENU_OFFERED),
    BootUnanswered: (LogLevel.warn, BOOT_UNANSWERED),
    EntrySelected: (LogLevel.info, ENTRY_SELECTED),
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


def _model(event: Event) -> str:
    """Architecture and model of a machine that was not answered, where they are known."""
    if isinstance(event, RequestUnanswered) and event.architecture:
        return f" arch={event.architecture} sysid={event.system_id}"
    return ""


def _stays(event: Event) -> str:
    return " from now on" if isinstance(event, EntrySelected) and event.stays else ""


class Missed:
    """Which of the files that are not there an operator should hear of.

    Firmware asks for some that need not exist. Any other is why a machine does not boot; but
    whoever scans a server asks for thousands.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], datetime] = {}

    def is_news(self, event: FileMissing) -> bool:
        """Whether `event` is about a file that a boot needs, and was not told lately."""
        if OPTIONAL_FILES.search(event.name.replace("\\", "/")):
            return False
        key = (event.machine, event.name)
        last = self._told.get(key)
        if last is not None and event.at - last < MISSED_QUIET:
            return False
        if last is None and len(self._told) >= MAX_MISSED:
            if event.at - min(self._told.values()) < MISSED_QUIET:
                return False
            self._told.clear()
        self._told[key] = event.at
        return True


def boot_log(log: Logger) -> Callable[[Event], None]:
    """A timeline listener that writes to `log`."""

    missed = Missed()

    def write(event: Event) -> None:
        if isinstance(event, TransferFinished):
            level, outcome = _OUTCOMES[event.outcome]
            log.emit(level, FINISHED, event=event, outcome=outcome, who=_who(event))
            return
        stage = _STAGES.get(type(event))
        if stage is None:
            return
        level, line = stage
        if isinstance(event, FileMissing) and missed.is_news(event):
            level = LogLevel.warn
        name = identifier(event.machine)
        more = {"who": _who(event), "model": _model(event), "stays": _stays(event)}
        log.emit(level, line, event=event, identifier=name, **more)
        if isinstance(event, ImagesListed) and event.images < event.applicable:
            log.emit(LogLevel.warn, TRUNCATED, event=event, identifier=name)
        if isinstance(event, BootMenuOffered) and event.entries < event.applicable:
            log.emit(LogLevel.warn, MENU_CUT, event=event, identifier=name)

    return write
