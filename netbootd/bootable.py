"""What of the configuration keeps PCs from booting what is there? For `netbootctl check`.

A loader that an entry needs and the folder of loaders has not; an entry that a machine is told to
boot and nobody has. Looks at values only, at no disk.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from images.catalog import Snapshot
from images.entry import BootEntry
from images.errors import shown
from netbootd.config import Config
from ops.finding import Finding, Severity
from ops.text import escape

COMMON: Final = frozenset({"bios", "uefi-x86-64"})
"""Platforms of which nobody is without machines. A script that names no architectures is for all,
but a loader for RISC-V need not be there because of it."""


def about_loaders(settings: Config, snapshot: Snapshot) -> Iterator[Finding]:
    """A finding for each platform that has entries and lacks the loader that they need."""
    pxe = settings.pxe
    if not pxe.enabled:
        return
    needed: dict[str, BootEntry] = {}
    for entry in snapshot.entries:
        for platform in sorted(_without_program(entry)):
            needed.setdefault(platform, entry)
    if pxe.loaders is None and needed:
        entry = next(iter(needed.values()))
        text = f"pxe.loaders is not set, and “{entry.title}” takes a loader such as iPXE to start"
        yield Finding(Severity.WARNING, "loaders", text, 'name its folder: "/usr/lib/ipxe"')
    if snapshot.loaders is None:
        return
    for platform, entry in needed.items():
        name = pxe.loader.of(platform)
        if name in snapshot.loaders.files:
            continue
        has_none = f"{platform} has no loader" if not name else f"{name} is missing"
        text = f"{shown(snapshot.loaders.path)}: {has_none}, so no {platform} machine boots"
        remedy = f"put it there, or name another in [pxe.loader] {platform}"
        yield Finding(Severity.WARNING, "loaders", f"{text} “{entry.title}”", remedy)


def _without_program(entry: BootEntry) -> frozenset[str]:
    """The platforms of which the firmware cannot start `entry` by itself."""
    platforms = entry.platforms - entry.programs.keys()
    if entry.script is not None and entry.architectures is None:
        return platforms & COMMON
    return platforms


def about_links(settings: Config, snapshot: Snapshot) -> Iterator[Finding]:
    """A finding for each symbolic link that leads out of the folder of loaders: distributions have
    such, and only those of loaders that we name matter."""
    loaders, ours = snapshot.loaders, settings.pxe.loader
    if loaders is None:
        return
    names = (getattr(ours, field) for field in ours.__struct_fields__)
    named = tuple(f"{shown(loaders.path / name)}: " for name in names if name)
    for warning in loaders.warnings:
        if warning.startswith(named):
            yield Finding.of(Severity.WARNING, "loaders", warning)
        else:
            what, _, _ = warning.partition("; ")
            yield Finding(Severity.OK, "loaders", f"{what}: it is left out")


def about_boot_names(settings: Config, snapshot: Snapshot) -> Iterator[Finding]:
    """A finding for each [[dhcp.host]] and [[dhcp.class]] whose entry is not there, or that cannot
    boot it because [pxe] is off."""
    known = [
        entry.name if snapshot.by_name[entry.name] is entry else f"{entry.share}/{entry.name}"
        for entry in snapshot.entries
    ]
    dhcp = settings.dhcp
    wanting = [
        *((f"host[{n}]", host.name, host.boot) for n, host in enumerate(dhcp.hosts)),
        *((f"class[{n}]", each.name, each.boot) for n, each in enumerate(dhcp.classes)),
    ]
    for table, whose, boot in wanting:
        if boot is None:
            continue
        key, name = f'dhcp.{table}.boot of "{whose}"', f'"{escape(boot, 60)}"'
        if boot not in known:
            text = f"{key}: there is no boot entry {name}"
            yield Finding(Severity.WARNING, "images", text, _meant(boot, known))
        elif not settings.pxe.enabled:
            text = f"{key}: nothing boots {name} while [pxe] is off"
            yield Finding(Severity.WARNING, "images", text, "set pxe.enabled = true")


def _meant(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name[:60], known, n=1)
    return f'did you mean "{close[0]}"?' if close else "put its folder among the images"
