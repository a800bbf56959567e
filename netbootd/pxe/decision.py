"""Which boot file a network boot client is to load.

    iPXE                 the script of this machine
    PXE, HTTP boot       what the configuration says, or the only entry there is, if firmware starts
                         it by itself; else a menu, if firmware is to show one; else the platform's
                         loader, which then asks as iPXE and shows a better menu; else what was
                         chosen before, or the first entry that firmware starts by itself

Values in, values out: it must know no packets, no URLs, no disk.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from netbootd.booter import OfferedEntry
from netbootd.pxe.settings import PxeSettings
from protocols.pxe.client import ClientKind, PxeClient
from protocols.pxe.menu import menu_types
from protocols.pxe.value import CREDENTIALS_LAYER, BootItem, MenuEntry

PICK_TIME: Final = 300.0
"""Seconds for which what was picked in a firmware's menu is what its iPXE boots: it takes some ten
seconds to load iPXE, over a slow line a minute."""
MAX_PICKS: Final = 1024
"""Picks remembered; the oldest goes."""

MAX_LINES: Final = 32
"""Entries that a menu is made of. A line takes 11 bytes at least and option 43 has 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file to load, by its published name."""

    name: str
    entry: str = ""
    """Title of the entry that it starts; empty for a loader and for a script with a menu."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A menu for firmware to show."""

    entries: tuple[MenuEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Nothing to load; `why` tells the admin."""

    why: str


Decision = File | Menu | Nothing


def _lines(
    entries: Sequence[OfferedEntry], startable: Sequence[OfferedEntry]
) -> tuple[MenuEntry, ...]:
    """The menu of those that are `startable`."""
    return tuple(
        MenuEntry(type=number, text=each.title)
        for number, each in _typed(entries).items()
        if each in startable
    )


def _typed(entries: Sequence[OfferedEntry]) -> dict[int, OfferedEntry]:
    """What the machine may boot, by the number that a menu gives it."""
    listed = entries[:MAX_LINES]
    return dict(zip(menu_types([each.name for each in listed]), listed, strict=True))


class Decider:
    """Decides, and remembers for a while what was picked in a firmware's menu."""

    def __init__(
        self,
        settings: PxeSettings,
        *,
        has_loader: Callable[[str], bool],
        seconds: Callable[[], float],
    ) -> None:
        """`has_loader` tells whether the folder of loaders has a file of that name; `seconds` is a
        monotonic clock."""
        self._settings = settings
        self._has_loader = has_loader
        self._seconds = seconds
        self._picks: OrderedDict[bytes, tuple[OfferedEntry, float]] = OrderedDict()

    def decide(
        self,
        client: PxeClient,
        entries: Sequence[OfferedEntry],
        *,
        boot: str | None,
        chosen: OfferedEntry | None,
    ) -> Decision:
        """`entries` are those that the machine may boot, in list order; `boot` is the name of the
        one that the configuration wants, `chosen` that entry, or the one chosen at the machine."""
        if not entries:
            return Nothing(why=f"no boot entry is for it ({client.platform})")
        if boot is not None and chosen is None:
            return Nothing(why=f"it is to boot {boot}, which is not there or not for it")
        if client.kind is ClientKind.IPXE:
            return self._script(client, chosen if boot is not None else None)
        if client.kind is ClientKind.PXE and client.boot_item is not None:
            return self._picked(client, client.boot_item, entries)
        loader = self._loader(client.platform)
        # What was chosen at the machine can be chosen anew there, in the loader's menu.
        wanted = chosen if boot is not None or loader is None else None
        if chosen is None and len(entries) == 1:
            wanted = entries[0]
        if wanted is not None and wanted.efi is not None:
            return File(name=wanted.efi, entry=wanted.title)
        return self._among(client, entries, chosen, loader)

    def _among(
        self,
        client: PxeClient,
        entries: Sequence[OfferedEntry],
        chosen: OfferedEntry | None,
        loader: str | None,
    ) -> Decision:
        """Where firmware cannot just start the one entry that it is to boot."""
        by_firmware = tuple(each for each in entries if each.efi is not None)
        if chosen is None and client.kind is ClientKind.PXE:  # HTTP boot knows no menus
            startable = by_firmware if loader is None else entries
            wants = self._settings.menu
            if wants == "auto":
                wants = loader is None and len(by_firmware) > 1
            if wants and startable:
                return Menu(entries=_lines(entries, startable))
        if loader is not None:
            return File(name=loader)
        if chosen is None and by_firmware and by_firmware[0].efi is not None:
            return File(name=by_firmware[0].efi, entry=by_firmware[0].title)
        return Nothing(why=self._why_no_loader(client.platform))

    def _picked(
        self, client: PxeClient, item: BootItem, entries: Sequence[OfferedEntry]
    ) -> File | Nothing:
        """What was picked in a menu of ours."""
        entry = _typed(entries).get(item.type)
        if entry is None or item.layer & CREDENTIALS_LAYER:
            return Nothing(why=f"it asks for item {item.type:#06x} of a menu, which is not there")
        if entry.efi is not None:
            return File(name=entry.efi, entry=entry.title)
        loader = self._loader(client.platform)
        if loader is None:
            return Nothing(why=self._why_no_loader(client.platform))
        self._picks[client.mac] = (entry, self._seconds() + PICK_TIME)
        self._picks.move_to_end(client.mac)
        if len(self._picks) > MAX_PICKS:
            self._picks.popitem(last=False)
        return File(name=loader, entry=entry.title)

    def _script(self, client: PxeClient, wanted: OfferedEntry | None) -> File:
        """What an iPXE runs. A choice to stay is the menu's affair: it can be changed there."""
        if not client.mac:  # IP over InfiniBand sends none (RFC 4390 §2.1)
            return File(name="boot.ipxe")
        if wanted is None and client.mac in self._picks:
            picked, until = self._picks[client.mac]
            wanted = picked if until > self._seconds() else None
        folder = f"ipxe/{client.mac.hex('-')}"
        if wanted is None:
            return File(name=f"{folder}/boot.ipxe")
        return File(name=f"{folder}/{wanted.name}.ipxe", entry=wanted.title)

    def _loader(self, platform: str) -> str | None:
        name = self._settings.loader.of(platform)
        return name if name and self._has_loader(name) else None

    def _why_no_loader(self, platform: str) -> str:
        if self._settings.loaders is None:
            return "it takes a loader such as iPXE; name a folder of loaders in pxe.loaders"
        name = self._settings.loader.of(platform)
        if not name:
            return f"there is no loader for {platform}; name one in [pxe.loader]"
        return f"its loader {name} is not in {self._settings.loaders}; put it there"
