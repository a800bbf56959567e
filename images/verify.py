"""Every check of one image that takes reading it whole: what `netbootctl images verify` does.

The catalog has looked at names, keys and sizes. Here each file is read to its end, boot files are
looked at for what they are, and disk images have their checksums computed anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Final, Protocol

from images.beneath import open_beneath
from images.bundle import Bundle
from images.dmg import DiskImage, DmgError, Outcome, inspect_thd, verify_thd
from images.entry import BootEntry
from images.program import HEAD_BYTES, is_mac_booter, is_mac_kernel
from images.sectors import verify_partitions_thd
from images.tree import unreadable

_READ: Final = 1024 * 1024
_DISK_IMAGES: Final = (".dmg", ".sparseimage")


class Grade(Enum):
    """How a check ended."""

    OK = "ok"
    DOUBT = "doubt"
    """It may work all the same."""
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at, and what became of it."""

    subject: str
    """A file by its published name, or a key."""
    grade: Grade
    text: str
    remedy: str | None = None


class Watch(Protocol):
    """Who is told what is looked at."""

    def began(self, subject: str) -> None:
        """A file begins."""

    def progressed(self, done: int, total: int) -> None:
        """How far it is; what this raises ends the check."""


def checks_thd(found: Bundle | BootEntry, watch: Watch) -> Iterator[Check]:
    """Look at everything, the small files first. Never raises for what it finds."""
    for warning in found.warnings:
        yield Check(subject="NBImageInfo.plist", grade=Grade.DOUBT, text=warning)
    for name in sorted(found.files, key=lambda each: (found.sizes[each], each)):
        watch.began(name)
        try:
            with os.fdopen(open_beneath(found.directory, found.files[name]), "rb") as file:
                if name.endswith(_DISK_IMAGES):
                    yield _disk_image(name, file, watch)
                else:
                    yield _plain(found, name, file, watch)
        except OSError as error:
            broken = unreadable(found.path / name, error)
            yield Check(subject=name, grade=Grade.BAD, text=broken.why, remedy=broken.remedy)


def _plain(found: Bundle | BootEntry, name: str, file: BinaryIO, watch: Watch) -> Check:
    head = file.read(HEAD_BYTES)
    done = len(head)
    total = found.sizes[name]
    while piece := file.read(_READ):
        done += len(piece)
        watch.progressed(min(done, total), total)
    if isinstance(found, Bundle):
        if name == found.boot_files.get("i386") and not is_mac_booter(head):
            return _not("an EFI program, and nothing else starts on an Intel Mac", name)
        if name in found.kernels.get("i386", ()) and not name.endswith(".mkext"):
            if not is_mac_kernel(head):
                return _not("a kernel of macOS", name)
    return Check(subject=name, grade=Grade.OK, text="readable to its end")


def _not(what: str, name: str) -> Check:
    text = f"is not {what}"
    remedy = "copy it from the installer or the system again"
    return Check(subject=name, grade=Grade.DOUBT, text=text, remedy=remedy)


def _disk_image(name: str, file: BinaryIO, watch: Watch) -> Check:
    try:
        image = inspect_thd(file)
        whole = verify_thd(file, image, _part(watch, 0))
        blocks = verify_partitions_thd(file, image, _part(watch, 1))
    except DmgError as error:
        remedy = "copy the disk image again"
        return Check(subject=name, grade=Grade.BAD, text=str(error), remedy=remedy)
    checksums = {"the data": whole.data_fork, "all partitions": whole.master}
    for partition, outcome in zip(image.partitions, blocks, strict=True):
        checksums[f"partition {partition.name or partition.first_sector}"] = outcome
    wrong = [what for what, outcome in checksums.items() if outcome is Outcome.DIFFERS]
    if wrong:
        text = f"is damaged: the checksum of {', '.join(wrong)} differs"
        remedy = "copy the disk image again, or make it anew"
        return Check(subject=name, grade=Grade.BAD, text=text, remedy=remedy)
    return Check(subject=name, grade=Grade.OK, text=_intact(image, list(checksums.values())))


def _intact(image: DiskImage, outcomes: list[Outcome]) -> str:
    right = outcomes.count(Outcome.MATCHES)
    unknown = outcomes.count(Outcome.UNSUPPORTED)
    if not right:
        return f"{image.format.value} image, which records no checksum that can be computed"
    text = f"{image.format.value} image, {right} checksum{'s match' if right > 1 else ' matches'}"
    return f"{text}; {unknown} cannot be computed here" if unknown else text


def _part(watch: Watch, number: int) -> Callable[[int, int], None]:
    """The two readings, of all bytes as they are and of the sectors, as the halves of one bar."""

    def progress(done: int, total: int) -> None:
        watch.progressed((number * total + done) // 2, total)

    return progress
