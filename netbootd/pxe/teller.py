"""What PXE tells the timeline, at a pace that a flood cannot set.

A machine is told the same up to five times in one boot (OFFER twice, ACK, boot server); that is
news once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from ipaddress import IPv4Address
from typing import Final, TypedDict

from netbootd.event import BootMenuOffered, BootOffered, BootUnanswered
from netbootd.pace import Pace
from netbootd.timeline import Timeline
from ops.counter import Counters
from protocols.pxe.client import PxeClient

QUIET: Final = 30.0
"""Seconds for which the same news of one machine is not told again: firmware that waits longer
between two messages has started anew."""
UNANSWERED_QUIET: Final = 60.0
"""The same for a machine that is told nothing: firmware asks for that long, then starts over."""


class _Who(TypedDict):
    """What every event tells (`netbootd.event.PxeEvent`)."""

    at: datetime
    machine: str
    address: str
    client: str
    platform: str


class PxeTeller:
    """Turns answers into events. `seconds` is a monotonic clock."""

    def __init__(
        self, timeline: Timeline, seconds: Callable[[], float], counters: Counters
    ) -> None:
        self._timeline = timeline
        untold = counters.counter(
            "netbootd_pxe_untold_events_total", "PXE events left out to keep the pace."
        )
        self._pace = Pace(seconds, untold)

    def offered(self, client: PxeClient, address: IPv4Address, file: str, entry: str) -> None:
        """`client` was told to load `file`, which starts `entry`, if not empty."""
        if self._pace.allows((client.mac, client.kind, file), QUIET):
            self._timeline.record(BootOffered(**self._who(client, address), file=file, entry=entry))

    def menu_offered(
        self, client: PxeClient, address: IPv4Address, entries: int, applicable: int
    ) -> None:
        """`client` was given a menu of so many of the entries that it may boot."""
        if self._pace.allows((client.mac, client.kind, entries, applicable), QUIET):
            who = self._who(client, address)
            self._timeline.record(BootMenuOffered(**who, entries=entries, applicable=applicable))

    def unanswered(self, client: PxeClient, address: IPv4Address, why: str) -> None:
        """`client` was told nothing."""
        if self._pace.allows((client.mac, client.kind, why), UNANSWERED_QUIET):
            self._timeline.record(BootUnanswered(**self._who(client, address), why=why))

    def _who(self, client: PxeClient, address: IPv4Address) -> _Who:
        return _Who(
            at=self._timeline.now(),
            machine=client.mac.hex(":") or str(address),
            address=str(address),
            client=client.kind.value,
            platform=client.platform,
        )
