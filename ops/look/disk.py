"""Is there room where a daemon writes?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ops.amount import size_text
from ops.finding import Finding, Severity

SUBJECT: Final = "disk space"
LITTLE: Final = 1 << 30
"""Bytes; below it an operator should know."""
NONE: Final = 64 << 20
"""Bytes below which the next write may fail: the log and the write-ahead log of a busy day."""
FEW_FILES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that is of use to a daemon."""

    name: str
    """`state`, `log`, `images`."""
    path: Path
    is_written: bool
    """Whether the daemon cannot do without room there."""


def about_disks(places: Sequence[Place]) -> Iterator[Finding]:
    """A finding for each file system that `places` are on."""
    by_device: dict[int, list[tuple[Place, Path]]] = {}
    for place in places:
        there = existing(place.path)
        by_device.setdefault(os.stat(there).st_dev, []).append((place, there))
    for group in by_device.values():
        yield _about([place for place, _ in group], group[0][1])


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above that there is."""
    absolute = path.absolute()
    return next(one for one in (absolute, *absolute.parents) if one.exists())


def _about(places: list[Place], there: Path) -> Finding:
    usage = shutil.disk_usage(there)
    names = ", ".join(dict.fromkeys(place.name for place in places))
    text = f"{names}: {size_text(usage.free)} of {size_text(usage.total)} are free ({there})"
    is_written = any(place.is_written for place in places)
    files = os.statvfs(there).f_favail if hasattr(os, "statvfs") else FEW_FILES
    has_inodes = hasattr(os, "statvfs") and os.statvfs(there).f_files > 0  # btrfs counts none
    if is_written and usage.free < NONE:
        severity, remedy = Severity.ERROR, "free some: what cannot be stored is not promised"
    elif is_written and has_inodes and files < FEW_FILES:
        text += f", and room for {files} files more"
        severity, remedy = Severity.WARNING, "delete files there, or make the file system anew"
    elif is_written and usage.free < LITTLE:
        severity, remedy = Severity.WARNING, "free some before it is full"
    else:
        severity, remedy = Severity.OK, ""
    return Finding(severity, SUBJECT, text, remedy)
