"""Boot entries and loaders as a booter would offer them, without a disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from twisted.internet.task import Clock

from netbootd.booter import OfferedEntry, PcAsker
from netbootd.event import Event
from netbootd.pxe.answer import PxeAnswers, WebPorts
from netbootd.pxe.settings import PxeSettings
from netbootd.pxe.teller import PxeTeller
from netbootd.timeline import Timeline
from ops.config import parse
from ops.counter import Counters

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SERVER = IPv4Address("10.77.0.2")
NETBOOT = "NetBoot/NetBootSP0"


def entry(name: str, *, efi: str | None = None) -> OfferedEntry:
    """An entry called `name`; with `efi`, firmware starts that file of it."""
    published = None if efi is None else f"{NETBOOT}/{name}/{efi}"
    return OfferedEntry(
        name=name,
        title=name.capitalize(),
        efi=published,
        entry=None,  # type: ignore[arg-type]
    )


DEBIAN = entry("debian")
FEDORA = entry("fedora", efi="shimx64.efi")
MEMTEST = entry("memtest", efi="memtest.efi")


def settings(document: str = "") -> PxeSettings:
    return parse(document.encode(), PxeSettings)


@dataclass(eq=False)
class FakeBooter:
    """Offers `entries` to everybody."""

    entries: Sequence[OfferedEntry] = (DEBIAN, FEDORA, MEMTEST)
    kept: str | None = None
    """What was chosen at the machine."""
    loaders: frozenset[str] = frozenset({"undionly.kpxe", "snponly.efi"})
    askers: list[PcAsker] = field(default_factory=list)

    def boot_entries(self, asker: PcAsker) -> tuple[OfferedEntry, ...]:
        self.askers.append(asker)
        return tuple(self.entries)

    def chosen_entry(self, asker: PcAsker, boot: str | None) -> OfferedEntry | None:
        name = boot or self.kept
        return next((each for each in self.entries if each.name == name), None)

    def has_loader(self, name: str) -> bool:
        return name in self.loaders


class Rig:
    """The answers and everything around them."""

    def __init__(
        self,
        document: str = 'loaders = "/srv/loaders"',
        *,
        ports: WebPorts | None = None,
        **booter: Any,
    ) -> None:
        """`document` is the table [pxe]."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.counters = Counters()
        self.events: list[Event] = []
        timeline = Timeline(lambda: NOW)
        timeline.listen(self.events.append)
        self.booter = FakeBooter(**booter)
        self.answers = PxeAnswers(
            booter=self.booter,
            settings=settings(document),
            ports=ports or WebPorts(http=80, https=None),
            teller=PxeTeller(timeline, self.clock.seconds, self.counters),
            seconds=self.clock.seconds,
        )

    def count(self, name: str) -> int:
        return self.counters.snapshot()[f"netbootd_pxe_{name}_total"]
